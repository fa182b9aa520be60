"""Exact tests of chance, at one stated significance.

A run asks some thousands of such questions of right implementations; at a significance of 1e-9
each, the chance that any of them is a false alarm is below one in 100,000.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from reference.arrays import Float64Array

__all__ = [
    "SIGNIFICANCE",
    "Test",
    "at_most",
    "binomial",
    "smallest_deviation",
    "smallest_distance",
    "uniform",
]

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


def binomial(successes: int, trials: int, probability: float, choices: int = 1) -> Test:
    """Two-sided exact binomial test (Clopper and Pearson, Biometrika 26 (1934)).

    Where it is made of the most striking of several counts, `choices` is how many there were
    (Bonferroni's correction).
    """
    if trials == 0:
        return Test(1.0, False)
    # None and all: what a layer that never, or always, does it would give.
    none, every, p_value = (
        min(1.0, choices * _p_value(count, trials, probability)) for count in (0, trials, successes)
    )
    return Test(p_value, none < SIGNIFICANCE and every < SIGNIFICANCE)


def at_most(successes: int, trials: int, probability: float) -> Test:
    """One-sided exact test of a chance of no more than this in each trial, whatever came before.

    `powerful` says whether half of the trials would have been too many.
    """
    from scipy.stats import binom

    p_value, half = binom.sf(np.array([successes, trials // 2]) - 1.0, trials, probability)
    return Test(float(p_value), bool(half < SIGNIFICANCE))


@functools.lru_cache(maxsize=1000)
def _p_value(count: int, trials: int, probability: float) -> float:
    from scipy.stats import binomtest

    return float(binomtest(count, trials, probability).pvalue)


def smallest_deviation(trials: int, probability: float, choices: int = 1) -> float:
    """How far another probability must be from this one for `binomial` to notice it.

    Every second time, that is: the count expected of it is the smallest that is rejected.
    """
    from scipy.stats import binom

    tail = SIGNIFICANCE / (2 * choices)
    few, many = binom.ppf([tail, 1 - tail], trials, probability)
    expected = trials * probability
    return float(max(many + 1 - expected, expected - few + 1)) / trials


def smallest_distance(count: int) -> float:
    """How far a distribution must be from uniform (sup |F - G|) for `uniform` to notice it.

    From P(D > d) <= 2 exp(-2 n d^2) (Massart, Ann. Probab. 18 (1990)), which is nearly exact
    here. Every second time, roughly: the distance measured scatters around the true one.
    """
    return math.sqrt(math.log(2 / SIGNIFICANCE) / (2 * count))


def uniform(values: Float64Array, low: float, high: float) -> Test:
    """Exact Kolmogorov-Smirnov test against U(low, high) (Marsaglia et al., J. Stat. Softw. 8)."""
    from scipy.stats import kstest

    p_value = float(kstest(values, "uniform", args=(low, high - low), method="exact").pvalue)
    # Half the width, or a normal distribution of the same variance, shows from some 300 on.
    return Test(p_value, len(values) >= 300)
