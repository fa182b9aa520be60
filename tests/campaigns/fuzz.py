"""Foreign input by the million: `make fuzz`, or `python -m harness.trust.fuzz --seconds 60`.

Every parser of what comes from outside is given what Hypothesis thinks of: arbitrary bytes, and
valid input with something replaced. It must take it, or refuse it with its own error in one short
printable line; what it takes must be shown by every report without harm. Exit 1 with the
smallest input that breaks this. The test suite runs the same targets, with fewer inputs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from harness.text import shown
from harness.trust import foreign

__all__ = ["TARGETS", "Broken", "Target", "campaign", "main"]

ROUND = 200
"""Inputs between looks at the clock."""


@dataclass(frozen=True)
class Target:
    """Where input comes in: how it is drawn, and what must hold of it (else it raises)."""

    inputs: st.SearchStrategy[Any]
    holds: Callable[[Any], None]


TARGETS = {
    "ids": Target(foreign.IDS, foreign.identifier),
    "results": Target(foreign.RESULTS, foreign.results),
    "reports": Target(foreign.PAGES, foreign.page),
    "wire": Target(foreign.WIRE, foreign.wire),
    "baseline": Target(foreign.BASELINES, foreign.baseline),
    "corpus": Target(foreign.CORPORA, foreign.corpus),
}


@dataclass(frozen=True)
class Broken:
    """The smallest input found to break a target, and how."""

    target: str
    given: Any
    error: BaseException


def campaign(name: str, seconds: float, first_seed: int = 0) -> tuple[int, Broken | None]:
    """How many inputs were tried for so long, and what broke; another seed for every round."""
    target, tried = TARGETS[name], 0
    last: list[Any] = []
    until = time.monotonic() + seconds
    number = first_seed
    while time.monotonic() < until:

        @seed(number)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(target.inputs)
        def one(value: Any) -> None:
            nonlocal tried
            tried += 1
            last[:] = [value]
            target.holds(value)

        try:
            one()
        except Exception as error:  # Hypothesis tries the smallest one last
            return tried, Broken(name, last[0], error)
        number += 1
    return tried, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="in all, for all targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    given_options = parser.parse_args()
    names = given_options.target or list(TARGETS)
    broken = False
    for name in names:
        tried, found = campaign(name, given_options.seconds / len(names), given_options.seed)
        print(f"{name:9} {tried:8,} inputs: {'holds' if found is None else 'BROKEN'}", flush=True)
        if found is not None:
            broken = True
            print(f"  smallest input: {shown(found.given, 5000)}")
            print(f"  {type(found.error).__name__}: {shown(str(found.error), 2000)}")
    sys.exit(broken)


if __name__ == "__main__":
    main()
