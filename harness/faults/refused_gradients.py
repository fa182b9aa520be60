"""Mistakes that refused gradients leave, and those of gradients and dropout in other threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lives")


BASES: dict[str, Any] = {"bases": ("torch", "oracle")}
"""Of the other one a refusal leaves the process unable to answer (a known difference)."""


class _AfterRefusal(WrappedLayer):
    """A layer whose gradients are others after some that raised."""

    refused = 0

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        try:
            found = super().gradients(inputs, cotangents)
        except Exception:
            self.refused += self.leaves(inputs)
            raise
        return self.after(dict(found)) if self.refused else found

    def leaves(self, inputs: Mapping[str, Any]) -> bool:
        return True

    def after(self, found: dict[str, Array]) -> dict[str, Array]:
        raise NotImplementedError


@AREA.fault("refused-gradients-leave-their-sums", **BASES)
class LeavesSums(_AfterRefusal):
    """Gradients of weights are summed before the loss is checked, and the sums are not cleared:
    the next ones are doubled."""

    def after(self, found: dict[str, Array]) -> dict[str, Array]:
        self.refused = 0
        return {n: a * a.dtype.type(2) if "_l" in n else a for n, a in found.items()}


@AREA.fault("refused-gradients-turn-recording-off", **BASES)
class TurnsOff(_AfterRefusal):
    """Biases get no gradients any more once some were refused."""

    def after(self, found: dict[str, Array]) -> dict[str, Array]:
        return {n: a * 0 if n.startswith("bias") else a for n, a in found.items()}


@AREA.fault("features-refused-in-gradients-leave-their-sums", **BASES)
class LeavesSumsOfX(_AfterRefusal):
    """Where x was refused, not the loss, the next gradient of the first weights is a half more."""

    def leaves(self, inputs: Mapping[str, Any]) -> bool:
        return bool(inputs["x"].shape[-1] != self.options.input_size)

    def after(self, found: dict[str, Array]) -> dict[str, Array]:
        self.refused = 0
        first = found["weight_ih_l0"]
        return {**found, "weight_ih_l0": first * first.dtype.type(1.5)}


class _Threaded(WrappedLayer):
    """A layer that knows whether the thread that built it calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.home = threading.get_ident()

    @property
    def elsewhere(self) -> bool:
        return threading.get_ident() != self.home


@AREA.fault("no-tape-in-other-threads")
class NoTape(_Threaded):
    """What is recorded for gradients belongs to the thread that built the layer: in others those of
    biases and of W_hh are 0."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        found = super().gradients(inputs, cotangents)
        names = ("bias", "weight_hh") if self.elsewhere else ()
        return {n: a * 0 if n.startswith(names) else a for n, a in found.items()}


@AREA.fault("gradients-in-other-threads-raise")
class NoGradientsElsewhere(_Threaded):
    """Gradients in another thread than the one that built the layer raise."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        if self.elsewhere:
            raise RuntimeError("no context in this thread")
        return super().gradients(inputs, cotangents)


class _Home(CorrectLayer):
    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options, rng)
        self.home = threading.get_ident()

    @property
    def elsewhere(self) -> bool:
        return threading.get_ident() != self.home


@AREA.fault("training-mode-of-the-thread")
class TrainsAtHome(_Home):
    """Training mode is that of the thread that built the layer: in others nothing is dropped."""

    def drops(self) -> bool:
        return super().drops() and not self.elsewhere


@AREA.fault("other-threads-draw-the-same-masks")
class SameMasksElsewhere(_Home):
    """Every other thread begins with a generator of its own, and all with the same one."""

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        if not self.elsewhere:
            return super().masks(shape)
        kept, self.rng = self.rng, np.random.default_rng(11)
        try:
            return super().masks(shape)
        finally:
            self.rng = kept
