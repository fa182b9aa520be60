"""Stacks wired by hand from single real layers, and sequences run step by step.

Both are right as they stand, and slow; the mistakes of wiring are made in their methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.planted.wrapping import Lengths, Values
from reference.arrays import Array

__all__ = ["Chained", "Stepped", "reversed_rows"]


def reversed_rows(array: Array, lengths: Lengths) -> Array:
    """(T, B, F) with the valid steps of each row in reverse order."""
    if lengths is None:
        return array[::-1].copy()
    turned = array.copy()
    for row, length in enumerate(lengths):
        turned[:length, row] = array[:length, row][::-1]
    return turned


class Chained(Values):
    """Every direction of every layer is a real layer of its own."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        outputs, finals = [x], []
        for layer in range(self.options.num_layers):
            sides = []
            for reverse in (False, True)[: self.options.directions]:
                below = self.below(outputs, layer, reverse)
                output, last = self.direction(
                    layer, reverse, below, self.start(h_0, layer, reverse), lengths
                )
                sides.append(output)
                finals.append(last)
            outputs.append(self.joined(sides, layer))
        return outputs[-1], np.concatenate(finals)

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        """The input of a layer; `outputs` begins with x."""
        return outputs[layer]

    def start(self, h_0: Array | None, layer: int, reverse: bool) -> Array | None:
        """(1, B, H) or None."""
        row = layer * self.options.directions + reverse
        return None if h_0 is None else h_0[row : row + 1].copy()

    def joined(self, sides: list[Array], layer: int) -> Array:
        return np.concatenate(sides, axis=2)

    def direction(
        self, layer: int, reverse: bool, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        """Output (T, B, H) and final state (1, B, H) of one direction of one layer."""
        single = self.single(layer, reverse)
        if not reverse:
            return self.scan(single, x, start, lengths)
        output, last = self.scan(single, reversed_rows(x, lengths), start, lengths)
        return reversed_rows(output, lengths), last

    def scan(
        self, single: Any, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        """A single layer over (T, B, I), in its own order of time."""
        output, last = single.forward(x.copy(), start, lengths)
        return output, last


class Stepped(Chained):
    """One call of a real layer for each step, the state handed on from call to call."""

    def scan(
        self, single: Any, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        steps, batch = x.shape[:2]
        hidden = self.options.hidden_size
        first = np.zeros((1, batch, hidden), x.dtype) if start is None else start
        states, output = [first], np.zeros((steps, batch, hidden), x.dtype)
        for t in range(steps):
            valid = np.ones(batch, bool) if lengths is None else t < lengths
            now = np.where(valid[:, None], x[t : t + 1], x.dtype.type(0))
            _, state = single.forward(now, self.handed_on(states, t).copy(), None)
            kept = np.where(valid[None, :, None], state, states[-1])
            states.append(kept.astype(x.dtype))
            output[t] = np.where(valid[:, None], state[0], 0)
        return output, states[-1]

    def handed_on(self, states: list[Array], step: int) -> Array:
        """The state (1, B, H) from which a step starts; `states` begins with h_0."""
        return states[-1]
