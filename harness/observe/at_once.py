"""Two layers called from several threads at once, where the backend states that this is allowed."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from harness.at_once import THREADS, cases_at_once
from harness.backends.protocol import Backend, Layer
from harness.case import Case
from harness.observe.calling import call, distance, loaded, same_outputs
from harness.observe.errors import preparing
from harness.observe.records import Outputs, Series

__all__ = ["TITLE", "called_at_once"]

TITLE = "at once from several threads"
ROUNDS = 12
PATIENCE = 100.0
"""Seconds to wait for the other threads; a call that hangs is ended by whoever runs the worker."""


def called_at_once(backend: Backend, layer: Layer, case: Case) -> Series:
    """Every thread's answers against those that the same calls gave one after another."""
    if not getattr(backend, "concurrent", False):
        return Series(TITLE, 0, 0, None)
    cases = cases_at_once(case)
    layers = (layer, loaded(backend, case.config, cases[1].weights))
    serial = [call(layers[number % 2], one, []) for number, one in enumerate(cases)]
    with preparing("a call made at once with others"):
        answers = _answers(layers, cases)
    worst: tuple[float, int, Outputs] | None = None
    differing = 0
    for number, several in enumerate(answers):
        for answer in several:
            if same_outputs(answer, serial[number]):
                continue
            differing += 1
            far = distance(answer, serial[number])
            if worst is None or far > worst[0]:
                worst = far, number, answer
    calls = THREADS * ROUNDS
    if worst is None:
        return Series(TITLE, calls, 0, None)
    _, which, other = worst
    return Series(TITLE, calls, differing, other, which=which, serial=serial[which])


def _answers(layers: Sequence[Layer], cases: Sequence[Case]) -> list[list[Outputs]]:
    """All answers of every thread; what one raised is raised here."""
    barrier = threading.Barrier(len(cases))
    found: list[list[Outputs]] = [[] for _ in cases]
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with np.errstate(all="ignore"):  # each thread has its own
                for _ in range(ROUNDS):
                    barrier.wait(PATIENCE)
                    found[number].append(call(layers[number % 2], cases[number], []))
        except threading.BrokenBarrierError:
            pass
        except BaseException as error:
            raised.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(cases))]
    with _switching_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]
    return found


@contextlib.contextmanager
def _switching_often() -> Iterator[None]:
    """Python's threads take turns far more often than they do on their own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
