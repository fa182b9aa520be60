"""A fresh layer is in training mode, so it drops."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bits import same_bits
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING, When
from harness.judging.dropout_calls import dropout_calls
from harness.verdicts import Verdict

__all__ = ["initial_mode"]


@check(
    requirement="initial-mode",
    difference="a fresh layer is not in training mode",
    applies=DROPPING & When("p from 10%, float32", lambda c: c.dropout >= 10 and c.dtype == "fp32"),
)
def initial_mode(evidence: Evidence) -> Iterator[Comparison]:
    """torch documents that a fresh layer is in training mode; so it drops."""
    calls, config = dropout_calls(evidence), evidence.config
    if calls is None or calls.as_built is None or config.num_layers == 1 or config.dropout < 10:
        return
    built, evaluated = (one["output"] for one in calls.as_built)
    # Every number is positive: a 0 was dropped.
    if not same_bits(built, evaluated) and (built == 0).any():
        yield Comparison("a fresh layer", Verdict.PASS, built.size, "drops", ratio=0.0)
    else:
        message = "a fresh layer does not drop until it is switched to training mode"
        cause = Cause.MODE if same_bits(built, evaluated) else Cause.UNEXPLAINED
        yield Comparison("a fresh layer", Verdict.FAIL, built.size, message, cause)
