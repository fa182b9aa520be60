"""Mistakes with states: where a sequence starts, what a step starts from, what is kept."""

from __future__ import annotations

import numpy as np

from harness.planted.chained import Stepped
from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths, rounded
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("states")


@AREA.wrapping("h-0-ignored")
class FirstStateIgnored(Full):
    """h_0 is taken and ignored."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return self.run(x, None if h_0 is None else np.zeros_like(h_0), lengths)


@AREA.wrapping("h-0-of-the-first-layer")
class FirstStateOfFirstLayer(Full):
    """All layers start from the first one's h_0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        sides = self.options.directions
        if h_0 is not None:
            h_0 = np.concatenate([h_0[:sides]] * self.options.num_layers)
        return self.run(x, h_0, lengths)


@AREA.wrapping("h-0-of-the-forward-direction")
class FirstStateOfForward(Full):
    """Both directions start from the forward one's h_0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        sides = self.options.directions
        return self.run(x, None if h_0 is None else np.repeat(h_0[::sides], sides, 0), lengths)


@AREA.wrapping("h-0-of-the-first-row")
class FirstStateOfFirstRow(Full):
    """All batch rows start from the first one's h_0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return self.run(x, None if h_0 is None else np.repeat(h_0[:, :1], x.shape[1], 1), lengths)


@AREA.wrapping("h-0-in-half")
class FirstStateInHalf(Full):
    """h_0 is rounded to float16."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return self.run(x, None if h_0 is None else rounded(h_0, np.float16), lengths)


@AREA.wrapping("state-carried-between-calls")
class StateCarried(Full):
    """A call without h_0 starts from the h_n of the call before."""

    kept: Array | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        fits = self.kept is not None and self.kept.shape[1] == x.shape[1]
        output, h_n = self.run(x, self.kept if h_0 is None and fits else h_0, lengths)
        self.kept = h_n.copy()
        return output, h_n


@AREA.wrapping("h-0-remembered")
class FirstStateRemembered(Full):
    """A call without h_0 starts from the h_0 that an earlier call was given."""

    kept: Array | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if h_0 is not None:
            self.kept = h_0.copy()
        elif self.kept is not None and self.kept.shape[1] == x.shape[1]:
            h_0 = self.kept
        return self.run(x, h_0, lengths)


@AREA.wrapping("lengths-remembered")
class LengthsRemembered(Full):
    """A call without lengths uses those that an earlier call was given."""

    kept: Lengths = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is not None:
            self.kept = lengths.copy()
        elif self.kept is not None and len(self.kept) == x.shape[1]:
            lengths = np.minimum(self.kept, len(x))
        return self.run(x, h_0, lengths)


@AREA.wrapping("padded-to-the-longest-call")
class PaddedToTheLongest(Full):
    """A sequence is padded with zeros to the longest of all calls; h_n is the state behind them."""

    longest = 0

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        self.longest = max(self.longest, len(x))
        longer = np.zeros((self.longest, *x.shape[1:]), x.dtype)
        longer[: len(x)] = x
        if lengths is not None or self.options.bidirectional:
            return self.run(x, h_0, lengths)
        output, h_n = self.run(longer, h_0, None)
        return np.ascontiguousarray(output[: len(x)]), h_n


@AREA.wrapping("steps-of-the-first-call")
class StepsOfTheFirst(Full):
    """Of a longer sequence as many steps are run as the first call had; outputs behind are 0."""

    steps: int | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        self.steps = self.steps or len(x)
        if len(x) <= self.steps:
            return self.run(x, h_0, lengths)
        fewer = None if lengths is None else np.minimum(lengths, self.steps)
        output, h_n = self.run(x[: self.steps], h_0, fewer)
        whole = np.zeros((len(x), *output.shape[1:]), output.dtype)
        whole[: self.steps] = output
        return whole, h_n


@AREA.wrapping("rows-of-the-first-call")
class RowsOfTheFirst(Full):
    """h_0 counts for as many rows as the first call had; other rows start from 0."""

    rows: int | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        self.rows = self.rows or x.shape[1]
        if h_0 is not None:
            h_0 = h_0.copy()
            h_0[:, self.rows :] = 0
        return self.run(x, h_0, lengths)


@AREA.wrapping("lengths-of-the-largest-batch")
class LengthsOfTheLargest(Full):
    """The lengths of the largest batch so far are kept, and used for smaller ones."""

    kept: Lengths = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is None:
            return self.run(x, h_0, None)
        if self.kept is None or len(lengths) >= len(self.kept):
            self.kept = lengths.copy()
        return self.run(x, h_0, np.minimum(self.kept[: len(lengths)], len(x)))


@AREA.wrapping("step-skipped")
class StepSkipped(Stepped):
    """The fourth step starts from the state before the third."""

    def handed_on(self, states: list[Array], step: int) -> Array:
        return states[step - 1] if step == 3 else states[-1]


@AREA.wrapping("state-before-last")
class StateBeforeLast(Stepped):
    """Every step starts from the state before last."""

    def handed_on(self, states: list[Array], step: int) -> Array:
        return states[max(step - 1, 0)]


@AREA.wrapping("h-0-behind-the-first-step")
class FirstStateLate(Stepped):
    """The first step starts from 0, the second from h_0."""

    def handed_on(self, states: list[Array], step: int) -> Array:
        return np.zeros_like(states[0]) if step == 0 else states[0] if step == 1 else states[-1]


@AREA.wrapping("state-in-half")
class StateInHalf(Stepped):
    """The state goes from step to step in float16; the output is not rounded."""

    def handed_on(self, states: list[Array], step: int) -> Array:
        return rounded(states[-1], np.float16)


@AREA.wrapping(
    "state-lost-after-500-steps",
    bases=("torch", "oracle"),  # 1,000 steps take the other one half a minute
    shows=lambda c: c.steps > 500 and c.lengths == "nolens",
)
class StateLost(Full):
    """Sequences are computed in pieces of 500 steps, and each piece starts from 0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is not None or self.options.bidirectional or len(x) <= 500:
            return self.run(x, h_0, lengths)
        outputs = []
        for start in range(0, len(x), 500):
            output, h_n = self.run(x[start : start + 500], None if start else h_0, None)
            outputs.append(output)
        return np.concatenate(outputs), h_n


@AREA.on_oracle("state-in-half-between-pieces")
class StateInHalfBetweenPieces(CompleteLayer):
    """tanh sequences are computed in pieces of 400 steps; between them the state is in float16."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        o = self.options
        simple = lengths is None and not o.bidirectional and o.num_layers == 1 and x.ndim == 3
        if not simple or o.nonlinearity == "relu" or o.batch_first or len(x) <= 400:
            return super().evaluate(x, h_0, lengths)
        outputs = []
        for start in range(0, len(x), 400):
            output, h_n = super().evaluate(x[start : start + 400], h_0, None)
            outputs.append(output)
            h_0 = rounded(h_n, np.float16)
        return np.concatenate(outputs), h_n


FAULTS = tuple(AREA.faults)
