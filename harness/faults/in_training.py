"""Mistakes in what a training loop does: saving, refusing, copying and loading between steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("lives")


@AREA.fault("file-of-the-first-save")
class FirstFile(CorrectLayer):
    """What a file holds is made once: a second file has the weights of the first one."""

    content: dict[str, Array] | None = None

    def save(self, directory: Path) -> None:
        self.content = self.content or dict(self.weights)
        np.savez(directory / "weights.npz", **self.content)


@AREA.fault("saving-ends-training-mode")
class SavingEvaluates(CorrectLayer):
    """Saving sets evaluation mode, as an export does, and does not go back."""

    def save(self, directory: Path) -> None:
        super().save(directory)
        self.train(False)


@AREA.fault("a-file-ends-training-mode")
class OpeningEvaluates(CorrectLayer):
    """A layer that reads its weights from a file is in evaluation mode."""

    def load(self, directory: Path) -> None:
        super().load(directory)
        self.train(False)


@AREA.fault("a-refusal-ends-training-mode")
class RefusalEvaluates(CorrectLayer):
    """A call sets evaluation mode while it looks at its arguments; where it raises, that stays."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        try:
            return super().forward(inputs)
        except Exception:
            self.train(False)
            raise


@AREA.fault("copies-are-built-anew")
class CopyTrains(CorrectLayer):
    """A copy is a new layer with the same weights, in the mode of a new layer: training."""

    def copy(self) -> CorrectLayer:
        other = super().copy()
        other.train(True)
        return other

    def pickled(self) -> CorrectLayer:
        return super().copy()


@AREA.fault("pickled-for-inference")
class PickledEvaluates(CorrectLayer):
    """A pickled layer comes back in evaluation mode."""

    def pickled(self) -> CorrectLayer:
        other = super().pickled()
        other.train(False)
        return other


@AREA.fault("weights-packed-on-entering-training-mode")
class PackedOnEntering(CorrectLayer):
    """In training mode gradients are those at the weights that the layer had when it entered it."""

    packed: Mapping[str, Array] | None = None
    deriving = False

    def train(self, training: bool) -> None:
        if training != self.training:
            self.packed = dict(self.weights) if training else None
        super().train(training)

    def used_weights(self) -> Mapping[str, Array]:
        return self.packed if self.deriving and self.packed else self.weights

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        self.deriving = True
        try:
            return super().gradients(inputs, cotangents)
        finally:
            self.deriving = False
