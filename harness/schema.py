"""The JSON Schema of a line of results.jsonl: `python -m harness.schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from harness.results import FORMAT_VERSION, Header, Result

__all__ = ["SCHEMA", "schema", "schema_text"]

SCHEMA = Path(__file__).with_name("results.schema.json")


def schema() -> dict[str, Any]:
    """Of the header, and of every line after it (JSON Schema, draft 2020-12)."""
    (line,), definitions = msgspec.json.schema_components(
        [Header | Result], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of results.jsonl, format version {FORMAT_VERSION}",
        **line,
        "$defs": definitions,
    }


def schema_text() -> str:
    """As the file holds it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), "utf-8")
    print(f"wrote {SCHEMA}")
