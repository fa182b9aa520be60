"""Each check fails on a fault that it is there for, and passes on an implementation without."""

from __future__ import annotations

import faulty
import pytest
from faulty import OracleBackend, OracleLayer, backend
from hypothesis import given, settings

from harness.activation import sweep_config
from harness.checks import CHECKS
from harness.config import Config
from harness.corpus import load_corpus
from harness.judge import Session
from harness.results import Result
from harness.strategies import configs

BASE = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5, "h_0": True, "scale": 4}
TANH = Config(**BASE, lengths="ragged", num_layers=2, bidirectional=True)
RELU = Config(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2, layout="batchfirst")
PLAIN = Config(**BASE)
INTS = Config(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=3)
SWEEP = sweep_config("tanh", "fp32")


def judged(implementation: OracleBackend, config: Config, check: str) -> list[Result]:
    results = Session({"x": implementation}).judge(config)
    return [result for result in results if result.check == check]


FAULTS = [
    ("transfer", faulty.ReadsBackOther, TANH),
    ("transfer", faulty.Raises, TANH),
    ("transfer", faulty.Exits, TANH),
    ("shape_dtype", faulty.ReturnsList, TANH),
    ("shape_dtype", faulty.ReturnsFloat64, TANH),
    ("shape_dtype", faulty.WrongShape, TANH),
    ("inputs_unmodified", faulty.WritesToInput, PLAIN),
    ("step_residual", faulty.ScaledOutput, TANH),
    ("step_residual", faulty.ScaledOutput, RELU),
    ("step_residual", faulty.DropsBias, TANH),
    ("step_residual", faulty.TransposedRecurrence, TANH),
    ("step_residual", faulty.SwappedDirections, TANH),
    ("step_residual", faulty.IgnoresLengths, TANH),
    ("step_residual", faulty.ReturnsNan, TANH),
    ("step_residual", faulty.OneNan, PLAIN),
    ("step_residual", faulty.RowsMixed, TANH),
    ("exact_lane", faulty.InexactIntegers, INTS),
    ("prefix", faulty.HiddenLayersSwapped, TANH),
    ("prefix", faulty.HiddenLayersSwapped, INTS),
    ("activation", faulty.RationalTanh, SWEEP),
    ("bounded", faulty.BeyondOne, TANH),
    ("forward_error", faulty.ScaledOutput, TANH),
    ("forward_error", faulty.DropsBias, RELU),
    ("forward_error", faulty.ReturnsNan, RELU),
    ("last_state", faulty.FirstLayersState, TANH),
    ("last_state", faulty.FirstLayersState, INTS),
    ("padding_zero", faulty.PaddingNotZeroed, TANH),
    ("padding_zero", faulty.IgnoresLengths, RELU),
    ("padding_ignored", faulty.PaddingLeaks, TANH),
    ("padding_ignored", faulty.PaddingLeaks, RELU),
    ("rows_independent", faulty.RowsMixed, RELU),
    ("rows_independent", faulty.TwinsDiffer, PLAIN),
    ("repeatable", faulty.CarriesState, PLAIN),
    ("repeatable", faulty.CarriesState, TANH),
]


@pytest.mark.parametrize(
    ("check", "fault", "config"), FAULTS, ids=[f"{c}-{f.__name__}-{k.id[:9]}" for c, f, k in FAULTS]
)
def test_check_fails_on_its_fault(check: str, fault: type[OracleLayer], config: Config) -> None:
    verdicts = {result.verdict for result in judged(backend(fault), config, check)}
    assert verdicts & {"fail", "error"}
    assert judged(faulty.right, config, check), "the check says nothing here"
    assert {r.verdict for r in judged(faulty.right, config, check)} <= {"pass", "inconclusive"}


def test_every_check_has_a_fault_that_it_fails_on() -> None:
    assert {check for check, _, _ in FAULTS} | {"parity"} == {check.name for check in CHECKS}


@pytest.mark.parametrize("fault", [faulty.ScaledOutput, faulty.DropsBias, faulty.ReturnsNan])
def test_parity_fails_where_one_of_two_is_wrong(fault: type[OracleLayer]) -> None:
    session = Session({"right": faulty.right, "wrong": backend(fault)})
    parity = [r for r in session.judge(TANH) if r.check == "parity"]
    assert {r.backend for r in parity} == {"faulty"}
    assert {r.part for r in parity} == {"output against right", "h_n against right"}
    assert {r.verdict for r in parity} == {"fail"}


def test_parity_passes_between_two_right_ones() -> None:
    session = Session({"one": faulty.right, "two": backend(OracleLayer, "other")})
    parity = [r for r in session.judge(TANH) if r.check == "parity"]
    assert {r.verdict for r in parity} == {"pass"}


def test_oracle_rounded_passes_every_check_over_the_corpus() -> None:
    session = Session({"right": faulty.right})
    results = [result for config in load_corpus() for result in session.judge(config)]
    assert [r for r in results if r.verdict not in ("pass", "inconclusive")] == []
    assert {r.check for r in results if r.verdict == "pass"} == {
        check.name for check in CHECKS if check.name != "parity"
    }


@settings(max_examples=150)
@given(configs())
def test_oracle_rounded_is_never_accused(config: Config) -> None:
    for result in Session({"right": faulty.right}).judge(config):
        assert result.verdict in ("pass", "inconclusive"), f"{result}\n{result.replay}"


def test_nothing_compared_is_never_a_pass() -> None:
    session = Session({"right": faulty.right})
    for config in load_corpus():
        for result in session.judge(config):
            assert result.compared > 0 or result.verdict != "pass", result


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
    (listed,) = judged(backend(faulty.ReturnsList), PLAIN, "shape_dtype")
    assert "returned a list of 2, expected the tuple (output, h_n)" in listed.message
    (shaped,) = judged(backend(faulty.WrongShape), PLAIN, "shape_dtype")
    assert "output.shape = (4, 6, 4), expected (5, 6, 4)" in shaped.message
    (raised,) = judged(backend(faulty.Raises), PLAIN, "transfer")
    assert raised.message == "RuntimeError: no kernel for this shape"
