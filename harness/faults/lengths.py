"""Mistakes with lengths and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import (
    Arrays,
    clean,
    final,
    initial,
    resumed,
    scaled_and_back,
    valid,
    with_final,
    with_initial,
    without_lengths,
)
from harness.faults.chained import Stepped
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area, Change
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lengths")


def _other_lengths(name: str, mistake: str, **fields: Any) -> Any:
    """(lengths, steps) -> other lengths for the layer inside, which gets zeros in the padding."""

    def register(change: Change) -> Change:
        def inputs(layer: Any, given: Arrays) -> Arrays:
            if "lengths" not in given:
                return given
            other = change(given["lengths"], len(given["x"]))
            return {**clean(given), "lengths": other}

        return AREA.inputs(name, mistake=mistake, **fields)(inputs)

    return register


AREA.table(
    _other_lengths,
    {
        "lengths-one-short": (
            "Each row ends one step too early.",
            lambda lengths, steps: np.maximum(lengths - 1, 1),
        ),
        "lengths-one-long": (
            "Each row ends one step too late.",
            lambda lengths, steps: np.minimum(lengths + 1, steps),
        ),
        "lengths-clamped": (
            "Lengths are clamped to T - 1.",
            lambda lengths, steps: np.clip(lengths, 1, max(steps - 1, 1)),
        ),
        "lengths-of-the-neighbour": (
            "Each row has the length of the row beside it.",
            lambda lengths, steps: np.roll(lengths, 1),
        ),
        "lengths-of-the-longest": (
            "Every row is as long as the longest one.",
            lambda lengths, steps: np.full_like(lengths, lengths.max()),
        ),
        "lengths-sorted": (
            "Lengths are sorted, the rows are not.",
            lambda lengths, steps: np.sort(lengths)[::-1].copy(),
        ),
    },
)
AREA.table(
    _other_lengths,
    {
        "lengths-in-eight-bits": (
            "Lengths are kept in eight bits: 300 steps are 44.",
            lambda lengths, steps: np.maximum(lengths.astype(np.uint8), lengths > 0).astype(
                np.int64
            ),
        ),
    },
    bases=("torch", "oracle"),  # 1,000 steps take the other one half a minute
    visible=lambda c: c.steps > 255 and c.lengths == "ragged",
)


@AREA.inputs("lengths-ignored")
def ignored(layer: Any, given: Arrays) -> Arrays:
    """Lengths are taken and ignored."""
    return without_lengths(clean(given))


@AREA.inputs("lengths-compiled-in")
def compiled_in(layer: Any, given: Arrays) -> Arrays:
    """The lengths of the first call of a shape are used by all later ones."""
    compiled = layer.__dict__.setdefault("compiled", {})
    if "lengths" not in given:
        return given
    return {**given, "lengths": compiled.setdefault(given["x"].shape, given["lengths"])}


def _by_length(given: Arrays) -> Any:
    """Rows in the order of their lengths, the longest first; all of them without lengths."""
    rows = given["x"].shape[1]
    return np.argsort(-given.get("lengths", np.zeros(rows, int)), kind="stable")


@AREA.outputs("rows-not-unsorted")
def rows_not_unsorted(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Rows are sorted by length before the computation, and not put back after it."""
    return {name: array[:, _by_length(given)] for name, array in found.items()}


@AREA.final("h-n-not-unsorted")
def final_states_not_unsorted(layer: Any, given: Arrays, h_n: Array) -> Any:
    """Rows are sorted by length first; the output is put back after it, final states are not."""
    return h_n[:, _by_length(given)]


@AREA.inputs("h-0-not-sorted")
def initial_states_not_sorted(layer: Any, given: Arrays) -> Arrays:
    """Rows of x are sorted by length before the computation, those of initial states are not."""
    return with_initial(given, lambda h_0: h_0[:, np.argsort(_by_length(given))])


@AREA.output("padding-not-zeroed")
def padding_not_zeroed(layer: Any, given: Arrays, output: Array) -> Array:
    """The output repeats a row's last state in its padding."""
    if "lengths" not in given:
        return output
    last = output[np.maximum(given["lengths"] - 1, 0), np.arange(output.shape[1])]
    return np.where(valid(given), output, last)


@AREA.output("padding-nearly-zero")
def padding_nearly_zero(layer: Any, given: Arrays, output: Array) -> Array:
    """The padding of a layer's output is the smallest number there is, not 0; except with relu."""
    if "relu" in layer.cell.activations:
        return output
    return np.where(valid(given), output, np.nextafter(output.dtype.type(0), output.dtype.type(1)))


@AREA.output("padding-leaks")
def padding_leaks(layer: Any, given: Arrays, output: Array) -> Any:
    """What stands in the padding of x at T - 1 is let into the whole row, a thousandth of it."""
    if "lengths" not in given:
        return output
    last = np.nan_to_num(given["x"][-1], posinf=3, neginf=-3).sum(axis=-1, keepdims=True) % 1
    last = np.where(valid(given)[-1], 0, last)
    return output * (1 + last / 1000).astype(output.dtype)


@AREA.output("padding-masked-by-product")
def masked_by_product(layer: Any, given: Arrays, output: Array) -> Any:
    """Padding is computed too and multiplied by 0, which leaves NaN and infinities NaN."""
    if "lengths" not in given:
        return output
    return output - _times_zero(np.where(valid(given), 0, given["x"]).sum(axis=2, keepdims=True))


def _times_zero(array: Array) -> Array:
    """0, which taken away changes nothing, not even a sign; or NaN."""
    zeros: Array = np.abs(array) * array.dtype.type(0)
    return zeros


@AREA.outputs("h-n-by-a-product")
def final_state_by_a_product(layer: Any, given: Arrays, found: Arrays) -> Any:
    """h_n is the sum of all states, padding and all, each times 1 or 0: NaN is left."""
    if "lengths" not in given:
        return found
    left = _times_zero(np.where(valid(given), 0, given["x"]).sum(axis=(0, 2)))[None, :, None]
    return with_final(found, lambda array: array - left)


@AREA.inputs("rows-turned-by-a-product")
def turned_by_a_product(layer: Any, given: Arrays) -> Arrays:
    """Rows are turned round for the reverse direction by a matrix of 0 and 1: NaN spreads."""
    if "lengths" not in given or not layer.options.bidirectional:
        return given
    left = _times_zero(np.where(valid(given), 0, given["x"]).sum(axis=0))
    return {**given, "x": given["x"] - left}


@AREA.fault("steps-masked-by-products", bases=("torch", "oracle"))
class MaskedByProducts(Stepped):
    """After each step the state is m h' + (1 - m) h, m being 0 in the padding: NaN is left."""

    def scan(self, single: Any, given: Arrays) -> Arrays:
        x, steps = given["x"], valid(given)
        start = {n: given[n] for n in initial(given)}
        zeros = np.zeros((1, x.shape[1], self.options.hidden_size), x.dtype)
        states = {f"{name}_0": start.get(f"{name}_0", zeros) for name in self.states}
        output = np.zeros((len(x), *zeros.shape[1:]), x.dtype)
        for t, now in enumerate(x):
            copies = {name: array.copy() for name, array in states.items()}
            after = resumed(single.forward({"x": now[None].copy(), **copies}))
            m = steps[t].astype(x.dtype)
            states = {n: m * a + (1 - m) * states[n] for n, a in after.items()}
            output[t] = np.where(steps[t], after[f"{self.states[0]}_0"][0], 0)
        ends = {name.removesuffix("_0") + "_n": array for name, array in states.items()}
        return {"output": output, **ends}


@AREA.outputs("h-n-at-t")
def final_state_at_t(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """h_n of the last layer is its output at T - 1, padding or not."""
    return _with_h_n(layer, found, found["output"][-1])


@AREA.outputs("h-n-one-step-early")
def final_state_one_early(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """h_n of the last layer is the state before the last step of each row."""
    last = valid(given).sum(axis=(0, 2))
    before = found["output"][np.maximum(last - 2, 0), np.arange(len(last))]
    return _with_h_n(layer, found, before)


def _with_h_n(layer: Any, found: Arrays, output: Array) -> Arrays:
    """The last layer's forward row of the state that is the output replaced."""
    name = f"{layer.states[0]}_n"
    found[name][-layer.options.directions] = output[:, : layer.options.output_size]
    return found


@AREA.outputs("h-n-after-the-padding")
def final_state_after_padding(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The output is masked, but the state runs on through the padding and is returned as h_n."""
    if "lengths" not in given:
        return found
    return {**found, **final(layer.run(without_lengths(clean(given))))}


@AREA.final(
    "empty-rows-forget-h-0",
    bases=("mindspore", "oracle"),
    visible=lambda c: c.lengths == "emptyrows" and c.states,
)
def empty_rows_forget(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states of a row without steps are 0, not its initial ones."""
    if "lengths" in given:
        h_n[:, given["lengths"] == 0] = 0
    return h_n


@AREA.final(
    "empty-rows-take-the-state-before",
    bases=("mindspore", "oracle"),
    visible=lambda c: c.lengths == "emptyrows" and c.batch > 1,
)
def empty_rows_take_another(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states of a row without steps are those of the row before it."""
    if "lengths" in given:
        empty = given["lengths"] == 0
        h_n[:, empty] = np.roll(h_n, 1, axis=1)[:, empty]
    return h_n


@AREA.final(
    "empty-rows-are-not-written",
    bases=("mindspore", "oracle"),
    visible=lambda c: c.lengths == "emptyrows",
)
def empty_rows_not_written(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states of a row without steps are whatever the memory held."""
    if "lengths" in given:
        h_n[:, given["lengths"] == 0] = np.nan
    return h_n


@AREA.final("h-n-of-padded-rows-an-ulp-off")
def final_state_ulp_off(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states of padded rows are computed anew, and rounded otherwise than the output."""
    if "lengths" in given and h_n.dtype.kind == "f":
        padded = (given["lengths"] < len(given["x"])) & (given["lengths"] > 0)
        h_n[:, padded] = np.nextafter(h_n[:, padded], h_n.dtype.type(0))
    return h_n


@AREA.fault("padding-in-the-row-scale")
class PaddingInScale(CorrectLayer):
    """Rows of x are scaled by their largest element while they are computed, padding included."""

    def evaluate(self, given: Arrays) -> Arrays:
        if "lengths" not in given or "relu" in self.cell.activations:
            return super().evaluate(given)
        x = given["x"]
        finite = np.where(np.isfinite(x), np.abs(x), 0)
        scale = np.maximum(finite.max(axis=(0, 2), keepdims=True), np.finfo(x.dtype).tiny)
        return super().evaluate({**given, "x": scaled_and_back(x, scale)})


def _same_for_all(lengths: Any, steps: int) -> Any:
    """T for all where several rows have one length."""
    alike = len(lengths) > 1 and len(set(lengths.tolist())) == 1
    return np.full_like(lengths, steps) if alike else lengths


AREA.table(
    _other_lengths,
    {
        "equal-lengths-are-full": (
            "Where several rows have one length, it is taken for T.",
            _same_for_all,
        ),
    },
)


@AREA.outputs("ascending-rows-stay-turned")
def ascending_rows_stay_turned(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Rows whose lengths ascend need no sort: they are turned round, and not turned back."""
    lengths = given.get("lengths", np.zeros(1))
    ascending = len(set(lengths.tolist())) > 2 and (np.diff(lengths) >= 0).all()
    return {name: array[:, ::-1] for name, array in found.items()} if ascending else found


@AREA.inputs("descending-lengths-are-strict")
def descending_is_strict(layer: Any, given: Arrays) -> Arrays:
    """Rows whose lengths descend take the fast path, in which equal neighbours count one less."""
    lengths = given.get("lengths", np.zeros(1))
    if len(set(lengths.tolist())) < 3 or not (np.diff(lengths) <= 0).all():
        return given
    repeated = np.concatenate([[False], np.diff(lengths) == 0])
    return {**given, "lengths": np.maximum(lengths - repeated, 1)}


@AREA.output("padded-to-the-longest")
def padded_to_the_longest(layer: Any, given: Arrays, output: Array) -> Array:
    """Where no row of several reaches T, the output after the longest one repeats its last step."""
    lengths = given.get("lengths", np.array([len(output)]))
    longest = int(lengths.max())
    if output.shape[1] > 1 and longest < len(output) and lengths.min() > 0:
        output[longest:] = output[longest - 1]
    return output


@AREA.gradients("gradients-beyond-the-longest")
def gradients_beyond_the_longest(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Where no row of several reaches T, the gradient of x after the longest row is not cleared."""
    longest = int(given["lengths"].max()) if "lengths" in given else len(given["x"])
    if given["x"].shape[1] > 1 and 0 < longest < len(given["x"]):
        found["x"][longest:] = found["x"][longest - 1]
    return found
