"""Checks that only pass on what was observed: weights, shapes, inputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, forward, measured

from harness.checks import inputs_unmodified, shape_dtype, transfer
from harness.comparison import Comparison
from harness.config import Config
from harness.observe import Dropping, Observation


def found(check: Any, own: Any = None, **changes: Any) -> list[Comparison]:
    evidence = evidence_of(Config(), own, observation=Observation("x", **changes))
    evidence.case.x, evidence.case.h_0 = np.zeros((2, 3, 1)), np.zeros((1, 3, 1))
    evidence.case.lengths = None
    return list(check(evidence))


def test_weights_that_arrived_or_a_call_that_raised() -> None:
    trouble = found(transfer.transfer, trouble="no kernel", transferred=4)
    assert trouble == [Comparison("call", "error", 0, "no kernel")]
    assert found(transfer.transfer, transferred=4) == [Comparison("weights", "pass", 4)]
    malformed = found(transfer.transfer, trouble="a list", malformed=True, transferred=4)
    assert malformed == [Comparison("weights", "pass", 4)]
    assert found(transfer.transfer) == []


def test_two_arrays_of_the_documented_shapes() -> None:
    part, answer = "output and h_n", forward(np.zeros((2, 3)), np.zeros(3))
    wrong = found(shape_dtype.shape_dtype, malformed=True, trouble="a list", forward=answer)
    assert wrong == [Comparison(part, "fail", 0, "a list", "unexplained")]
    assert found(shape_dtype.shape_dtype, malformed=True)[0].message == ""
    assert found(shape_dtype.shape_dtype, forward=answer) == [Comparison(part, "pass", 9)]
    dropping = Dropping({}, answer, answer, answer, (answer, answer), (), answer, None)
    assert found(shape_dtype.shape_dtype, facts=dropping) == [Comparison(part, "pass", 9)]
    assert found(shape_dtype.shape_dtype) == []


@pytest.mark.parametrize("own", [None, measured(True, True)], ids=["no sweep", "flushes"])
def test_inputs_that_a_call_wrote_to(own: Any) -> None:
    """Whatever was measured of the activation: flushing is done to operands, not to arrays."""
    message = "a call changed: h_0, x"
    result = found(inputs_unmodified.inputs_unmodified, own, modified=("x", "h_0", "x"))
    assert result == [Comparison("inputs", "fail", 9, message, "unexplained")]


def test_inputs_that_stayed() -> None:
    assert found(inputs_unmodified.inputs_unmodified) == [Comparison("inputs", "pass", 9)]


def test_a_case_without_h_0_has_fewer_inputs() -> None:
    evidence = evidence_of(Config(), observation=SimpleNamespace(modified=()))
    evidence.case.x, evidence.case.lengths = np.zeros((2, 3, 1)), np.zeros(3)
    assert [r.compared for r in inputs_unmodified.inputs_unmodified(evidence)] == [9]
