"""Mistakes that a new layer does not show: they come with what happened to it before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from harness.config import LayerOptions
from harness.faults.arrays import Arrays, initial
from harness.faults.record import Area
from harness.faults.weights import each
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lives")


class Packed(WrappedLayer):
    """Weights are loaded into the layer inside only where `packs` says so."""

    packed = False

    def packs(self) -> bool:
        raise NotImplementedError

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        if self.packs():
            super().load_weights(weights)
        else:
            self.loaded = dict(weights)


@AREA.fault("weights-packed-at-the-first-call")
class PackedAtFirstCall(Packed):
    """Weights are packed for the kernel at the first call, and never again."""

    def packs(self) -> bool:
        return not self.calls


@AREA.fault("weights-packed-at-the-first-gradients")
class PackedAtFirstGradients(WrappedLayer):
    """Gradients are computed with the weights that the layer had when they were asked first."""

    packed: dict[str, Array] | None = None

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        assert self.loaded is not None
        self.packed = self.packed or self.loaded
        self.inner.load_weights(self.packed)
        found = self.run_gradients(given, cotangents)
        self.inner.load_weights(self.loaded)
        return found


@AREA.fault("weights-compared-by-the-first-array")
class ComparedByFirst(Packed):
    """Weights are packed anew only if the first array is another than at the last call."""

    first: Array = np.empty(0)

    def packs(self) -> bool:
        return True

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        first = next(iter(weights.values()))
        if self.calls and np.array_equal(first, self.first):
            self.loaded = dict(weights)
            return
        self.first = first.copy()
        super().load_weights(weights)


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
    """After more rows or steps, the gradient of b_ih still has a part of theirs in it."""
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
    """In training mode gradients of biases are halved."""
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


@AREA.fault("training-mode-nests")
class NestedModes(WrappedLayer):
    """After training mode was set twice, it takes two times evaluation mode to leave it."""

    depth = 0

    def train(self, training: bool) -> None:
        self.depth = max(0, self.depth + (1 if training else -1))
        super().train(self.depth > 0)


@AREA.fault("loading-sets-training-mode")
class LoadingTrains(WrappedLayer):
    """A layer that was in training mode once goes back into it when weights are loaded."""

    trained = False

    def train(self, training: bool) -> None:
        self.trained |= training and self.loaded is not None
        super().train(training)

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        if self.trained:
            super().train(True)


@AREA.fault("loading-ends-training-mode")
class LoadingEvaluates(WrappedLayer):
    """A layer that was called is in evaluation mode after weights are loaded."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        if self.calls:
            self.inner.train(False)


@AREA.fault("training-mode-works-once")
class TrainsOnce(WrappedLayer):
    """Once it has been in evaluation mode after training, a layer never drops again."""

    trained = False

    def train(self, training: bool) -> None:
        again = training and self.trained and self.calls > 0
        self.trained |= training
        super().train(training)
        if again:
            self.inner.train(False)


@AREA.fault("training-mode-restores-weights")
class RestoresWeights(WrappedLayer):
    """Setting training mode brings back the weights that were loaded first."""

    original: dict[str, Array] | None = None

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        if self.original is None or not self.calls:
            self.original = dict(weights)

    def train(self, training: bool) -> None:
        super().train(training)
        if training and self.original is not None:
            self.inner.load_weights(self.original)


@AREA.fault("weights-loaded-in-training-mode-are-lost")
class LostInTraining(WrappedLayer):
    """Weights that are loaded in training mode do not reach the kernel of evaluation mode."""

    evaluated: dict[str, Array] | None = None

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        if not self.training:
            self.evaluated = dict(weights)

    def train(self, training: bool) -> None:
        super().train(training)
        if not training and self.evaluated is not None:
            self.inner.load_weights(self.evaluated)


@AREA.fault("file-does-not-reach-the-compiled-layer")
class FileNotCompiled(WrappedLayer):
    """A file that is loaded after the first call changes what is read, not what is computed."""

    def load(self, directory: Path) -> None:
        assert self.loaded is not None
        before, called = self.loaded, self.calls
        super().load(directory)
        if called:
            self.inner.load_weights(before)


@AREA.fault("file-of-the-first-weights")
class FileOfFirst(WrappedLayer):
    """The file holds the weights that the layer had at its first call."""

    first: dict[str, Array] | None = None

    def answer(self, given: Arrays) -> Arrays:
        self.first = self.first or self.loaded
        return self.run(given)

    def save(self, directory: Path) -> None:
        kept = self.loaded
        self.loaded = self.first or kept
        super().save(directory)
        self.loaded = kept
        if kept is not None:
            self.inner.load_weights(kept)


@AREA.fault("copies-share-their-weights", bases=("torch", "oracle"))
class SharedCopies(WrappedLayer):
    """A copy has the original's parameters, not its own."""

    def around(self, inner: Any) -> Any:
        other = super().around(inner)
        other.inner = self.inner
        return other


@AREA.fault("copies-lose-their-weights", bases=("torch", "oracle"))
class CopiesLose(WrappedLayer):
    """A copy computes with the weights that the original was loaded with first."""

    original: dict[str, Array] | None = None

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.original = self.original or dict(weights)

    def around(self, inner: Any) -> Any:
        other = super().around(inner)
        inner.load_weights({n: a * a.dtype.type(0.5) for n, a in (self.original or {}).items()})
        return other


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


@AREA.fault("refused-weights-are-half-loaded")
class HalfLoaded(WrappedLayer):
    """Weights are taken one by one, so that a refusal comes after the first ones are loaded."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        if self.loaded is None:
            super().load_weights(weights)
            return
        for name, array in self.loaded.items():
            if name not in weights or weights[name].shape != array.shape:
                self.inner.load_weights(self.loaded)
                raise ValueError(f"{name} does not fit")
            self.loaded[name] = weights[name]
        self.inner.load_weights(self.loaded)


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


@AREA.fault("layers-share-one-buffer")
class SharedBuffer(WrappedLayer):
    """Layers with the same options share their packed weights: the last one loaded wins."""

    SHARED: ClassVar[dict[Any, Any]] = {}
    fresh = True

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.fresh = True

    def answer(self, given: Arrays) -> Arrays:
        key = (self.base.name, repr(self.options))
        if self.fresh or key not in self.SHARED:
            self.SHARED[key] = self.loaded
        self.fresh = False
        self.inner.load_weights(self.SHARED[key])
        found = self.run(given)
        assert self.loaded is not None
        self.inner.load_weights(self.loaded)
        return found


@AREA.fault("weights-read-once")
class ReadOnce(WrappedLayer):
    """What reading gave after a call is given ever after."""

    read: Mapping[str, Array] | None = None

    def read_weights(self) -> Mapping[str, Array]:
        if self.calls and self.read is None:
            self.read = dict(super().read_weights())
        return self.read or super().read_weights()


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
