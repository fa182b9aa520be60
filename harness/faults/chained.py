"""Stacks wired by hand from single real layers, and sequences run step by step.

Both are correct, and slow; the mistakes of wiring are made in their methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, clean, final, initial, resumed, reversed_rows, valid
from harness.faults.wrapping import WrappedValues
from reference.arrays import Array

__all__ = ["Chained", "Stepped"]


class Chained(WrappedValues):
    """Every direction of every layer is a real layer of its own."""

    def answer(self, given: Arrays) -> Arrays:
        outputs, finals = [given["x"]], []
        for layer in range(self.options.num_layers):
            sides = []
            for reverse in (False, True)[: self.options.directions]:
                row = layer * self.options.directions + reverse
                start = {n: a[row : row + 1].copy() for n, a in initial(given).items()}
                below = {**given, **start, "x": self.below(outputs, layer, reverse)}
                found = self.direction(layer, reverse, below)
                sides.append(found["output"])
                finals.append(final(found))
            outputs.append(np.concatenate(sides, axis=2))
        last = {name: np.concatenate([one[name] for one in finals]) for name in finals[0]}
        return {"output": outputs[-1], **last}

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        """The input of a layer; `outputs` begins with x."""
        return outputs[layer]

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        """Output (T, B, H) and final states (1, B, H) of one direction of one layer."""
        single, lengths = self.single(layer, reverse), given.get("lengths")
        if not reverse:
            return self.scan(single, given)
        found = self.scan(single, {**given, "x": reversed_rows(given["x"], lengths)})
        return {**found, "output": reversed_rows(found["output"], lengths)}

    def scan(self, single: Any, given: Arrays) -> Arrays:
        """A single layer over (T, B, I), in its own order of time."""
        return dict(single.forward({name: array.copy() for name, array in given.items()}))


class Stepped(Chained):
    """One call of a real layer for each step, which starts from the states after the one before."""

    def scan(self, single: Any, given: Arrays) -> Arrays:
        x, steps = clean(given)["x"], valid(given)
        zeros = np.zeros((1, x.shape[1], self.options.output_size), x.dtype)
        cells = np.zeros((1, x.shape[1], self.options.hidden_size), x.dtype)
        none = {f"{n}_0": cells if number else zeros for number, n in enumerate(self.states)}
        states = [none | initial(given)]
        output = np.zeros((len(x), *zeros.shape[1:]), x.dtype)
        for t, now in enumerate(x):
            start = {name: array.copy() for name, array in self.start(states, t).items()}
            after = resumed(single.forward({"x": now[None].copy(), **start}))
            kept = {n: np.where(steps[t], a, states[-1][n]) for n, a in after.items()}
            states.append({n: a.astype(x.dtype) for n, a in kept.items()})
            output[t] = np.where(steps[t], after[f"{self.states[0]}_0"][0], x.dtype.type(0))
        ends = {name.removesuffix("_0") + "_n": array for name, array in states[-1].items()}
        return {"output": output, **ends}

    def start(self, states: list[Arrays], step: int) -> Arrays:
        """The states (1, B, H) that a step starts from; `states` begins with the initial ones."""
        return states[-1]
