"""Mistakes with the weights: what is loaded is not what is computed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from harness.config import LayerOptions
from harness.planted.record import Area
from harness.planted.wrapping import Full, Lengths, rounded
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("weights")

Weights = dict[str, Array]


def _each(weights: Weights, kind: str, change: Callable[[Array], Array]) -> Weights:
    """All parameters whose name begins with `kind` changed."""
    return {
        n: np.ascontiguousarray(change(a)) if n.startswith(kind) else a for n, a in weights.items()
    }


def _other_side(name: str) -> str:
    return name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"


@AREA.wrapping("w-hh-transposed")
class RecurrenceTransposed(Full):
    """W_hh is used transposed."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "weight_hh", lambda a: a.T)


@AREA.wrapping("w-ih-transposed")
class InputTransposed(Full):
    """W_ih is used transposed where it is square."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "weight_ih", lambda a: a.T if a.shape[0] == a.shape[1] else a)


@AREA.wrapping("w-ih-w-hh-swapped")
class MatricesSwapped(Full):
    """W_ih and W_hh are swapped where their shapes allow it."""

    def changed(self, weights: Weights) -> Weights:
        changed = dict(weights)
        for name, array in weights.items():
            other = name.replace("weight_ih", "weight_hh")
            if other != name and weights[other].shape == array.shape:
                changed[name], changed[other] = weights[other], array
        return changed


@AREA.wrapping("b-ih-dropped")
class InputBiasDropped(Full):
    """b_ih is not added."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "bias_ih", np.zeros_like)


@AREA.wrapping("b-hh-dropped")
class StateBiasDropped(Full):
    """b_hh is not added."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "bias_hh", np.zeros_like)


@AREA.wrapping("b-ih-doubled")
class InputBiasDoubled(Full):
    """b_ih is added twice."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "bias_ih", lambda a: a + a)


@AREA.wrapping("b-hh-in-place-of-b-ih")
class OneBias(Full):
    """b_hh is added twice, b_ih never: one name was copied and not changed."""

    def changed(self, weights: Weights) -> Weights:
        return {n: weights[n.replace("bias_ih", "bias_hh")] for n in weights}


@AREA.wrapping("bias-of-the-other-direction")
class BiasOfOtherDirection(Full):
    """Each direction adds the other one's biases."""

    def changed(self, weights: Weights) -> Weights:
        biases = {n: weights.get(_other_side(n), a) for n, a in weights.items() if "bias" in n}
        return {**weights, **biases}


@AREA.wrapping("reverse-b-hh-dropped")
class ReverseBiasDropped(Full):
    """b_hh of the reverse direction is not added."""

    def changed(self, weights: Weights) -> Weights:
        return {
            n: np.zeros_like(a) if n.startswith("bias_hh") and n.endswith("reverse") else a
            for n, a in weights.items()
        }


@AREA.wrapping("weights-of-the-other-direction")
class WeightsOfOtherDirection(Full):
    """Each direction computes with the other one's parameters."""

    def changed(self, weights: Weights) -> Weights:
        return {n: weights.get(_other_side(n), a) for n, a in weights.items()}


@AREA.wrapping("reverse-shares-weights")
class ReverseSharesWeights(Full):
    """The reverse direction computes with the forward one's parameters."""

    def changed(self, weights: Weights) -> Weights:
        return {n: weights[n.removesuffix("_reverse")] for n in weights}


@AREA.wrapping("layers-share-w-hh")
class LayersShareRecurrence(Full):
    """All layers use the first one's W_hh."""

    def changed(self, weights: Weights) -> Weights:
        def first(name: str) -> str:
            kind, _, rest = name.partition("_l")
            return f"{kind}_l0" + "_reverse" * rest.endswith("_reverse")

        return {n: weights[first(n)] if "weight_hh" in n else a for n, a in weights.items()}


@AREA.wrapping("w-ih-halves-swapped")
class HalvesSwapped(Full):
    """Behind a bidirectional layer, W_ih takes the reverse half for the forward one."""

    def changed(self, weights: Weights) -> Weights:
        if not self.options.bidirectional:
            return weights
        half = self.options.hidden_size
        return {
            n: np.roll(a, half, axis=1) if "weight_ih" in n and "_l0" not in n else a
            for n, a in weights.items()
        }


@AREA.wrapping("second-load-ignored")
class SecondLoadIgnored(Full):
    """Weights that were packed once are not packed again when others are loaded."""

    packed: Weights | None = None

    def changed(self, weights: Weights) -> Weights:
        if self.packed is None:
            self.packed = {n: a.copy() for n, a in weights.items()}
        return self.packed


@AREA.wrapping("weights-in-half")
class WeightsInHalf(Full):
    """Weights are kept in float16; sums are made in the layer's own precision."""

    def changed(self, weights: Weights) -> Weights:
        return {n: rounded(a, np.float16) for n, a in weights.items()}


@AREA.wrapping("biases-in-half")
class BiasesInHalf(Full):
    """Biases are kept in float16."""

    def changed(self, weights: Weights) -> Weights:
        return _each(weights, "bias", lambda a: rounded(a, np.float16))


@AREA.wrapping("small-weights-pruned")
class SmallWeightsPruned(Full):
    """Weights below 1/100 of the largest one of their matrix are pruned to 0."""

    def changed(self, weights: Weights) -> Weights:
        with np.errstate(invalid="ignore"):
            return _each(
                weights,
                "weight",
                lambda a: np.where(np.abs(a) < 0.01 * np.abs(a).max(), a.dtype.type(0), a),
            )


@AREA.wrapping("read-back-rounded")
class ReadBackRounded(Full):
    """Weights are read back through a decimal text of six digits."""

    def read_weights(self) -> Mapping[str, Array]:
        return {
            n: np.array([float(f"{v:.6g}") for v in a.ravel()], a.dtype).reshape(a.shape)
            for n, a in super().read_weights().items()
        }


@AREA.wrapping("weights-shared-by-layers")
class SharedByLayers(Full):
    """Layers of the same options have one set of weights: that which was loaded last."""

    pool: ClassVar[dict[tuple[LayerOptions, str], Mapping[str, Array]]] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.pool[self.options, self.base.name] = self.changed(dict(weights))

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if self.given is not None:
            self.inner.load_weights(self.pool[self.options, self.base.name])
        return self.run(x, h_0, lengths)


FAULTS = tuple(AREA.faults)
