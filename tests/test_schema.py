"""The JSON Schema of results.jsonl: it is in the package, and real lines satisfy it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from harness.results import Result
from harness.schema import SCHEMA, schema_text
from tests.synthetic_results import line

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def test_the_file_is_up_to_date() -> None:
    """If this fails: python -m harness.schema, and does FORMAT_VERSION have to rise?"""
    assert SCHEMA.read_text("utf-8") == schema_text()


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
def test_other_lines_do_not_satisfy_it(change: dict[str, Any]) -> None:
    """Those of a run do: tests/test_cli.py."""
    fields = msgspec.to_builtins(line(1, 3.0))
    right = {name: fields[name] for name in ("kind", *Result.__struct_fields__)}
    assert VALIDATOR.is_valid(right)
    assert not VALIDATOR.is_valid(right | change)


def test_nothing_in_it_depends_on_a_baseline() -> None:
    assert "known" not in SCHEMA.read_text("utf-8")
