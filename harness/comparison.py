"""One comparison of two arrays: how far apart, where, and what the bound allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from harness.bits import differing_bits
from harness.causes import Cause
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Format
from reference.arrays import Array, BoolArray, Float64Array

__all__ = ["ASSERT_CLOSE", "Comparison", "Worst", "compare", "compare_bits"]

Locate = Callable[[tuple[int, ...]], "Worst"]

ASSERT_CLOSE = {
    "fp16": (1e-3, 1e-5),
    "bf16": (1.6e-2, 1e-5),
    "fp32": (1.3e-6, 1e-5),
    "fp64": (1e-7, 1e-7),
}
"""rtol and atol that torch.testing.assert_close takes by default for each format."""


@dataclass(frozen=True)
class Worst:
    """Where the comparison was closest to, or furthest beyond, what was allowed.

    `pre_activation` is the exact one, of an element that was judged as a step of its own.
    """

    output: str
    layer: int | None = None
    direction: str | None = None
    step: int | None = None
    batch: int | None = None
    unit: int | None = None
    actual: float | None = None
    expected: float | None = None
    bound: float | None = None
    pre_activation: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A verdict with its evidence; the fields that a result line carries.

    ratio is |actual - expected| / bound, at its largest (0 where equality was asked for and
    met). rtol and atol are the smallest that would pass alone; max_ulp is in ulp of the
    working precision at the expected value. `cause` names what explains a failure, once
    established. `undefined` counts elements for which no bound exists; `conditional` counts
    failing elements after an earlier failure of the same row. `requirement` replaces the
    check's own where a check serves several. `power` says what could have been seen: the share of
    the elements compared at which a fault would have shown, by fault (`harness.judging.power`).
    `against` names the other implementation that it compares with; None for the oracle.
    """

    part: str
    verdict: Verdict
    compared: int
    message: str = ""
    cause: Cause | None = None
    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: float | None = None
    ratio: float | None = None
    worst: Worst | None = None
    first: Worst | None = None
    failing: int = 0
    conditional: int = 0
    undefined: int = 0
    assert_close: str | None = None
    power: dict[Probe, float] = field(default_factory=dict)
    requirement: str | None = None
    against: str | None = None


def compare(
    part: str,
    actual: Array,
    expected: Float64Array,
    ratio: Float64Array,
    fmt: Format,
    locate: Locate,
    *,
    defined: BoolArray | None = None,
) -> Comparison:
    """Judge arrays of one shape by the ratio of error to bound, elementwise.

    Args:
        actual, expected: what came, what should have come.
        ratio: error over bound; NaN counts as beyond any bound.
        locate: from an index into the arrays to a `Worst` (values are filled in here).
        defined: where a bound exists; nothing else is compared. All, if None.

    Returns:
        `pass`, `fail`, or, where nothing at all could be compared, `inconclusive`.
    """
    defined = np.ones(actual.shape, bool) if defined is None else defined
    compared = int(defined.sum())
    undefined = int(defined.size - compared)
    if compared == 0:
        return Comparison(
            part, Verdict.INCONCLUSIVE, 0, "no element has a bound here", undefined=undefined
        )
    with np.errstate(all="ignore"):
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        ratio = np.where(defined, ratio, -1.0)
        error = np.abs(actual.astype(np.float64) - expected)
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))[defined]
        relative = np.where(error == 0, 0.0, error / np.abs(expected[defined]))
        ulps = np.where(error == 0, 0.0, error / fmt.ulp(expected[defined]))
    bad = ~(ratio <= 1)
    index = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    at = tuple(int(i) for i in index)
    top = float(ratio[at])
    gap = abs(float(actual[at]) - float(expected[at]))
    worst = replace(
        locate(at),
        actual=float(actual[at]),
        expected=float(expected[at]),
        bound=gap / top if 0 < top < np.inf else None,
    )
    rtol, atol = ASSERT_CLOSE[fmt.name]
    with np.errstate(all="ignore"):
        mismatched = int((~(error <= atol + rtol * np.abs(expected[defined]))).sum())
    said = f"{mismatched} / {compared} elements mismatched" if mismatched else "pass"
    return Comparison(
        part,
        Verdict.FAIL if bad.any() else Verdict.PASS,
        compared,
        max_abs=float(error.max()),
        max_rel=float(relative.max()),
        max_ulp=float(ulps.max()),
        ratio=top,
        worst=worst,
        failing=int(bad.sum()),
        undefined=undefined,
        assert_close=said,
    )


def compare_bits(
    part: str, actual: Array, expected: Array, fmt: Format, locate: Locate, message: str
) -> Comparison:
    """Judge equality bit for bit, NaN equal to NaN; `message` is said where it does not hold."""
    ratio = np.where(differing_bits(actual, expected), np.inf, 0.0)
    result = compare(part, actual, expected.astype(np.float64), ratio, fmt, locate)
    return replace(result, message=message) if result.verdict == Verdict.FAIL else result
