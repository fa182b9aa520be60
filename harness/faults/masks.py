"""Mistakes with masks: pools of them, generators of their own, and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.config import Config, LayerOptions
from harness.faults.arrays import Arrays, valid
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("dropout")


def _drawn(layer: Any, masks: list[Array], seed: int) -> list[Array]:
    p, rng = layer.options.dropout, np.random.default_rng(seed)
    return [(rng.random(mask.shape) >= p) / (1 - p) for mask in masks]


def _is_tiny(config: Config) -> bool:
    return config.aspect == "training" and config.dropout > 0 and config.steps == 1


@AREA.masks("masks-from-a-pool-of-32", visible=_is_tiny)
def pool_of_32(layer: Any, masks: list[Array]) -> list[Array]:
    """Masks come from a pool of 32: every 33rd call drops as the first one did."""
    layer.drawings = getattr(layer, "drawings", -1) + 1
    return _drawn(layer, masks, layer.drawings % 32)


@AREA.masks("masks-from-a-pool-of-200", visible=_is_tiny)
def pool_of_200(layer: Any, masks: list[Array]) -> list[Array]:
    """Masks are chosen from a pool of 200, at random."""
    return _drawn(layer, masks, int(layer.rng.integers(200)))


@AREA.masks("generator-starts-again-after-100-calls", visible=_is_tiny)
def starts_again(layer: Any, masks: list[Array]) -> list[Array]:
    """After 100 calls the counter of the generator is where it was in the first one."""
    layer.drawings = getattr(layer, "drawings", -1) + 1
    if layer.drawings % 100 == 0:
        layer.generator = np.random.default_rng(5)
    p = layer.options.dropout
    return [(layer.generator.random(mask.shape) >= p) / (1 - p) for mask in masks]


@AREA.fault("every-layer-starts-the-same-generator")
class SameGenerator(CorrectLayer):
    """A layer has a generator of its own, which starts from the same seed in all of them."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options, rng)
        self.rng = np.random.default_rng(99)


@AREA.masks("masks-by-the-count-of-calls")
def by_count(layer: Any, masks: list[Array]) -> list[Array]:
    """What is drawn depends on how often the layer was called, not on the layer."""
    layer.drawings = getattr(layer, "drawings", 0) + 1
    return _drawn(layer, masks, layer.drawings)


class _Padded(CorrectLayer):
    """A layer that draws other masks where lengths are given."""

    padded: Any = None

    def evaluate(self, given: Arrays) -> Arrays:
        self.padded = valid(given) if "lengths" in given else None
        return super().evaluate(given)

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        found = super().masks(shape)
        if self.padded is None or self.padded.all():
            return found
        return [self.other(mask, self.padded) for mask in found]

    def other(self, mask: Array, steps: Array) -> Array:
        raise NotImplementedError


def _has_padding(config: Config) -> bool:
    return config.lengths in ("ragged", "shorter", "equal", "descending", "ascending")


@AREA.fault("rows-with-lengths-share-a-mask", visible=_has_padding)
class RowsShare(_Padded):
    """With lengths, rows are packed one after another, and each takes the mask from its start."""

    def other(self, mask: Array, steps: Array) -> Array:
        return np.repeat(mask[:, :1], mask.shape[1], axis=1)


@AREA.fault("padding-counts-as-dropped", visible=_has_padding)
class PaddingCounts(_Padded):
    """With lengths, so many elements are dropped that with the padding it is p of all."""

    def other(self, mask: Array, steps: Array) -> Array:
        p, padding = self.options.dropout, 1 - float(steps.mean())
        chance = max(0.0, (p - padding) / (1 - padding))
        return np.asarray((self.rng.random(mask.shape) >= chance) / (1 - p))


@AREA.fault("steps-with-lengths-share-a-mask", visible=_has_padding)
class StepsShare(_Padded):
    """With lengths, one mask serves all steps."""

    def other(self, mask: Array, steps: Array) -> Array:
        return np.repeat(mask[:1], len(mask), axis=0)


@AREA.fault("nothing-is-dropped-with-lengths", visible=_has_padding)
class NothingDropped(_Padded):
    """With lengths, training mode does not drop."""

    def other(self, mask: Array, steps: Array) -> Array:
        return np.ones_like(mask)


@AREA.fault("the-same-mask-with-lengths", visible=_has_padding)
class SameWithLengths(_Padded):
    """With lengths, every call drops the same elements."""

    def other(self, mask: Array, steps: Array) -> Array:
        p = self.options.dropout
        return np.asarray((np.random.default_rng(4).random(mask.shape) >= p) / (1 - p))
