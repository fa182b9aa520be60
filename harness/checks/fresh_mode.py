"""A fresh layer is in training mode, so it drops."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bits import same_bits
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING, When
from harness.judging.dropping import facts_of
from harness.verdicts import Verdict

__all__ = ["fresh_mode"]


@check(
    requirement="fresh-mode",
    difference="a fresh layer is not in training mode",
    applies=DROPPING & When("p from 10%, float32", lambda c: c.dropout >= 10 and c.dtype == "fp32"),
)
def fresh_mode(evidence: Evidence) -> Iterator[Comparison]:
    """torch documents that a fresh layer is in training mode; so it drops."""
    facts, config = facts_of(evidence), evidence.config
    if facts is None or facts.fresh is None or config.num_layers == 1 or config.dropout < 10:
        return
    comes, evaluated = facts.fresh
    # Every number is positive: a 0 was dropped.
    if not same_bits(comes.output, evaluated.output) and (comes.output == 0).any():
        yield Comparison("a fresh layer", Verdict.PASS, comes.output.size, "drops", ratio=0.0)
    else:
        message = "a fresh layer does not drop until it is switched to training mode"
        cause = Cause.MODE if same_bits(comes.output, evaluated.output) else Cause.UNEXPLAINED
        yield Comparison("a fresh layer", Verdict.FAIL, comes.output.size, message, cause)
