"""Mistakes with the weights: what is loaded is not what is computed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from harness.faults.arrays import Arrays, Place, place, rounded
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA", "by_gate", "each", "moved"]

AREA = Area("weights")


def _transposed_if_square(weight: Array) -> Array:
    return weight.T if weight.shape[0] == weight.shape[1] else weight


def each(weights: Mapping[str, Array], kind: str, change: Callable[[Array], Any]) -> Arrays:
    """All parameters whose name begins with `kind` changed."""
    return {
        n: np.ascontiguousarray(change(a)) if n.startswith(kind) else a for n, a in weights.items()
    }


def moved(weights: Arrays, other: Callable[[Place], Place], kind: str = "") -> Arrays:
    """The parameters of `kind` from other places, where there are such."""
    return {
        n: weights.get(other(place(n)).name, a) if n.startswith(kind) else a
        for n, a in weights.items()
    }


def by_gate(layer: Any, change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The block (H, n) of each gate of a matrix changed."""
    hidden = layer.options.hidden_size
    return lambda array: np.concatenate(
        [change(block) for block in np.split(array, len(array) // hidden)]
    )


def _other_side(one: Place) -> Place:
    return one._replace(reverse=not one.reverse)


AREA.table(
    AREA.weights,
    {
        "w-hh-transposed": (
            "W_hh is used transposed where it is square.",
            lambda layer, w: each(w, "weight_hh", by_gate(layer, _transposed_if_square)),
        ),
        "w-ih-transposed": (
            "W_ih is used transposed where it is square.",
            lambda layer, w: each(w, "weight_ih", by_gate(layer, _transposed_if_square)),
        ),
        "b-ih-dropped": (
            "b_ih is not added.",
            lambda layer, w: each(w, "bias_ih", np.zeros_like),
        ),
        "b-hh-dropped": (
            "b_hh is not added.",
            lambda layer, w: each(w, "bias_hh", np.zeros_like),
        ),
        "b-ih-doubled": (
            "b_ih is added twice.",
            lambda layer, w: each(w, "bias_ih", lambda a: a + a),
        ),
        "b-hh-in-place-of-b-ih": (
            "b_hh is added twice, b_ih never: one name was copied and not changed.",
            lambda layer, w: moved(w, lambda one: one._replace(parameter="bias_hh"), "bias_ih"),
        ),
        "bias-of-the-other-direction": (
            "Each direction adds the other one's biases.",
            lambda layer, w: moved(w, _other_side, "bias"),
        ),
        "reverse-b-hh-dropped": (
            "b_hh of the reverse direction is not added.",
            lambda layer, w: {
                n: np.zeros_like(a) if n.startswith("bias_hh") and place(n).reverse else a
                for n, a in w.items()
            },
        ),
        "weights-of-the-other-direction": (
            "Each direction computes with the other one's parameters.",
            lambda layer, w: moved(w, _other_side),
        ),
        "reverse-shares-weights": (
            "The reverse direction computes with the forward one's parameters.",
            lambda layer, w: moved(w, lambda one: one._replace(reverse=False)),
        ),
        "layers-share-w-hh": (
            "All layers use the first one's W_hh.",
            lambda layer, w: moved(w, lambda one: one._replace(layer=0), "weight_hh"),
        ),
        "weights-in-half": (
            "Weights are kept in float16; sums are made in the layer's own precision.",
            lambda layer, w: each(w, "", lambda a: rounded(a, np.float16)),
        ),
        "biases-in-half": (
            "Biases are kept in float16.",
            lambda layer, w: each(w, "bias", lambda a: rounded(a, np.float16)),
        ),
    },
)


@AREA.weights("w-ih-w-hh-swapped")
def matrices_swapped(layer: Any, weights: Arrays) -> Arrays:
    """W_ih and W_hh are swapped where their shapes allow it."""
    changed = dict(weights)
    for name, array in weights.items():
        other = name.replace("weight_ih", "weight_hh")
        if other != name and weights[other].shape == array.shape:
            changed[name], changed[other] = weights[other], array
    return changed


@AREA.weights("w-ih-halves-swapped")
def halves_swapped(layer: Any, weights: Arrays) -> Arrays:
    """Above a bidirectional layer, W_ih takes the reverse half for the forward one."""
    half = layer.options.hidden_size * layer.options.bidirectional
    return {
        n: np.roll(a, half, axis=1) if "weight_ih" in n and place(n).layer else a
        for n, a in weights.items()
    }


@AREA.weights("second-load-ignored")
def second_load_ignored(layer: Any, weights: Arrays) -> Arrays:
    """Weights that were packed once are not packed again when others are loaded."""
    if not hasattr(layer, "packed"):
        layer.packed = {n: a.copy() for n, a in weights.items()}
    packed: Arrays = layer.packed
    return packed


@AREA.weights("small-weights-pruned")
def small_pruned(layer: Any, weights: Arrays) -> Arrays:
    """Weights below 1/100 of the largest one of their matrix are pruned to 0."""
    with np.errstate(invalid="ignore"):
        return each(
            weights,
            "weight",
            lambda a: np.where(np.abs(a) < 0.01 * np.abs(a).max(), a.dtype.type(0), a),
        )


@AREA.fault("read-back-rounded")
class ReadBackRounded(WrappedLayer):
    """Weights are read back through a decimal text of six digits."""

    def read_weights(self) -> Mapping[str, Array]:
        return {
            n: np.array([float(f"{v:.6g}") for v in a.ravel()], a.dtype).reshape(a.shape)
            for n, a in super().read_weights().items()
        }


@AREA.fault("weights-shared-by-layers")
class SharedByLayers(WrappedLayer):
    """Layers of the same options have one set of weights: that which was loaded last."""

    pool: ClassVar[dict[str, Mapping[str, Array]]] = {}

    @property
    def key(self) -> str:
        return f"{self.base.name} {self.options}"

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.pool[self.key] = self.used_weights(dict(weights))

    def answer(self, given: Arrays) -> Arrays:
        if self.loaded is not None:
            self.inner.load_weights(self.pool[self.key])
        return self.run(given)
