"""What a finding means, in a few words."""

from __future__ import annotations

import pytest
from made_up_lines import line

from harness.causes import Cause
from harness.consequence import consequence
from harness.findings import find
from harness.results import Place


@pytest.mark.parametrize(
    ("actual", "expected", "said"),
    [
        (1.0, 1.5, "wrong value"),
        (-1.0, 1.5, "wrong sign"),
        (0.0, 1.5, "0 where another number is right"),
        (1.0, 0.0, "wrong value"),
        ("nan", 1.5, "NaN where a number is right"),
        (0.0, "nan", "a number in place of NaN"),
        ("inf", 1.5, "infinite where a number is right"),
        (1.5, "-inf", "finite, not infinite"),
        ("-inf", "inf", "wrong sign"),
    ],
)
def test_of_the_worst_number(actual: float | str, expected: float | str, said: str) -> None:
    place = Place("output", 0, "forward", 0, 0, 0, actual, expected)
    (finding,) = find([line(1, 3.0, worst=place)])
    assert consequence(finding) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cause": Cause.CRASHED}, "crash"),
        ({"cause": Cause.ACCEPTED}, "silently accepted"),
        ({"cause": Cause.REFUSED}, "refused"),
        ({"check": "dropout_rate", "cause": Cause.DEPENDENT}, "dropped otherwise than documented"),
        ({"worst": None}, "wrong answer"),
    ],
)
def test_of_other_findings(changes: dict[str, object], said: str) -> None:
    (finding,) = find([line(1, 3.0, **changes)])
    assert consequence(finding) == said
