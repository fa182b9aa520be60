"""A stack is its layers: what shows the hidden layers is faithful to the whole.

Hidden layers are seen by running each alone, fed with the output of the one before, or else
by cutting the stack off after k layers (`harness.observe`). That says something about the
stack only if the stack's own h_n of those layers is theirs, bit for bit.
Where the bits differ but the distance is within twice the calibrated tolerance of h_n (two
legal evaluations may round differently) the verdict is `inconclusive`: the stack's hidden
states were then not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.trajectory import flush
from harness.comparison import FAIL, INCONCLUSIVE, Comparison, compare, compare_bits
from harness.evidence import Evidence, locate_states

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    hidden, config = evidence.observation.hidden, evidence.config
    if not hidden:
        return
    alone = np.concatenate([layer.h_n for layer in hidden])
    stack = evidence.forward.h_n[: len(alone)]
    fmt, locate = evidence.case.fmt, locate_states(config)
    message = "h_n of the stack differs from h_n of the same layers run one by one"
    result = compare_bits("h_n of hidden layers", stack, alone, fmt, locate, message)
    if result.verdict != FAIL:
        yield result
        return
    rows = slice(0, len(alone))
    tolerance = 2 * evidence.oracle.tolerance.h_n[rows]
    with np.errstate(all="ignore"):
        distance = np.abs(stack.astype(np.float64) - alone.astype(np.float64))
        flushed = tolerance + flush(evidence.oracle).extra.h_n
        ratio = distance / tolerance
    judged = compare(
        result.part,
        stack,
        alone.astype(np.float64),
        ratio,
        fmt,
        locate,
        defined=np.isfinite(tolerance),
    )
    if judged.verdict != FAIL:
        yield replace(judged, verdict=INCONCLUSIVE, message=message)
    else:
        cause = "flush" if (distance <= flushed).all() else "unexplained"
        yield replace(judged, cause=cause, message=message)
