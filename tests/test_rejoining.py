"""Results hold no expectations: another baseline gives another answer from the same results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from harness.cli import main
from harness.config import Config
from harness.results import FORMAT_VERSION, End, Result
from harness.verdicts import Verdict
from tests.synthetic_results import line

BASELINE = f"""
[[difference]]
id = "theirs"
statement = "they differ"
backends = ["mindspore"]
versions = {{ mindspore = ">=2" }}
checks = ["step_residual"]
causes = ["activation"]
reason = "because"
shown_by = ["{Config.of(seed=1).id}"]
"""
BACKENDS = ("torch", "mindspore", "mindspore:graph")
HEADER: dict[str, Any] = {
    "kind": "run",
    "format_version": FORMAT_VERSION,
    "date": "2026-01-01T00:00:00+00:00",
    "versions": {"torch": "2.13.0", "mindspore": "2.10.0"},
    "platform": "here",
    "machine": "linux-x86_64",
    "cpu": "one",
    "cpu_flags": [],
    "backends": {name: {"name": name, "versions": {}} for name in BACKENDS},
    "parameters": {"examples": 0, "seed": 0, "corpus": "mine.txt"},
    "planned": len(BACKENDS),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run of one config, in which one of three backends fails for an established cause."""
    passing = {"verdict": Verdict.PASS, "cause": None}
    lines = [
        line(1, 3.0, backend=name, **({} if name == "mindspore" else passing)) for name in BACKENDS
    ]
    results = [Result(**{f: getattr(r, f) for f in Result.__struct_fields__}) for r in lines]
    written = [HEADER, *results, End(results=len(results), configs=1)]
    content = b"".join(msgspec.json.encode(one) + b"\n" for one in written)
    (tmp_path / "results.jsonl").write_bytes(content)
    (tmp_path / "excusing.toml").write_text(BASELINE, "utf-8")
    (tmp_path / "empty.toml").write_text("", "utf-8")
    return tmp_path


def run_command(out: Path, baseline: str, *command: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*command, "--baseline", str(out / f"{baseline}.toml")])
    return done.exit_code, " ".join(done.output.split())


def test_the_results_say_nothing_of_a_baseline(out: Path) -> None:
    assert b"known" not in (out / "results.jsonl").read_bytes()


def test_report_is_red_without_the_excuse(out: Path) -> None:
    report = ("report", "--out", str(out))
    code, printed = run_command(out, "excusing", *report)
    assert (code, "AS EXPECTED" in printed, "they differ" in printed) == (0, True, True)
    code, printed = run_command(out, "empty", *report)
    assert (code, "UNEXPECTED" in printed, "they differ" in printed) == (1, True, False)
    assert run_command(out, "excusing", *report)[0] == 0


def test_every_report_is_red_without_the_excuse(out: Path) -> None:
    report = ("report", "--out", str(out))
    found = {}
    for baseline in ("excusing", "empty"):
        run_command(out, baseline, *report)
        xml = JUnitXml.fromfile(str(out / "junit.xml"))
        summary, page = ((out / name).read_text("utf-8") for name in ("summary.md", "report.html"))
        found[baseline] = (xml.failures, "UNEXPECTED" in summary, "Unexpected results" in page)
    assert found == {"excusing": (0, False, False), "empty": (1, True, True)}


def test_annotations_are_errors_without_the_excuse(out: Path) -> None:
    annotate = ("annotate", "--out", str(out))
    assert "::error" not in run_command(out, "excusing", *annotate)[1]
    assert "::error" in run_command(out, "empty", *annotate)[1]


def test_the_mapping_page_is_red_without_the_excuse(out: Path) -> None:
    page = out / "RNN.md"
    mapping = ("mapping", "--results", str(out / "results.jsonl"), "--out", str(page))
    assert run_command(out, "excusing", *mapping)[0] == 0
    assert "✗ unexpected" not in page.read_text("utf-8")
    assert run_command(out, "empty", *mapping)[0] == 1
    assert "✗ unexpected" in page.read_text("utf-8")
