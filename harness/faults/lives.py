"""Mistakes that come with a layer's life: in weights, modes, files, copies, other layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
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
    """A copy does not take the weights along: it computes with others."""

    original: dict[str, Array] | None = None

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.original = self.original or dict(weights)

    def around(self, inner: Any) -> Any:
        other = super().around(inner)
        inner.load_weights({n: a * a.dtype.type(0.5) for n, a in (self.original or {}).items()})
        return other


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
