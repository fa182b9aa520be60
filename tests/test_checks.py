"""Each check fails on a fault that it is there for, and passes on an implementation without."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from harness.case import make_case
from harness.checks import every_check
from harness.config import Config
from harness.corpus import load_corpus
from harness.evidence import Evidence
from harness.faults import VARIANTS
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.layers import LAYERS
from harness.observe import observe
from harness.oracle import Oracle
from harness.results import Result
from harness.strategies import configs
from harness.verdicts import FAILED
from tests import faulty
from tests.faulty import ForwardLayer, backend, with_fault

SIZES = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5}
BASE: dict[str, Any] = {**SIZES, "states": True, "scale": 4}
TANH = Config.of(**BASE, lengths="ragged", num_layers=2, bidirectional=True)
RELU = Config.of(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2, layout="batchfirst")
PLAIN = Config.of(**BASE)
INTS = Config.of(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=3)
SPECIAL = Config.of(**{**BASE, "scale": 1}, num_layers=3, data="special")
assert LAYERS["rnn"].sweep is not None
SWEEP = LAYERS["rnn"].sweep("tanh", "fp32", "values")
EMPTY = TANH.replace(lengths="emptyrows")


def implementation(fault: str) -> Any:
    """The correct implementation with a fault, or a backend of `faulty`."""
    return getattr(faulty, fault) if hasattr(faulty, fault) else with_fault(fault)


def judged(implementation: Any, config: Config, check: str) -> list[Result]:
    results = Session({"x": implementation}).judge(config)
    return [result for result in results if result.check == check]


OF_VALUES = {
    check.name
    for check in every_check()
    if check.applies(TANH.replace(lengths="emptyrows"))
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
    ("shape_dtype", "output-one-step-short", TANH),
    ("inputs_unmodified", "x-written-to", PLAIN),
    ("inputs_unmodified", "output-buffer-reused", PLAIN),
    ("step_residual", "output-off-by-2-15", RELU),
    ("step_residual", "b-hh-dropped", TANH),
    ("step_residual", "nan", TANH),
    ("step_residual", "second-load-ignored", PLAIN),
    ("step_residual", "last-row-off", PLAIN),
    ("step_residual", "h-0-remembered", PLAIN.replace(states=False)),
    ("exact_lane", "last-step-off", INTS),
    ("prefix", "h-n-of-hidden-layers-turned", INTS),
    ("activation", "rational-tanh", SWEEP),
    ("bounded", "tanh-beyond-one", TANH),
    ("forward_error", "output-off-by-2-15", TANH),
    ("forward_error", "nan", RELU),
    ("last_state", "h-n-of-the-first-layer", INTS),
    ("last_state", "empty-rows-forget-h-0", EMPTY),
    ("padding_zero", "padding-not-zeroed", TANH),
    ("padding_ignored", "padding-leaks", RELU),
    ("rows_independent", "rows-mixed", RELU),
    ("determinism", "drift-from-call-to-call", TANH),
    ("determinism", "drift-of-the-last-step", TANH),
]
"""At small configs; that every fault is caught somewhere is asked in `test_faults`."""


@pytest.mark.parametrize(
    ("check", "fault", "config"), FAULTS, ids=[f"{c}-{f}-{k.id[:9]}" for c, f, k in FAULTS]
)
def test_check_fails_on_its_fault(check: str, fault: str, config: Config) -> None:
    results = judged(implementation(fault), config, check)
    failed = [r for r in results if r.verdict in FAILED]
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
    session = Session({"one": faulty.right, "two": backend(ForwardLayer, "other")})
    parity = [r for r in session.judge(TANH) if "against" in r.part]
    assert {r.verdict for r in parity} == {"pass"}


def test_oracle_rounded_passes_every_check_over_the_corpus() -> None:
    session = Session({"right": faulty.right})
    values = [config for config in load_corpus() if config.aspect == "values"]
    results = [result for config in values for result in session.judge(config)]
    assert [r for r in results if r.verdict not in ("pass", "inconclusive")] == []
    passed = {r.check for r in results if r.verdict == "pass"}
    assert passed == OF_VALUES | {"special_values"}


@settings(max_examples=150)
@given(configs(aspects=("values",)))
def test_oracle_rounded_is_never_accused(config: Config) -> None:
    for result in Session({"right": faulty.right}).judge(config):
        assert result.verdict in ("pass", "inconclusive"), f"{result}\n{result.replay}"


def test_states_kept_finite_and_given_out_as_infinity_are_not_accused() -> None:
    """Two infinities would give NaN; the finite states that they stand for do not."""
    config = Config.parse("rnn-relu-l02-bidir-nobias-special-i00001-h00007-b00007-t00005-s969055")
    results = judged(faulty.right, config, "special_values")
    assert {result.verdict for result in results} == {"pass"}


def test_nothing_compared_is_never_a_pass() -> None:
    session = Session({"right": faulty.right})
    for config in load_corpus():
        for result in session.judge(config):
            assert result.compared > 0 or result.verdict != "pass", result


def test_a_cause_for_tanh_beyond_one_is_measured() -> None:
    """Beyond 1 at the layer's own size only: the sweep knows nothing of it, so no excuse."""

    class BeyondOne(ForwardLayer):
        def activation(self, name: str, a: Any) -> Any:
            value = super().activation(name, a)
            return np.where(np.abs(value) > 1 - 1e-9, np.sign(value) * (1 + 2.0**-23), value)

    (measured,) = judged(backend(BeyondOne), PLAIN, "bounded")
    (other,) = judged(with_fault("tanh-beyond-one"), PLAIN, "bounded")
    assert (measured.cause, other.cause) == ("activation", "unexplained")


def test_a_comparison_that_could_see_nothing_is_inconclusive() -> None:
    """relu with one dead unit: no bias, input or state could have shown."""
    config = Config.of(nonlinearity="relu", steps=3, states=True, scale=8, seed=11)
    for seed in range(200):
        config = config.replace(seed=seed)
        (result,) = judged(faulty.right, config, "step_residual")
        dead = [name for name, share in result.power.items() if share == 0]
        assert (result.verdict == "inconclusive") == bool(dead), result
        assert not dead or result.message == f"no element would have shown: {', '.join(dead)}"


def test_steps_are_evaluated_as_the_page_says() -> None:
    """a, m and E of one element, by loops over the equation's terms."""
    case, row, hidden = make_case(TANH), 1, TANH.hidden_size
    observation = observe(faulty.right, case, repeat=False)
    evidence = Evidence(case, Oracle(case), observation, lambda: None)
    (argument,) = direction_steps(evidence, 1, reverse=True).reading[0].arguments
    step = int(case.last_step[row]) - 1
    assert step >= 0
    x = observation.hidden[0]["output"][step, row]
    h = evidence.outputs["output"][step + 1, row, hidden:]
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w_ih, w_hh, b_ih, b_hh = (case.weights[f"{kind}_l1_reverse"] for kind in kinds)
    for unit in range(hidden):
        terms = [float(w) * float(v) for w, v in zip(w_ih[unit], x, strict=True)]
        terms += [float(w) * float(v) for w, v in zip(w_hh[unit], h, strict=True)]
        terms += [float(b_ih[unit]), float(b_hh[unit])]
        assert len(terms) == 3 * hidden + 2
        m, at = math.fsum(map(abs, terms)), (step, row, unit)
        stored = float(np.abs(w_ih[unit]).sum() + np.abs(w_hh[unit]).sum())
        a = argument.interval.expected[at]
        assert a == pytest.approx(math.fsum(terms), rel=1e-14, abs=1e-15)
        assert argument.magnitude[at] == pytest.approx(m, rel=1e-14)
        u, eta = 2.0**-24, 2.0**-149
        bound = (len(terms) + 1) * u * m + (len(terms) + stored) * eta / 2
        assert argument.error[at] == pytest.approx(bound, rel=1e-5)


def test_hidden_layers_that_were_not_seen_conclude_nothing() -> None:
    """Deep stacks that may sum in another order: no accusation, and no pass of deep layers."""
    session = Session({"x": VARIANTS["a-fused-stack"].inject(faulty.right)})
    seen = set()
    for seed in range(30):
        config = TANH.replace(seed=seed, bidirectional=False, num_layers=3)
        for result in session.judge(config):
            assert result.verdict in ("pass", "inconclusive"), result
            if "hidden states were not seen" in result.message:
                assert not result.part.startswith("layer 0")
                seen.add(result.verdict)
    assert seen == {"inconclusive"}


def test_residual_names_the_first_wrong_place() -> None:
    class WrongOnce(ForwardLayer):
        def evaluate(self, given: Any) -> Any:
            found = super().evaluate(given)
            found["output"][2, 4, 1] += 0.125
            return found

    (result,) = judged(backend(WrongOnce), PLAIN, "step_residual")
    assert result.first is not None
    place = result.first
    where = (place.layer, place.direction, place.step, place.batch, place.unit)
    assert where == (0, "forward", 2, 4, 1)
    assert result.failing == result.conditional + 1


def test_faults_say_what_was_expected() -> None:
    (listed,) = judged(faulty.returns_list, PLAIN, "shape_dtype")
    assert "returned list, expected arrays by name: output, h_n" in listed.message
    (shaped,) = judged(faulty.shape, PLAIN, "shape_dtype")
    assert "output.shape = (4, 6, 4), expected (5, 6, 4)" in shaped.message
    (raised,) = judged(faulty.raises, PLAIN, "transfer")
    assert raised.message.startswith("RuntimeError: no kernel for this shape (faulty.py, line ")
