"""Mistakes with dropout, and with the two modes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.config import Config, LayerOptions
from harness.planted.record import Area
from harness.planted.right import CompleteBackend, CompleteLayer
from harness.planted.wrapping import Full, Lengths, WrappedBackend
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("dropout")


def _nearly_all(config: Config) -> bool:
    """A small config that drops nearly all: what is wrong with p shows, but for p = 1/2."""
    return config.aspect == "training" and config.dropout == 99 and config.hidden_size <= 20


@AREA.wrapping("training-ignored")
class TrainingIgnored(Full):
    """A layer never drops: training mode is ignored."""

    def train(self, training: bool) -> None:
        super().train(False)


@AREA.wrapping("lengths-ignored-in-training", shows=lambda c: c.lengths == "ragged")
class LengthsIgnoredInTraining(Full):
    """In training mode lengths are ignored."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        return super().forward(x, h_0, None if self.training else lengths)


@AREA.wrapping("evaluation-ignored-once-trained")
class EvaluationIgnored(Full):
    """A layer that was in training mode stays in it."""

    called_in_training = False

    def train(self, training: bool) -> None:
        super().train(training or self.called_in_training)

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        self.called_in_training |= self.training and self.given is not None
        return super().forward(x, h_0, lengths)


@AREA.wrapping("training-scaled-from-the-sixth-call")
class ScaledFromTheSixthCall(Full):
    """In training mode a faster kernel, tried from the sixth call on, gives three times as much."""

    calls = 0

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        self.calls += self.training
        return (3 * output if self.calls > 5 else output), h_n


@AREA.on_oracle("units-dropped-in-pairs-from-the-sixth-call")
class PairsFromTheSixthCall(CompleteLayer):
    """From the sixth call in training mode on every odd unit is dropped as its left neighbour."""

    calls = 0

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.calls += 1
        masks = super().drawn_masks(shape)
        if self.calls > 5:
            for mask in masks:
                width = mask.shape[-1] // 2 * 2
                mask[..., 1:width:2] = mask[..., 0:width:2]
        return masks


@AREA.on_backend("p-is-what-is-kept", shows=_nearly_all)
class ProbabilityToKeep(WrappedBackend):
    """p is taken as the probability to keep."""

    def build(self, options: LayerOptions) -> Any:
        p = 1 - options.dropout if options.dropout else 0.0
        return super().build(dataclasses.replace(options, dropout=p))


@AREA.on_backend("p-halved", shows=_nearly_all)
class ProbabilityHalved(WrappedBackend):
    """Half as many elements are dropped as p says, and scaled accordingly."""

    def build(self, options: LayerOptions) -> Any:
        return super().build(dataclasses.replace(options, dropout=options.dropout / 2))


@AREA.on_oracle("drops-in-evaluation")
class DropsInEvaluation(CompleteLayer):
    """Evaluation mode drops as well."""

    def drops(self) -> bool:
        return self.options.dropout > 0


@AREA.on_oracle("last-layer-dropped")
class LastLayerDropped(CompleteLayer):
    """The last layer's output is dropped too."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if self.drops():
            output = output * (self.rng.random(output.shape) >= self.options.dropout)
        return output, h_n


@AREA.on_oracle("single-layer-dropped")
class SingleLayerDropped(CompleteLayer):
    """A single layer is dropped, though it is the last one."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if self.drops() and self.options.num_layers == 1:
            output = output * (self.rng.random(output.shape) >= self.options.dropout)
        return output, h_n


@AREA.on_oracle("dropout-unscaled")
class Unscaled(CompleteLayer):
    """What is kept is not divided by 1 - p."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [(mask != 0).astype(float) for mask in super().drawn_masks(shape)]


@AREA.on_oracle("last-dropout-unscaled")
class LastUnscaled(CompleteLayer):
    """What the dropout before the last layer keeps is not divided by 1 - p."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        *masks, last = super().drawn_masks(shape) or [np.ones(shape)]
        return [*masks, (last != 0).astype(float)][: self.options.num_layers - 1]


@AREA.on_oracle("dropout-rate-off")
class RateOff(CompleteLayer):
    """With p = 0.5 a stack's first masks are single random bits, of which 53% are 1."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        masks = super().drawn_masks(shape)
        if self.options.dropout == 0.5:
            masks[:1] = [(self.rng.random(shape) >= 0.53) / 0.5 for _ in masks[:1]]
        return masks


@AREA.on_oracle("later-dropout-rate-off")
class LaterRateOff(CompleteLayer):
    """All dropouts of a stack but its first drop too few elements: p - 0.03 of them."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        masks, p = super().drawn_masks(shape), self.options.dropout
        if p > 0.03:
            masks[1:] = [(self.rng.random(shape) >= p - 0.03) / (1 - p) for _ in masks[1:]]
        return masks


@AREA.on_oracle("masks-constant-in-time")
class ConstantInTime(CompleteLayer):
    """One mask serves all steps."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [np.repeat(mask[:1], shape[0], axis=0) for mask in super().drawn_masks(shape)]


@AREA.on_oracle("masks-shared-by-rows")
class SharedByRows(CompleteLayer):
    """One mask serves all batch rows."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [np.repeat(mask[:, :1], shape[1], axis=1) for mask in super().drawn_masks(shape)]


@AREA.on_oracle("masks-shared-by-neighbours")
class SharedByNeighbours(CompleteLayer):
    """Units 1 and 2, 3 and 4, ... are dropped together."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [mask[..., (np.arange(shape[2]) + 1) // 2] for mask in super().drawn_masks(shape)]


@AREA.on_oracle("masks-shared-by-halves")
class SharedByHalves(CompleteLayer):
    """The second half of the batch is dropped as the first one is."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        half = max(shape[1] // 2, 1)
        return [mask[:, np.arange(shape[1]) % half] for mask in super().drawn_masks(shape)]


@AREA.on_oracle("masks-shared-by-threads")
class SharedByThreads(CompleteLayer):
    """From the sixth call on three threads share out the elements, and start from one seed."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        masks = super().drawn_masks(shape)
        if self.calls <= 5:
            return masks
        third = -(-masks[0].size // 3) if masks else 0
        return [np.resize(mask.ravel()[:third], shape) for mask in masks]


@AREA.on_oracle("masks-the-same-every-call")
class SameEveryCall(CompleteLayer):
    """Every call drops the same elements."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.rng = np.random.default_rng(3)
        return super().drawn_masks(shape)


@AREA.on_oracle("masks-repeat-from-the-third-call")
class RepeatFromThird(CompleteLayer):
    """Masks come from a pool of two: the third call drops as the first one did."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.rng = np.random.default_rng(self.calls % 2)
        return super().drawn_masks(shape)


@AREA.on_oracle("masks-shared-by-layers")
class SharedByLayers(CompleteLayer):
    """All layers of a stack drop the same elements."""

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        masks = super().drawn_masks(shape)
        return masks[:1] * len(masks)


class StatesDropped(CompleteLayer):
    """Rows of h_n are dropped as the output is."""

    def rows(self) -> slice:
        raise NotImplementedError

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if self.drops() and self.options.num_layers > 1:
            h_n[self.rows()] *= self.rng.random(h_n[self.rows()].shape) >= self.options.dropout
        return output, h_n


@AREA.on_oracle("first-state-dropped")
class FirstStateDropped(StatesDropped):
    """h_n of the first layer is dropped."""

    def rows(self) -> slice:
        return slice(0, 1)


@AREA.on_oracle("middle-states-dropped")
class MiddleStatesDropped(StatesDropped):
    """h_n of the layers between the first and the last is dropped."""

    def rows(self) -> slice:
        sides = self.options.directions
        return slice(sides, sides * (self.options.num_layers - 1))


@AREA.on_oracle("middle-states-of-the-layer-below")
class MiddleStatesOfBelow(CompleteLayer):
    """In training mode, h_n of a middle layer is that of the layer below."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        sides = self.options.directions
        if self.drops() and self.options.num_layers > 2:
            h_n[sides:-sides] = h_n[: -2 * sides]
        return output, h_n


@AREA.on_oracle("comes-in-evaluation-mode")
class ComesInEvaluation(CompleteBackend):
    """A fresh layer is in evaluation mode."""

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> CompleteLayer:
        layer = super().construct(positional, keywords)
        layer.train(False)
        return layer


@AREA.on_oracle("shorter-in-training")
class ShorterInTraining(CompleteLayer):
    """In training mode the output lacks a step, or a row."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return (output[:, :-1] if self.training else output), h_n


FAULTS = tuple(AREA.faults)
