"""The same call again and again: in the same thread, with other thread counts, from other threads.

A kernel that flushes subnormals, or adds in another order, in some of its threads only, or a layer
that depends on the state of the calling thread, gives other bits now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.backends.protocol import Backend
from harness.bits import same_bits
from harness.case import Case
from harness.observe.forward import call, loaded
from harness.observe.records import Forward, Observation, Series, Steady

__all__ = ["CALLS_EACH", "observe_steady"]

CALLS_EACH = 14
THREAD_COUNTS = (1, 2, 4)


def observe_steady(backend: Backend, case: Case) -> Observation:
    """Four series of calls or more; of each, the answer that is furthest from the first of all."""
    layer = loaded(backend, case.config.options, case.weights)
    modified: list[str] = []

    def answer() -> Forward:
        return call(layer, case, case.config, case.x, case.h_0, modified)

    first = answer()
    series = tuple(_series(way, first) for way in _ways(backend, answer))
    return Observation(
        backend.name,
        forward=first,
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
        facts=Steady(series),
    )


@dataclass(frozen=True)
class _Way:
    """How the same is asked again."""

    title: str
    ask: Callable[[], Forward]
    threads: int | None = None
    own_thread: bool = False


def _series(way: _Way, first: Forward) -> Series:
    others = []
    for _ in range(CALLS_EACH):
        now = way.ask()
        if not (same_bits(now.output, first.output) and same_bits(now.h_n, first.h_n)):
            others.append(now)
    furthest = max(others, key=lambda other: _distance(other, first), default=None)
    return Series(way.title, CALLS_EACH, len(others), furthest, way.threads, way.own_thread)


def _distance(one: Forward, other: Forward) -> float:
    """The largest difference; infinite where only one of two is a number, or finite."""
    with np.errstate(all="ignore"):
        found = [
            np.where(
                (a == b) | (np.isnan(a) & np.isnan(b)),
                0.0,
                np.nan_to_num(np.abs(a.astype(np.float64) - b.astype(np.float64)), nan=np.inf),
            )
            for a, b in ((one.output, other.output), (one.h_n, other.h_n))
            if a.shape == b.shape
        ]
    return max((float(array.max(initial=0.0)) for array in found), default=np.inf)


def _ways(backend: Backend, answer: Callable[[], Forward]) -> Iterator[_Way]:
    yield _Way("in the same thread", answer)
    yield _Way("from a thread of its own each", lambda: _elsewhere(answer), own_thread=True)
    set_threads: Any = getattr(backend, "threads", None)
    if set_threads is not None:
        for count in THREAD_COUNTS:
            set_threads(count)
            title = f"computed by {count} thread{'s' * (count > 1)}"
            yield _Way(title, answer, threads=count)
        set_threads(None)
    yield _Way("in the same thread, behind all others", answer)


def _elsewhere(answer: Callable[[], Forward]) -> Forward:
    """The answer to a call that a new thread makes; what it raises is raised here."""
    found: list[Forward] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with np.errstate(all="ignore"):  # each thread has its own
                found.append(answer())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
