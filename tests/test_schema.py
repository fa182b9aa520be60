"""The JSON Schema of results.jsonl: it is in the package, and real lines satisfy it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from harness.config import Config
from harness.environment import describe
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.results import End
from harness.schema import SCHEMA, schema_text
from harness.verdicts import Verdict

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


@pytest.fixture(scope="module")
def written() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the results of a wrong layer, as a run writes them."""
    session = Session({"x": FAULTS["b-hh-dropped"].inject(CorrectBackend())})
    header = describe(session.runners, examples=0, seed=0, corpus=None)
    configs = (
        Config(steps=3),
        Config(data="special"),
        Config(aspect="gradient", data="plain"),
        Config(aspect="initial", data="plain"),
    )
    lines = [line for config in configs for line in session.judge(config)]
    assert {line.verdict for line in lines} >= {Verdict.PASS, Verdict.FAIL}
    return json.loads(msgspec.json.encode(header)), json.loads(msgspec.json.encode(lines))


def test_the_file_is_up_to_date() -> None:
    """If this fails: python -m harness.schema, and does FORMAT_VERSION have to rise?"""
    assert SCHEMA.read_text("utf-8") == schema_text()


def test_real_lines_satisfy_it(written: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    header, lines = written
    end = json.loads(msgspec.json.encode(End(results=len(lines), configs=4)))
    for line in (header, *lines, end):
        VALIDATOR.validate(line)


@pytest.mark.parametrize(
    "change",
    [
        {"cause": "weather"},
        {"verdict": "fine"},
        {"kind": "other"},
        {"compared": "3"},
        {"ratio": "large"},
    ],
    ids=str,
)
def test_other_lines_do_not_satisfy_it(
    written: tuple[dict[str, Any], list[dict[str, Any]]], change: dict[str, Any]
) -> None:
    line = written[1][0] | change
    assert not VALIDATOR.is_valid(line)


def test_nothing_in_it_depends_on_a_baseline() -> None:
    assert "known" not in SCHEMA.read_text("utf-8")
