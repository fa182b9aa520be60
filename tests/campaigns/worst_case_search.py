"""How close correct evaluations come to the bounds that judge implementations.

Every case is evaluated in every order of `correct_evaluations`, and judged by the checks
themselves. A ratio above 1 proves a bound wrong; how far below 1 the largest stays is the room
that an implementation has to be wrong in. Cases are drawn ones, wide ones (up to several hundred
terms), and such as are made to err as much as they can:

    swamped       1 and many terms of half an ulp: added to 1 one by one, each is lost, upwards
    cancelling    terms that come in pairs of nearly opposite value
    subnormal     products that underflow
    edges         tanh just above a power of two, where an ulp halves below
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.case import Case, cotangents, make_case
from harness.checks.gradient import gradient
from harness.checks.step_residual import step_residual
from harness.comparison import Comparison
from harness.config import Config
from harness.data import NUMPY_DTYPES
from reference import FORMATS
from reference.arrays import Array
from tests.campaigns.correct_evaluations import (
    BLENDS,
    GROUPINGS,
    SIGMOIDS,
    EvaluationOrder,
    cell_of,
    states,
)
from tests.campaigns.correct_gradients import gradients
from tests.campaigns.evidence_from_arrays import evidence_of
from tests.campaigns.sums import ORDERS

ADVERSARIAL = ("swamped", "cancelling", "subnormal", "edges")

GIVEN = ("x", "h_0", "c_0")

FORMATS_OF_NUMPY = ("fp32", "fp16", "fp64")

WIDTHS = ((1, 1), (2, 3), (7, 8), (16, 16), (64, 60), (200, 300))
"""(input_size, hidden_size); up to 502 terms."""


@dataclass
class LargestRatios:
    """Of many evaluations, by (check, format, cell, order): (ratio, terms, config).

    `exceeded` lists what exceeded its bound; `compared` and `undefined` count elements. `clipped`
    counts comparisons whose largest ratio is the 1 of a relu state that rounded to 0, the very end
    of its interval whatever the bound; those say nothing of how tight it is.
    """

    largest: dict[tuple[str, str, str, str], tuple[float, int, str]] = field(default_factory=dict)
    by_terms: dict[tuple[str, str, int], float] = field(default_factory=dict)
    exceeded: list[str] = field(default_factory=list)
    compared: int = 0
    undefined: int = 0
    clipped: int = 0

    def take(
        self, check: str, case: Case, evaluation: EvaluationOrder, comparison: Comparison
    ) -> None:
        """Note one comparison of one evaluation."""
        config = case.config
        self.compared += comparison.compared
        self.undefined += comparison.undefined
        if comparison.ratio is None:
            return
        at = comparison.worst
        if comparison.ratio == 1 and at is not None and at.actual == 0 < (at.expected or 0):
            self.clipped += 1
            return
        terms = config.input_size + config.hidden_size + 2 * config.bias
        key = (check, config.dtype, cell_of(config), evaluation.kind)
        here = (comparison.ratio, terms, config.id)
        self.largest[key] = max(self.largest.get(key, (-1.0, 0, "")), here)
        if not evaluation.erring:
            by = (check, config.dtype, terms)
            self.by_terms[by] = max(self.by_terms.get(by, 0.0), comparison.ratio)
        if not comparison.ratio <= 1:
            self.exceeded.append(
                f"{check}, {comparison.part}: ratio {comparison.ratio} by {evaluation}: {config.id}"
            )


def evaluations(config: Config, rng: np.random.Generator) -> Iterator[EvaluationOrder]:
    """Each order once, with other forms at random, and with erring activations."""
    for order in ORDERS:
        exact = EvaluationOrder(
            order,
            grouping=str(rng.choice(GROUPINGS)),
            blend=str(rng.choice(BLENDS)),
            sigmoid=str(rng.choice(SIGMOIDS)),
        )
        yield exact
        # Bounds on float64 grant its tanh 4 ulp more, which a test in float64 cannot use up.
        if cell_of(config) != "relu" and config.dtype != "fp64":
            yield dataclasses.replace(exact, erring=int(rng.choice([-4, 4])))
    yield EvaluationOrder("wide", kept=True)


def judge_orders(
    ratios: LargestRatios,
    case: Case,
    rng: np.random.Generator,
    of: Mapping[str, Array] | None = None,
) -> None:
    """One case in every order; of Elman's cell gradients too, where the config asks for them
    (`tests/test_gradient_bounds.py` has those of others).

    `of` replaces the case's own cotangents.
    """
    with np.errstate(all="ignore"):
        for evaluation in evaluations(case.config, rng):
            evaluated = states(case, evaluation, rng)
            found = None
            of = of or cotangents(case)
            if case.config.aspect == "gradient" and case.config.cell.name == "elman":
                found = gradients(case, evaluated, of, evaluation, rng)
            evidence = evidence_of(case, evaluated.outputs, evaluated.finals, found, of)
            for comparison in step_residual(evidence):
                ratios.take("step_residual", case, evaluation, comparison)
            for comparison in gradient(evidence) if found else ():
                ratios.take("gradient", case, evaluation, comparison)


def search(drawn: Sequence[Config], seed: int, widths: Sequence[tuple[int, int]]) -> LargestRatios:
    """Drawn configs of formats that NumPy computes in, wide ones, and adverse ones of each format.

    `widths` are (input_size, hidden_size) of the last two.
    """
    ratios, rng = LargestRatios(), np.random.default_rng(seed)
    for config in drawn:
        if config.dtype in FORMATS_OF_NUMPY:
            judge_orders(ratios, make_case(config), rng)
    for dtype in FORMATS_OF_NUMPY:
        for config in wide_configs(dtype, widths):
            judge_orders(ratios, make_case(config), rng)
            for kind in ADVERSARIAL:
                judge_orders(ratios, adversarial_case(kind, config, rng), rng)
        for config in deep_configs(dtype, widths):
            case = adversarial_case("swamped", config, rng)
            ones = {name: np.ones_like(array) for name, array in cotangents(case).items()}
            judge_orders(ratios, case, rng, ones)
    return ratios


def deep_configs(dtype: str, widths: Sequence[tuple[int, int]]) -> Iterator[Config]:
    """Gradients through stacks of one and two directions: sums over both and over the next step."""
    sizes = [hidden_size for _, hidden_size in widths if 4 < hidden_size < 100]
    for bidirectional in (False, True):
        for hidden_size in sizes:
            yield Config.of(
                aspect="gradient",
                nonlinearity="relu",
                num_layers=2,
                bidirectional=bidirectional,
                states=True,
                dtype=dtype,
                input_size=4,
                hidden_size=hidden_size,
                steps=2,
                data="plain",
            )


def wide_configs(dtype: str, widths: Sequence[tuple[int, int]]) -> Iterator[Config]:
    """Every width and cell, with and without biases."""
    cells: tuple[tuple[str, dict[str, str]], ...] = (
        ("rnn", {"nonlinearity": "tanh"}), ("rnn", {"nonlinearity": "relu"}), ("lstm", {}),
        ("gru", {}),
    )  # fmt: skip
    for seed, (input_size, hidden_size) in enumerate(widths):
        for layer, own in cells:
            yield Config.of(
                layer,
                **own,
                bias=seed % 2 == 1,
                states=True,
                dtype=dtype,
                input_size=input_size,
                hidden_size=hidden_size,
                batch=4,
                steps=3,
                seed=seed,
            )


def adversarial_case(kind: str, config: Config, rng: np.random.Generator) -> Case:
    """The case of a config with numbers that are made to err."""
    case = make_case(config)
    fmt, dtype = FORMATS[config.dtype], NUMPY_DTYPES[config.dtype]

    def changed(array: Array, name: str) -> Array:
        if kind == "swamped":
            new = np.ones(array.shape)
            if name not in GIVEN:
                new[:] = fmt.unit_roundoff
            if name.startswith("weight_ih"):
                new[:, 0] = 1.0
        elif kind == "cancelling":
            new = array.astype(np.float64)
            odd = new[..., 1::2]
            odd[:] = -new[..., : 2 * odd.shape[-1] : 2] * (1 + rng.normal(0, 1e-3, odd.shape))
            if name in GIVEN:
                new = np.abs(array.astype(np.float64))
        elif kind == "subnormal":
            half = 2.0 ** ((fmt.emin - fmt.precision) // 2 + int(rng.integers(0, 5)))
            new = rng.uniform(-4, 4, array.shape) * half
        else:
            new = array.astype(np.float64)
            if name.startswith("weight_ih"):
                steps = rng.integers(0, 6, array.shape) * 2 * fmt.unit_roundoff
                power = 2.0 ** -rng.integers(1, 4, array.shape)
                new = np.arctanh(power * (1 + steps))
            elif name == "x":
                new = np.sign(new) + (new == 0)
            else:
                new = np.zeros(array.shape)
        return new.astype(dtype)

    return dataclasses.replace(
        case,
        inputs={n: a if n == "lengths" else changed(a, n) for n, a in case.inputs.items()},
        weights={name: changed(array, name) for name, array in case.weights.items()},
    )
