"""Backends whose layers are built with their weights, as everybody else sees them.

Some runtimes compile the weights into what they build: such a backend offers
`build_with(options, weights)` in place of `build(options)`. Here its layers are built when weights
are loaded, and built anew when others are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.backends.protocol import Backend, NotOffered, offers
from harness.config import LayerOptions
from reference.arrays import Array

__all__ = ["building_late"]


def building_late(backend: Any) -> Backend:
    """The backend itself, or one that stands before a backend without `build`."""
    needs_weights = offers(backend, "build_with") and not offers(backend, "build")
    made: Backend = _BuildsLate(backend) if needs_weights else backend
    return made


class _BuildsLate:
    """Everything but `build` is the backend's own."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __getattr__(self, name: str) -> Any:
        if name == "backend":  # while it is unpickled or copied
            raise AttributeError(name)
        return getattr(self.backend, name)

    def build(self, options: LayerOptions) -> Any:
        return _LateLayer(self.backend, options)


class _LateLayer:
    """A layer that is there from the first weights on; its mode outlives those."""

    def __init__(self, backend: Any, options: LayerOptions) -> None:
        self.backend, self.options = backend, options
        self.layer: Any = None
        self.training = False

    def __getattr__(self, name: str) -> Any:
        if name in ("layer", "backend", "train") or self.layer is None:
            raise AttributeError(f"{name}: the layer is built when weights are loaded")
        return getattr(self.layer, name)

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.layer = self.backend.build_with(self.options, weights)
        if offers(self.layer, "train"):
            self.train = self._train
            if self.training:
                self.layer.train(True)

    def read_weights(self) -> Mapping[str, Array]:
        if self.layer is None:
            raise NotOffered("has no layers without weights: it offers build_with, and no build")
        found: Mapping[str, Array] = self.layer.read_weights()
        return found

    def _train(self, training: bool) -> None:
        self.training = training
        self.layer.train(training)
