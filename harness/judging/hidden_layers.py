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
    """Whether the first `layers` layers were seen: final states equal; 0 layers are."""
    if layers == 0:
        return True
    prefix, whole = evidence.observation.hidden[layers - 1], evidence.outputs
    rows = {name: evidence.case.rows_with(name) for name in prefix if name != "output"}
    return all(
        same_bits(whole[n][: len(prefix[n]), some], prefix[n][:, some]) for n, some in rows.items()
    )


def unseen(result: Comparison) -> Comparison:
    """What was compared at states that are not the stack's own proves nothing."""
    return replace(result, verdict=Verdict.INCONCLUSIVE, cause=None, message=_UNSEEN)
