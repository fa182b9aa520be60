"""Checks that only pass on what was observed: weights, shapes, inputs, the thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.activation import OwnActivations
from harness.causes import Cause
from harness.checks.float_environment import float_environment
from harness.checks.inputs_unmodified import inputs_unmodified
from harness.checks.shape_dtype import shape_dtype
from harness.checks.transfer import transfer
from harness.comparison import Comparison
from harness.config import Config
from harness.observe import DropoutCalls
from harness.verdicts import Verdict
from tests.synthetic import case_of, evidence_of, measured, outputs_of

CONFIG = Config.of(steps=2, batch=3, states=True)
CASE = case_of(CONFIG, h_0=np.zeros((1, 3, 1)))
ANSWER = outputs_of(np.zeros((2, 3, 1)), np.zeros((1, 3, 1)))


def found(check: Any, own: OwnActivations | None = None, **changes: Any) -> list[Comparison]:
    return list(check(evidence_of(CASE, own=own, **changes)))


def test_weights_that_arrived_or_a_call_that_raised() -> None:
    trouble = found(transfer, trouble="no kernel", transferred=4)
    assert trouble == [Comparison("call", Verdict.ERROR, 0, "no kernel")]
    passed = [Comparison("weights", Verdict.PASS, 4)]
    assert found(transfer, transferred=4) == passed
    assert found(transfer, trouble="a list", malformed=True, transferred=4) == passed
    assert found(transfer) == []


def test_arrays_of_the_documented_shapes() -> None:
    wrong = found(shape_dtype, malformed=True, trouble="a list", outputs=ANSWER)
    assert wrong == [Comparison("outputs", Verdict.FAIL, 0, "a list", Cause.UNEXPLAINED)]
    assert found(shape_dtype, malformed=True)[0].message == ""
    passed = [Comparison("outputs", Verdict.PASS, 9)]
    assert found(shape_dtype, outputs=ANSWER) == passed
    dropout = DropoutCalls({}, ANSWER, ANSWER, ANSWER, (ANSWER,), (), ANSWER, None)
    assert found(shape_dtype, details=dropout) == passed
    assert found(shape_dtype) == []


@pytest.mark.parametrize("own", [None, measured(flushes=True, error=0.5)], ids=["none", "flushes"])
def test_inputs_that_a_call_wrote_to(own: OwnActivations | None) -> None:
    """Whatever was measured of the activation: flushing is done to operands, not to arrays."""
    message = "changed: h_0, x"
    result = found(inputs_unmodified, own, modified=("x", "h_0", "x"))
    assert result == [Comparison("inputs", Verdict.FAIL, 9, message, Cause.UNEXPLAINED)]


def test_one_input_that_changed_once_is_enough() -> None:
    (result,) = found(inputs_unmodified, modified=("x",))
    assert (result.verdict, result.message) == (Verdict.FAIL, "changed: x")


def test_inputs_that_stayed() -> None:
    """6 of x, and 3 of h_0 or of lengths where they are given."""
    assert found(inputs_unmodified) == [Comparison("inputs", Verdict.PASS, 9)]
    for lengths, size in (([2, 2, 2], 9), (None, 6)):
        case = case_of(CONFIG.replace(states=False), lengths=lengths)
        assert [r.compared for r in inputs_unmodified(evidence_of(case))] == [size]


def environment(*disturbed: tuple[str, ...], ended: Cause | None = None) -> list[Comparison]:
    return found(float_environment, disturbed=disturbed, ended=ended)


def test_a_thread_left_as_it_was() -> None:
    """Three probes before, three after."""
    assert environment((), ()) == [Comparison("calling thread", Verdict.PASS, 6, ratio=0.0)]
    assert environment((), (), ended=Cause.CRASHED) == []
    assert environment(("a",), (), ended=Cause.HUNG) == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (("a",), (), "before the call a"),
        ((), ("a", "b"), "after the call a and b"),
        (("a", "b"), ("c",), "before the call a and b; after the call c"),
    ],
)
def test_a_disturbed_thread(before: Any, after: Any, message: str) -> None:
    expected = Comparison("calling thread", Verdict.FAIL, 6, message, Cause.ENVIRONMENT)
    assert environment(before, after) == [expected]
