"""Backends whose calls really end the process, never come back, or take everything.

`BACKENDS` has one for each kind; each misbehaves where x has the width `TRIGGER`, and is right
elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.faults.correct import CorrectBackend, CorrectLayer

TRIGGER = 7


class Exotic(BaseException):
    """No Exception, and without a message that could be had."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


def segfaults() -> None:
    ctypes.string_at(0)


def aborts() -> None:
    print("terminate called after throwing an instance of 'std::bad_thing'", file=sys.stderr)
    sys.stderr.flush()
    os.abort()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leaves() -> None:
    os._exit(7)


def hangs() -> None:
    print("still waiting", flush=True)
    time.sleep(1000)


def hangs_with_the_lock() -> None:
    """In C, and nothing else in the process can run."""
    re.match("(a+)+$", "a" * 50 + "b")


def eats_memory() -> None:
    kept = []
    while True:
        kept.append(np.ones(2**22))


def fills_the_disk() -> None:
    while True:
        os.write(1, b"x" * 2**20)


def prints() -> None:
    """What would ruin a protocol that is spoken on standard output."""
    print("hello\x1b[31m", "x" * 100_000, flush=True)
    os.write(1, bytes(range(256)))
    os.write(2, bytes(range(256)))


def forks() -> None:
    """The child comes back from the call, too."""
    os.fork()


def forks_and_crashes() -> None:
    """The child keeps every line open that its parent had."""
    if os.fork() == 0:
        time.sleep(1000)
    os.kill(os.getpid(), signal.SIGSEGV)


def recurses() -> None:
    recurses()


def raises_exotic() -> None:
    raise Exotic


def raises_interrupt() -> None:
    raise KeyboardInterrupt


class Misbehaves(CorrectLayer):
    misbehave: Callable[[], None]

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        if inputs["x"].shape[-1] == TRIGGER:
            self.misbehave()
        return super().forward(inputs)

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if inputs[0].shape[-1] == TRIGGER:
            self.misbehave()
        return super().call(inputs, named)


def misbehaving(act: Callable[[], None], name: str = "crashing") -> CorrectBackend:
    layer = type(act.__name__, (Misbehaves,), {"misbehave": staticmethod(act)})
    return CorrectBackend(layer, name)


BACKENDS = {
    act.__name__: misbehaving(act)
    for act in (
        segfaults,
        aborts,
        killed,
        leaves,
        hangs,
        hangs_with_the_lock,
        eats_memory,
        fills_the_disk,
        prints,
        forks,
        forks_and_crashes,
        recurses,
        raises_exotic,
        raises_interrupt,
    )
}
globals().update({f"{name}_backend": made for name, made in BACKENDS.items()})
complete = CorrectBackend()
killed_beside_others = misbehaving(killed, "killed")
hanging_beside_others = misbehaving(hangs, "hanging")


class CrashesWhenLoaded(CorrectBackend):
    def __init__(self) -> None:
        os.abort()
