"""Whether the hidden layers of a stack were seen: what showed them is the stack's own."""

from __future__ import annotations

from dataclasses import replace

from harness.bits import same_bits
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.verdicts import Verdict

__all__ = ["same_states", "unseen"]

_UNSEEN = "the stack's own hidden states were not seen: a shorter stack gives other bits"


def same_states(evidence: Evidence, layers: int) -> bool:
    """Whether the first `layers` layers of the stack were seen: bits of h_n equal; 0 layers are."""
    if layers == 0:
        return True
    prefix = evidence.observation.hidden[layers - 1].h_n
    return same_bits(evidence.forward.h_n[: len(prefix)], prefix)


def unseen(result: Comparison) -> Comparison:
    """What was compared at states that are not the stack's own proves nothing."""
    return replace(result, verdict=Verdict.INCONCLUSIVE, cause=None, message=_UNSEEN)
