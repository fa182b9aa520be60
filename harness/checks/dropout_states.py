"""h_n in training mode is made of the states, which are not dropped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.bits import same_bits
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.dropping import each_call, facts_of, kept_values
from harness.judging.power import share, stated
from harness.observe import Dropping, Forward
from harness.probes import Probe
from harness.verdicts import Verdict

__all__ = ["dropout_states"]


@check(
    requirement="dropout-h-n",
    difference="h_n in training mode is not made of the states",
    applies=DROPPING,
    probes=(Probe.DROPPED,),
    consequence="dropped otherwise than documented",
)
def dropout_states(evidence: Evidence) -> Iterator[Comparison]:
    """h_n: of the first layer what it is without dropout; of the last its last output; of those
    between, what comes through the dropouts below: 0 or kept by all, and 0 where one below is.
    """
    facts, config = facts_of(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    yield from each_call(facts, "h_n", lambda part, call: _states(evidence, facts, part, call))


def _states(evidence: Evidence, facts: Dropping, part: str, call: Forward) -> Comparison:
    """The same of one call."""
    sides, hidden = evidence.config.directions, evidence.config.hidden_size
    first = same_bits(call.h_n[:sides], facts.first.h_n)
    ends = [
        call.output[0 if side else -1][:, side * hidden : (side + 1) * hidden]
        for side in range(sides)
    ]
    last = all(
        same_bits(call.h_n[-sides + side], np.ascontiguousarray(ends[side]))
        for side in range(sides)
    )
    if first and last and _states_between(evidence, facts, call):
        result = Comparison(part, Verdict.PASS, call.h_n.size, ratio=0.0)
        return stated(result, {Probe.DROPPED: share(facts.evaluated.h_n != 0)})
    what = "last output" if first else "first layer's state"
    if first and last:
        what = "state of a layer between"
    message = f"h_n is not the {what}"
    return Comparison(
        part, Verdict.FAIL, call.h_n.size, message, Cause.UNEXPLAINED, ratio=float("inf")
    )


def _states_between(evidence: Evidence, facts: Dropping, trained: Forward) -> bool:
    """Whether h_n of the layers behind the first can be what the dropouts below let through."""
    sides, hidden = evidence.config.directions, evidence.config.hidden_size
    for side in range(sides):
        last = facts.first.output[0 if side else -1][:, side * hidden : (side + 1) * hidden]
        below = np.ones(last.shape, bool)
        for layer in range(1, evidence.config.num_layers):
            own = trained.h_n[layer * sides + side].astype(np.float64)
            legal = below
            if layer < evidence.config.num_layers - 1:  # the last one's are outputs: `values`
                _, low, high = kept_values(evidence, last.astype(np.float64), layer)
                legal = below & (own >= low) & (own <= high)
            if not ((own == 0) | legal).all():
                return False
            below = own != 0
    return True
