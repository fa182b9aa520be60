"""One batch row never changes another, and a row's place in the batch does not matter.

Two parts. `second call`: the neighbours of a row are replaced, in the same places; its bits
must stay. `twins`: two rows of one call with equal content. Their bits may differ (matrix
products round the rows at the edge of a tile in another order), but no step may differ by
more than the equation passes on from the twins' own difference before, plus what each may
err: |W_ih||dx| + |W_hh||dh'| + 2 E + 2 c ulp (both activations are 1-Lipschitz).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.repeats import same_rows
from harness.checks.steps import direction_steps
from harness.comparison import FAIL, Comparison, Worst, compare
from harness.evidence import Evidence
from reference.rounding import TANH_ULPS

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    for repeat in evidence.observation.repeats:
        if repeat.neighbours and not repeat.kept.all():
            message = "other numbers in other batch rows gave other bits"
            yield same_rows(evidence, repeat, message)
    if evidence.case.twins is not None:
        for direction in range(evidence.config.directions):
            yield _twins(evidence, direction == 1)


def _twins(evidence: Evidence, reverse: bool) -> Comparison:
    """Twin rows of the last layer, one direction."""
    assert evidence.case.twins is not None
    one, two = evidence.case.twins
    config, layer = evidence.config, evidence.config.num_layers - 1
    steps = direction_steps(evidence, layer, reverse)
    actual, twin = steps.actual[:, one], steps.actual[:, two].astype(np.float64)
    ulps = TANH_ULPS if config.nonlinearity == "tanh" else 0.0
    with np.errstate(all="ignore"):
        passed_on = np.abs(steps.a[:, one] - steps.a[:, two])
        allowed = passed_on + steps.error[:, one] + steps.error[:, two]
        allowed += 2 * ulps * evidence.case.fmt.ulp(twin)
        ratio = np.abs(actual - twin) / allowed
        ratio = np.where(actual == twin, 0.0, ratio)
    defined = steps.defined[:, one] & steps.defined[:, two]
    side = "reverse" if reverse else "forward"
    result = compare(
        f"twins {side}",
        actual,
        twin,
        ratio,
        evidence.case.fmt,
        lambda index: Worst("output", layer, side, index[0], one, index[1]),
        defined=defined,
    )
    if result.verdict != FAIL:
        return result
    own = evidence.own_activation()
    flush = evidence.case.fmt.smallest_normal * (
        2 * steps.terms + 2 + steps.factors[:, one] + steps.factors[:, two]
    )
    bad = defined & ~(ratio <= 1)
    with np.errstate(all="ignore"):
        within = bool((np.abs(actual - twin) <= allowed + 2 * flush)[bad].all())
    flushed = within and own is not None and own.flushes
    message = f"rows {one} and {two} have equal content and differ more than rounding allows"
    return replace(result, message=message, cause="flush" if flushed else "unexplained")
