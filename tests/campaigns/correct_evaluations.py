"""Correct evaluations in a format, in every order that an implementation may choose.

Whatever these give, an implementation may give; a bound that one of them exceeds is wrong. The
equations are those of `ball_arithmetic`, the sums those of `sums`, and all other operations those
of NumPy's own formats, each rounded to nearest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.case import Case
from harness.config import Config
from harness.data import NUMPY_DTYPES
from reference import FORMATS, Format
from reference.arrays import Array, BoolArray
from tests.campaigns.ball_arithmetic import Equation, Rows, States
from tests.campaigns.sums import Pair, sum_of, wider

GROUPINGS = ("one sum", "two sums", "biases first", "biases last")
"""How a sum's terms are grouped: all in one sum; input and state apart, each with its bias;
the biases added to each other first, and to the rest at the end; or each added at the end."""

BLENDS = ("complement", "terms", "difference")
"""(1 - z) n + z h; n - z n + z h in one sum; n + z (h - n)."""

SIGMOIDS = ("exp", "tanh")
"""1 / (1 + exp(-a)), and (1 + tanh(a / 2)) / 2."""


@dataclass(frozen=True)
class EvaluationOrder:
    """In which order sums are evaluated, how their terms are grouped, and in which precision.

    `kept`: states stay in the wider format, and are rounded only where they are given out (with
    order "wide"). `erring`: each tanh errs by this many ulp, besides rounding, and each sigmoid by
    as large a part of what its exp, sum and division may.
    """

    order: str
    grouping: str = "one sum"
    kept: bool = False
    erring: int = 0
    blend: str = "complement"
    sigmoid: str = "exp"

    @property
    def kind(self) -> str:
        """For reports."""
        return self.order + ", kept" * self.kept


_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}


@dataclass(frozen=True)
class EvaluatedStates:
    """`outputs` of every layer (T, B, D * H), and `finals` (`h_n`: (L * D, B, H)), in the case's
    format.

    `inside` are the outputs as later steps and layers saw them: wider, where they were kept.
    """

    outputs: tuple[Array, ...]
    finals: Mapping[str, Array]
    inside: tuple[Array, ...]


def states(case: Case, evaluation: EvaluationOrder, rng: np.random.Generator) -> EvaluatedStates:
    """Every state of a case. The padding is zero; a row of length 0 keeps its initial states."""
    dtype, equation = case.x.dtype, equation_of(case)
    op = Working(dtype, evaluation, rng)
    below: Array = np.where(case.valid[:, :, None], case.x, dtype.type(0))
    outputs, inside = [], []
    last: dict[str, list[Array]] = {name: [] for name in equation.units}
    for layer, directions in enumerate(equation.directions):
        sides = []
        for side, direction in enumerate(directions):
            index = layer * equation.sides + side
            start = {name: case.start(name, index) for name in equation.units}
            step = functools.partial(equation.step, op, direction)
            out, end = _scan(step, op, below, start, case.valid, side == 1)
            sides.append(out)
            for name, array in end.items():
                last[name].append(array.astype(dtype))
        below = np.concatenate(sides, axis=2)
        inside.append(below)
        outputs.append(below.astype(dtype))
    finals = {f"{name}_n": np.stack(rows) for name, rows in last.items()}
    return EvaluatedStates(tuple(outputs), finals, tuple(inside))


def equation_of(case: Case) -> Equation:
    """The equation of a case."""
    config = case.config
    return Equation(
        case.weights, cell_of(config), config.num_layers, config.bias, config.bidirectional
    )


def cell_of(config: Config) -> str:
    """Elman's cell by its nonlinearity, others by name."""
    name = config.cell.name
    return str(config.nonlinearity) if name == "elman" else name


def parameter_names(case: Case, layer: int, side: int) -> list[str]:
    """Of one direction of one layer: W_ih, W_hh, and the biases where there are any."""
    kinds = ("weight_ih", "weight_hh", *("bias_ih", "bias_hh")[: 2 * case.config.bias])
    return [f"{kind}_l{layer}" + "_reverse" * side for kind in kinds]


def _scan(
    step: Callable[[Any, States], States],
    op: Working,
    below: Array,
    start: Mapping[str, Array],
    valid: BoolArray,
    reverse: bool,
) -> tuple[Array, dict[str, Array]]:
    states = {name: array.astype(op.kept) for name, array in start.items()}
    output = np.zeros((*valid.shape, states["h"].shape[1]), op.kept)
    for t in range(len(valid))[:: -1 if reverse else 1]:
        found = {n: op.close(value) for n, value in step(below[t], states).items()}
        keep = valid[t][:, None]
        states = {name: np.where(keep, found[name], array) for name, array in states.items()}
        output[t] = np.where(keep, found["h"], 0)
    return output, states


@dataclass(frozen=True, eq=False)
class Open:
    """A sum that was not added up yet: of several matrix products, or of other terms, each with its
    bias if there is one.
    """

    parts: tuple[tuple[Pair, Pair | None], ...]


class Working:
    """The reading in a working precision, (B, n) each; sums stay open until they are needed."""

    def __init__(self, dtype: Any, evaluation: EvaluationOrder, rng: np.random.Generator) -> None:
        self.evaluation, self.rng, self.dtype = evaluation, rng, np.dtype(dtype)
        self.kept = wider(self.dtype) if evaluation.kept else self.dtype

    def linear(self, rows: Rows, value: Any) -> Open:
        v = self.close(value)[:, None, :]
        one = np.ones((1, 1, 1), self.kept)
        bias = None if rows.bias is None else (one, rows.bias.astype(self.kept)[None, :, None])
        return Open((((v, rows.weight.astype(self.kept)[None]), bias),))

    def add(self, *values: Any) -> Open:
        return Open(tuple(part for value in values for part in self._opened(value).parts))

    def multiply(self, one: Any, other: Any) -> Open:
        return Open((((self.close(one)[..., None], self.close(other)[..., None]), None),))

    def blend(self, weight: Any, one: Any, other: Any) -> Array:
        z, n, h = (self.close(value) for value in (weight, one, other))
        unit = z.dtype.type(1)
        if self.evaluation.blend == "complement":
            return self.close(self.add(self.multiply(unit - z, n), self.multiply(z, h)))
        if self.evaluation.blend == "terms":
            return self.close(self.add(n, self.multiply(-z, n), self.multiply(z, h)))
        return self.close(self.add(n, self.multiply(z, h - n)))

    def activation(self, name: str, value: Any) -> Array:
        """Evaluated wider, moved by the error it is to have, and rounded to the format."""
        a = self.close(value)
        if name == "relu":
            return np.maximum(a, a.dtype.type(0))
        exact = (self._tanh if name == "tanh" else self._sigmoid)(a.astype(wider(self.dtype)))
        return exact.astype(self.kept)

    def _tanh(self, a: Array) -> Array:
        exact: Array = np.tanh(a)
        if not self.evaluation.erring:
            return exact
        # No tanh reaches 1, where an ulp is twice as large: the wider format only rounds to it.
        ulp = self._ulp(np.minimum(np.abs(exact), 1 - self.fmt.unit_roundoff))
        return np.where(exact == 0, exact, exact + self.evaluation.erring * ulp)

    def _sigmoid(self, a: Array) -> Array:
        """e / (1 + e) or 1 / (1 + e), e = exp(-|a|) within 3 ulp, the quotient within 2.5; or by
        tanh.
        """
        if self.evaluation.sigmoid == "tanh":
            t = self._tanh(a / 2).astype(self.kept)
            return np.asarray((1 + t.astype(a.dtype)) / 2)
        part = self.evaluation.erring / 4  # of what it may err, upwards or downwards
        e: Array = np.exp(-np.abs(a))
        e = e + np.where(a < 0, part, -part) * 3 * self._ulp(e) if part else e
        below = (1 + e) * (1 - part * self.fmt.unit_roundoff)
        found: Array = np.where(a < 0, e, 1) / below
        return found + part * 2 * self._ulp(found) if part else found

    @property
    def fmt(self) -> Format:
        return FORMATS[_NAMES[self.dtype]]

    def _ulp(self, value: Array) -> Array:
        return self.fmt.ulp(value.astype(np.float64))

    def close(self, value: Any) -> Array:
        """A sum, made as the evaluation groups its terms."""
        if not isinstance(value, Open):
            return np.asarray(value)
        pairs = [pair for pair, _ in value.parts]
        biases = [bias for _, bias in value.parts if bias is not None]
        if self.evaluation.kept:
            return np.asarray(
                functools.reduce(np.add, ((a * b).sum(axis=-1) for a, b in pairs + biases))
            )
        if self.evaluation.grouping == "one sum" or not biases:
            return self._sum(pairs + biases)
        if self.evaluation.grouping == "two sums":
            parts = [self._sum([p] if b is None else [p, b]) for p, b in value.parts]
            return np.asarray(functools.reduce(np.add, parts))
        added = [a[..., 0] * b[..., 0] for a, b in biases]
        if self.evaluation.grouping == "biases first":
            added = [functools.reduce(np.add, added)]
        return np.asarray(functools.reduce(np.add, added, self._sum(pairs)))

    def _sum(self, pairs: Sequence[Pair]) -> Array:
        return sum_of(pairs, self.evaluation.order, self.rng)

    def _opened(self, value: Any) -> Open:
        if isinstance(value, Open):
            return value
        array = np.asarray(value)[..., None]
        return Open((((array, np.ones((1, 1, 1), array.dtype)), None),))
