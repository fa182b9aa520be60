"""A stack is its layers: what shows the hidden layers is faithful to the whole.

Hidden layers are seen by running each alone, fed with the output of the one before. That says
something about the stack only if the stack's own h_n of those layers is theirs, bit for bit.
Where the bits differ but the distance is within twice the calibrated tolerance of h_n (two
legal evaluations may round differently) the verdict is `inconclusive`: the stack's hidden
states were then not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

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
    if result.verdict == FAIL:
        with np.errstate(all="ignore"):
            tolerance = 2 * evidence.oracle.tolerance.h_n[: len(alone)]
            ratio = np.abs(stack.astype(np.float64) - alone.astype(np.float64)) / tolerance
        result = compare(
            result.part, stack, alone.astype(np.float64), ratio, fmt, locate,
            defined=np.isfinite(tolerance),
        )
        verdict = FAIL if result.verdict == FAIL else INCONCLUSIVE
        result = replace(result, verdict=verdict, message=message)
    yield replace(result, cause="unexplained" if result.verdict == FAIL else None)
