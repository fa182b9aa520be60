"""Each check fails on a fault that it is there for, and passes on an implementation without."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import faulty
import numpy as np
import pytest
from faulty import OracleLayer, backend, planted
from hypothesis import given, settings

from harness.activation import sweep_config
from harness.case import make_case
from harness.checks import every_check
from harness.config import Config
from harness.corpus import load_corpus
from harness.evidence import Evidence
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.observe import observe
from harness.oracle import Oracle
from harness.planted import LEGAL
from harness.results import Result
from harness.strategies import configs
from reference import layer_names

BASE = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5, "h_0": True, "scale": 4}
TANH = Config(**BASE, lengths="ragged", num_layers=2, bidirectional=True)
RELU = Config(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2, layout="batchfirst")
PLAIN = Config(**BASE)
INTS = Config(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=3)
SPECIAL = Config(**{**BASE, "scale": 1}, num_layers=3, data="special")
SWEEP = sweep_config("tanh", "fp32")
EMPTY = dataclasses.replace(TANH, lengths="empties")


def implementation(fault: str) -> Any:
    """A fault of the catalogue, or a backend of `faulty`."""
    return getattr(faulty, fault) if hasattr(faulty, fault) else planted(fault)


def judged(implementation: Any, config: Config, check: str) -> list[Result]:
    results = Session({"x": implementation}).judge(config)
    return [result for result in results if result.check == check]


OF_VALUES = {
    check.name
    for check in every_check()
    if check.applies(dataclasses.replace(TANH, lengths="empties"))
    or check.applies(INTS)
    or check.applies(SWEEP)
} - {"modes"}
UNEXCUSED = {"unexplained", None}
EXPECTED = {"activation": {"activation"}}

FAULTS = [
    ("transfer", "read-back-rounded", TANH),
    ("transfer", "raises", TANH),
    ("transfer", "exits", TANH),
    ("shape_dtype", "returns-a-list", TANH),
    ("shape_dtype", "output-in-float64", TANH),
    ("shape_dtype", "output-one-step-short", TANH),
    ("inputs_unmodified", "x-written-to", PLAIN),
    ("step_residual", "output-off-by-2-15", TANH),
    ("step_residual", "output-off-by-2-15", RELU),
    ("step_residual", "b-hh-dropped", TANH),
    ("step_residual", "w-hh-transposed", TANH),
    ("step_residual", "output-halves-swapped", TANH),
    ("step_residual", "lengths-ignored", TANH),
    ("step_residual", "nan", TANH),
    ("step_residual", "one-nan", PLAIN),
    ("step_residual", "rows-mixed", TANH),
    ("exact_lane", "states-through-a-scale", INTS),
    ("prefix", "h-n-of-hidden-layers-turned", TANH),
    ("prefix", "h-n-of-hidden-layers-turned", INTS),
    ("activation", "rational-tanh", SWEEP),
    ("bounded", "tanh-beyond-one", TANH),
    ("forward_error", "output-off-by-2-15", TANH),
    ("forward_error", "b-hh-dropped", RELU),
    ("forward_error", "nan", RELU),
    ("last_state", "h-n-of-the-first-layer", TANH),
    ("last_state", "h-n-of-the-first-layer", INTS),
    ("padding_zero", "padding-not-zeroed", TANH),
    ("padding_zero", "lengths-ignored", RELU),
    ("padding_ignored", "padding-leaks", TANH),
    ("padding_ignored", "padding-leaks", RELU),
    ("rows_independent", "rows-mixed", RELU),
    ("rows_independent", "last-row-off", PLAIN),
    ("determinism", "drift-from-call-to-call", PLAIN),
    ("determinism", "drift-from-call-to-call", TANH),
    ("determinism", "drift-of-the-last-step", TANH),
    ("rows_independent", "rows-in-one-scale", PLAIN),
    ("inputs_unmodified", "output-buffer-reused", PLAIN),
    ("inputs_unmodified", "h-0-written-to", PLAIN),
    ("inputs_unmodified", "lengths-sorted-in-place", TANH),
    ("step_residual", "second-load-ignored", PLAIN),
    ("step_residual", "last-step-off", PLAIN),
    ("step_residual", "last-step-off", TANH),
    ("last_state", "empty-rows-forget-h-0", EMPTY),
    ("last_state", "h-n-of-padded-rows-an-ulp-off", TANH),
    ("activation", "tanh-of-the-negative-half", SWEEP),
    ("activation", "tanh-not-odd", SWEEP),
    ("exact_lane", "last-step-off", INTS),
    ("step_residual", "h-0-remembered", dataclasses.replace(PLAIN, h_0=False)),
    ("step_residual", "lengths-remembered", PLAIN),
    ("prefix", "h-n-of-hidden-layers-without-nan", SPECIAL),
]


@pytest.mark.parametrize(
    ("check", "fault", "config"), FAULTS, ids=[f"{c}-{f}-{k.id[:9]}" for c, f, k in FAULTS]
)
def test_check_fails_on_its_fault(check: str, fault: str, config: Config) -> None:
    results = judged(implementation(fault), config, check)
    failed = [r for r in results if r.verdict in ("fail", "error")]
    assert failed
    assert {r.cause for r in failed} & EXPECTED.get(check, UNEXCUSED)
    assert judged(faulty.right, config, check), "the check says nothing here"
    assert {r.verdict for r in judged(faulty.right, config, check)} <= {"pass", "inconclusive"}


def test_every_check_has_a_fault_that_it_fails_on() -> None:
    assert {check for check, _, _ in FAULTS} | {"float_environment"} == OF_VALUES


@pytest.mark.parametrize("fault", ["scaled", "b-hh-dropped", "nan"])
def test_parity_fails_where_one_of_two_is_wrong(fault: str) -> None:
    session = Session({"right": faulty.right, "wrong": implementation(fault)})
    parity = [r for r in session.judge(TANH) if "against" in r.part]
    assert {r.backend for r in parity} == {"faulty"}
    assert {r.part for r in parity} == {"output against right", "h_n against right"}
    assert {r.verdict for r in parity} == {"fail"}


def test_parity_passes_between_two_right_ones() -> None:
    session = Session({"one": faulty.right, "two": backend(OracleLayer, "other")})
    parity = [r for r in session.judge(TANH) if "against" in r.part]
    assert {r.verdict for r in parity} == {"pass"}


def test_oracle_rounded_passes_every_check_over_the_corpus() -> None:
    session = Session({"right": faulty.right})
    values = [config for config in load_corpus() if config.aspect == "forward"]
    results = [result for config in values for result in session.judge(config)]
    assert [r for r in results if r.verdict not in ("pass", "inconclusive")] == []
    passed = {r.check for r in results if r.verdict == "pass"}
    assert passed == OF_VALUES | {"special_values"}


@settings(max_examples=150)
@given(configs(aspects=("forward",)))
def test_oracle_rounded_is_never_accused(config: Config) -> None:
    for result in Session({"right": faulty.right}).judge(config):
        assert result.verdict in ("pass", "inconclusive"), f"{result}\n{result.replay}"


def test_states_kept_finite_and_given_out_as_infinity_are_not_accused() -> None:
    """Two infinities would give NaN; the finite states that they stand for do not."""
    config = Config.parse(
        "relu-l2-bidir-biasless-timefirst-drop00-noh0-nolens-fp32-i001-h007-b00007-t0005-w01-"
        "special-s969055"
    )
    results = judged(faulty.right, config, "special_values")
    assert {result.verdict for result in results} == {"pass"}


def test_nothing_compared_is_never_a_pass() -> None:
    session = Session({"right": faulty.right})
    for config in load_corpus():
        for result in session.judge(config):
            assert result.compared > 0 or result.verdict != "pass", result


def test_a_cause_for_tanh_beyond_one_is_measured() -> None:
    """Beyond 1 at the layer's own size only: the sweep knows nothing of it, so no excuse."""

    class BeyondOne(OracleLayer):
        def activation(self, a):  # type: ignore[no-untyped-def]
            value = super().activation(a)
            return np.where(np.abs(value) > 1 - 1e-9, np.sign(value) * (1 + 2.0**-23), value)

    (measured,) = judged(backend(BeyondOne), PLAIN, "bounded")
    (other,) = judged(planted("tanh-beyond-one"), PLAIN, "bounded")
    assert (measured.cause, other.cause) == ("activation", "unexplained")


def test_a_comparison_that_could_see_nothing_is_inconclusive() -> None:
    """relu with one dead unit: no bias, input or state could have shown."""
    config = Config(nonlinearity="relu", steps=3, h_0=True, scale=8, seed=11)
    for seed in range(200):
        config = dataclasses.replace(config, seed=seed)
        (result,) = judged(faulty.right, config, "step_residual")
        dead = [name for name, share in result.power.items() if share == 0]
        assert (result.verdict == "inconclusive") == bool(dead), result
        assert not dead or result.message == f"no element would have shown: {', '.join(dead)}"


def test_steps_are_evaluated_as_the_page_says() -> None:
    """n, m and a of one element, by loops over the equation's terms."""
    case, k, row = make_case(TANH), 1, 1
    observation = observe(faulty.right, case, repeat=False)
    evidence = Evidence(case, Oracle(case), observation, lambda: None)
    steps = direction_steps(evidence, k, reverse=True)
    assert steps.terms == 2 * TANH.hidden_size + TANH.hidden_size + 2
    step = int(case.last_step[row]) - 1
    assert step >= 0
    x = observation.hidden[0].output[step, row]
    h = evidence.forward.output[step + 1, row, TANH.hidden_size :]
    names = layer_names(k, True, bias=True)
    w_ih, w_hh, b_ih, b_hh = (case.weights[name] for name in names)
    for unit in range(TANH.hidden_size):
        terms = [float(w) * float(v) for w, v in zip(w_ih[unit], x, strict=True)]
        terms += [float(w) * float(v) for w, v in zip(w_hh[unit], h, strict=True)]
        terms += [float(b_ih[unit]), float(b_hh[unit])]
        m = math.fsum(map(abs, terms))
        stored = float(np.abs(w_ih[unit]).sum() + np.abs(w_hh[unit]).sum())
        assert steps.a[step, row, unit] == pytest.approx(math.fsum(terms), rel=1e-14, abs=1e-15)
        assert steps.magnitude[step, row, unit] == pytest.approx(m, rel=1e-14)
        u, eta = 2.0**-24, 2.0**-149
        bound = (len(terms) + 1) * u * m + (len(terms) + stored) * eta / 2
        assert steps.error[step, row, unit] == pytest.approx(bound, rel=1e-5)


def test_hidden_layers_that_were_not_seen_conclude_nothing() -> None:
    """Deep stacks that legally sum in another order: no accusation, and no pass of deep layers."""
    session = Session({"x": LEGAL["a-fused-stack"].plant(faulty.right)})
    seen = set()
    for seed in range(30):
        config = dataclasses.replace(TANH, seed=seed, bidirectional=False, num_layers=3)
        for result in session.judge(config):
            assert result.verdict in ("pass", "inconclusive"), result
            if "hidden states were not seen" in result.message:
                assert not result.part.startswith("layer 0")
                seen.add(result.verdict)
    assert seen == {"inconclusive"}


def test_residual_names_the_first_wrong_place() -> None:
    class WrongOnce(OracleLayer):
        def evaluate(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
            output, h_n = super().evaluate(x, h_0, lengths)
            output[2, 4, 1] += 0.125
            return output, h_n

    (result,) = judged(backend(WrongOnce), PLAIN, "step_residual")
    assert result.first is not None
    place = result.first
    assert (place.layer, place.direction, place.step, place.batch, place.unit) == (
        0,
        "forward",
        2,
        4,
        1,
    )
    assert result.failing == result.conditional + 1


def test_faults_say_what_was_expected() -> None:
    (listed,) = judged(faulty.returns_list, PLAIN, "shape_dtype")
    assert "returned a list of 2, expected the tuple (output, h_n)" in listed.message
    (shaped,) = judged(faulty.shape, PLAIN, "shape_dtype")
    assert "output.shape = (4, 6, 4), expected (5, 6, 4)" in shaped.message
    (raised,) = judged(faulty.raises, PLAIN, "transfer")
    assert raised.message.startswith("RuntimeError: no kernel for this shape (faulty.py, line ")
