"""From start to end against the oracle, with a tolerance calibrated by the case itself.

And against another implementation, where there is one: each of the two may be off by the
tolerance, so their difference may be twice that. A difference has the activation as its cause if it
is what the two measured activations would give.

It is not a proof as the step residual is; it is what users see, and it is always reported:
largest absolute, relative and ulp error, the smallest rtol and atol that would pass, and what
torch.testing.assert_close would have said.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checks.registry import Need, Partner, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NUMBERS
from harness.judging.end_to_end import end_to_end
from harness.judging.excuses import against_peer, excuses
from harness.judging.last_step import last_step_of
from harness.probes import Probe

__all__ = ["forward_error"]


@check(
    requirement="same-functions",
    difference="outputs are further from the oracle, or another implementation, than calibrated",
    applies=NUMBERS,
    needs=(Need.FORWARD,),
    probes=(Probe.BIAS, Probe.STATE, Probe.ROW),
    partner=Partner.BACKEND,
)
def forward_error(evidence: Evidence) -> Iterator[Comparison]:
    exact, last_step = evidence.oracle.exact, last_step_of(evidence)
    for part in ("output", "h_n"):
        yield from end_to_end(evidence, last_step, part, getattr(exact, part), excuses)

    peer = evidence.peer
    if peer is None or peer.forward is None:
        return
    for part in ("output", "h_n"):
        expected = getattr(peer.forward, part).astype(np.float64)
        yield from end_to_end(
            evidence, last_step, part, expected, against_peer, against=peer.backend
        )
