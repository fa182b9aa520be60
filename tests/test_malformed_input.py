"""Files, ids and workers' answers that are not what was expected are taken, or refused."""

from __future__ import annotations

import pytest

from tests.campaigns.fuzz import TARGETS, campaign


@pytest.mark.parametrize("name", TARGETS)
def test_malformed_input_is_taken_or_refused(name: str) -> None:
    campaign(TARGETS[name], 100)
