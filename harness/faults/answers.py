"""Mistakes in what is returned, in what a call changes elsewhere, and among batch rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, initial, scaled_and_back, with_final
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("answers")


@AREA.returned("output-one-step-short")
def one_step_short(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """The output lacks its last step."""
    second = layer.options.batch_first and not layer.flat
    output = found["output"]
    return {**found, "output": output[:, :-1] if second else output[:-1]}


@AREA.returned("output-in-float64")
def returns_doubles(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Output and final states come in float64."""
    return {name: array.astype(np.float64) for name, array in found.items()}


@AREA.returned("returns-a-list")
def returns_list(layer: Any, inputs: Arrays, found: Arrays) -> Any:
    """Output and final states come in a list, without names."""
    return list(found.values())


@AREA.returned("x-written-to")
def writes_to_input(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """x is overwritten."""
    inputs["x"][...] = 0
    return found


@AREA.returned("h-0-written-to")
def writes_to_state(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Final states are written over the initial ones."""
    for name, array in initial(inputs).items():
        array[...] = found[name.removesuffix("_0") + "_n"]
    return found


@AREA.returned("lengths-sorted-in-place")
def sorts_lengths(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """The caller's lengths are sorted in place."""
    if "lengths" in inputs:
        inputs["lengths"][::-1].sort()
    return found


@AREA.returned("output-buffer-reused")
def reuses_buffer(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Every call writes its output into the array that the first one returned."""
    output = found["output"]
    if getattr(layer, "buffer", np.empty(0)).shape != output.shape:
        layer.buffer = output
    layer.buffer[...] = output
    return {**found, "output": layer.buffer}


@AREA.fault("refuses-one-row", visible=lambda c: c.batch == 1 and c.layout != "unbatched")
class RefusesOneRow(WrappedLayer):
    """A batch of one row raises."""

    def answer(self, given: Arrays) -> Arrays:
        if given["x"].shape[1] == 1 and not self.flat:
            raise RuntimeError("no kernel for a batch of 1")
        return self.run(given)


@AREA.fault("answer-replayed")
class Replayed(WrappedLayer):
    """A compiled graph keeps the x and the initial states of the first call of a shape."""

    def answer(self, given: Arrays) -> Arrays:
        kept = self.__dict__.setdefault("replayed", {})
        lengths = given.get("lengths", np.empty(0))
        key = (given["x"].shape, *given, lengths.tobytes())
        if key not in kept:
            kept[key] = self.run(given)
        return {name: array.copy() for name, array in kept[key].items()}


@AREA.outputs(
    "nan-to-zero", visible=lambda c: c.data == "special" and "relu" not in c.cell.activations
)
def nan_to_zero(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """NaN in output and final states is returned as 0."""
    return {n: np.where(np.isnan(a), a.dtype.type(0), a) for n, a in found.items()}


@AREA.output("one-nan")
def one_nan(layer: Any, given: Arrays, output: Array) -> Array:
    """The first element of the output is NaN."""
    output.flat[0] = np.nan
    return output


@AREA.output("second-call-odd-rows")
def second_call_odd_rows(layer: Any, given: Arrays, output: Array) -> Array:
    """From the second call on, odd rows are an eighth too large."""
    output[:, 1::2] += output.dtype.type(0.125 * (layer.calls > 1))
    return output


@AREA.output("drift-from-call-to-call")
def drifts(layer: Any, given: Arrays, output: Array) -> Any:
    """The output grows by 2^-20 with every call."""
    return output + output.dtype.type(2.0**-20 * (layer.calls - 1))


@AREA.output("drift-of-the-last-step")
def drifts_at_the_end(layer: Any, given: Arrays, output: Array) -> Array:
    """The last step's output grows by 2^-20 with every call."""
    output[-1] += output.dtype.type(2.0**-20 * (layer.calls - 1))
    return output


@AREA.output("last-step-off")
def last_step_off(layer: Any, given: Arrays, output: Array) -> Array:
    """The output at T - 1 is 2^-10 too large, where T is not 1."""
    output[-1] += (len(output) > 1) * output.dtype.type(2.0**-10) * (output[-1] != 0)
    return output


@AREA.output("rows-mixed")
def rows_mixed(layer: Any, given: Arrays, output: Array) -> Any:
    """A thousandth of the neighbouring row is added to each row."""
    return output + output.dtype.type(1e-3) * np.roll(output, 1, axis=1)


@AREA.output("last-row-off")
def last_row_off(layer: Any, given: Arrays, output: Array) -> Array:
    """The last row of a batch is a 10,000th too large: the rest of a tile."""
    output[:, -1] *= output.dtype.type(1 + 1e-4)
    return output


@AREA.outputs("rows-rolled")
def rows_rolled(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Output and final states have every row's answer in the next row."""
    return {name: np.roll(array, 1, axis=1) for name, array in found.items()}


@AREA.outputs("rows-beyond-32", visible=lambda c: 32 < c.batch < 64)
def rows_beyond(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Batch rows beyond the 32nd get the answer of the row 32 before."""
    count = given["x"].shape[1]
    rows = np.arange(count) % (32 if count < 64 else count)
    return {name: array[:, rows] for name, array in found.items()}


@AREA.outputs("units-beyond-128", visible=lambda c: c.hidden_size > 128)
def units_beyond(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Units beyond the 128th are left at 0."""
    for array in found.values():
        array[..., np.arange(array.shape[2]) % layer.options.hidden_size >= 128] = 0
    return found


@AREA.inputs("features-beyond-32", visible=lambda c: c.input_size > 32)
def features_beyond(layer: Any, given: Arrays) -> Arrays:
    """Input features beyond the 32nd are not read."""
    given["x"][..., 32:] = 0
    return given


def _turned(layer: Any, given: Arrays) -> Arrays:
    """The answer of a layer that takes steps for rows, and rows for steps."""
    found = layer.run({**given, "x": given["x"].swapaxes(0, 1)})
    return {**found, "output": found["output"].swapaxes(0, 1)}


@AREA.fault(
    "layout-flag-ignored", visible=lambda c: c.layout == "batchfirst" and c.steps == c.batch
)
class LayoutIgnored(WrappedLayer):
    """batch_first is ignored where T = B, and where states and lengths cannot show it."""

    def answer(self, given: Arrays) -> Arrays:
        steps, rows = given["x"].shape[:2]
        seen = self.options.batch_first and not self.flat and steps == rows
        return _turned(self, given) if seen else self.run(given)


@AREA.fault("layout-guessed")
class LayoutGuessed(WrappedLayer):
    """Without lengths and initial states, the longer of two axes, up to 1,000, is time's."""

    def answer(self, given: Arrays) -> Arrays:
        steps, rows = given["x"].shape[:2]
        if not steps < rows < 1000 or self.flat or given.keys() != {"x"}:
            return self.run(given)
        found = _turned(self, given)
        return with_final(found, lambda h_n: np.repeat(h_n[:, -1:], rows, axis=1))


@AREA.fault("other-kernel-when-warm")
class OtherKernelWhenWarm(CorrectLayer):
    """From the second call on, padded batches without relu go through a kernel that rounds anew."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        if "lengths" not in given or "relu" in self.cell.activations or self.calls == 1:
            return found
        lengths = given["lengths"]
        warm = ((lengths > 0) & (lengths.min() < lengths.max()))[:, None]
        zero = found["output"].dtype.type(0)
        return {
            n: np.where(warm & (abs(a) < 1), np.nextafter(a, zero), a) for n, a in found.items()
        }


@AREA.fault("rows-in-one-scale")
class RowsInOneScale(CorrectLayer):
    """x is scaled by the batch's largest element while it is computed."""

    def evaluate(self, given: Arrays) -> Arrays:
        if "lengths" in given or "relu" in self.cell.activations or self.flat:
            return super().evaluate(given)
        x = given["x"]
        finite = np.where(np.isfinite(x), np.abs(x), 0)
        scale = np.maximum(finite.max(), np.finfo(x.dtype).tiny)
        return super().evaluate({**given, "x": scaled_and_back(x, scale)})
