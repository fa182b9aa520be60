"""A wrapper of a framework is expected to do what that framework is known to do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from harness.backends import BackendUnavailable
from harness.baseline import BASELINE, read_baseline
from harness.cli import main
from harness.config import Config
from harness.expectations import Expectations, expectations_of, stale_entries
from harness.results import as_float
from harness.runners.protocol import about
from tests.synthetic_results import header, line
from tests.wrapping_backends import Delegating, Silent

FILE = Path(__file__).with_name("wrapping_backends.py")
KNOWN = [
    "rnn-call.lengths.float-ragged-plain-i00003-h00004-b00005-t00006-s000000",
    "rnn-call.h0.rows-relu-l02-bidir-batchfirst-drop50-withstates-ragged-plain-i00004-h00003-b00006-t00005-s000102",
    Config.of(input_size=3, hidden_size=4, batch=5, steps=6).id,
]


def run(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(KNOWN), "utf-8")
    out = str(tmp_path / "out")
    options = ["--corpus", str(corpus), "--examples", "0", "--out", out, "--in-process"]
    result = CliRunner().invoke(main, ["run", *options, "--no-reproducers", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(("name", "code"), [("delegating", 0), ("silent", 0), ("unnamed", 1)])
def test_a_wrapper_inherits_what_is_known(tmp_path: Path, name: str, code: int) -> None:
    found, output = run(tmp_path, "--backend", f"{FILE}:{name}")
    assert found == code, output


def test_the_version_is_that_of_the_worker() -> None:
    versions = about(Silent()).versions
    assert versions["torch"] == about(Delegating()).versions["torch"]
    known = [e for e in read_baseline(BASELINE) if e.id == "torch-lengths-of-other-types"]
    result = line(0, 1.0, backend="mine", check="call", cause="accepted", config_id=KNOWN[0])
    for version, expected in (("2.13.1", known[0].id), ("2.9.0", None)):
        said = header(torch="2.13.0") | {
            "backends": {"mine": {"name": "mine", "wraps": "torch", "versions": {"torch": version}}}
        }
        assert expectations_of(said).join([result])[0].known == expected


def test_a_wrapper_need_not_show_it_and_sets_no_range() -> None:
    """It may offer less, and its own sizes are not the framework's."""
    (entry,) = [e for e in read_baseline(BASELINE) if e.id == "mindspore-tanh-steps"]
    known = Expectations([entry], wraps={"mine": "mindspore"})
    (config_id,) = entry.shown_by
    fields = {"config_id": config_id, "check": "step_residual"}
    (own,) = known.join([line(0, 300.0, backend="mindspore", **fields)])
    (shows,) = known.join([line(0, 399.0, backend="mine", **fields)])
    passes = line(0, 0.5, backend="mine", verdict="pass", cause=None, **fields)
    assert own.known == shows.known == entry.id
    assert stale_entries(known, [own, shows]) == []
    assert stale_entries(known, known.join([own, passes])) == []
    far = msgspec.structs.replace(shows, ratio=2 * as_float(entry.max_ratio))
    assert known.join([far])[0].unexpected


@pytest.mark.parametrize("wraps", ["two words", 3, "delegating", "torch==2.13.0"])
def test_what_is_no_framework_is_refused(wraps: object) -> None:
    backend = Delegating()
    backend.wraps = wraps  # type: ignore[assignment]
    with pytest.raises(BackendUnavailable, match=r"expected the name of the backend that it"):
        about(backend)


def test_a_baseline_begins_with_what_a_run_found(tmp_path: Path) -> None:
    """From nothing: each difference pinned; its statement and reason are for a person to write."""
    backend = f"{FILE}:unnamed"
    assert run(tmp_path, "--backend", backend)[0] == 1
    mine = tmp_path / "known" / "mine.toml"
    arguments = ["baseline", "update", "--results", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--baseline", str(mine)])
    assert result.exit_code == 0, result.output
    assert "give it a statement and a reason" in result.output
    text = mine.read_text("utf-8")
    assert 'versions = {torch = ">=2.13,<2.14"}' in text
    refused, output = run(tmp_path, "--backend", backend, "--baseline", str(mine))
    assert refused == 2
    assert "reason is empty" in output
    written = text.replace('statement = ""', 'statement = "so"').replace(
        'reason = ""', 'reason = "because"'
    )
    mine.write_text(written, "utf-8")
    for backends in ((backend,), (backend, "torch")):  # what is installed is known as well
        named = [word for one in backends for word in ("--backend", one)]
        code, output = run(tmp_path, *named, "--baseline", str(mine))
        assert code == 0, output
    again = CliRunner().invoke(main, [*arguments, "--baseline", str(mine)])
    assert "nothing was changed" in again.output
    assert mine.read_text("utf-8") == written


def test_one_name_cannot_be_in_both_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("includes_installed = true\n" + BASELINE.read_text("utf-8"), "utf-8")
    result = CliRunner().invoke(main, ["baseline", "update", "--baseline", str(mine)])
    assert result.exit_code == 2


def test_the_folder_of_a_file_is_importable(tmp_path: Path) -> None:
    (tmp_path / "their_helper.py").write_text("NAME = 'helped'\n", "utf-8")
    (tmp_path / "mine.py").write_text(
        "from their_helper import NAME\n"
        "from harness.faults.correct import ForwardBackend\n"
        "class Mine(ForwardBackend):\n"
        "    def __init__(self): super().__init__(name=NAME)\n",
        "utf-8",
    )
    code, output = run(tmp_path, "--backend", f"{tmp_path / 'mine.py'}:Mine")
    assert code == 0, output
    assert "helped" in output
