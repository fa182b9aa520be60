"""What a second call is compared with: the first one's rows that must not have moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.checks.trajectory import flushed_extra
from harness.comparison import FAIL, Comparison, Worst, compare_bits
from harness.evidence import Evidence, locate_output
from harness.observe import Repeat
from reference.arrays import Array

__all__ = ["same_rows"]


def same_rows(evidence: Evidence, repeat: Repeat, message: str) -> Comparison:
    """The kept rows of output and h_n, bit for bit.

    The cause of a difference is `flush` if it is no larger than flushing subnormals in one of
    the two calls can make it, and not established otherwise.
    """
    config, kept, rows = evidence.config, repeat.kept, np.flatnonzero(repeat.kept)

    def both(output: Array, h_n: Array) -> Array:
        """Output and h_n of the kept rows as one array (T + L, B, D * H)."""
        sides = [h_n[d :: config.directions] for d in range(config.directions)]
        rows_of_all: Array = np.concatenate([output, np.concatenate(sides, axis=2)])[:, kept]
        return rows_of_all

    def locate(index: tuple[int, ...]) -> Worst:
        step, row, feature = index
        where = locate_output(config)((step, int(rows[row]), feature))
        if step < config.steps:
            return where
        return replace(where, output="h_n", layer=step - config.steps, step=None)

    first = both(evidence.forward.output, evidence.forward.h_n)
    second = both(repeat.forward.output, repeat.forward.h_n)
    result = compare_bits("second call", second, first, evidence.case.fmt, locate, message)
    if result.verdict != FAIL:
        return result
    extra = flushed_extra(evidence)
    if extra is None:
        return replace(result, cause="unexplained")
    with np.errstate(all="ignore"):
        distance = np.abs(second.astype(np.float64) - first.astype(np.float64))
    steps = config.steps
    flushed = (distance[:steps] <= extra.output[:, kept]).all() and (
        distance[steps:] <= extra.h_n[:, kept]
    ).all()
    return replace(result, cause="flush" if flushed else "unexplained")
