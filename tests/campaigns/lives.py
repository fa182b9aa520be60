"""Searches for a life that goes wrong: `make lives`, or `python -m tests.campaigns.lives`.

Hypothesis draws lives with all options, judges them with the checks of a run, and shrinks what
fails. Exit 1 with the id of the smallest config, which replays it.
"""

from __future__ import annotations

import argparse
import functools
import sys

from harness.aspects import LIFE
from harness.backends import load_backend
from harness.config import Config
from harness.environment import describe
from harness.expectations import Expectations, expectations_of
from harness.judge import Session, replay_command
from harness.strategies import configs
from tests.campaigns.fuzz import Target, campaign

__all__ = ["main", "search"]


def search(session: Session, expected: Expectations, examples: int, first: int) -> Config | None:
    """The smallest config of a life with an unexpected result that is found; None if none is."""
    failed: list[Config] = []

    @functools.cache
    def fails(config: Config) -> bool:
        results = expected.join(session.judge(config))
        return any(result.unexpected for result in results)

    def holds(config: Config) -> None:
        if fails(config):
            failed.append(config)
            raise AssertionError(config.id)

    try:
        campaign(Target(configs(aspects=(LIFE,), scales=(1,), max_steps=4), holds), examples, first)
    except AssertionError:
        return failed[-1]  # Hypothesis ends with the smallest
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    session = Session({options.backend: load_backend(options.backend)})
    expected = expectations_of(describe(session.runners))
    found = search(session, expected, options.examples, options.seed)
    if found is None:
        print(f"{options.examples} lives of {options.backend}: as expected")
        return
    print(f"{found.description}\n{replay_command(found, options.backend)}")
    sys.exit(1)


if __name__ == "__main__":
    main()
