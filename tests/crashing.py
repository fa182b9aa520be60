"""Backends whose calls really end the process, or never come back."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from complete import CompleteBackend, CompleteLayer


class Crashes(CompleteLayer):
    """Only where x is not what everybody hands over."""

    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        if inputs[0].shape[-1] != self.options.input_size:
            self.end()
        return super().call(inputs, named)


class DividesByZero(Crashes):
    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGFPE)


class Leaves(Crashes):
    def end(self) -> None:
        os._exit(7)


class Hangs(Crashes):
    def end(self) -> None:
        time.sleep(1000)


complete = CompleteBackend()
crashes = CompleteBackend(Crashes, "crashing")
divides = CompleteBackend(DividesByZero, "crashing")
leaves = CompleteBackend(Leaves, "crashing")
hangs = CompleteBackend(Hangs, "crashing")
