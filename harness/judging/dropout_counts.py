"""Which elements dropout kept, and the exact test of how many that are.

All is seen from outside (`harness.observe.dropping`): what came through a stack of identities, in
many calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.power import stated
from harness.observe import Dropping
from harness.probes import Probe
from harness.significance import SIGNIFICANCE, binomial, smallest_deviation
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["KeptElements", "judge_count", "kept_elements"]


@dataclass(frozen=True, eq=False)
class KeptElements:
    """Whether an element came through, (calls, T, B, D * H), and how probable that is."""

    calls: BoolArray
    probability: float

    @property
    def alike(self) -> float:
        """Probability that two elements that have nothing to do with each other fare alike."""
        return self.probability**2 + (1 - self.probability) ** 2


def kept_elements(evidence: Evidence) -> KeptElements | None:
    """None where nothing is to be dropped."""
    facts, config = evidence.observation.facts, evidence.config
    if not isinstance(facts, Dropping) or config.num_layers == 1 or config.dropout == 0:
        return None
    calls = np.stack([call.output != 0 for call in (*facts.trained, *facts.later)])
    return KeptElements(calls, (1 - config.dropout / 100) ** (config.num_layers - 1))


def judge_count(
    part: str, successes: int, trials: int, chance: float, message: str, choices: int = 1
) -> Comparison:
    """A binomial test of the most striking of so many `choices`."""
    test = binomial(successes, trials, chance, choices)
    ratio = test.ratio
    if not ratio <= 1:
        rare = f"{test.p_value:.1e}" if test.p_value else "below 1e-300"
        message = f"{message}: probability {rare} by chance"
        return Comparison(part, Verdict.FAIL, trials, message, Cause.DEPENDENT, ratio=ratio)
    if not test.powerful:
        message = f"{trials} elements are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, Verdict.INCONCLUSIVE, trials, message, ratio=ratio)
    result = Comparison(part, Verdict.PASS, trials, f"p = {test.p_value:.2g}", ratio=ratio)
    return stated(result, {Probe.SMALLEST_DEVIATION: smallest_deviation(trials, chance, choices)})
