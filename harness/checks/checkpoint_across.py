"""Weights survive the way to another framework's file, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.checks.registry import Partner, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.parameters import travelled
from harness.observe import Checkpoint
from harness.verdicts import Verdict

__all__ = ["checkpoint_across"]


@check(
    requirement="carried-across",
    difference="weights change on the way to another framework and back",
    applies=aspect("checkpoint"),
    partner=Partner.BACKEND,
    compares_two=True,
)
def checkpoint_across(evidence: Evidence) -> Iterator[Comparison]:
    """To another framework through its file, and back: the same bits at both ends."""
    stored = evidence.observation.details
    if not isinstance(stored, Checkpoint):
        return
    if stored.there is None or stored.back is None:
        message = "no other backend of this run takes these weights through a file"
        yield Comparison("peer", Verdict.UNSUPPORTED, 0, message)
        return
    for result in (
        travelled(f"to {stored.peer}", stored.own, stored.there),
        travelled(f"back from {stored.peer}", stored.given, stored.back),
    ):
        yield replace(result, against=stored.peer)
