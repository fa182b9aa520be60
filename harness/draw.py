"""Drawing configs with Hypothesis."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.strategies import SearchStrategy

from harness.config import Config

__all__ = ["draw_configs"]


def _settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )


def draw_configs(strategy: SearchStrategy[Config], count: int, seed: int) -> list[Config]:
    """`count` different configs; the same ones for the same seed, Hypothesis and source code.

    (Hypothesis also draws the constants that it finds in the code under test.)
    """
    found: dict[str, Config] = {}
    for attempt in range(100):
        if len(found) >= count:
            break

        @hypothesis.seed(seed + 1_000_003 * attempt)
        @_settings(max(count - len(found), 10))
        @hypothesis.given(strategy)
        def collect(config: Config) -> None:
            found.setdefault(config.id, config)

        collect()
    return list(found.values())[:count]
