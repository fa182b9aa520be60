"""What a second call is compared with: the first one's rows that must not have moved.

Three checks rest on it, each with its own probe: `carry` (the second call starts from the states
that the first one ended with), `padding` and `neighbours` (what was changed there counts).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.case import Case, changed
from harness.causes import Cause
from harness.comparison import Comparison, Worst, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.excuses import by_own_activations, flushed_extra
from harness.judging.power import differs, neighbours, share, stated
from harness.judging.two_answers import by_rounding, within
from harness.observe import Rerun
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import IntArray

__all__ = ["is_other", "same_rows"]

Place = Callable[[tuple[int, ...]], Worst]


def is_other(case: Case) -> bool:
    """Whether the second call is given something else than the first."""
    return case.second_x is None or case.second_x.tobytes() != case.x.tobytes()


def same_rows(evidence: Evidence, rerun: Rerun, message: str, probe: Probe) -> Comparison:
    """The kept rows of all outputs, bit for bit; with the power against `probe`."""
    shares = {Probe.CARRY: _carry, Probe.PADDING: _padding, Probe.NEIGHBOURS: _neighbours}
    result = _attributed(evidence, rerun, _same_rows(evidence, rerun, message))
    return stated(result, {probe: shares[probe](evidence, rerun)})


def _attributed(evidence: Evidence, rerun: Rerun, result: Comparison) -> Comparison:
    """Where the same input already gives other bits, that other padding does proves nothing."""
    of_another = result.cause in (Cause.UNEXPLAINED, Cause.ROUNDING)
    if not of_another or not (rerun.padding or rerun.neighbours):
        return result
    for other in evidence.observation.reruns:
        if not (other.padding or other.neighbours):
            alone = _same_rows(evidence, other, "")
            if alone.cause in (Cause.UNEXPLAINED, Cause.ROUNDING):
                message = "the same input gives other bits, too"
                return replace(result, verdict=Verdict.INCONCLUSIVE, cause=None, message=message)
    return result


def _carry(evidence: Evidence, rerun: Rerun) -> float:
    """Share of kept states (row, unit) that the first call left other than it found them."""
    different = []
    for state in evidence.config.cell.states:
        end = evidence.outputs[f"{state}_n"]
        start = evidence.case.inputs.get(f"{state}_0", np.zeros_like(end))
        different.append(differs(end, start)[:, rerun.kept])
    return share(np.concatenate([array.ravel() for array in different]))


def _padding(evidence: Evidence, rerun: Rerun) -> float:
    """Share of kept rows whose padding of x was another one in the second call."""
    case = evidence.case
    other, _ = changed(case, padding=True, neighbours=False)
    different = differs(other.x, case.x) & ~case.valid[:, :, None]
    return share(different.any(axis=(0, 2))[rerun.kept])


def _neighbours(evidence: Evidence, rerun: Rerun) -> float:
    """Share of the outputs beside kept rows that are others in the second call."""
    first, second = (neighbours(o["output"]) for o in (evidence.outputs, rerun.outputs))
    return share(differs(first, second)[:, rerun.kept])


def _same_rows(evidence: Evidence, rerun: Rerun, message: str) -> Comparison:
    """The kept rows of every output, bit for bit; of several that differ the first.

    What the final state of a row without steps is, `last_state` alone asks.
    The cause of a difference is `flush` if it is no larger than flushing subnormals in one of
    the two calls can make it, `rounding` if than the errors measured of the backend's own
    activations, or where other rows had something that is not finite, for which a kernel may look
    before it is chosen, than two correct answers differ; and not established otherwise.
    """
    fmt, results = evidence.case.fmt, []
    for name, first in evidence.outputs.items():
        place, kept = locate(evidence.config, name), rerun.kept & evidence.case.rows_with(name)
        rows = np.flatnonzero(kept)

        def at(index: tuple[int, ...], place: Place = place, rows: IntArray = rows) -> Worst:
            return place((index[0], int(rows[index[1]]), index[2]))

        second = rerun.outputs[name][:, kept]
        results.append(compare_bits("second call", second, first[:, kept], fmt, at, message))
    result = next((one for one in results if one.verdict == Verdict.FAIL), results[0])
    compared = sum(one.compared for one in results)
    result = replace(result, compared=compared, failing=sum(one.failing for one in results))
    if result.verdict != Verdict.FAIL:
        return result
    if _within_flushing(evidence, rerun):
        return replace(result, cause=Cause.FLUSH)
    rows_kept = {name: rerun.kept & evidence.case.rows_with(name) for name in evidence.outputs}
    answers = evidence, evidence.outputs, rerun.outputs, rows_kept
    rounded = by_own_activations(*answers) or (
        _beside_what_is_not_finite(evidence, rerun) and by_rounding(*answers)
    )
    return replace(result, cause=Cause.ROUNDING if rounded else Cause.UNEXPLAINED)


def _beside_what_is_not_finite(evidence: Evidence, rerun: Rerun) -> bool:
    """Whether the first call gave something that is no finite number in a row that got others."""
    given = [evidence.case.x, *evidence.case.initial.values()]
    return rerun.neighbours and not all(np.isfinite(one[:, ~rerun.kept]).all() for one in given)


def _within_flushing(evidence: Evidence, rerun: Rerun) -> bool:
    extra = flushed_extra(evidence)
    if extra is None:
        return False
    rows = {name: rerun.kept & evidence.case.rows_with(name) for name in evidence.outputs}
    return within(extra, evidence.outputs, rerun.outputs, rows)
