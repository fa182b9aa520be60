"""The oracle lies in the balls, correct evaluations within the bounds; and neither is by chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from harness.axes import shape_of
from harness.case import cotangents, make_case
from harness.config import Config
from harness.judging import steps
from reference import FORMATS, Bounded, Interval, Rounded
from reference.arrays import Array
from tests.campaigns import (
    ball_arithmetic,
    ball_gradients,
    enclosure,
    oracle_error,
    torch_gradients,
)
from tests.campaigns.ball_arithmetic import exact_array
from tests.campaigns.correct_evaluations import equation_of
from tests.campaigns.oracle_error import OracleErrors, enclose
from tests.campaigns.sums import ORDERS, dot, fused
from tests.campaigns.torch_gradients import compare_with_torch
from tests.campaigns.worst_case_search import (
    LargestRatios,
    adversarial_case,
    judge_orders,
    search,
)

DRAWN = enclosure.drawn_configs(60, seed=2)
SMALL = [config for config in DRAWN if config.num_layers * config.steps * config.batch < 60]
BY_CELL = {
    layer: [
        config
        for config in enclosure.drawn_configs(40, seed=2, layers=(layer,))
        if config.num_layers * config.steps * config.batch < 60
    ]
    for layer in ("rnn", "lstm", "gru")
}


def enclosed(configs: list[Config]) -> OracleErrors:
    found = OracleErrors()
    with np.errstate(all="ignore"):
        for config in configs:
            enclose(make_case(config), found)
    return found


def test_the_oracle_lies_in_the_balls_widened_by_its_own_bound() -> None:
    found = enclosed(DRAWN)
    assert found.outside == []
    assert min(found.compared[q] for q in ("states", "intervals", "gradients")) > 3000
    of_numbers = {key for key in found.left_out if key != ("gradients", "operands not finite")}
    assert {question for question, _ in of_numbers} <= {"states", "intervals", "start to end"}
    assert 0.1 < found.largest["states"][0] <= 1


Outputs = dict[str, Array]


def changed(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], Any]) -> None:
    """A function of the oracle gives something else."""
    correct = getattr(oracle_error, name)
    monkeypatch.setattr(oracle_error, name, lambda *a, **named: change(correct(*a, **named)))


def scaled(factor: float) -> Callable[[Outputs], Outputs]:
    return lambda found: {name: array * factor for name, array in found.items()}


@pytest.mark.parametrize("layer", BY_CELL)
def test_an_oracle_off_by_a_part_in_ten_trillion_is_outside(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(monkeypatch, "evaluate", scaled(1 + 1e-13))
    assert any(line.startswith("states: ") for line in enclosed(BY_CELL[layer][:6]).outside)


def test_a_cell_state_off_by_a_part_in_ten_trillion_is_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def off(found: tuple[Outputs, Outputs]) -> tuple[Outputs, Outputs]:
        every, ends = found
        return {**every, "c": every["c"] * (1 + 1e-13)}, ends

    changed(monkeypatch, "scan", off)
    outside = enclosed(BY_CELL["lstm"][:6]).outside
    assert any(line.startswith("states: ") and " at c, " in line for line in outside)
    assert any(line.startswith("c_n: ") for line in outside)


def other_h_n(found: Outputs) -> Outputs:
    return {**found, "h_n": 2 * found["h_n"] + 1}


def padded(found: Outputs) -> Outputs:
    return {**found, "output": np.where(found["output"] == 0, 7.0, found["output"])}


@pytest.mark.parametrize(
    ("wrong", "question"), [(scaled(np.nan), "states"), (other_h_n, "h_n"), (padded, "padding")]
)
def test_an_oracle_that_is_wrong_beside_its_steps_is_outside(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Outputs], Outputs], question: str
) -> None:
    changed(monkeypatch, "evaluate", wrong)
    config = Config.of(bidirectional=True, states=True, lengths="emptyrows", batch=3, steps=3)
    assert any(line.startswith(question) for line in enclosed([config]).outside)


@pytest.mark.parametrize("layer", BY_CELL)
def test_gradients_off_by_a_part_in_a_trillion_are_outside(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = 1 + 1e-12

    def with_bounds(found: Any) -> Any:
        moved = {name: Bounded(g.value * off, g.bound) for name, g in found.by_name.items()}
        return dataclasses.replace(found, by_name=moved)

    changed(monkeypatch, "gradients", scaled(off))
    changed(monkeypatch, "backpropagate", with_bounds)
    outside = enclosed([c for c in BY_CELL[layer] if c.aspect == "gradient"][:3]).outside
    assert any(line.startswith("gradients: ") and "ratio" in line for line in outside)


class TooNarrow(Rounded):
    """Intervals of nine tenths of their width."""

    def activation(self, name: str, value: Any) -> Interval:
        found = super().activation(name, value)
        low, high = (found.expected + 0.9 * (e - found.expected) for e in (found.low, found.high))
        return dataclasses.replace(found, low=low, high=high)


class HalfTheError(Rounded):
    """Sums may err half of what they may."""

    def error(self, value: Any) -> Any:
        return 0.5 * super().error(value)


@pytest.mark.parametrize("layer", BY_CELL)
def test_an_interval_too_narrow_refuses_correct_numbers(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "Rounded", TooNarrow)
    outside = enclosed(BY_CELL[layer][:6]).outside
    assert any(line.startswith("intervals") and "_n, " not in line for line in outside)
    assert any(line.startswith("intervals") and " c_n, " in line for line in outside) == (
        layer == "lstm"
    )


class Along:
    """The loss of a config's case, moved along a way: all inputs and parameters at once."""

    def __init__(self, config: Config) -> None:
        self.case = case = make_case(config)
        rng = np.random.default_rng(config.seed)
        self.equation = equation_of(case)
        states = config.cell.states
        shapes = {name: shape_of(config, name) for name in ("output", *(f"{n}_n" for n in states))}
        self.of = {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}
        self.of["output"][~case.valid] = 0
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0))
        starts = {f"{name}_0": array for name, array in case.initial.items()}
        self.given = {"x": x, **starts, **case.weights}
        self.ways = {
            name: exact_array(rng.integers(-3, 4, array.shape).astype(np.float64))
            for name, array in self.given.items()
        }

    def loss(self, step: Any) -> arb:
        at = {n: exact_array(a) + self.ways[n] * step for n, a in self.given.items()}
        moved = dataclasses.replace(self.equation, weights={n: at[n] for n in self.case.weights})
        initial = {name: at[f"{name}_0"] for name in self.case.initial}
        layers, ends = ball_arithmetic.states(moved, at["x"], initial, self.case.lengths)
        found = {"output": layers[-1], **{f"{name}_n": end for name, end in ends.items()}}
        return sum(((found[name] * exact_array(g)).sum() for name, g in self.of.items()), arb(0))

    def slope(self) -> arb:
        """By the gradients."""
        found = ball_gradients.gradients(
            self.equation, self.given["x"], self.case.initial, self.case.lengths, self.of
        )
        return sum(((found[name] * way).sum() for name, way in self.ways.items()), arb(0))


@pytest.mark.parametrize("layer", BY_CELL)
def test_gradients_in_balls_are_difference_quotients(layer: str) -> None:
    """In balls of 256 bits a step of 2^-100 leaves 30 digits."""
    drawn = [c for c in BY_CELL[layer] if c.aspect == "gradient" and c.finite]
    for config in [c for c in drawn if c.cell.activations != ("relu",)][:6]:
        along, small = Along(config), arb(2) ** -100
        quotient = (along.loss(small) - along.loss(arb(0))) / small
        assert abs(quotient - along.slope()) < 1e-25 * (1 + abs(quotient)), config.id


def test_gradients_of_gated_layers_are_torchs() -> None:
    for found in compare_with_torch(torch_gradients.drawn_configs(10, seed=1)):
        assert found.outside == []
        assert found.configs == 10
        assert found.largest[0] > 0


def test_torchs_gradients_are_not_those_of_an_oracle_that_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    correct: Any = vars(torch_gradients)["gradients"]
    monkeypatch.setattr(
        torch_gradients, "gradients", lambda *a, **named: scaled(1 + 2e-12)(correct(*a, **named))
    )
    assert all(found.outside for found in compare_with_torch(torch_gradients.drawn_configs(2, 1)))


def test_no_correct_evaluation_exceeds_a_bound() -> None:
    ratios = search(SMALL[:8], seed=1, widths=((7, 8),))
    assert ratios.exceeded == []
    kinds = {kind for *_, kind in ratios.largest}
    assert kinds == {*ORDERS, "wide, kept"}
    assert {check for check, *_ in ratios.largest} == {"step_residual", "gradient"}
    assert {cell for _, _, cell, _ in ratios.largest} == {"tanh", "relu", "lstm", "gru"}


def exceeded_by_some_order(case_of: Callable[[np.random.Generator], list[Any]]) -> list[str]:
    """What exceeds its bound among all orders of some cases."""
    ratios, rng = LargestRatios(), np.random.default_rng(0)
    for case, of in case_of(rng):
        judge_orders(ratios, case, rng, of)
    return ratios.exceeded


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_half_the_bound_of_a_step_would_be_exceeded(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config.of(nonlinearity="relu", dtype=dtype, states=True, input_size=16, hidden_size=16)

    def swamped(rng: np.random.Generator) -> list[Any]:
        return [(adversarial_case("swamped", config, rng), None)]

    assert exceeded_by_some_order(swamped) == []
    monkeypatch.setattr(steps, "Rounded", HalfTheError)
    assert exceeded_by_some_order(swamped) != []


def test_an_erring_tanh_just_above_a_power_of_two_is_within_the_interval() -> None:
    """There the ulp of the interval's lower end is half of that of the value."""

    def edges(rng: np.random.Generator) -> list[Any]:
        configs = [Config.of(bias=False, batch=8, seed=seed) for seed in range(20)]
        return [(adversarial_case("edges", config, rng), None) for config in configs]

    assert exceeded_by_some_order(edges) == []


def test_adding_to_what_is_there_is_within_the_bound_of_gradients() -> None:
    """W_ih^T delta of both directions above, and W_hh^T delta, in one sum of 3 H terms."""
    config = Config.of(
        aspect="gradient",
        nonlinearity="relu",
        num_layers=2,
        bidirectional=True,
        states=True,
        input_size=4,
        hidden_size=20,
        steps=2,
        data="plain",
    )

    def swamped(rng: np.random.Generator) -> list[Any]:
        case = adversarial_case("swamped", config, rng)
        ones = {name: np.ones_like(array) for name, array in cotangents(case).items()}
        return [(case, ones)] * 5

    assert exceeded_by_some_order(swamped) == []


def test_subnormal_states_kept_in_a_higher_precision_are_within_the_bound_of_gradients() -> None:
    """Storing one errs by half of the smallest subnormal, times the delta that it meets."""
    config = Config.parse(
        "rnn-gradient-l02-bidir-nobias-batchfirst-drop50-emptyrows-scale08-i00004-h00006-b00006-"
        "t00002-s002525"
    )
    assert exceeded_by_some_order(lambda _: [(make_case(config), None)]) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_every_order_is_a_sum(order: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(-3, 4, (5, 1, 23)).astype(dtype)
    b = rng.integers(-3, 4, (1, 4, 23)).astype(dtype)
    left, right = np.broadcast_arrays(a, b)
    total = dot(left, right, order, rng)
    assert total.dtype == dtype
    assert np.array_equal(total, (a * b).sum(axis=-1))
    with pytest.raises(ValueError, match="order = 'backwards'"):
        dot(a, a, "backwards", rng)


@pytest.mark.parametrize(("dtype", "width"), [(np.float32, 32), (np.float16, 16)])
@given(data=st.data())
def test_a_fused_multiply_add_rounds_once(
    dtype: Any, width: Literal[16, 32], data: st.DataObject
) -> None:
    numbers = st.floats(width=width, allow_nan=False, allow_infinity=False)
    a, b, c = (dtype(data.draw(numbers, label=name)) for name in "abc")
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    with np.errstate(all="ignore"):
        got = fused(*(np.array([v]) for v in (a, b, c)))[0]
        near = [got, np.nextafter(got, dtype(np.inf)), np.nextafter(got, dtype(-np.inf))]
    if abs(exact) >= FORMATS["fp32" if width == 32 else "fp16"].largest:
        return
    distances = [abs(Fraction(float(v)) - exact) for v in near if np.isfinite(v)]
    assert distances[0] == min(distances)
    if distances.count(distances[0]) > 1:  # a tie goes to the even one
        assert got.view(f"i{width // 8}") % 2 == 0


def test_a_fused_multiply_add_rounds_once_where_float64_has_a_tie() -> None:
    a, b = np.array([2.0**-24 * (1 + 2.0**-15)], "f"), np.array([1 - 2.0**-15], "f")
    assert fused(a, b, np.array([1 + 2.0**-23], "f")) == 1 + 2.0**-23


def test_what_lies_outside_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(enclosure, "WIDTHS", ())
    few = [c for c in SMALL if c.aspect == "values" and c.data == "mixed"][:2]
    few.append(next(c for c in SMALL if c.aspect == "gradient"))
    monkeypatch.setattr(enclosure, "drawn_configs", lambda *_: few)
    assert enclosure.main(["--torch", "10"]) == 0
    assert "0 outside" in capsys.readouterr().out
    changed(monkeypatch, "evaluate", scaled(1 + 1e-9))
    assert enclosure.main(["--torch", "10"]) == 1
    assert few[0].id in capsys.readouterr().out


def test_a_slope_at_nan_and_a_sum_near_overflow_have_no_bound() -> None:
    """What follows from either is left open, not judged."""
    config = Config.of(
        aspect="gradient", nonlinearity="relu", hidden_size=2, steps=2, dtype="fp16", data="plain"
    )
    case = make_case(config)
    huge = {name: np.full_like(w, 6e4) for name, w in case.weights.items()}
    assert gradients_without_bound(dataclasses.replace(case, weights=huge)) > 0
    assert gradients_without_bound(case) == 0


def gradients_without_bound(case: Any) -> int:
    ratios = LargestRatios()
    judge_orders(ratios, case, np.random.default_rng(0))
    assert ratios.exceeded == []
    return ratios.undefined
