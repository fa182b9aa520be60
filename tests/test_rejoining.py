"""Results hold no expectations: another baseline gives another answer from the same results."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from harness.cli import main
from harness.config import Config
from harness.results import End, Result
from harness.verdicts import Verdict
from tests.synthetic_results import line, written_header

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


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run of one config, in which one of three backends fails for an established cause."""
    passing = {"verdict": Verdict.PASS, "cause": None}
    lines = [
        line(1, 3.0, backend=name, **({} if name == "mindspore" else passing)) for name in BACKENDS
    ]
    results = [Result(**{f: getattr(r, f) for f in Result.__struct_fields__}) for r in lines]
    written = [written_header(*BACKENDS), *results, End(results=len(results), configs=1)]
    content = b"".join(msgspec.json.encode(one) + b"\n" for one in written)
    (tmp_path / "results.jsonl").write_bytes(content)
    (tmp_path / "excusing.toml").write_text(BASELINE, "utf-8")
    (tmp_path / "empty.toml").write_text("", "utf-8")
    return tmp_path


def run_command(out: Path, baseline: str, *command: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*command, "--baseline", str(out / f"{baseline}.toml")])
    return done.exit_code, " ".join(done.output.split())


def test_every_report_is_red_without_the_excuse_and_green_again_with_it(out: Path) -> None:
    for baseline, wrong in (("excusing", False), ("empty", True), ("excusing", False)):
        code, printed = run_command(out, baseline, "report", "--out", str(out))
        assert (code, "UNEXPECTED" in printed) == (wrong, wrong)
        assert ("they differ" in printed) != wrong
        assert JUnitXml.fromfile(str(out / "junit.xml")).failures == wrong
        assert ("UNEXPECTED" in (out / "summary.md").read_text("utf-8")) == wrong
        assert ("Unexpected results" in (out / "report.html").read_text("utf-8")) == wrong


def test_annotations_are_errors_without_the_excuse(out: Path) -> None:
    annotate = ("annotate", "--out", str(out))
    assert "::error" not in run_command(out, "excusing", *annotate)[1]
    assert "::error" in run_command(out, "empty", *annotate)[1]


def test_the_mapping_page_is_red_without_the_excuse(out: Path) -> None:
    page = out / "RNN.md"
    mapping = ("mapping", "--results", str(out / "results.jsonl"), "--out", str(out))
    assert run_command(out, "excusing", *mapping)[0] == 0
    assert "✗ unexpected" not in page.read_text("utf-8")
    assert run_command(out, "empty", *mapping)[0] == 1
    assert "✗ unexpected" in page.read_text("utf-8")
