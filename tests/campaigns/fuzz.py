"""Malformed input by the thousand: `make fuzz`, or `python -m tests.campaigns.fuzz --examples N`.

Every parser of what comes from outside is given what Hypothesis draws: arbitrary bytes, and valid
input with something replaced. It must take it, or refuse it with its own error. Exit 1 with the
smallest input that breaks this. The test suite runs the same targets, with fewer inputs.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.campaigns import malformed_input


@dataclass(frozen=True)
class Target:
    """Where input comes in: how it is drawn, and what must hold of it (else it raises)."""

    inputs: st.SearchStrategy[Any]
    holds: Callable[[Any], None]


TARGETS = {
    "ids": Target(malformed_input.IDS, malformed_input.identifier),
    "results": Target(malformed_input.RESULTS, malformed_input.results),
    "wire": Target(malformed_input.WIRE, malformed_input.wire),
    "baseline": Target(malformed_input.BASELINES, malformed_input.baseline),
    "corpus": Target(malformed_input.CORPORA, malformed_input.corpus),
}


def campaign(target: Target, examples: int, first_seed: int = 0) -> None:
    """Raises what the smallest input that breaks the target raises, the input in a note."""

    @seed(first_seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(target.inputs)
    def holds(value: Any) -> None:
        target.holds(value)

    holds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    options = parser.parse_args()
    broken = False
    for name in options.target or TARGETS:
        try:
            campaign(TARGETS[name], options.examples, options.seed)
            print(f"{name:9} holds", flush=True)
        except Exception:  # whatever a parser let through
            broken = True
            print(f"{name:9} BROKEN", flush=True)
            traceback.print_exc()
    sys.exit(broken)


if __name__ == "__main__":
    main()
