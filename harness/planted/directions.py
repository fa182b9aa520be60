"""Mistakes with the two directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.planted.chained import Chained, reversed_rows
from harness.planted.record import Area
from harness.planted.wrapping import Full, Lengths
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("directions")


def _halves(layer: Any, output: Array) -> tuple[Array, Array]:
    hidden = layer.options.hidden_size
    return output[..., :hidden], output[..., hidden:]


@AREA.wrapping("output-halves-swapped")
class OutputHalvesSwapped(Full):
    """The reverse direction's output stands before the forward one's."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return np.concatenate(_halves(self, output)[::-1], axis=-1), h_n


@AREA.wrapping("output-halves-interleaved")
class OutputInterleaved(Full):
    """The outputs of both directions alternate unit by unit."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if self.options.bidirectional:
            output = np.stack(_halves(self, output), axis=-1).reshape(output.shape)
        return output, h_n


@AREA.wrapping("h-n-directions-swapped")
class FinalStatesSwapped(Full):
    """The two rows of h_n of a bidirectional layer are swapped."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        sides = self.options.directions
        return output, h_n.reshape(-1, sides, *h_n.shape[1:])[:, ::-1].reshape(h_n.shape)


@AREA.wrapping("h-n-by-direction")
class FinalStatesByDirection(Full):
    """h_n has all layers' forward rows first, then all reverse ones."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        sides = self.options.directions
        return output, np.concatenate([h_n[d::sides] for d in range(sides)])


@AREA.wrapping("h-0-by-direction")
class FirstStatesByDirection(Full):
    """h_0 is read as all layers' forward rows, then all reverse ones."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if h_0 is not None:
            layers = self.options.num_layers
            h_0 = np.concatenate([h_0[k::layers] for k in range(layers)])
        return self.run(x, h_0, lengths)


@AREA.wrapping("reverse-output-not-turned-back")
class NotTurnedBack(Chained):
    """The reverse direction's outputs stay in its own order of time."""

    def direction(
        self, layer: int, reverse: bool, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        if not reverse:
            return super().direction(layer, reverse, x, start, lengths)
        return self.scan(self.single(layer, True), reversed_rows(x, lengths), start, lengths)


@AREA.wrapping("reverse-runs-forward")
class RunsForward(Chained):
    """The reverse direction runs forward in time, with its own weights."""

    def direction(
        self, layer: int, reverse: bool, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        return self.scan(self.single(layer, reverse), x, start, lengths)


@AREA.wrapping("reverse-starts-at-t")
class StartsAtT(Chained):
    """The reverse direction starts at T, in the padding, instead of a row's true end."""

    def direction(
        self, layer: int, reverse: bool, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        if not reverse or lengths is None:
            return super().direction(layer, reverse, x, start, lengths)
        valid = (np.arange(len(x))[:, None] < lengths)[:, :, None]
        clean = np.where(valid, x, x.dtype.type(0))
        output, last = self.scan(self.single(layer, True), clean[::-1].copy(), start, None)
        return np.where(valid, output[::-1], x.dtype.type(0)), last


@AREA.wrapping("deeper-layers-see-forward-twice")
class SeesForwardTwice(Chained):
    """Layers behind a bidirectional one get its forward output in place of both."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        below = outputs[layer]
        if layer == 0 or not self.options.bidirectional:
            return below
        one, _ = _halves(self, below)
        return np.concatenate([one, one], axis=2)


@AREA.wrapping("deeper-layers-see-own-direction")
class SeesOwnDirection(Chained):
    """Each direction of a deeper layer gets its own direction's output, and zeros for the other."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        below = outputs[layer].copy()
        if layer and self.options.bidirectional:
            _halves(self, below)[not reverse][...] = 0
        return below


FAULTS = tuple(AREA.faults)
