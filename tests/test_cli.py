"""The command line as a user meets it: exit codes, files, messages."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from harness.checks import every_check
from harness.cli import main
from harness.cli.running import Interruption
from harness.config import Config
from harness.corpus import QUICK, load_corpus
from harness.faults import FAULTS, VARIANTS
from harness.layers import LAYERS
from harness.requirements import REQUIREMENTS
from harness.schema import SCHEMA

FAULTY = str(Path(__file__).with_name("faulty.py"))
CONFIG = Config.of(
    input_size=3, hidden_size=4, batch=6, steps=5, states=True, num_layers=2, lengths="ragged"
)
REPLAYED = Config.of(input_size=3, hidden_size=4, batch=6, steps=5, states=True, scale=4)
CONTRACT = {
    *("kind", "config_id", "backend", "check", "requirement", "verdict", "compared"),
    *("max_abs", "max_rel", "max_ulp", "ratio", "worst", "message", "replay"),
}
PLACE = {"output", "layer", "direction", "step", "batch", "unit", "actual", "expected"}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], terminal_width=200)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def run_of(backend: str, out: Path) -> Result:
    """Of a fifth of the configs of two layers, and ten that are drawn."""
    chosen = [config.id for config in load_corpus() if config.layer in ("gru", "rnncell")][::5]
    (out / "corpus.txt").write_text("\n".join(chosen), "utf-8")
    options = ("--corpus", out / "corpus.txt", "--examples", 10, "--out", out)
    return invoke("run", "--backend", f"{FAULTY}:{backend}", *options)


@pytest.fixture(scope="module")
def right_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("right")
    return run_of("right", out), out


@pytest.fixture(scope="module")
def wrong_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("wrong")
    return run_of("scaled", out), out


def test_a_right_implementation_exits_0(right_run: tuple[Result, Path]) -> None:
    result, out = right_run
    assert result.exit_code == 0, result.output
    assert "AS EXPECTED" in result.output
    assert "nothing unexpected; no known difference" in " ".join(result.output.split())
    for name in ("results.jsonl", "report.html", "junit.xml", "summary.md"):
        assert (out / name).stat().st_size > 100
        assert name in result.output
    junit = JUnitXml.fromfile(str(out / "junit.xml"))
    assert junit.tests > 1000
    assert (junit.failures, junit.errors) == (0, 0)


def test_every_line_keeps_the_contract(
    right_run: tuple[Result, Path], wrong_run: tuple[Result, Path]
) -> None:
    header, *results, end = lines(right_run[1])
    assert header["kind"] == "run"
    assert header["format_version"] == 3
    assert {"python", "numpy", "rnn-parity", "hypothesis"} <= set(header["versions"])
    assert (end["kind"], end["results"]) == ("end", len(results))
    assert len({r["config_id"] for r in results}) > 160
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    kinds = {(r["check"], r["verdict"]): r for r in (*results, *lines(wrong_run[1])[1:-1])}
    for line in (header, *kinds.values(), end):
        schema.validate(line)
    for line in results:
        assert set(line) >= CONTRACT
        assert line["kind"] == "result"
        assert line["worst"] is None or set(line["worst"]) >= PLACE
        assert line["requirement"] in REQUIREMENTS
        assert line["check"] in {check.name for check in every_check()}
        assert line["verdict"] in {"pass", "fail", "inconclusive", "unsupported", "error"}
        assert line["compared"] > 0 or line["verdict"] != "pass"
        assert Config.parse(line["config_id"]).id in line["replay"]


def test_a_wrong_implementation_exits_1_and_names_the_smallest_config(
    wrong_run: tuple[Result, Path],
) -> None:
    result, out = wrong_run
    assert result.exit_code == 1
    assert "UNEXPECTED" in result.output
    failing = [line["config_id"] for line in lines(out)[1:-1] if line["verdict"] == "fail"]
    assert JUnitXml.fromfile(str(out / "junit.xml")).failures > 100
    html, markdown = ((out / name).read_text("utf-8") for name in ("report.html", "summary.md"))
    assert min(map(Config.parse, failing), key=lambda config: config.size).id in html
    for text in (html, markdown):
        assert "states that no correct evaluation of the equation gives" in text
    assert re.search(r"a wrong previous state \d+\.\d%", html)
    assert "://" not in html.replace("https://", "http://").split("<body>")[0]


RIGHT = ("--backend", f"{FAULTY}:right")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--backend", "nosuch"), "'nosuch' is not known; expected one of mindspore, torch"),
        (("run", "--examples", "-1"), "Invalid value for '--examples'"),
        (
            ("replay", "tanh-l1"),
            f"begins with 'tanh', expected a layer: {', '.join(LAYERS)}; for example rnn-i",
        ),
        (("replay",), "expected a config id, or options such as --layer rnn"),
        (("replay", CONFIG.id, "--backend", "a b:X"), "neither a file that ends in .py nor"),
        (("replay", CONFIG.id, "--backend", "../up:X"), "neither a file that ends in .py nor"),
        (
            ("replay", CONFIG.id, *RIGHT, "--backend", "tests.faulty:right"),
            "expected different names",
        ),
        (
            ("replay", CONFIG.id, "--in-process", "--time-limit", "9"),
            "--time-limit has no effect with --in-process",
        ),
        (
            ("replay", CONFIG.id, "--in-process", "--memory-limit", "9"),
            "--memory-limit has no effect with --in-process",
        ),
        (("annotate", "--out", "none"), "does not exist; make it with: rnn-parity run --out"),
        (("report", "--out", "none"), "does not exist; make it with: rnn-parity run --out"),
        (
            ("selftest", "--fault", "b-hh-droped"),
            "'b-hh-droped': no such fault; did you mean 'b-hh-dropped'?",
        ),
        (("selftest", "--fault", "§"), "rnn-parity selftest --list names all"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_what_cannot_be_done_exits_2_with_a_message(
    arguments: tuple[str, ...], message: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_replay_prints_the_tolerance_report() -> None:
    result = invoke("replay", REPLAYED.id, "--backend", f"{FAULTY}:right", "--verbose")
    assert result.exit_code == 0, result.output
    for text in (
        REPLAYED.id,
        "step_residual, layer 0 forward",
        "forward_error, output",
        "forward_error, h_n",
        "120 elements compared",
        "largest error: ",
        "torch.testing.assert_close would say: pass",
        "worst at output, layer 0 forward, step",
        "actual ",
        "its bound",
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
    assert "the harness itself failed" not in result.output


def test_text_of_a_backend_neither_executes_nor_breaks_a_report(
    run: Callable[[str], tuple[Result, Path]],
) -> None:
    result, out = run("markup")
    assert result.exit_code == 1
    assert "\x1b[31m" not in result.output
    html = (out / "report.html").read_text("utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert JUnitXml.fromfile(str(out / "junit.xml")).errors == 2
    assert len(lines(out)) > 2


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], tuple[Result, Path]]:
    """A run of two configs, of them one without lengths."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"{CONFIG.id}\n{REPLAYED.id}\n")

    def made(backend: str) -> tuple[Result, Path]:
        asked = ("--backend", f"{FAULTY}:{backend}", "--corpus", corpus, "--examples", 0)
        return invoke("run", *asked, "--out", tmp_path), tmp_path

    return made


def test_a_backend_that_refuses_everything_is_no_green(
    run: Callable[[str], tuple[Result, Path]],
) -> None:
    result, out = run("silent")
    assert result.exit_code == 1
    assert "silent: nothing was judged" in " ".join(result.output.split())
    assert JUnitXml.fromfile(str(out / "junit.xml")).failures == 1


def test_what_a_corpus_of_ones_own_leaves_out_or_a_backend_documents_is_no_alarm(
    run: Callable[[str], tuple[Result, Path]],
) -> None:
    """Nor does a page claim that it was tested."""
    result, out = run("partial")
    assert result.exit_code == 0, result.output
    assert "unsupported" in invoke("report", "--out", str(out), "--verbose").output
    page = (out / "report.html").read_text("utf-8")
    assert 'class="matrix own"' in page
    assert "every requirement has a verdict" not in page


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


def test_a_quick_run_has_its_own_configs(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(CONFIG.id, "utf-8")
    for option, value in (("corpus", corpus), ("examples", 5)):
        refused = invoke("run", "--quick", f"--{option}", value, "--out", tmp_path / "out")
        assert refused.exit_code == 2
        assert f"leave --{option} away" in refused.output
    done = invoke(
        "run", "--quick", "--in-process", "--backend", f"{FAULTY}:right", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    judged = {line["config_id"] for line in lines(tmp_path / "out") if "config_id" in line}
    assert judged <= {config.id for config in load_corpus(QUICK)}
    assert len(judged) > 50


def test_a_run_says_first_what_shows_first_and_once(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(CONFIG.replace(seed=n).id for n in range(6)), "utf-8")
    options = ("--in-process", "--backend", f"{FAULTY}:scaled", "--corpus", corpus, "--examples", 0)
    done = invoke("run", *options, "--no-reproducers", "--out", tmp_path)
    printed = done.output.splitlines()
    assert printed[0] == "corpus: 0 of 6 configs"
    shown = [line for line in printed if line.startswith("UNEXPECTED faulty, step_residual: ")]
    assert len(shown) == 1
    assert "corpus: 6 of 6 configs, 2 unexpected" in printed
    answer = printed.index("UNEXPECTED 2 new; no known difference")
    assert printed.index(shown[0]) < answer < printed.index("New, or no longer as it was")


def test_the_selftest_names_its_faults() -> None:
    done = invoke("selftest", "--list")
    assert done.exit_code == 0
    words = [line.split()[0] for line in done.output.splitlines()]
    assert words == ["Faults:", *FAULTS, "Correct", *VARIANTS]


def test_reproducing_what_shows_nothing_in_numbers_says_so() -> None:
    done = invoke("reproduce", CONFIG.id, *RIGHT)
    assert done.exit_code == 0, done.output
    assert f"rnn-parity replay {CONFIG.id}" in done.output
    assert "nothing differs in numbers" in done.output
