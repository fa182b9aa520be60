"""One core for a worker whose threads wait for one another by spinning.

MindSpore hands every small operation to another thread and back; meanwhile its threads call
`sched_yield`. On two cores each hand-over wakes the other core, and what spins there takes it from
every other process. On one core the thread that has work runs at once. Which core that is, the
scheduler says anew for each request, so that workers do not meet on one while another is idle.

What an implementation computes with several threads shows on several cores only, so this is for
configs of which the backend says that it shares out nothing (`single_core`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

__all__ = ["on_one_core"]


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """All threads of this process on the core that it runs on; then each where it was before.

    Does nothing where the operating system offers none of this.
    """
    if sys.platform != "linux":
        yield
        return
    before: dict[int, set[int]] = {}
    for thread in _threads():
        with contextlib.suppress(OSError):  # it has ended
            before[thread] = os.sched_getaffinity(thread)
    cores = os.sched_getaffinity(0)
    core = ctypes.CDLL(None).sched_getcpu()
    if core in cores and len(cores) > 1:
        for thread in _threads():
            _bind(thread, {core})
    try:
        yield
    finally:
        for thread in _threads():  # those that began meanwhile are where their parent was
            _bind(thread, before.get(thread, cores))


def _threads() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/task")]


def _bind(thread: int, cores: set[int]) -> None:
    with contextlib.suppress(OSError):  # it has ended
        os.sched_setaffinity(thread, cores)
