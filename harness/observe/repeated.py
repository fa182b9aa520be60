"""The same call again and again: in the same thread, with other thread counts, from other threads.

A kernel that flushes subnormals, or adds in another order, in some of its threads only, or a layer
that depends on the state of the calling thread, gives other bits now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.backends.protocol import Backend
from harness.case import Case
from harness.observe.at_once import called_at_once
from harness.observe.calling import call, distance, loaded, same_outputs
from harness.observe.growth import growth_of
from harness.observe.new_thread import in_a_new_thread
from harness.observe.records import Observation, Outputs, RepeatedCalls, Series

__all__ = ["CALLS_EACH", "observe_repeated"]

CALLS_EACH = 14
THREAD_COUNTS = (1, 2, 4)


def observe_repeated(backend: Backend, case: Case) -> Observation:
    """Four series of calls or more; of each, the answer that is furthest from the first of all."""
    layer = loaded(backend, case.config, case.weights)
    modified: list[str] = []

    def answer() -> Outputs:
        return call(layer, case, modified)

    first = answer()
    series = tuple(_series(way, first) for way in _ways(backend, answer))
    at_once = called_at_once(backend, layer, case)
    return Observation(
        backend.name,
        outputs=first,
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
        details=RepeatedCalls(series, at_once, growth_of(layer, case, first)),
    )


@dataclass(frozen=True)
class _Way:
    """One way to make the same call."""

    title: str
    ask: Callable[[], Outputs]
    threads: int | None = None
    own_thread: bool = False


def _series(way: _Way, first: Outputs) -> Series:
    others = []
    for _ in range(CALLS_EACH):
        now = way.ask()
        if not same_outputs(now, first):
            others.append(now)
    furthest = max(others, key=lambda other: distance(other, first), default=None)
    return Series(way.title, CALLS_EACH, len(others), furthest, way.threads, way.own_thread)


def _ways(backend: Backend, answer: Callable[[], Outputs]) -> Iterator[_Way]:
    yield _Way("in the same thread", answer)
    yield _Way("from a thread of its own each", lambda: in_a_new_thread(answer), own_thread=True)
    set_threads: Any = getattr(backend, "threads", None)
    if set_threads is not None:
        for count in THREAD_COUNTS:
            set_threads(count)
            title = f"computed by {count} thread{'s' * (count > 1)}"
            yield _Way(title, answer, threads=count)
        set_threads(None)
    yield _Way("in the same thread, after all others", answer)
