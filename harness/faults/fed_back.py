"""Mistakes with an answer that is given back, and with small calls after large ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.faults.arrays import Arrays, final, initial
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lives")


@AREA.fault("own-h-n-is-taken-from-the-recording")
class Recorded(WrappedLayer):
    """An h_0 that is the last h_n itself is not read: its place in the recorded graph holds the
    first one that was given so."""

    returned: tuple[Any, ...] = ()
    recorded: Mapping[str, Array] | None = None

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        own = {n: a for n, a in initial(inputs).items() if any(a is one for one in self.returned)}
        if own and self.recorded is None:
            self.recorded = {name: array.copy() for name, array in own.items()}
        kept = self.recorded or {}
        fits = all(kept[n].shape == a.shape for n, a in own.items())
        found = super().forward({**inputs, **kept} if own and fits else inputs)
        self.returned = tuple(final(found).values())
        return found


@AREA.fault("own-h-n-is-updated-in-place")
class InPlace(WrappedLayer):
    """An h_0 that the layer gave as h_n is its own buffer, which the new h_n is written to."""

    buffers: tuple[Any, ...] = ()

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        for name, array in initial(inputs).items():
            state = name.removesuffix("_0") + "_n"
            if any(array is one for one in self.buffers) and array.flags.writeable:
                array[...] = found[state]
                found = {**found, state: array}
        self.buffers = tuple(final(found).values())
        return found


@AREA.fault("own-output-is-overwritten-as-x")
class OutputAsX(WrappedLayer):
    """An x that is the last output itself is overwritten with 0 from the second step on, while the
    layer reads it."""

    last: Any = None

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        given = dict(inputs)
        if self.last is not None and inputs["x"] is self.last:
            x = given["x"] = inputs["x"].copy()
            x[(slice(None), slice(1, None)) if self.options.batch_first else slice(1, None)] = 0
        found = super().forward(given)
        self.last = found["output"]
        return found


@AREA.fault("own-h-n-is-refused-for-gradients")
class RefusesOwn(WrappedLayer):
    """Gradients for an h_0 that a call gave as h_n raise: it is no leaf."""

    returned: tuple[Any, ...] = ()

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        self.returned = tuple(final(found).values())
        return found

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        if any(array is one for array in inputs.values() for one in self.returned):
            raise RuntimeError("h_0 is no leaf")
        return super().gradients(inputs, cotangents)


@AREA.fault("gradients-keep-x-by-address")
class GradientsByAddress(WrappedLayer):
    """Gradients for the same array x as before are those at what it held then."""

    kept: tuple[Any, Any] = (None, None)

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        x, held = self.kept
        if x is not inputs["x"]:
            x, held = self.kept = (inputs["x"], inputs["x"].copy())
        return super().gradients({**inputs, "x": held}, cotangents)


@AREA.fault("x-of-a-call-is-kept-for-its-gradients")
class KeptForGradients(WrappedLayer):
    """A call keeps a copy of its x for gradients that are asked with the same array next."""

    kept: tuple[Any, Any] = (None, None)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        self.kept = (inputs["x"], inputs["x"].copy())
        return super().forward(inputs)

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        x, held = self.kept
        given = {**inputs, "x": held} if x is inputs["x"] else inputs
        return super().gradients(given, cotangents)


class _Planned(WrappedLayer):
    """A layer that remembers the most steps and rows that it was called with."""

    most_steps = most_rows = 0

    def answer(self, given: Arrays) -> Arrays:
        found = self.after(given, self.run(given))
        steps, rows = given["x"].shape[:2]
        self.most_steps, self.most_rows = max(self.most_steps, steps), max(self.most_rows, rows)
        return found

    def after(self, given: Arrays, found: Arrays) -> Arrays:
        return found


@AREA.fault("one-step-in-the-plan-of-many")
class OneStepAfterMany(_Planned):
    """After 32 steps, one step is planned as their first: its h_0 is not read."""

    def after(self, given: Arrays, found: Arrays) -> Arrays:
        if given["x"].shape[0] > 1 or self.most_steps < 32 or not initial(given):
            return found
        return self.run({n: a for n, a in given.items() if n not in initial(given)})


@AREA.fault("one-row-in-the-plan-of-many")
class OneRowAfterMany(_Planned):
    """After eight rows, one row is computed in their tile, of which its last unit is cut."""

    def after(self, given: Arrays, found: Arrays) -> Arrays:
        if given["x"].shape[1] > 1 or self.most_rows < 8:
            return found
        output = found["output"].copy()
        output[..., -1] = 0
        return {**found, "output": output}


@AREA.fault("short-lengths-in-the-plan-of-long-ones")
class ShortAfterLong(_Planned):
    """After lengths of eight steps, the padding of a batch of short rows is not cleared."""

    longest = 0

    def after(self, given: Arrays, found: Arrays) -> Arrays:
        if "lengths" not in given:
            return found
        longest, self.longest = self.longest, max(self.longest, int(given["lengths"].max()))
        if longest < 8 or given["lengths"].max() > 2:
            return found
        output = found["output"].copy()
        output[-1] = output[0]
        return {**found, "output": output}


@AREA.fault("gradients-of-one-step-in-the-plan-of-many")
class OneStepOfGradients(_Planned):
    """After 32 steps, the gradient of W_hh for a single step is left as 0."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        if given["x"].shape[0] > 1 or self.most_steps < 32:
            return found
        return {n: a * 0 if n.startswith("weight_hh") else a for n, a in found.items()}
