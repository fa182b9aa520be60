"""Correct backends that wrap something, as the command line loads them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.backends.torch_backend import TorchBackend
from harness.config import LayerOptions
from harness.faults.correct import CorrectBackend, CorrectLayer
from reference.arrays import Array


class Delegating(TorchBackend):
    """Torch under another name."""

    name = "delegating"
    wraps = "torch"
    variants = ()  # type: ignore[assignment]


class Silent(Delegating):
    """It does not report what its versions are."""

    name = "silent"
    versions = None  # type: ignore[assignment]


class Unnamed(TorchBackend):
    """It does not say what it wraps."""

    name = "unnamed"


class MergedLayer(CorrectLayer):
    """One bias, the sum of the two."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        for name, array in weights.items():
            if name.startswith("bias_ih"):
                other = name.replace("ih", "hh")
                self.weights[name] = array + weights[other]
                self.weights[other] = np.zeros_like(array)


class MergedOutOfPlace(MergedLayer):
    """A mistake in it: the reverse direction has the forward direction's bias."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        for name in weights:
            if name.startswith("bias") and name.endswith("_reverse"):
                self.weights[name] = self.weights[name.removesuffix("_reverse")]


class LateBackend:
    """It builds nothing without weights."""

    name = "late"

    def __init__(self) -> None:
        self.inner = CorrectBackend()

    def build_with(self, options: LayerOptions, weights: Mapping[str, Array]) -> Any:
        layer = self.inner.build(options)
        layer.load_weights(weights)
        layer.load_weights = None  # type: ignore[method-assign,assignment]
        return layer


class Merging(CorrectBackend):
    merges_biases = True


delegating = Delegating()
silent = Silent()
unnamed = Unnamed()
merged = Merging(MergedLayer, "merged")
merged_wrongly = Merging(MergedOutOfPlace, "mergedwrongly")
merged_unsaid = CorrectBackend(MergedLayer, "unsaid")
