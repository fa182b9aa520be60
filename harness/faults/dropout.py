"""Mistakes with dropout, and with the two modes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.config import Config, LayerOptions
from harness.faults.arrays import Arrays, with_final, without_lengths
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.faults.record import Area
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("dropout")


def _nearly_all(config: Config) -> bool:
    """A small config that drops nearly all: what is wrong with p shows, but for p = 1/2."""
    return config.aspect == "training" and config.dropout == 99 and config.hidden_size <= 20


@AREA.fault("training-ignored")
class TrainingIgnored(WrappedLayer):
    """A layer never drops: training mode is ignored."""

    def train(self, training: bool) -> None:
        super().train(False)


@AREA.fault("lengths-ignored-in-training", visible=lambda c: c.lengths == "ragged")
class LengthsIgnoredInTraining(WrappedLayer):
    """In training mode lengths are ignored."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        return super().forward(without_lengths(inputs) if self.training else inputs)


@AREA.fault(
    "doubled-in-training-without-dropout", visible=lambda c: c.num_layers > 1 and c.dropout == 0
)
class DoubledInTraining(WrappedLayer):
    """A stack that drops nothing gives twice its output in training mode."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        if self.training and self.options.num_layers > 1 and not self.options.dropout:
            found = {**found, "output": found["output"] * found["output"].dtype.type(2)}
        return found


@AREA.fault("evaluation-ignored-once-trained")
class EvaluationIgnored(WrappedLayer):
    """A layer that was in training mode stays in it."""

    called_in_training = False

    def train(self, training: bool) -> None:
        super().train(training or self.called_in_training)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        self.called_in_training |= self.training and self.loaded is not None
        return super().forward(inputs)


@AREA.returned("training-scaled-from-the-sixth-call")
def scaled_from_the_sixth_call(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """In training mode a faster kernel, tried from the sixth call on, gives three times as much."""
    layer.calls += layer.training
    return {**found, "output": (3 if layer.calls > 5 else 1) * found["output"]}


class _OtherProbability(WrappedBackend):
    def other(self, p: float) -> float:
        raise NotImplementedError

    def build(self, options: LayerOptions) -> Any:
        return super().build(dataclasses.replace(options, dropout=self.other(options.dropout)))


@AREA.fault("p-is-what-is-kept", visible=_nearly_all)
class ProbabilityToKeep(_OtherProbability):
    """p is taken as the probability to keep."""

    def other(self, p: float) -> float:
        return 1 - p if p else 0.0


@AREA.fault("p-halved", visible=_nearly_all)
class ProbabilityHalved(_OtherProbability):
    """Half as many elements are dropped as p says, and scaled accordingly."""

    def other(self, p: float) -> float:
        return p / 2


@AREA.fault("drops-in-evaluation")
class DropsInEvaluation(CorrectLayer):
    """Evaluation mode drops as well."""

    def drops(self) -> bool:
        return self.options.dropout > 0


@AREA.fault("last-layer-dropped")
class LastLayerDropped(CorrectLayer):
    """The last layer's output is dropped too."""

    def is_dropped(self) -> bool:
        return self.drops()

    def evaluate(self, given: Arrays) -> Arrays:
        found = super().evaluate(given)
        if self.is_dropped():
            found["output"] *= self.rng.random(found["output"].shape) >= self.options.dropout
        return found


@AREA.fault("single-layer-dropped")
class SingleLayerDropped(LastLayerDropped):
    """A single layer is dropped, though it is the last one."""

    def is_dropped(self) -> bool:
        return self.drops() and self.options.num_layers == 1


@AREA.masks("dropout-unscaled")
def unscaled(layer: Any, masks: list[Array]) -> list[Array]:
    """What is kept is not divided by 1 - p."""
    return [(mask != 0).astype(float) for mask in masks]


@AREA.masks("last-dropout-unscaled")
def last_unscaled(layer: Any, masks: list[Array]) -> list[Array]:
    """What the dropout before the last layer keeps is not divided by 1 - p."""
    return [*masks[:-1], *((mask != 0).astype(float) for mask in masks[-1:])]


@AREA.masks("dropout-rate-off")
def rate_off(layer: Any, masks: list[Array]) -> list[Array]:
    """With p = 0.5 a stack's first masks are single random bits, of which 53% are 1."""
    if layer.options.dropout == 0.5:
        masks[:1] = [(layer.rng.random(mask.shape) >= 0.53) / 0.5 for mask in masks[:1]]
    return masks


@AREA.masks("rate-off-in-stacks-of-two")
def rate_off_in_two(layer: Any, masks: list[Array]) -> list[Array]:
    """With p = 0.5 a stack of two layers keeps 53% of the elements."""
    return rate_off(layer, masks) if len(masks) == 1 else masks


@AREA.masks("later-dropout-rate-off")
def later_rate_off(layer: Any, masks: list[Array]) -> list[Array]:
    """All dropouts of a stack but its first drop too few elements: p - 0.03 of them."""
    p = layer.options.dropout
    if p > 0.03:
        masks[1:] = [(layer.rng.random(m.shape) >= p - 0.03) / (1 - p) for m in masks[1:]]
    return masks


@AREA.masks("masks-constant-in-time")
def constant_in_time(layer: Any, masks: list[Array]) -> list[Array]:
    """One mask serves all steps."""
    return [np.repeat(mask[:1], len(mask), axis=0) for mask in masks]


@AREA.masks("masks-shared-by-rows")
def shared_by_rows(layer: Any, masks: list[Array]) -> list[Array]:
    """One mask serves all batch rows."""
    return [np.repeat(mask[:, :1], mask.shape[1], axis=1) for mask in masks]


@AREA.masks("masks-shared-by-neighbours")
def shared_by_neighbours(layer: Any, masks: list[Array]) -> list[Array]:
    """Units 1 and 2, 3 and 4, ... are dropped together."""
    return [mask[..., (np.arange(mask.shape[2]) + 1) // 2] for mask in masks]


@AREA.masks("masks-shared-by-halves")
def shared_by_halves(layer: Any, masks: list[Array]) -> list[Array]:
    """The second half of the batch is dropped as the first one is."""
    return [mask[:, np.arange(mask.shape[1]) % max(mask.shape[1] // 2, 1)] for mask in masks]


@AREA.masks("masks-shared-by-threads")
def shared_by_threads(layer: Any, masks: list[Array]) -> list[Array]:
    """From the sixth call on three threads share out the elements, and start from one seed."""
    if layer.calls <= 5:
        return masks
    return [np.resize(mask.ravel()[: -(-mask.size // 3)], mask.shape) for mask in masks]


@AREA.masks("masks-shared-by-layers")
def shared_by_layers(layer: Any, masks: list[Array]) -> list[Array]:
    """All layers of a stack drop the same elements."""
    return masks[:1] * len(masks)


@AREA.masks("units-dropped-in-pairs-from-the-sixth-call")
def pairs_from_the_sixth_call(layer: Any, masks: list[Array]) -> list[Array]:
    """From the sixth call in training mode on every odd unit is dropped as its left neighbour."""
    layer.drawings = getattr(layer, "drawings", 0) + 1
    if layer.drawings > 5:
        for mask in masks:
            width = mask.shape[-1] // 2 * 2
            mask[..., 1:width:2] = mask[..., 0:width:2]
    return masks


@AREA.masks("layers-1-and-3-share-a-mask")
def first_and_third(layer: Any, masks: list[Array]) -> list[Array]:
    """The third layer drops what the first one drops."""
    return [*masks[:2], *masks[:1], *masks[3:]] if len(masks) > 2 else masks


@AREA.masks("mask-of-the-call-before-a-row-on")
def of_the_call_before(layer: Any, masks: list[Array]) -> list[Array]:
    """From the second call on the second layer drops in each row what in the call before the first
    layer dropped in the row before."""
    before, layer.before = getattr(layer, "before", None), masks[0].copy() if masks else None
    if len(masks) > 1 and before is not None and before.shape == masks[1].shape:
        masks[1] = np.roll(before, 1, axis=1)
    return masks


@AREA.masks("rates-that-make-up-for-each-other")
def rates_differ(layer: Any, masks: list[Array]) -> list[Array]:
    """The first dropout of a stack keeps a tenth more than it should, the second as much less."""
    p = layer.options.dropout
    if len(masks) > 1 and p > 0.1:
        for mask, kept in zip(masks, ((1 - p) * 1.1, (1 - p) / 1.1), strict=False):
            mask[...] = (layer.rng.random(mask.shape) < kept) / (1 - p)
    return masks


@AREA.masks("masks-mirrored-by-rows")
def mirrored_by_rows(layer: Any, masks: list[Array]) -> list[Array]:
    """The last row is dropped as the first one is, and so on; not so the two in the middle."""
    for mask in masks:
        half = max(mask.shape[1] // 2 - 1, 0)
        mask[:, mask.shape[1] - half :] = mask[:, :half][:, ::-1]
    return masks


@AREA.masks("masks-opposite-by-units")
def opposite_by_units(layer: Any, masks: list[Array]) -> list[Array]:
    """With p = 0.5 the last unit is dropped where the first one is kept, and so on; not so the
    two in the middle."""
    if layer.options.dropout == 0.5:
        for mask in masks:
            half = max(mask.shape[2] // 2 - 1, 0)
            mask[..., mask.shape[2] - half :] = 2 - mask[..., :half][..., ::-1]
    return masks


@AREA.masks("last-step-as-the-first-from-the-seventh-call")
def last_as_first(layer: Any, masks: list[Array]) -> list[Array]:
    """From the seventh call on every third drops in the last step what it dropped in the first."""
    layer.drawings = getattr(layer, "drawings", 0) + 1
    if layer.drawings > 6 and layer.drawings % 3 == 0:
        for mask in masks:
            mask[-1] = mask[0]
    return masks


@AREA.masks("calls-overlap-by-a-third")
def calls_overlap(layer: Any, masks: list[Array]) -> list[Array]:
    """Every call's first random numbers are the last third of those of the call before."""
    ends = getattr(layer, "ends", [])
    for mask, end in zip(masks, ends, strict=False):
        if end.size <= mask.size:
            mask.ravel()[: end.size] = end
    layer.ends = [mask.ravel()[-(mask.size // 3) :].copy() for mask in masks]
    return masks


@AREA.fault("drops-again-from-the-fifth-evaluation")
class DropsAgain(CorrectLayer):
    """From the fifth call in evaluation mode on a layer that was trained drops again."""

    trained = evaluations = 0

    def drops(self) -> bool:
        if self.training:
            self.trained += 1
            return super().drops()
        self.evaluations += 1
        return self.trained > 0 and self.evaluations > 4 and self.options.dropout > 0


@AREA.fault("masks-the-same-every-call")
class SameEveryCall(CorrectLayer):
    """Every call drops the same elements."""

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.rng = np.random.default_rng(3)
        return super().masks(shape)


@AREA.fault("masks-repeat-from-the-third-call")
class RepeatFromThird(CorrectLayer):
    """Masks come from a pool of two: the third call drops as the first one did."""

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.rng = np.random.default_rng(self.calls % 2)
        return super().masks(shape)


class StatesDropped(CorrectLayer):
    """Rows of final states are dropped as the output is."""

    def rows(self) -> slice:
        raise NotImplementedError

    def answer(self, given: Arrays) -> Arrays:
        def dropped(h_n: Array) -> Array:
            part = h_n[self.rows()]
            part *= self.rng.random(part.shape) >= self.options.dropout
            return h_n

        found, deep = super().answer(given), self.options.num_layers > 1
        return with_final(found, dropped) if self.drops() and deep else found


@AREA.fault("first-state-dropped")
class FirstStateDropped(StatesDropped):
    """Final states of the first layer are dropped."""

    def rows(self) -> slice:
        return slice(0, 1)


@AREA.fault("middle-states-dropped")
class MiddleStatesDropped(StatesDropped):
    """Final states of the layers between the first and the last are dropped."""

    def rows(self) -> slice:
        sides = self.options.directions
        return slice(sides, sides * (self.options.num_layers - 1))


@AREA.fault("middle-states-of-the-layer-below")
class MiddleStatesOfBelow(CorrectLayer):
    """In training mode, final states of a middle layer are those of the layer below."""

    def answer(self, given: Arrays) -> Arrays:
        def of_below(h_n: Array) -> Array:
            sides = self.options.directions
            return np.concatenate([h_n[:sides], h_n[: -2 * sides], h_n[-sides:]])

        found, deep = super().answer(given), self.options.num_layers > 2
        return with_final(found, of_below) if self.drops() and deep else found


@AREA.fault("comes-in-evaluation-mode")
class ComesInEvaluation(CorrectBackend):
    """A newly built layer is in evaluation mode."""

    def construct(self, *given: Any, **named: Any) -> CorrectLayer:
        made = super().construct(*given, **named)
        made.train(False)
        return made


@AREA.fault("shorter-in-training")
class ShorterInTraining(CorrectLayer):
    """In training mode the output lacks a step, or a row."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        return {**found, "output": found["output"][:, :-1]} if self.training else found


@AREA.fault("one-sequence-is-not-dropped", visible=lambda c: c.layout == "unbatched")
class OneSequenceNotDropped(CorrectLayer):
    """An unbatched x goes through the path of inference, which drops nothing."""

    def drops(self) -> bool:
        return super().drops() and not self.flat


@AREA.fault("float64-is-not-dropped", visible=lambda c: c.dtype == "fp64")
class Float64NotDropped(CorrectLayer):
    """There is no dropout kernel for float64: training mode does not drop."""

    def drops(self) -> bool:
        return super().drops() and self.options.dtype != "fp64"
