"""Gradients of a backend that gives none: what fails for them has no other cause."""

from __future__ import annotations

from dataclasses import replace

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence

__all__ = ["where_gradients_are_none"]


def where_gradients_are_none(evidence: Evidence, result: Comparison) -> Comparison:
    """What is about gradients, or outputs that came with them."""
    if result.cause is Cause.UNEXPLAINED and evidence.gradients_are_none():
        return replace(result, cause=Cause.UNUSABLE)
    return result
