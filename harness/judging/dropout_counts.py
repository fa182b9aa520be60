"""Which elements dropout kept, and the exact test of how many that are.

All is seen from outside (`harness.observe.dropout`): what came through a stack that passes on what
it gets, in many calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.dropout_calls import chance_error
from harness.judging.power import stated
from harness.observe import DropoutCalls
from harness.observe.dropout import CALLS
from harness.probes import Probe
from harness.significance import SIGNIFICANCE, binomial, smallest_deviation
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["KeptElements", "judge_count", "kept_elements"]


@dataclass(frozen=True, eq=False)
class KeptElements:
    """Whether an element came through, (calls, T, B, D * H), and how probable that is.

    `probability` is the documented one, or, where `shared`, that of fewer dropouts than there are:
    the one that the first calls fit, which do not fit the documented one. Either may be off by
    `slack`, for p is held in some precision. `valid` (T, B) says where there is no padding; None
    where there is none anywhere.
    """

    calls: BoolArray
    documented: float
    probability: float
    slack: float = 0.0
    valid: BoolArray | None = None

    @property
    def seen(self) -> BoolArray:
        """By call, what is no padding."""
        return self.calls if self.valid is None else self.calls[:, self.valid]

    @property
    def shared(self) -> bool:
        return self.probability != self.documented

    @property
    def alike(self) -> float:
        """Probability that two elements that have nothing to do with each other fare alike."""
        return self.probability**2 + (1 - self.probability) ** 2

    @property
    def alike_slack(self) -> float:
        """How far that may be off: by its slope, 4 k - 2, and its curvature, times the slack."""
        return abs(4 * self.probability - 2) * self.slack + 2 * self.slack**2


def kept_elements(evidence: Evidence) -> KeptElements | None:
    """None where nothing is to be dropped."""
    calls, config = evidence.observation.details, evidence.config
    if not isinstance(calls, DropoutCalls) or config.num_layers == 1 or config.dropout == 0:
        return None
    kept = np.stack([call["output"] != 0 for call in (*calls.trained, *calls.later)])
    valid = None if evidence.case.valid.all() else evidence.case.valid
    documented, *fewer = (
        (1 - config.dropout / 100) ** n for n in range(config.num_layers - 1, 0, -1)
    )
    # Of a product of n factors within 1, each off by as much, the error is n times that at most.
    slack = (config.num_layers - 1) * chance_error(evidence)
    found = KeptElements(kept, documented, documented, slack, valid)
    return replace(found, probability=_fitting(found.seen[:CALLS], documented, fewer, slack))


def _fitting(
    first: BoolArray, documented: float, fewer: Sequence[float], slack: float = 0.0
) -> float:
    """The documented probability, unless these calls reject it and fit one of `fewer` dropouts."""

    def fits(probability: float) -> bool:
        count, size = int(first.sum()), first.size
        return binomial(count, size, _nearest(count, size, probability, slack)).ratio <= 1

    if fits(documented):
        return documented
    return next(filter(fits, fewer), documented)


def _nearest(successes: int, trials: int, chance: float, slack: float) -> float:
    """The probability within `slack` of a chance, and within 0 and 1, nearest to what was seen."""
    seen = successes / trials if trials else chance
    return min(max(seen, chance - slack, 0.0), chance + slack, 1.0)


def judge_count(
    part: str,
    successes: int,
    trials: int,
    chance: float,
    message: str,
    choices: int = 1,
    cause: Cause = Cause.DEPENDENT,
    slack: float = 0.0,
) -> Comparison:
    """A binomial test of the most striking of so many `choices`; `cause` if it fails.

    The chance may be off by `slack`: the one that is nearest to what was seen is tested.
    """
    chance = _nearest(successes, trials, chance, slack)
    test = binomial(successes, trials, chance, choices)
    ratio = test.ratio
    if not ratio <= 1:
        rare = f"{test.p_value:.1e}" if test.p_value else "below 1e-300"
        message = f"{message}: probability {rare} by chance"
        return Comparison(part, Verdict.FAIL, trials, message, cause, ratio=ratio)
    if not test.powerful:
        message = f"{trials} elements are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, Verdict.INCONCLUSIVE, trials, message, ratio=ratio)
    result = Comparison(part, Verdict.PASS, trials, f"p = {test.p_value:.2g}", ratio=ratio)
    return stated(result, {Probe.SMALLEST_DEVIATION: smallest_deviation(trials, chance, choices)})
