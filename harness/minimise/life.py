"""The shortest life that shows a finding: steps are left out as long as it still does."""

from __future__ import annotations

import time

from harness.config import Config, ConfigError
from harness.expectations import Expectations
from harness.findings import Finding, key_of
from harness.judge import Session
from harness.life import Life
from harness.minimise.ddmin import ddmin
from harness.verdicts import FAILED

__all__ = ["EACH", "shortest_life"]

EACH = 20.0
"""Seconds that one finding may take."""

TRIES = 60


def shortest_life(
    session: Session, expected: Expectations, finding: Finding, *, seconds: float = EACH
) -> Config:
    """The finding's smallest config with the fewest steps of its life that still show it."""
    config = Config.parse(finding.smallest.config_id)
    deadline, tries = time.monotonic() + seconds, 0

    def shows(life: Life) -> bool:
        nonlocal tries
        tries += 1
        try:
            shorter = config.replace(life=life)
        except ConfigError:
            return False
        results = session.judge(shorter, repeat=False, only=[finding.backend])
        return any(
            result.verdict in FAILED and key_of(result) == finding.key and result.unexpected
            for result in expected.join(results)
        )

    def over() -> bool:
        return tries >= TRIES or time.monotonic() > deadline

    if not shows(config.life):  # what ran before had a part in it
        return config
    return config.replace(life=tuple(ddmin(config.life, lambda kept: shows(tuple(kept)), over)))
