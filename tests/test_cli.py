"""The command line as a user meets it: exit codes, files, messages."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from harness.checks import every_check
from harness.cli import main
from harness.cli.run import Interruption
from harness.config import Config
from harness.faults import FAULTS, VARIANTS
from harness.journal import read_run
from harness.outcome import Outcome
from harness.requirements import REQUIREMENTS

FAULTY = str(Path(__file__).with_name("faulty.py"))
CONFIG = Config.of(
    input_size=3, hidden_size=4, batch=6, steps=5, states=True, num_layers=2, lengths="ragged"
)
REPLAYED = Config.of(input_size=3, hidden_size=4, batch=6, steps=5, states=True, scale=4)
CONTRACT = {
    "kind",
    "config_id",
    "backend",
    "check",
    "requirement",
    "verdict",
    "compared",
    "max_abs",
    "max_rel",
    "max_ulp",
    "ratio",
    "worst",
    "message",
    "replay",
}
PLACE = {"output", "layer", "direction", "step", "batch", "unit", "actual", "expected"}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], terminal_width=200)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def right_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("right")
    return invoke("run", "--backend", f"{FAULTY}:right", "--examples", 30, "--out", out), out


@pytest.fixture(scope="module")
def wrong_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("wrong")
    return invoke("run", "--backend", f"{FAULTY}:scaled", "--examples", 30, "--out", out), out


def test_a_right_implementation_exits_0(right_run: tuple[Result, Path]) -> None:
    result, out = right_run
    assert result.exit_code == 0, result.output
    assert "AS EXPECTED" in result.output
    assert "no difference, nothing unexpected" in " ".join(result.output.split())
    for name in ("results.jsonl", "report.html", "junit.xml", "summary.md"):
        assert (out / name).stat().st_size > 100
        assert name in result.output


def test_every_line_keeps_the_contract(right_run: tuple[Result, Path]) -> None:
    header, *results, end = lines(right_run[1])
    assert header["kind"] == "run"
    assert header["format_version"] == 2
    assert {"python", "numpy", "rnn-parity", "hypothesis"} <= set(header["versions"])
    assert (end["kind"], end["results"]) == ("end", len(results))
    assert len({r["config_id"] for r in results}) > 330
    for line in results:
        assert set(line) >= CONTRACT
        assert line["kind"] == "result"
        assert line["worst"] is None or set(line["worst"]) >= PLACE
        assert line["requirement"] in REQUIREMENTS
        assert line["check"] in {check.name for check in every_check()}
        assert line["verdict"] in {"pass", "fail", "inconclusive", "unsupported", "error"}
        assert line["compared"] > 0 or line["verdict"] != "pass"
        assert Config.parse(line["config_id"]).id in line["replay"]


def test_results_file_reads_back(wrong_run: tuple[Result, Path]) -> None:
    recorded = read_run(wrong_run[1] / "results.jsonl")
    assert recorded.complete
    assert recorded.header["parameters"] == {"examples": 30, "seed": 0, "corpus": None}
    assert len(recorded.results) == len(lines(wrong_run[1])) - 2
    pairs = {(r.config_id, r.backend) for r in recorded.results}
    assert len(pairs) == recorded.header["planned"]


def test_a_wrong_implementation_exits_1_and_names_the_smallest_config(
    wrong_run: tuple[Result, Path],
) -> None:
    result, out = wrong_run
    assert result.exit_code == 1
    assert "UNEXPECTED" in result.output
    failing = [line["config_id"] for line in lines(out)[1:-1] if line["verdict"] == "fail"]
    assert min(map(Config.parse, failing), key=lambda config: config.size).id in result.output


def test_junit_is_read_by_a_parser(
    right_run: tuple[Result, Path], wrong_run: tuple[Result, Path]
) -> None:
    right = JUnitXml.fromfile(str(right_run[1] / "junit.xml"))
    wrong = JUnitXml.fromfile(str(wrong_run[1] / "junit.xml"))
    assert right.tests > 3000
    assert (right.failures, right.errors) == (0, 0)
    assert wrong.failures > 100


def test_reports_say_what_was_found(wrong_run: tuple[Result, Path]) -> None:
    html = (wrong_run[1] / "report.html").read_text("utf-8")
    markdown = (wrong_run[1] / "summary.md").read_text("utf-8")
    for text in (html, markdown):
        assert "faulty" in text
        assert "states that no correct evaluation of the equation gives" in text
    assert "Unexpected results" in html
    assert "What could have been seen" in html
    assert re.search(r"a wrong previous state \d+\.\d%", html)
    assert "://" not in html.replace("https://", "http://").split("<body>")[0]


def packed_table(out: Path) -> dict[str, Any]:
    """The table of configs and comparisons in report.html."""
    html = (out / "report.html").read_text("utf-8")
    text = re.search(r'id="table">([^<]*)<', html)
    assert text is not None
    table: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(text[1])))
    for name in table["sparse"]:
        kept = dict(zip(*table[name], strict=True))
        table[name] = [kept.get(number, 0) for number in range(len(table["verdict"]))]
    return table


def test_the_report_holds_every_comparison(wrong_run: tuple[Result, Path]) -> None:
    table, results = packed_table(wrong_run[1]), lines(wrong_run[1])[1:-1]
    columns = zip(table["tokens"], table["ids"], strict=True)
    written = (
        ["" if i in omitted else words[i] for i in column]
        for (words, column), omitted in zip(columns, table["omitted"], strict=True)
    )
    ids = ["-".join(filter(None, row)) for row in zip(*written, strict=True)]
    counted = [one for one, count in zip(ids, table["count"], strict=True) for _ in range(count)]
    by_config = {one: [r for r in results if r["config_id"] == one] for one in ids}
    ordered = [line for one in ids for line in by_config[one]]
    assert counted == [line["config_id"] for line in ordered]
    assert len(ordered) == len(results)
    for number, line in enumerate(ordered):
        subject = table["subjects"][table["subject"][number]]
        assert subject == [line["backend"], line["check"], line["part"]]
        assert table["verdicts"][table["verdict"][number]] == line["verdict"]
        assert table["compared"][number] == line["compared"]
        assert table["texts"][table["message"][number]] == line["message"]
        command = table["texts"][table["replay"][number]]
        assert command.replace("\0", line["config_id"]) == line["replay"]
        assert table["powers"][table["power"][number]] == list(line["power"])
        for name, kept in (("ratio", "ratio"), ("max_abs", "abs"), ("max_ulp", "ulp")):
            if isinstance(line[name], float):
                assert table[kept][number] == pytest.approx(line[name], rel=0.006)
            else:
                assert table[kept][number] == line[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--backend", "nosuch"], "'nosuch' is not known; expected one of mindspore, torch"),
        (["run", "--backend", f"{FAULTY}:nameless"], "has no method build(options)"),
        (["run", "--backend", "no/such/file.py:x"], "file no/such/file.py does not exist"),
        (["run", "--examples", "-1"], "Invalid value for '--examples'"),
        (["replay", "tanh-l1"], "begins with 'tanh', expected a layer: rnn; for example rnn-i"),
        (["replay", "rnn-l1"], "token 'l1' is none of a layer rnn"),
        (["replay", CONFIG.id.replace("l02", "l00")], "num_layers = 0, expected"),
        (["replay"], "Missing argument 'CONFIG_ID'"),
        (["replay", CONFIG.id, "--backend", "nosuch"], "'nosuch' is not known"),
        (
            [
                "replay",
                CONFIG.id,
                "--backend",
                f"{FAULTY}:right",
                "--backend",
                "tests.faulty:right",
            ],
            "expected different names",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_what_cannot_be_done_exits_2_with_a_message(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_an_unwritable_directory_exits_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "below"
    result = invoke("run", "--backend", f"{FAULTY}:right", "--examples", 0, "--out", out)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "Not a directory" in result.output or "File exists" in result.output


def test_replay_prints_the_tolerance_report() -> None:
    result = invoke("replay", REPLAYED.id, "--backend", f"{FAULTY}:right")
    assert result.exit_code == 0, result.output
    for text in (
        REPLAYED.id,
        "step_residual, layer 0 forward",
        "forward_error, output",
        "forward_error, h_n",
        "120 elements compared",
        "max error: abs",
        "smallest that would pass: rtol",
        "torch.testing.assert_close would say: pass",
        "worst at output, layer 0 forward, step",
        "actual ",
        "bound ",
        "would have seen (share of elements): bias",
    ):
        assert text in result.output, text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("returns_list", "forward returned list, expected arrays by name: output, h_n"),
        ("nan", "24 of 24 states cannot come from the equation"),
        ("float64", "output.dtype = float64, expected float32"),
        ("shape", "output.shape = (4, 6, 4), expected (5, 6, 4)"),
        ("raises", "RuntimeError: no kernel for this shape"),
        ("exits", "SystemExit: 3"),
        ("reads_back", "read back differs from what was loaded"),
    ],
)
def test_replay_of_a_fault_exits_1_and_says_what(fault: str, message: str) -> None:
    result = invoke("replay", REPLAYED.id, "--backend", f"{FAULTY}:{fault}")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_text_of_a_backend_neither_executes_nor_breaks_a_report(tmp_path: Path) -> None:
    result = invoke("run", "--backend", f"{FAULTY}:markup", "--examples", 0, "--out", tmp_path)
    assert result.exit_code == 1
    assert "\x1b[31m" not in result.output
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert JUnitXml.fromfile(str(tmp_path / "junit.xml")).errors > 100
    assert len(lines(tmp_path)) > 300


def test_a_backend_that_refuses_everything_is_no_green(tmp_path: Path) -> None:
    arguments = ["run", "--backend", f"{FAULTY}:silent", "--examples", 0, "--out", tmp_path]
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "silent: nothing was judged" in " ".join(result.output.split())
    assert JUnitXml.fromfile(str(tmp_path / "junit.xml")).failures == 1


def test_what_a_corpus_of_ones_own_leaves_out_is_no_alarm(tmp_path: Path) -> None:
    """Nor does a page claim that it was tested."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"{CONFIG.id}\n")
    options = ("--backend", f"{FAULTY}:right", "--corpus", corpus, "--examples", 0)
    done = invoke("run", *options, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report.html").read_text("utf-8")
    assert 'class="matrix own"' in page
    assert "every requirement has a verdict" not in page


def test_what_a_backend_documents_not_to_do_is_shown_and_no_failure(tmp_path: Path) -> None:
    arguments = ["run", "--backend", f"{FAULTY}:partial", "--examples", 0, "--out", tmp_path]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert "unsupported" in result.output


def test_a_known_difference_that_vanished_fails_the_run() -> None:
    outcome = Outcome({}, vanished=["known difference 'x' vanished"])
    assert outcome.exit_code == 1
    assert Outcome({}).exit_code == 0


def test_an_interruption_that_a_library_swallows_still_ends_a_run() -> None:
    # A shell's background job comes with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with Interruption().awaited() as interruption:
        interruption.check()
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_a_run_without_its_last_line_is_unfinished(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"{CONFIG.id}\n")
    options = ("--backend", f"{FAULTY}:right", "--corpus", corpus, "--examples", 0)
    invoke("run", *options, "--out", tmp_path)
    path = tmp_path / "results.jsonl"
    *whole, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole))
    done = invoke("report", "--out", tmp_path)
    assert done.exit_code == 2
    assert "1 of 1 planned pairs of config and backend were judged" in " ".join(done.output.split())


def test_the_selftest_names_its_faults_and_corrects_a_slip() -> None:
    done = CliRunner().invoke(main, ["selftest", "--list"])
    assert done.exit_code == 0
    words = [line.split()[0] for line in done.output.splitlines()]
    assert words == ["Faults:", *FAULTS, "Correct", *VARIANTS]
    done = CliRunner().invoke(main, ["selftest", "--fault", "b-hh-droped"])
    assert done.exit_code == 2
    assert "'b-hh-droped': no such fault; did you mean b-hh-dropped" in done.output
    done = CliRunner().invoke(main, ["selftest", "--fault", "§"])
    assert "rnn-parity selftest --list names all" in done.output


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
def test_limits_that_would_have_no_effect_are_refused(option: str) -> None:
    done = CliRunner().invoke(main, ["replay", CONFIG.id, "--in-process", option, "9"])
    assert done.exit_code == 2
    assert f"{option} has no effect with --in-process" in done.output


@pytest.mark.parametrize("command", ["annotate", "report"])
def test_what_is_not_there_is_named_with_what_makes_it(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [command, "--out", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "does not exist; make it with: rnn-parity run --out" in done.output


def test_reproducing_what_shows_nothing_in_numbers_says_so() -> None:
    done = CliRunner().invoke(main, ["reproduce", CONFIG.id, "--backend", f"{FAULTY}:right"])
    assert done.exit_code == 0, done.output
    assert f"rnn-parity replay {CONFIG.id}" in done.output
    assert "nothing differs in numbers" in done.output


@pytest.mark.parametrize("name", ["none.txt:X", "a b:X", "../up:X"])
def test_a_backend_that_is_neither_file_nor_module(name: str) -> None:
    done = CliRunner().invoke(main, ["replay", CONFIG.id, "--backend", name])
    assert done.exit_code == 2
    message = "neither a file that ends in .py nor the name of a module"
    assert (message in done.output) == (name != "none.txt:X"), done.output
