"""Mistakes with the two directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, clean, reversed_rows, valid, without_lengths
from harness.faults.chained import Chained
from harness.faults.record import Area
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("directions")


def _halves(layer: Any, output: Array) -> tuple[Array, Array]:
    hidden = layer.options.output_size
    return output[..., :hidden], output[..., hidden:]


@AREA.output("output-halves-swapped")
def halves_swapped(layer: Any, given: Arrays, output: Array) -> Array:
    """The reverse direction's output stands before the forward one's."""
    return np.concatenate(_halves(layer, output)[::-1], axis=-1)


@AREA.output("output-halves-interleaved")
def halves_interleaved(layer: Any, given: Arrays, output: Array) -> Array:
    """The outputs of both directions alternate unit by unit."""
    if not layer.options.bidirectional:
        return output
    return np.stack(_halves(layer, output), axis=-1).reshape(output.shape)


@AREA.final("h-n-directions-swapped")
def final_states_swapped(layer: Any, given: Arrays, h_n: Array) -> Array:
    """The two rows of the final states of a bidirectional layer are swapped."""
    sides = layer.options.directions
    return h_n.reshape(-1, sides, *h_n.shape[1:])[:, ::-1].reshape(h_n.shape)


@AREA.final("h-n-by-direction")
def final_states_by_direction(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states have all layers' forward rows first, then all reverse ones."""
    sides = layer.options.directions
    return np.concatenate([h_n[side::sides] for side in range(sides)])


@AREA.initial("h-0-by-direction")
def initial_states_by_direction(layer: Any, h_0: Array) -> Array:
    """Initial states are read as all layers' forward rows, then all reverse ones."""
    layers = layer.options.num_layers
    return np.concatenate([h_0[number::layers] for number in range(layers)])


@AREA.fault("reverse-output-not-turned-back")
class NotTurnedBack(Chained):
    """The reverse direction's outputs stay in its own order of time."""

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        found = super().direction(layer, reverse, given)
        if not reverse:
            return found
        return {**found, "output": reversed_rows(found["output"], given.get("lengths"))}


@AREA.fault("reverse-runs-forward")
class RunsForward(Chained):
    """The reverse direction runs forward in time, with its own weights."""

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        return self.scan(self.single(layer, reverse), given)


@AREA.fault("reverse-starts-at-t")
class StartsAtT(Chained):
    """The reverse direction starts at T, in the padding, instead of a row's true end."""

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        if not reverse or "lengths" not in given:
            return super().direction(layer, reverse, given)
        found = super().direction(layer, reverse, without_lengths(clean(given)))
        output = np.where(valid(given), found["output"], given["x"].dtype.type(0))
        return {**found, "output": output}


@AREA.fault("deeper-layers-see-forward-twice")
class SeesForwardTwice(Chained):
    """Layers above a bidirectional one get its forward output in place of both."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        below = outputs[layer]
        if layer == 0 or not self.options.bidirectional:
            return below
        one, _ = _halves(self, below)
        return np.concatenate([one, one], axis=2)


@AREA.fault("deeper-layers-see-own-direction")
class SeesOwnDirection(Chained):
    """Each direction of a deeper layer gets its own direction's output, and zeros for the other."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        below = outputs[layer].copy()
        if layer and self.options.bidirectional:
            _halves(self, below)[not reverse][...] = 0
        return below
