"""Whether two answers to the same differ by rounding alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.evidence import Evidence
from harness.judging.last_step import may_err
from harness.observe import Outputs
from reference.arrays import Array, BoolArray

__all__ = ["Rows", "by_rounding", "by_rounding_of", "within"]


Rows = Mapping[str, BoolArray]
"""By output the rows that are compared; None for all."""


def by_rounding(evidence: Evidence, one: Outputs, other: Outputs, rows: Rows | None = None) -> bool:
    """Whether two answers are no further apart than sums in two orders may be."""
    return by_rounding_of(may_err(evidence), one, other, rows)


def by_rounding_of(
    tolerance: Mapping[str, Array], one: Outputs, other: Outputs, rows: Rows | None = None
) -> bool:
    """The same of how far each element may err; where nothing is known of that they are equal."""
    twice = {name: _meaningful(2 * tolerance[name], array) for name, array in one.items()}
    return within(twice, one, other, rows)


def within(
    allowed: Mapping[str, Array], one: Outputs, other: Outputs, rows: Rows | None = None
) -> bool:
    """Whether all elements are the same, or numbers no further apart."""
    for name, first in one.items():
        with np.errstate(all="ignore"):
            distance = np.abs(other[name].astype(np.float64) - first.astype(np.float64))
            same = (first == other[name]) | (np.isnan(first) & np.isnan(other[name]))
            fine = same | (np.isfinite(distance) & (distance <= allowed[name]))
        if not (fine if rows is None else fine[:, rows[name]]).all():
            return False
    return True


def _meaningful(tolerance: Array, values: Array) -> Array:
    """A tolerance where it says anything: finite, and below the row's largest value; else 0."""
    with np.errstate(all="ignore"):
        magnitudes = np.abs(values.astype(np.float64))
        largest = np.max(
            magnitudes, axis=(0, 2), keepdims=True, where=np.isfinite(magnitudes), initial=0
        )
        found: Array = np.where(np.isfinite(tolerance) & (tolerance < largest), tolerance, 0.0)
    return found
