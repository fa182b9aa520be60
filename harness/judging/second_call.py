"""What a second call is compared with: the first one's rows that must not have moved.

Three checks rest on it, each with its own probe: `carry` (the second call starts from the states
that the first one ended with), `padding` and `neighbours` (what was changed there counts).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.case import Case, perturb
from harness.causes import Cause
from harness.comparison import Comparison, Worst, compare_bits
from harness.evidence import Evidence, locate_output
from harness.judging.excuses import flushed_extra
from harness.judging.power import differs, neighbours, share, stated
from harness.observe import Repeat
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["is_other", "same_rows"]


def is_other(case: Case) -> bool:
    """Whether the second call is given something else than the first."""
    return case.again is None or case.again.tobytes() != case.x.tobytes()


def same_rows(evidence: Evidence, repeat: Repeat, message: str, probe: Probe) -> Comparison:
    """The kept rows of output and h_n, bit for bit; with the power against `probe`."""
    shares = {Probe.CARRY: _carry, Probe.PADDING: _padding, Probe.NEIGHBOURS: _neighbours}
    result = _attributed(evidence, repeat, _same_rows(evidence, repeat, message))
    return stated(result, {probe: shares[probe](evidence, repeat)})


def _attributed(evidence: Evidence, repeat: Repeat, result: Comparison) -> Comparison:
    """Where the same input already gives other bits, that other padding does proves nothing."""
    if result.cause != Cause.UNEXPLAINED or not (repeat.padding or repeat.neighbours):
        return result
    for other in evidence.observation.repeats:
        if not (other.padding or other.neighbours):
            alone = _same_rows(evidence, other, "")
            if alone.cause == Cause.UNEXPLAINED:
                message = "the same input gives other bits, too"
                return replace(result, verdict=Verdict.INCONCLUSIVE, cause=None, message=message)
    return result


def _carry(evidence: Evidence, repeat: Repeat) -> float:
    """Share of kept states (row, unit) that the first call left other than it found them."""
    h_n = evidence.forward.h_n
    h_0 = np.zeros_like(h_n) if evidence.case.h_0 is None else evidence.case.h_0
    return share(differs(h_n, h_0)[:, repeat.kept])


def _padding(evidence: Evidence, repeat: Repeat) -> float:
    """Share of kept rows whose padding of x was another one in the second call."""
    case = evidence.case
    x, _, _ = perturb(case, padding=True, neighbours=False)
    changed = differs(x, case.x) & ~case.valid[:, :, None]
    return share(changed.any(axis=(0, 2))[repeat.kept])


def _neighbours(evidence: Evidence, repeat: Repeat) -> float:
    """Share of the outputs beside kept rows that are others in the second call."""
    first, second = (neighbours(f.output) for f in (evidence.forward, repeat.forward))
    return share(differs(first, second)[:, repeat.kept])


def _same_rows(evidence: Evidence, repeat: Repeat, message: str) -> Comparison:
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
    if result.verdict != Verdict.FAIL:
        return result
    extra = flushed_extra(evidence)
    if extra is None:
        return replace(result, cause=Cause.UNEXPLAINED)
    with np.errstate(all="ignore"):
        distance = np.abs(second.astype(np.float64) - first.astype(np.float64))
    steps = config.steps
    flushed = (distance[:steps] <= extra.output[:, kept]).all() and (
        distance[steps:] <= extra.h_n[:, kept]
    ).all()
    return replace(result, cause=Cause.FLUSH if flushed else Cause.UNEXPLAINED)
