"""Mistakes with states: where a sequence starts, what a step starts from, what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, final, initial, resumed, rounded, with_initial
from harness.faults.chained import Stepped
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer

__all__ = ["AREA"]

AREA = Area("states")

AREA.table(
    AREA.initial,
    {
        "h-0-ignored": (
            "Initial states are taken and ignored.",
            lambda layer, h_0: np.zeros_like(h_0),
        ),
        "h-0-of-the-first-layer": (
            "All layers start from the first one's initial states.",
            lambda layer, h_0: np.concatenate(
                [h_0[: layer.options.directions]] * layer.options.num_layers
            ),
        ),
        "h-0-of-the-forward-direction": (
            "Both directions start from the forward one's initial states.",
            lambda layer, h_0: np.repeat(
                h_0[:: layer.options.directions], layer.options.directions, 0
            ),
        ),
        "h-0-of-the-first-row": (
            "All batch rows start from the first one's initial states.",
            lambda layer, h_0: np.repeat(h_0[:, :1], h_0.shape[1], 1),
        ),
        "h-0-in-half": (
            "Initial states are rounded to float16.",
            lambda layer, h_0: rounded(h_0, np.float16),
        ),
    },
)


def _fits(kept: Arrays, given: Arrays) -> bool:
    """Whether states are of as many batch rows."""
    return all(array.shape[1] == given["x"].shape[1] for array in kept.values())


@AREA.fault("state-carried-between-calls")
class StateCarried(WrappedLayer):
    """A call without initial states starts from the final states of the call before."""

    def answer(self, given: Arrays) -> Arrays:
        kept = self.__dict__.get("kept", {})
        if not initial(given) and _fits(kept, given):
            given = {**given, **kept}
        found = self.run(given)
        self.kept = {name: array.copy() for name, array in resumed(found).items()}
        return found


@AREA.fault("h-0-remembered")
class FirstStateRemembered(WrappedLayer):
    """A call without initial states starts from those that an earlier call was given."""

    def answer(self, given: Arrays) -> Arrays:
        if initial(given):
            self.kept = initial(given)
        elif _fits(kept := self.__dict__.get("kept", {}), given):
            given = {**given, **kept}
        return self.run(given)


@AREA.inputs("lengths-remembered")
def lengths_remembered(layer: Any, given: Arrays) -> Arrays:
    """A call without lengths uses those that an earlier call was given."""
    steps, rows = given["x"].shape[:2]
    if "lengths" in given:
        layer.kept = given["lengths"]
    elif len(getattr(layer, "kept", ())) == rows:
        given = {**given, "lengths": np.minimum(layer.kept, steps)}
    return given


@AREA.fault("padded-to-the-longest-call")
class PaddedToTheLongest(WrappedLayer):
    """A sequence is padded with zeros to the longest of all calls; h_n is the state after them."""

    longest = 0

    def answer(self, given: Arrays) -> Arrays:
        x = given["x"]
        self.longest = max(self.longest, len(x))
        if "lengths" in given or self.options.bidirectional:
            return self.run(given)
        longer = np.zeros((self.longest, *x.shape[1:]), x.dtype)
        longer[: len(x)] = x
        found = self.run({**given, "x": longer})
        return {**found, "output": found["output"][: len(x)]}


@AREA.fault("steps-of-the-first-call")
class StepsOfTheFirst(WrappedLayer):
    """Of a longer sequence as many steps are run as the first call had; later outputs are 0."""

    steps: int | None = None

    def answer(self, given: Arrays) -> Arrays:
        x = given["x"]
        self.steps = self.steps or len(x)
        if len(x) <= self.steps:
            return self.run(given)
        fewer = {**given, "x": x[: self.steps]}
        if "lengths" in given:
            fewer["lengths"] = np.minimum(given["lengths"], self.steps)
        found = self.run(fewer)
        whole = np.zeros((len(x), *found["output"].shape[1:]), x.dtype)
        whole[: self.steps] = found["output"]
        return {**found, "output": whole}


@AREA.inputs("rows-of-the-first-call")
def rows_of_the_first(layer: Any, given: Arrays) -> Arrays:
    """Initial states count for as many rows as the first call had; other rows start from 0."""
    layer.rows = getattr(layer, "rows", given["x"].shape[1])
    for array in initial(given).values():
        array[:, layer.rows :] = 0
    return given


@AREA.inputs("lengths-of-the-largest-batch")
def lengths_of_the_largest(layer: Any, given: Arrays) -> Arrays:
    """The lengths of the largest batch so far are kept, and used for smaller ones."""
    if "lengths" not in given:
        return given
    lengths = given["lengths"]
    if len(lengths) >= len(getattr(layer, "kept", ())):
        layer.kept = lengths
    return {**given, "lengths": np.minimum(layer.kept[: len(lengths)], len(given["x"]))}


@AREA.fault("step-skipped")
class StepSkipped(Stepped):
    """The fourth step starts from the state before the third."""

    def start(self, states: list[Arrays], step: int) -> Arrays:
        return states[step - 1] if step == 3 else states[-1]


@AREA.fault("state-before-last")
class StateBeforeLast(Stepped):
    """Every step starts from the state before last."""

    def start(self, states: list[Arrays], step: int) -> Arrays:
        return states[max(step - 1, 0)]


@AREA.fault("h-0-after-the-first-step")
class FirstStateLate(Stepped):
    """The first step starts from 0, the second from the initial states."""

    def start(self, states: list[Arrays], step: int) -> Arrays:
        if step == 0:
            return with_initial(states[0], np.zeros_like)
        return states[0] if step == 1 else states[-1]


@AREA.fault("state-in-half")
class StateInHalf(Stepped):
    """The state goes from step to step in float16; the output is not rounded."""

    def start(self, states: list[Arrays], step: int) -> Arrays:
        return with_initial(states[-1], lambda array: rounded(array, np.float16))


@AREA.fault(
    "state-lost-after-500-steps",
    bases=("torch", "oracle"),  # 1,000 steps take the other one half a minute
    visible=lambda c: c.steps > 500 and c.lengths == "nolengths",
)
class StateLost(WrappedLayer):
    """Sequences are computed in pieces of 500 steps, and each piece starts from 0."""

    def answer(self, given: Arrays) -> Arrays:
        x = given["x"]
        if "lengths" in given or self.options.bidirectional or len(x) <= 500:
            return self.run(given)
        pieces = [self.run({**given, "x": x[:500]})]
        pieces += [self.run({"x": x[start : start + 500]}) for start in range(500, len(x), 500)]
        output = np.concatenate([piece["output"] for piece in pieces])
        return {"output": output, **final(pieces[-1])}


@AREA.fault("state-in-half-between-pieces")
class StateInHalfBetweenPieces(CorrectLayer):
    """Sequences without relu are computed in pieces of 400 steps, with float16 states between."""

    def evaluate(self, given: Arrays) -> Arrays:
        o, x = self.options, given["x"]
        simple = o.num_layers == 1 and not (o.bidirectional or o.batch_first or self.flat)
        if not simple or "lengths" in given or "relu" in self.cell.activations or len(x) <= 400:
            return super().evaluate(given)
        outputs = []
        for start in range(0, len(x), 400):
            found = super().evaluate({**given, "x": x[start : start + 400]})
            outputs.append(found["output"])
            given = with_initial(resumed(found), lambda array: rounded(array, np.float16))
        return {**found, "output": np.concatenate(outputs)}
