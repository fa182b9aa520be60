"""Slopes, tapes and excuses: what backpropagation is fed with."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import made_up
import numpy as np
import pytest
from made_up import evidence_of, measured

from harness.case import make_case
from harness.checks import gradient as check
from harness.checks.gradient import _excuses
from harness.config import Config
from harness.evidence import Evidence
from harness.judging import gradients
from harness.judging.gradients import _slope, _tape, expected_gradients, magnitudes
from harness.judging.steps import direction_steps
from harness.observe import observe
from harness.oracle import Oracle
from harness.planted.right import CompleteBackend
from reference import FORMATS, activation_interval

FP32 = FORMATS["fp32"]


def steps_of(nonlinearity: str, a: list[float], error: list[float], actual: list[float]) -> Any:
    values, errors = np.array([[a]]), np.array([[error]])
    interval = activation_interval(nonlinearity, values, errors, FP32)
    return made_up.steps_of(values, [[actual]], errors, interval=interval)


def test_slope_of_relu_is_open_where_rounding_decides_it() -> None:
    """By the sign of a within E; and where a state of 0 may stand for a positive one."""
    steps = steps_of("relu", [1, 0.25, -1, -0.25, 1], [0.25] * 5, [1, 0.25, 0, 0, 0])
    slope = _slope(evidence_of(Config(nonlinearity="relu")), steps, False, False)
    assert slope.value.ravel().tolist() == [1, 1, 0, 0, 0]
    assert slope.bound.ravel().tolist() == [0, 1, 0, 1, 1]
    assert slope.value.dtype == slope.bound.dtype == np.float64


@pytest.mark.parametrize("flushed", [False, True])
def test_slope_of_relu_is_open_where_a_state_of_zero_may_be_positive(flushed: bool) -> None:
    """Up to 3/4 and 1/8 legally, and a state that is no number has no slope, flushed or not."""
    steps = steps_of("relu", [0.5, 0.0625, -0.5, 1], [0.25, 0.03125, 0.25, 0], [0, 0, 0, math.nan])
    slope = _slope(evidence_of(Config(nonlinearity="relu")), steps, False, flushed)
    assert slope.bound.ravel().tolist() == [1, 1, 0, 0]
    assert slope.value.ravel().tolist()[:3] == [0, 0, 0]
    assert math.isnan(slope.value.ravel()[3])


def test_slope_of_relu_is_open_by_what_flushing_may_take() -> None:
    """Four results and factors of magnitude 3: seven smallest normal numbers."""
    tiny = 2.0**-126
    steps = steps_of("relu", [7 * tiny, 8 * tiny, -7 * tiny], [0.0] * 3, [7 * tiny, 8 * tiny, 0])
    evidence = evidence_of(Config(nonlinearity="relu"))
    assert _slope(evidence, steps, False, True).bound.ravel().tolist() == [1, 0, 1]
    assert _slope(evidence, steps, False, False).bound.ravel().tolist() == [0, 0, 0]
    assert _slope(evidence, steps, True, False).bound.ravel().tolist() == [0, 0, 0]


ROUNDINGS = 4 * (2.0**-24 + 2.0**-52)


def test_slope_of_tanh_from_its_own_states() -> None:
    slope = _slope(
        evidence_of(Config()), steps_of("tanh", [9.0] * 2, [0.1] * 2, [0.5, -2]), True, False
    )
    assert slope.value.ravel().tolist() == [0.75, -3]
    assert slope.bound.ravel().tolist() == [ROUNDINGS] * 2


def test_slope_of_tanh_from_any_legal_state() -> None:
    """1 - y^2 over [tanh(a - E), tanh(a + E)], widened: largest at 0, and at most 1 in size."""
    steps = steps_of("tanh", [0.5, -0.5, 0.1, 20.0], [0.1, 0.1, 0.3, 0.1], [0.0] * 4)
    slope = _slope(evidence_of(Config()), steps, False, False)
    low, high = steps.interval.low.ravel(), steps.interval.high.ravel()
    value = 1 - np.tanh(np.array([0.5, -0.5, 0.1, 20.0])) ** 2
    assert slope.value.ravel() == pytest.approx(value, rel=1e-15, abs=0)
    expected = [
        max(high[0] ** 2 - np.tanh(0.5) ** 2, np.tanh(0.5) ** 2 - low[0] ** 2),
        max(low[1] ** 2 - np.tanh(0.5) ** 2, np.tanh(0.5) ** 2 - high[1] ** 2),
        high[2] ** 2 - np.tanh(0.1) ** 2,
        1 - low[3] ** 2,
    ]
    found = slope.bound.ravel() - ROUNDINGS
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_slope_of_tanh_is_at_most_one_and_no_smaller_than_that_of_the_largest_state() -> None:
    """Of 3 and -3 within 3 1/2, 0 is legal, whose slope is 1; of -20 no state is beyond -1."""
    steps = steps_of("tanh", [3.0, -3.0, -20.0], [3.5, 3.5, 0.1], [0.0] * 3)
    found = _slope(evidence_of(Config()), steps, False, False).bound.ravel() - ROUNDINGS
    square, high = np.tanh(3.0) ** 2, steps.interval.high.ravel()[2]
    assert found == pytest.approx([square, square, 1 - high**2], rel=1e-9, abs=0)


CONFIG = Config(
    aspect="gradient", input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, seed=5,
    bidirectional=True, h_0=True, lengths="ragged", data="plain", scale=1,
)  # fmt: skip


def observed(config: Config, own: Any = None) -> Evidence:
    case = make_case(config)
    observation = observe(CompleteBackend(), case, repeat=False)
    assert observation.derivatives is not None, observation.trouble
    return Evidence(case, Oracle(case), observation, lambda: own)


@pytest.mark.parametrize(
    "config",
    [CONFIG, dataclasses.replace(CONFIG, h_0=False)],
    ids=lambda value: str(getattr(value, "id", value)),
)
def test_tapes_hold_what_each_step_had(config: Config) -> None:
    """Input, state before, and slope; nothing in the padding, whatever stands there."""
    evidence = observed(config)
    case, hidden = evidence.case, evidence.observation.hidden
    outputs = [hidden[0].output, evidence.forward.output]
    for layer in range(2):
        for reverse in (False, True):
            steps = direction_steps(evidence, layer, reverse)
            tape = _tape(evidence, steps, False)
            slope = _slope(evidence, steps, False, False)
            own = slice(2, 4) if reverse else slice(0, 2)
            for t in range(3):
                for row in range(4):
                    if not case.valid[t, row]:
                        for array in (tape.inputs, tape.previous, tape.derivative.value):
                            assert not array[t, row].any()
                        assert not tape.derivative.bound[t, row].any()
                        continue
                    below = outputs[0] if layer else case.x
                    assert (tape.inputs[t, row] == below[t, row]).all()
                    if t == (case.last_step[row] if reverse else 0):
                        before = 0 if case.h_0 is None else case.h_0[2 * layer + reverse, row]
                    else:
                        before = outputs[layer][t + 1 if reverse else t - 1, row, own]
                    assert (tape.previous[t, row] == before).all()
                    assert (tape.derivative.value[t, row] == slope.value[t, row]).all()
                    assert (tape.derivative.bound[t, row] == slope.bound[t, row]).all()


def test_magnitudes_of_all_terms_are_summed_up() -> None:
    """One unit of relu, one step: with d = |g| + |g_n|, |W_ih| d, |W_hh| d, d |x|, d |h_0|, d."""
    config = Config(aspect="gradient", nonlinearity="relu", data="ints", h_0=True, scale=1)
    for seed in range(40):
        evidence = observed(dataclasses.replace(config, seed=seed))
        derivatives, case = evidence.observation.derivatives, evidence.case
        assert derivatives is not None
        g, g_n = derivatives.output_cotangent.item(), derivatives.h_n_cotangent.item()
        x, h_0 = case.x.item(), case.h_0.item()
        w_ih, w_hh = (case.weights[f"weight_{kind}_l0"].item() for kind in ("ih", "hh"))
        if evidence.forward.output.item() > 0 and min(g, g_n, x, h_0) < 0 and w_ih < 0 and g * g_n:
            break
    d = abs(g) + abs(g_n)
    terms = {name: bounded.value.item() for name, bounded in magnitudes(evidence).items()}
    assert terms == {
        "x": abs(w_ih) * d,
        "h_0": abs(w_hh) * d,
        "weight_ih_l0": d * abs(x),
        "weight_hh_l0": d * abs(h_0),
        "bias_ih_l0": d,
        "bias_hh_l0": d,
    }


def test_magnitudes_of_a_direction_are_those_of_its_own_states() -> None:
    """One step, forward and reverse; where a state is 0 so is the slope, and d with it."""
    config = Config(
        aspect="gradient", nonlinearity="relu", data="ints", bidirectional=True, scale=1
    )
    seen = set()
    for seed in range(40):
        evidence = observed(dataclasses.replace(config, seed=seed))
        derivatives, states = evidence.observation.derivatives, evidence.forward.output.ravel()
        terms = magnitudes(evidence)
        for side, suffix in enumerate(("", "_reverse")):
            g = derivatives.output_cotangent.ravel()[side], derivatives.h_n_cotangent.ravel()[side]
            d = sum(map(abs, map(float, g))) if states[side] > 0 else 0.0
            assert terms[f"bias_ih_l0{suffix}"].value.item() == d
            seen.add((side, states[0] > 0, states[1] > 0, d > 0))
    assert {(1, True, False, False), (1, False, True, True), (0, True, False, True)} <= seen


@pytest.mark.parametrize(("own", "flushed"), [(False, True), (True, False), (False, False)])
def test_what_is_asked_of_gradients_is_asked_of_every_slope(
    monkeypatch: Any, own: bool, flushed: bool
) -> None:
    asked = []

    def slope(evidence: Any, steps: Any, own: bool, flushed: bool) -> Any:
        asked.append((steps.layer, steps.reverse, own, flushed))
        return _slope(evidence, steps, own, flushed)

    monkeypatch.setattr(gradients, "_slope", slope)
    expected_gradients(observed(CONFIG), own=own, flushed=flushed)
    places = [(layer, reverse) for layer in (0, 1) for reverse in (False, True)]
    assert asked == [(*place, own, flushed) for place in places]
    # Without an excuse nothing is forgiven, nor where the magnitudes of terms are summed up.
    asked.clear()
    ints = dataclasses.replace(CONFIG, nonlinearity="relu", data="ints")
    assert {r.verdict for r in check.gradient(observed(ints))} == {"pass"}
    assert [(*place, flushed) for *place, _, flushed in asked] == [(*p, False) for p in 2 * places]


def test_gradient_excuses_are_what_was_measured() -> None:
    def found(config: Config, **own: bool) -> list[str]:
        return list(_excuses(observed(config, measured(**own))))

    relu = dataclasses.replace(CONFIG, nonlinearity="relu")
    assert list(_excuses(observed(CONFIG))) == []
    assert found(CONFIG) == found(relu, errs=True) == []
    assert found(CONFIG, errs=True) == ["activation"]
    assert found(relu, flushes=True, errs=True) == ["flush"]
    assert found(CONFIG, flushes=True, errs=True) == ["flush", "activation"]


def test_gradient_excuses_forgive_one_thing_each() -> None:
    """Flushing widens every bound; the own activation takes the slope from the own states."""
    evidence = observed(dataclasses.replace(CONFIG, dtype="fp16"), measured(True, True))
    plain = expected_gradients(evidence, own=False)
    excuses = _excuses(evidence)
    for name, gradient in plain.items():
        valid = evidence.case.valid if name == "x" else ...
        assert (excuses["flush"][name].bound[valid] > gradient.bound[valid]).all()
        assert (excuses["flush"][name].value == gradient.value).all()
        assert (excuses["activation"][name].value != gradient.value).any()
        assert (excuses["activation"][name].bound[valid] < gradient.bound[valid]).any()
