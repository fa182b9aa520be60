"""What the baseline expects of pinned configs: that they show each difference, as large as ever.

An entry that no longer holds is as loud as a new failure, and says what to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.backends.reference import unversioned
from harness.config import Config
from harness.expectations import BASELINE, Expectations, Judged, KnownDifference
from harness.results import as_float
from harness.verdicts import CONCLUDED, Verdict

__all__ = ["changed", "missing", "peak"]

UPDATE = "review what `rnn-parity baseline update` makes of it"


def changed(known: Expectations, results: Iterable[Judged]) -> list[str]:
    """What to say of entries that the results of their pinned configs contradict."""
    every = list(results)
    messages = []
    for entry in known.entries:
        results = [line for line in every if known.covers(entry, line.backend)]
        for backend, config_id in missing(entry, results):
            messages.append(
                f"known difference {entry.id!r} vanished: {config_id} no longer shows it with "
                f"{backend}. If it was repaired, narrow `versions` or `when` of the entry, or "
                f"delete it, in {BASELINE.name}; or {UPDATE}"
            )
        largest = peak(entry, results)
        if entry.ratio is None or largest is None:
            continue
        low, high = entry.ratio
        if not low <= largest <= high:
            what = "shrank" if largest < low else "grew"
            messages.append(
                f"known difference {entry.id!r} {what}: the largest ratio of its pinned configs is "
                f"{largest:.4g}, expected {low:g} to {high:g}. If that is right now, set `ratio` "
                f"of the entry in {BASELINE.name}; or {UPDATE}"
            )
    return messages


def missing(entry: KnownDifference, results: Sequence[Judged]) -> list[tuple[str, str]]:
    """Backends and pinned configs that were run and did not show the difference."""
    if entry.intermittent:
        return []
    shown = {(r.backend, r.config_id) for r in results if r.known == entry.id}
    pinned = {
        (result.backend, result.config_id)
        for result in results
        if unversioned(result.backend) in entry.backends and result.config_id in entry.shown_by
    } or _pinned(entry, results)
    return sorted(pinned - shown)


def peak(entry: KnownDifference, results: Sequence[Judged]) -> float | None:
    """The largest finite ratio that the configs of `shown_by` show.

    None where there is none, and where the entry's first backend was not asked all of them.
    """
    first = entry.backends[0]
    asked = {result.config_id for result in results if unversioned(result.backend) == first}
    if not asked.issuperset(entry.shown_by):
        return None
    ratios = [
        as_float(result.ratio)
        for result in results
        if result.known == entry.id
        and result.verdict is Verdict.FAIL
        and result.ratio is not None
        and result.config_id in entry.shown_by
    ]
    return max(filter(math.isfinite, ratios), default=None)


def _pinned(entry: KnownDifference, results: Sequence[Judged]) -> set[tuple[str, str]]:
    """Without `shown_by`: every pinned config that it is about and that came to a verdict."""
    if entry.shown_by:
        return set()
    return {
        (result.backend, result.config_id)
        for result in results
        if result.origin == "corpus"
        and result.verdict in CONCLUDED
        and entry.about(result, Config.parse(result.config_id))
    }
