"""What a finding means for whoever meets it: a wrong value, a wrong sign, a refusal, a crash."""

from __future__ import annotations

import math

from harness.checks import check_named
from harness.findings import Finding
from harness.results import Place, as_float

__all__ = ["consequence"]


def consequence(finding: Finding) -> str:
    """In a few words; from the cause or the check where they say it, else from the worst number."""
    check = check_named(finding.check)
    said = finding.cause.about.consequence or (check.consequence if check else None)
    if said is not None:
        return said
    place = finding.worst.worst
    if place is None or place.actual is None or place.expected is None:
        return "wrong answer"
    return _of_number(place)


def _of_number(place: Place) -> str:
    actual, expected = as_float(place.actual), as_float(place.expected)
    if math.isnan(actual) != math.isnan(expected):
        return "NaN where a number is right" if math.isnan(actual) else "a number in place of NaN"
    if math.isinf(actual) != math.isinf(expected):
        return "infinite where a number is right" if math.isinf(actual) else "finite, not infinite"
    if actual == 0 and expected != 0:
        return "0 where another number is right"
    if actual * expected < 0:
        return "wrong sign"
    return "wrong value"
