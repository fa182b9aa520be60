"""Drawing configs with Hypothesis, and shrinking the ones that show something."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.strategies import SearchStrategy

from harness.config import Config

__all__ = ["draw_configs", "shrink_config"]


def _settings(examples: int, *phases: Phase) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        phases=phases,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
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
        @_settings(max(count - len(found), 10), Phase.generate)
        @hypothesis.given(strategy)
        def collect(config: Config) -> None:
            found.setdefault(config.id, config)

        collect()
    return list(found.values())[:count]


class _Shown(Exception):
    """Tells Hypothesis that a config shows what is looked for."""


def shrink_config(
    strategy: SearchStrategy[Config],
    count: int,
    seed: int,
    showing: set[str],
    judged: set[str],
    shows: Callable[[Config], bool],
    *,
    budget: int,
) -> Config | None:
    """The smallest config that Hypothesis finds to show what some drawn configs showed.

    The same draw as `draw_configs(strategy, count, seed)` is repeated, which costs nothing as
    long as its verdicts are known; at the first showing config Hypothesis begins to shrink.

    Args:
        showing: ids of drawn configs that showed it; `judged`: ids of all that were judged.
        shows: judges a config that was not drawn.
        budget: how often `shows` may be asked; it is the expensive part.

    Returns:
        None if none of the drawn configs came up again.
    """
    best: Config | None = None
    known = {config_id: config_id in showing for config_id in judged}
    left = budget

    def test(config: Config) -> None:
        nonlocal best, left
        if config.id not in known:
            if left == 0:
                return
            left -= 1
            known[config.id] = shows(config)
        if known[config.id]:
            if best is None or config.size < best.size:
                best = config
            raise _Shown

    run = hypothesis.seed(seed)(
        _settings(max(count, 10), Phase.generate, Phase.shrink)(hypothesis.given(strategy)(test))
    )
    with contextlib.suppress(_Shown, hypothesis.errors.Flaky):
        run()
    return best
