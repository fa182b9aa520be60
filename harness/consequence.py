"""What a finding means for whoever meets it: a wrong value, a wrong sign, a refusal, a crash."""

from __future__ import annotations

import math

from harness.findings import Finding
from harness.results import Place, as_float

__all__ = ["consequence"]

OF_CAUSES = {
    "crashed": "crash",
    "hung": "no answer",
    "refused": "refused",
    "accepted": "silently accepted",
    "differs": "one refuses what the other accepts",
    "disagrees": "another answer than the other's",
    "mode": "another mode",
    "order": "another order",
    "numpy": "side effect",
    "error": "no verdict",
    "rounding": "other last bits",
}


def consequence(finding: Finding) -> str:
    """In a few words; from the cause where it is about the call, else from the worst number."""
    if finding.cause in OF_CAUSES:
        return OF_CAUSES[finding.cause]
    if finding.check.startswith("dropout"):
        return "dropped otherwise than documented"
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
