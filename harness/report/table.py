"""All configs and comparisons of a run as columns, packed for the page's own script.

Ten thousand configs are two hundred thousand comparisons. As rows of HTML they would be sixty
megabytes; as columns of numbers, compressed, with every repeated text once, they are four.
A number keeps three digits; values that were wrong keep all of theirs.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.aspects import aspect_of
from harness.config import Config
from harness.expectations import Judged
from harness.findings import Finding, key_of
from harness.probes import Probe
from harness.report.wording import ratio_rounded
from harness.results import Number, Place, as_float
from harness.verdicts import FAILED, ReportState, State, Verdict, worst

__all__ = ["columns", "overall", "packed"]

TEXTS = ("message", "cause", "known", "assert_close")
"""Texts of a comparison that are stored once each; 0 is none."""

SPARSE = ("message", "cause", "known", "undefined", "failing", "finding")
"""Columns that are 0 nearly everywhere: of these only the other values are kept, and where."""

ORDER: Sequence[State] = sorted(
    (*Verdict, ReportState.EXPECTED_FAILURE), key=lambda one: one.severity
)
"""Of the states that a comparison can have, the gravest first."""


def packed(table: Mapping[str, Any]) -> str:
    """JSON, gzip, base64: nothing in it can end a script element."""
    return base64.b64encode(gzip.compress(msgspec.json.encode(table), 9, mtime=0)).decode()


def overall(results: Sequence[Judged]) -> State:
    """One verdict for a config and a backend: the worst."""
    return worst(result.state for result in results)


class _Interned:
    """Values in the order in which they came, each once."""

    def __init__(self, *first: Any) -> None:
        self.index: dict[Any, int] = {}
        for value in first:
            self(value)

    def __call__(self, value: Any) -> int:
        return self.index.setdefault(value, len(self.index))

    @property
    def values(self) -> list[Any]:
        return list(self.index)


def columns(
    by_config: Mapping[str, Sequence[Judged]], findings: Sequence[Finding]
) -> dict[str, Any]:
    """The table: of the configs their tokens; of the comparisons one column for each field."""
    lines = [line for results in by_config.values() for line in results]
    origins = _Interned()
    table = {
        **_tokens(by_config),
        "origin": [origins(results[0].origin) for results in by_config.values()],
        "origins": origins.values,
        "count": [len(results) for results in by_config.values()],
        "findings": ["", *(finding.slug for finding in findings)],
        **_subjects(lines),
        **_numbers(lines),
        **_places(lines),
        **_texts(lines),
        **_powers(lines),
        "finding": _findings(lines, findings),
        "values": {
            i: _values(line) for i, line in enumerate(lines) if line.verdict is Verdict.FAIL
        },
    }
    return table | {"sparse": SPARSE} | {name: _sparse(table[name]) for name in SPARSE}


def _sparse(column: Sequence[int]) -> tuple[list[int], list[int]]:
    places = [place for place, value in enumerate(column) if value]
    return places, [column[place] for place in places]


def _tokens(ids: Mapping[str, Any]) -> dict[str, Any]:
    """The ids, what is asked, and by field the words of all configs, with those ids leave out.

    Layers have fields of their own: no order of all fields gives every id.
    """
    configs = [Config.parse(one) for one in ids]
    every, questions = [config.words for config in configs], _Interned()
    fields = list(dict.fromkeys(name for words in every for name in words))
    interned = [_Interned() for _ in fields]
    return {
        "names": list(ids),
        "question": [questions(aspect_of(config).says) for config in configs],
        "questions": questions.values,
        "fields": fields,
        "ids": [
            [intern(words.get(name, ("", False))[0]) for words in every]
            for name, intern in zip(fields, interned, strict=True)
        ],
        "tokens": [one.values for one in interned],
    }


def _subjects(lines: Sequence[Judged]) -> dict[str, Any]:
    """What was compared: backend, check and part, as one of the few combinations there are."""
    subjects, verdicts = _Interned(), _Interned(*ORDER)
    return {
        "subject": [subjects((line.backend, line.check, line.part)) for line in lines],
        "subjects": subjects.values,
        "verdict": [verdicts(line.state) for line in lines],
        "verdicts": verdicts.values,
        "marks": {state.value: state.mark for state in ORDER},
    }


def _numbers(lines: Sequence[Judged]) -> dict[str, Any]:
    return {
        "ratio": [_ratio(line.ratio) for line in lines],
        "abs": [_short(line.max_abs) for line in lines],
        "rel": [_short(line.max_rel) for line in lines],
        "ulp": [_short(line.max_ulp) for line in lines],
        "compared": [line.compared for line in lines],
        "undefined": [line.undefined for line in lines],
        "failing": [line.failing for line in lines],
    }


def _short(value: Number | None) -> Number | None:
    """Three digits."""
    return value if value is None or isinstance(value, str) else float(f"{value:.3g}")


def _ratio(value: Number | None) -> Number | None:
    return value if value is None or isinstance(value, str) else ratio_rounded(value)


def _places(lines: Sequence[Judged]) -> dict[str, Any]:
    """Where the ratio is largest; -1 where an axis does not apply."""
    where = _Interned(None)
    worst = [line.worst if line.ratio else None for line in lines]
    axes = {
        axis: [-1 if (at := one and getattr(one, axis)) is None else at for one in worst]
        for axis in ("step", "batch", "unit")
    }
    spots = [where(one and (one.output, one.layer, one.direction)) for one in worst]
    return {"where": spots, "wheres": where.values, **axes}


def _texts(lines: Sequence[Judged]) -> dict[str, Any]:
    """Texts once each; a replay command without the id that stands in it."""
    texts = _Interned("")
    replayed = [line.replay.replace(line.config_id, "\0") for line in lines]
    columns = {name: [texts(getattr(line, name) or "") for line in lines] for name in TEXTS}
    return {**columns, "replay": [texts(one) for one in replayed], "texts": texts.values}


def _powers(lines: Sequence[Judged]) -> dict[str, Any]:
    """The faults that a comparison could have seen, and at which share of its elements."""
    names = _Interned(())
    return {
        "power": [names(tuple(line.power)) for line in lines],
        "powers": names.values,
        "sizes": [probe for probe in Probe if probe.is_size],
        "shares": [_share(value) for line in lines for value in line.power.values()],
    }


def _share(value: float) -> float:
    """Three digits, but never 1 for what is less."""
    return min(float(f"{value:.3g}"), 0.999) if value < 1 else float(f"{value:.3g}")


def _findings(lines: Sequence[Judged], findings: Sequence[Finding]) -> list[int]:
    """The number of the finding that a failing comparison belongs to, from 1; 0 for others."""
    numbers = {finding.identity: number for number, finding in enumerate(findings, start=1)}
    return [numbers[key_of(line), line.known] if line.verdict in FAILED else 0 for line in lines]


def _values(line: Judged) -> dict[str, Any]:
    """Actual, expected, bound at the worst place, and at the first one in time, in full."""
    values: dict[str, Any] = {"conditional": line.conditional}
    for name, place in (("worst", line.worst), ("first", line.first)):
        if place is not None:
            values[name] = _value(place)
    return values


def _value(place: Place) -> list[Any]:
    numbers = [place.actual, place.expected, place.bound]
    exact = [None if one is None else repr(as_float(one)) for one in numbers]
    return [*exact, place.step, place.batch, place.unit]
