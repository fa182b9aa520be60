"""What a whole run must have concluded, or it is no green."""

from __future__ import annotations

import pytest
from made_up_lines import line

from harness.expectations import Expectations, Judged
from harness.outcome import Outcome, _mostly_inconclusive, conclude
from harness.verdicts import Verdict


def lines(inconclusive: int, others: int, **changes: object) -> list[Judged]:
    silent = [line(k, 0.5, verdict=Verdict.INCONCLUSIVE, **changes) for k in range(inconclusive)]
    return silent + [line(99 + k, 0.5, verdict=Verdict.PASS, **changes) for k in range(others)]


@pytest.mark.parametrize(("inconclusive", "others", "said"), [(8, 4, 0), (9, 4, 1), (7, 2, 0)])
def test_a_check_that_mostly_concludes_nothing_is_loud(
    inconclusive: int, others: int, said: int
) -> None:
    messages = _mostly_inconclusive(lines(inconclusive, others))
    assert len(messages) == said
    if said:
        assert messages[0].startswith("torch: step_residual was inconclusive in 9 of 13 compar")
    assert _mostly_inconclusive(lines(inconclusive, others, origin="drawn")) == []


@pytest.mark.parametrize(
    ("configs", "planned", "said"),
    [
        (3, 1000, "3 of 1,000 planned configs were judged"),
        (1000, 1000, "1,000 of 1,000 planned configs were judged, but differences were not yet "),
        (1002, 1000, "1,000 of 1,000 planned configs were judged, but differences were not yet "),
        (0, 0, "0 of 0 planned configs were judged"),
    ],
)
def test_how_far_a_run_came_that_was_ended(configs: int, planned: int, said: str) -> None:
    """Those that differences shrank to stand behind those that were planned."""
    outcome = Outcome({"planned": planned})
    conclude(outcome, Expectations(), complete=False, configs=configs)
    made_small = "made small" if "but" in said else ""
    assert outcome.unfinished == f"unfinished: {said}{made_small}"
