"""What a whole run must have concluded, or it is no green."""

from __future__ import annotations

import msgspec
import pytest

from harness.expectations import Expectations, Judged
from harness.outcome import Outcome, conclude
from harness.verdicts import Verdict
from tests.synthetic_results import line


def lines(inconclusive: int, others: int, **changes: object) -> list[Judged]:
    silent = [line(k, 0.5, verdict=Verdict.INCONCLUSIVE, **changes) for k in range(inconclusive)]
    return silent + [line(99 + k, 0.5, verdict=Verdict.PASS, **changes) for k in range(others)]


def alarms(results: list[Judged]) -> list[str]:
    """What a complete run with these results says of checks that conclude too little."""
    outcome = Outcome({"versions": {}}, results)
    conclude(outcome, Expectations(), complete=True)
    return [message for message in outcome.idle if "was inconclusive in" in message]


@pytest.mark.parametrize(("inconclusive", "others", "alarming"), [(8, 4, 0), (9, 4, 1), (7, 2, 0)])
def test_a_check_that_mostly_concludes_nothing_is_loud(
    inconclusive: int, others: int, alarming: int
) -> None:
    messages = alarms(lines(inconclusive, others))
    assert len(messages) == alarming
    if alarming:
        assert messages[0].startswith("torch: step_residual was inconclusive in 9 of 13 compar")
    assert alarms(lines(inconclusive, others, origin="drawn")) == []


@pytest.mark.parametrize("planned", [1000, 3, 0])
def test_how_far_a_run_came_that_was_ended(planned: int) -> None:
    outcome = Outcome({"planned": planned}, lines(0, 3))
    conclude(outcome, Expectations(), complete=False)
    assert outcome.unfinished == (
        f"unfinished: 3 of {planned:,} planned pairs of config and backend were judged"
    )


@pytest.mark.parametrize("origin", ["tested", "shortened"])
def test_what_a_run_chose_for_its_findings_was_not_planned(origin: str) -> None:
    outcome = Outcome({"planned": 3}, [*lines(0, 3), line(7, 0.5, origin=origin)])
    conclude(outcome, Expectations(), complete=False)
    assert outcome.unfinished.startswith("unfinished: 3 of 3 planned pairs")


def test_a_requirement_without_verdict_in_one_layer_is_loud() -> None:
    """Whatever another layer says of it."""
    asked = [
        line(number, 0.5, verdict=verdict, config_id=f"{layer}-i00003-h00004-b00006-t00005-s000000")
        for number, (layer, verdict) in enumerate(
            [("lstm", Verdict.PASS), ("gru", Verdict.INCONCLUSIVE), ("gru", Verdict.PASS)]
        )
    ]
    asked[2] = msgspec.structs.replace(asked[2], check="determinism", requirement="repeated-calls")
    outcome = Outcome({"versions": {}}, asked)
    conclude(outcome, Expectations(), complete=True)
    said = [message for message in outcome.idle if "'equation'" in message]
    assert [message.partition(";")[0] for message in said] == [
        "torch: nothing was concluded on requirement 'equation' of GRU (inconclusive)"
    ]
