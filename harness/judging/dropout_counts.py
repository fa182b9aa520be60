"""Which elements dropout kept, and the exact test of how many that are.

All is seen from outside (`harness.observe.dropout`): what came through a stack that passes on what
it gets, in many calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
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
    the one that the first calls fit, which do not fit the documented one.
    """

    calls: BoolArray
    documented: float
    probability: float

    @property
    def shared(self) -> bool:
        return self.probability != self.documented

    @property
    def alike(self) -> float:
        """Probability that two elements that have nothing to do with each other fare alike."""
        return self.probability**2 + (1 - self.probability) ** 2


def kept_elements(evidence: Evidence) -> KeptElements | None:
    """None where nothing is to be dropped."""
    calls, config = evidence.observation.details, evidence.config
    if not isinstance(calls, DropoutCalls) or config.num_layers == 1 or config.dropout == 0:
        return None
    kept = np.stack([call["output"] != 0 for call in (*calls.trained, *calls.later)])
    documented, *fewer = (
        (1 - config.dropout / 100) ** n for n in range(config.num_layers - 1, 0, -1)
    )
    return KeptElements(kept, documented, _fitting(kept[:CALLS], documented, fewer))


def _fitting(first: BoolArray, documented: float, fewer: Sequence[float]) -> float:
    """The documented probability, unless these calls reject it and fit one of `fewer` dropouts."""

    def fits(probability: float) -> bool:
        return binomial(int(first.sum()), first.size, probability).ratio <= 1

    if fits(documented):
        return documented
    return next(filter(fits, fewer), documented)


def judge_count(
    part: str,
    successes: int,
    trials: int,
    chance: float,
    message: str,
    choices: int = 1,
    cause: Cause = Cause.DEPENDENT,
) -> Comparison:
    """A binomial test of the most striking of so many `choices`; `cause` if it fails."""
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
