"""Proof of a script: a fresh interpreter runs it, and its two numbers differ as they should."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.checks import Partner
from harness.config import Config
from harness.minimise.question import Answer
from harness.minimise.script import index_of
from harness.results import Result, as_float

__all__ = ["printed_by", "shown_by"]

SECONDS = 60.0


def printed_by(text: str, seconds: float = SECONDS) -> str | None:
    """What a script prints, run as a user runs it; None if it fails or takes too long.

    None of our files, and nothing of our environment that Python reads, is there.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        path = Path(directory) / "reproducer.py"
        path.write_text(text, "utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(path)],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def shown_by(printed: str, answer: Answer) -> bool:
    """Whether what a script printed is the difference that an answer shows.

    `actual` must lie beyond the derived bound of what the check expected (or have another sign, or
    other bits), and beyond that of the printed `expected`, which must be what the oracle says, a
    hundred times closer than the two are apart.
    """
    result = answer.result
    two_calls = answer.check.second_call is not None
    found = _numbers(printed, result, two_calls=two_calls)
    if found is None or result.worst is None:
        return False
    actual, expected = found
    if two_calls:
        return not _same(actual, expected, near=0.0)
    wanted, bound = as_float(result.worst.expected), as_float(result.worst.bound)
    exact = _exact(answer, wanted)
    if not _same(expected, exact, near=0.01 * abs(as_float(result.worst.actual) - exact)):
        return False
    if result.requirement == "gradient-signs":
        return actual * exact < 0
    return not (_same(actual, wanted, near=bound) or _same(actual, expected, near=bound))


def _exact(answer: Answer, otherwise: float) -> float:
    """What the oracle has at the place in question; of what else than its outputs, `otherwise`."""
    place, oracle = answer.result.worst, answer.oracle.exact
    of_modes = answer.check.partner is Partner.MODE
    if place is None or place.output not in ("output", "h_n") or of_modes:
        return otherwise
    return float(getattr(oracle, place.output)[index_of(answer.case.config, place)])


def _same(one: float, other: float, near: float) -> bool:
    """Equal, both NaN, or so near to each other; nothing is near to NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= (0.0 if math.isnan(near) else near)


def _numbers(printed: str, result: Result, *, two_calls: bool) -> tuple[float, float] | None:
    """The two numbers; `actual` in the precision that it had before it was printed."""
    found: dict[str, float] = {}
    for line in printed.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in ("actual", "expected"):
            try:
                found[words[0]] = float(words[1])
            except ValueError:
                return None
    if set(found) != {"actual", "expected"}:
        return None
    dtype = NUMPY_DTYPES[Config.parse(result.config_id).dtype]
    with np.errstate(all="ignore"):
        actual = float(np.array(found["actual"]).astype(dtype))
        if two_calls:
            return actual, float(np.array(found["expected"]).astype(dtype))
    return actual, found["expected"]
