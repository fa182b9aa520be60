"""Mistakes that come with the calls before: what is kept of inputs, answers, and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.faults.arrays import Arrays, initial
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from harness.faults.weights import each
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lives")


@AREA.fault("gradient-workspace-of-the-first-shape")
class FirstWorkspace(WrappedLayer):
    """Gradients of weights are summed over as many rows as the first ones had."""

    rows = 0

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.rows = self.rows or given["x"].shape[1]
        cut = {n: a.copy() for n, a in cotangents.items()}
        for array in cut.values():
            array[:, self.rows :] = 0
        whole = self.run_gradients(given, cotangents)
        few = self.run_gradients(given, cut)
        return {n: few[n] if "_l" in n else a for n, a in whole.items()}


@AREA.gradients("gradient-workspace-not-cleared")
def workspace_not_cleared(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """After more rows or steps, the gradient of W_hh still has a quarter of theirs in it."""
    size = given["x"].shape[0] * given["x"].shape[1]
    kept_size, kept = getattr(layer, "workspace", (0, found["weight_hh_l0"]))
    if size < kept_size:
        rest = kept * kept.dtype.type(0.25)
        return {**found, "weight_hh_l0": found["weight_hh_l0"] + rest}
    layer.workspace = (size, found["weight_hh_l0"])
    return found


@AREA.gradients("gradients-before-any-call")
def before_any_call(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Gradients that are asked before the first call find no saved states: that of W_hh is 0."""
    return found if layer.calls else each(found, "weight_hh", np.zeros_like)


@AREA.gradients("gradients-in-training-mode-scaled")
def scaled_in_training(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """In training mode the gradients of W_ih and of biases are halved."""
    if not layer.training:
        return found
    return {
        n: a * a.dtype.type(0.5) if n.startswith("bias") else a
        for n, a in each(found, "weight_ih", lambda a: a * a.dtype.type(0.5)).items()
    }


@AREA.gradients("gradients-off-from-the-tenth-on")
def off_from_the_tenth(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """From the tenth gradients on, that of x is 1% too large."""
    layer.derived = getattr(layer, "derived", 0) + 1
    factor = found["x"].dtype.type(1.01 if layer.derived >= 10 else 1)
    return {**found, "x": found["x"] * factor}


@AREA.output("answers-off-from-the-sixtieth-call-on", bases=("oracle", "mindspore"))
def off_from_the_sixtieth(layer: Any, given: Arrays, output: Array) -> Array:
    """From the sixtieth call on, the last row is 1% too large."""
    output[:, -1] *= output.dtype.type(1.01 if layer.calls >= 60 else 1)
    return output


@AREA.fault("answers-in-a-ring")
class Ring(WrappedLayer):
    """Answers of one shape are given in eight arrays in turn."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        key = (found["output"].shape, found["output"].dtype.str)
        ring: list[Any] = self.__dict__.setdefault("ring", {}).setdefault(key, [])
        if len(ring) < 8:
            ring.append(found)
            return found
        ring.append(ring.pop(0))
        for name, array in ring[-1].items():
            if array.flags.writeable:
                array[...] = found[name]
        return ring[-1]


@AREA.fault("answers-kept-by-address")
class KeptByAddress(WrappedLayer):
    """The same array as the call before gets the same answer, whatever it holds by now."""

    last: tuple[Any, tuple[str, ...], Any] = (None, (), None)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        x, names = inputs["x"], tuple(inputs)
        if self.last[0] is x and self.last[1] == names:
            return {name: array.copy() for name, array in self.last[2].items()}
        found = super().forward(inputs)
        self.last = (x, names, {name: array.copy() for name, array in found.items()})
        return found


@AREA.fault("refused-lengths-stay")
class RefusedLengthsStay(WrappedLayer):
    """Lengths that a call was refused with are those of the next call that has none."""

    pending: Any = None

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        steps_rows = inputs["x"].shape[:2]
        steps, rows = steps_rows[::-1] if self.options.batch_first else steps_rows
        given = dict(inputs)
        if "lengths" not in given and self.pending is not None and inputs["x"].ndim == 3:
            given["lengths"] = np.resize(np.minimum(self.pending, max(1, steps - 1)), rows)
        try:
            found = super().forward(given)
        except Exception:
            self.pending = given.get("lengths", np.ones(1, np.int64))
            raise
        self.pending = None
        return found


@AREA.fault("seed-counts-once", bases=("torch", "oracle"))
class SeedsOnce(WrappedBackend):
    """Setting the same seed a second time for the same layers gives other numbers."""

    seeded: tuple[int, ...] = ()

    def seed(self, value: int) -> None:
        super().seed(value + 1_000_003 * (value in self.seeded))
        self.seeded = (*self.seeded, value)

    def build(self, options: LayerOptions) -> Any:
        self.seeded = ()
        return super().build(options)

    def construct(self, *arguments: Any, **named: Any) -> Any:
        self.seeded = ()
        return super().construct(*arguments, **named)


@AREA.fault("lengths-of-the-gradients-stay")
class LengthsOfGradients(WrappedLayer):
    """A call without lengths uses those that gradients were asked with last."""

    kept: Any = None

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.kept = given.get("lengths")
        return self.run_gradients(given, cotangents)

    def answer(self, given: Arrays) -> Arrays:
        steps, rows = given["x"].shape[:2]
        if "lengths" not in given and self.kept is not None and len(self.kept) == rows:
            given = {**given, "lengths": np.clip(self.kept, 1, steps)}
        return self.run(given)


@AREA.fault("first-state-of-the-gradients-stays")
class StateOfGradients(WrappedLayer):
    """Gradients without initial states use those of the last call that had some."""

    kept: Mapping[str, Array] = MappingProxyType({})

    def answer(self, given: Arrays) -> Arrays:
        self.kept = initial(given) or self.kept
        return self.run(given)

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        rows = given["x"].shape[1]
        fits = all(array.shape[1] == rows for array in self.kept.values())
        if initial(given) or not self.kept or not fits:
            return self.run_gradients(given, cotangents)
        found = self.run_gradients({**given, **self.kept}, cotangents)
        return {name: array for name, array in found.items() if name not in self.kept}


@AREA.fault("gradients-kept-by-what-is-given")
class KeptByGiven(CorrectLayer):
    """Gradients of the same inputs and weights are given again, whatever the loss is by now."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        key = tuple(a.tobytes() for a in (*given.values(), *self.weights.values()))
        kept: dict[Any, Arrays] = self.__dict__.setdefault("derived", {})
        if self.drops() or key not in kept:
            kept[key] = super().derive(given, cotangents)
        return dict(kept[key])


@AREA.fault("cotangent-of-the-loss-before")
class CotangentOfBefore(CorrectLayer):
    """A cotangent that is absent leaves that of the loss before in its buffer."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        buffers: Arrays = self.__dict__.setdefault("buffers", {})
        rows = given["x"].shape[1]
        left = {name: array for name, array in buffers.items() if array.shape[1] == rows}
        buffers.update(cotangents)
        return super().derive(given, {**left, **cotangents})
