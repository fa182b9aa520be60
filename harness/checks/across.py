"""Weights survive the way to another framework's file, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.checks.registry import Partner, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import travelled
from harness.observe import Stored
from harness.verdicts import Verdict

__all__ = ["across"]


@check(
    requirement="carried-across",
    difference="weights change on the way to another framework and back",
    applies=aspect("files"),
    partner=Partner.BACKEND,
    compares_two=True,
)
def across(evidence: Evidence) -> Iterator[Comparison]:
    """To another framework through its file, and back: the same bits at both ends."""
    facts = evidence.observation.facts
    if not isinstance(facts, Stored):
        return
    if facts.there is None or facts.back is None:
        message = "no other backend of this run takes these weights through a file"
        yield Comparison("peer", Verdict.UNSUPPORTED, 0, message)
        return
    for result in (
        travelled(f"to {facts.peer}", facts.own, facts.there),
        travelled(f"back from {facts.peer}", facts.given, facts.back),
    ):
        yield replace(result, against=facts.peer)
