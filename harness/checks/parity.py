"""Two implementations against each other, directly.

Each may be off the exact value by the calibrated tolerance, so their difference may be twice
that. A difference has the activation as its cause if it is what the two measured activations
would give.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checks.forward_error import end_to_end
from harness.checks.trajectory import against_peer
from harness.comparison import Comparison
from harness.evidence import Evidence

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    peer = evidence.peer
    if peer is None or peer.forward is None:
        return
    for part in ("output", "h_n"):
        yield from end_to_end(
            evidence,
            part,
            f"{part} against {peer.backend}",
            getattr(peer.forward, part).astype(np.float64),
            2 * getattr(evidence.oracle.tolerance, part),
            against_peer,
        )
