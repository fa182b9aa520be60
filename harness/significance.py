"""Exact tests of chance, at one stated significance.

A run asks some thousands of such questions of right implementations; at a significance of 1e-9
each, the chance that any of them is a false alarm is below one in 100,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference.arrays import Float64Array

__all__ = ["SIGNIFICANCE", "Test", "binomial", "uniform"]

SIGNIFICANCE = 1e-9


@dataclass(frozen=True)
class Test:
    """What was counted, its probability, and whether the worst count would have been noticed.

    `ratio` is log(p) / log(significance): above 1 the hypothesis is rejected.
    """

    p_value: float
    powerful: bool

    @property
    def ratio(self) -> float:
        if self.p_value <= 0:
            return math.inf
        return math.log(self.p_value) / math.log(SIGNIFICANCE)


def binomial(successes: int, trials: int, probability: float) -> Test:
    """Two-sided exact binomial test (Clopper and Pearson, Biometrika 26 (1934))."""
    from scipy.stats import binomtest

    def p_value(count: int) -> float:
        return float(binomtest(count, trials, probability).pvalue)

    if trials == 0:
        return Test(1.0, False)
    # None and all: what a layer that never, or always, does it would give.
    powerful = p_value(0) < SIGNIFICANCE and p_value(trials) < SIGNIFICANCE
    return Test(p_value(successes), powerful)


def uniform(values: Float64Array, low: float, high: float) -> Test:
    """Exact Kolmogorov-Smirnov test against U(low, high) (Marsaglia et al., J. Stat. Softw. 8)."""
    from scipy.stats import kstest

    p_value = float(kstest(values, "uniform", args=(low, high - low), method="exact").pvalue)
    # Half the width, or a normal distribution of the same variance, shows from some 300 on.
    return Test(p_value, len(values) >= 300)
