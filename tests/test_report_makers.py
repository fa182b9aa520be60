"""Whatever cannot be shown costs its own place: every report is written, with the verdict in it."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from harness.backends import load_backend
from harness.cli import main
from harness.config import Config
from harness.faults import FAULTS
from harness.figures import ActivationError, ErrorMap
from harness.findings import Finding, find
from harness.journal import read_run
from harness.judge import Session
from harness.minimise import reproduce
from harness.minimise.finish import finish
from harness.outcome import Outcome
from harness.report import differences, mapping, write_reports
from harness.report.files import summary_of
from harness.report.pictures import Picture, activation_picture, map_picture, ratio_picture
from harness.results import Number, Parameters
from harness.run import execute
from harness.verdicts import Verdict
from tests.synthetic_results import changed, line
from tests.synthetic_run import config_of, synthetic_run

FILES = ("report.html", "summary.md", "junit.xml")
HERE = Path(__file__).parent
EXTREMES: dict[str, list[Number]] = {
    "huge": [1e300, -1e300],
    "beyond double's range in ulp": [1.7e308, 1e45],
    "infinite": ["inf", "-inf"],
    "nan": ["nan", "nan"],
    "subnormal": [5e-324, 1e-45],
    "zero": [0.0, 0.0],
    "one element": [3.0],
    "many": [float(n) for n in range(48)],
}
MAKERS = (
    *("pictures.activation_picture", "pictures.map_picture", "pictures.ratio_picture"),
    *("differences.dependence", "differences._pictures", "page._power", "page.columns"),
    *("page.packed", "page.difference_views", "page.group", "page.headlines"),
    *("files._junit", "files._junit_entries", "files.page", "files.html_page", "files._embedded"),
    *("files.markdown_templates", "files._html_templates"),
    *("wording.ratio_text", "wording.finding_lines", "wording.cell_mark"),
)
"""Functions that make a part of a report, within `harness.report`."""


def broken(*_: Any, **__: Any) -> Any:
    raise OverflowError("int too large to convert to float <b>")


def test_nothing_is_missing_where_nothing_breaks(tmp_path: Path) -> None:
    write_reports(synthetic_run(20), tmp_path)
    for name in FILES:
        assert "could not be made" not in (tmp_path / name).read_text("utf-8")


@pytest.mark.parametrize("maker", MAKERS)
def test_a_maker_that_fails_costs_its_own_place(
    maker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"harness.report.{maker}", broken)
    paths = write_reports(synthetic_run(20), tmp_path)
    assert [path.name for path in paths] == [*FILES]
    page, summary, _ = (path.read_text("utf-8") for path in paths)
    assert "Unexpected results" in page
    assert "UNEXPECTED" in summary
    xml = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert xml.failures + xml.errors > 0
    said = [path.read_text("utf-8") for path in paths if "int too large" in path.read_text("utf-8")]
    assert said or maker == "differences.dependence"  # it leaves a list out
    assert all("could not be made (OverflowError" in text for text in said)
    assert "float <b>" not in page


def test_a_script_that_cannot_be_written_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = synthetic_run(20)
    calls = itertools.count()

    def first_fails(self: Any, finding: Finding, share: int) -> reproduce.Attempt:
        return broken() if next(calls) == 0 else reproduce.Attempt(finding, None, "tried")

    monkeypatch.setattr(reproduce._Reproduction, "attempt", first_fails)
    monkeypatch.setattr(reproduce, "form_of", lambda backend: object())
    session: Any = type("Session", (), {"runners": {}})()
    attempts = finish(session, outcome, None, tmp_path, 10.0, lambda *_: None)  # type: ignore[arg-type]
    reasons = [one.reason for one in attempts]
    assert len(reasons) > 1
    assert reasons.count("tried") == len(reasons) - 1
    assert "making its script failed: OverflowError" in next(r for r in reasons if r != "tried")


@pytest.mark.parametrize("form", ["write_script", "run_script", "minimised", "confirms"])
def test_scripts_that_fail_leave_the_run_its_reports(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, form, broken)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(Config.of(steps=2, scale=8).id, "utf-8")
    wrong = FAULTS["b-hh-dropped"].inject(load_backend("torch"))
    session = Session({"torch": wrong})
    outcome = execute(session, tmp_path, Parameters(corpus=str(corpus)), reproducing=20.0)
    assert outcome.exit_code == 1
    reasons = set(outcome.irreproducible.values())
    assert any("making its script failed: OverflowError" in one for one in reasons)
    write_reports(outcome, tmp_path)
    assert all((tmp_path / name).exists() for name in FILES)


def test_an_example_that_fails_is_a_line_of_the_mapping_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = tmp_path / "example.py"
    example.write_text("print(1)\nraise SystemExit('no framework')", "utf-8")
    monkeypatch.setattr(mapping, "example_of", lambda layer: example)
    assert mapping.run_example() == "1\n(the example ended with 1: no framework)\n"


def test_a_summary_lists_as_many_known_differences_as_it_says() -> None:
    one = synthetic_run(6)
    failing = next(r for r in one.results if r.verdict == "fail")
    results = [changed(failing, known=name) for name in one.known]
    summary = summary_of(Outcome(one.header, results, one.known))
    (said,) = re.findall(r"<summary>All (\d+) known differences</summary>", summary)
    assert int(said) == len(re.findall(r"^- [a-z0-9-]+: ", summary, re.MULTILINE)) > 60


def drawn(picture: Any, *given: Any) -> Picture:
    """Without the guard that would put a sentence in its place."""
    found: Picture = picture.__wrapped__(*given)
    return found


@pytest.mark.parametrize("kind", EXTREMES)
def test_an_activation_of_any_error_is_drawn(kind: str) -> None:
    values: Any = EXTREMES[kind]
    one = ActivationError("a", "relu", -10, 10, values, values)
    picture = drawn(activation_picture, "relu", [one])
    nothing = all(math.isnan(float(value)) or not float(value) for value in values)
    assert nothing or "svg" in picture.drawing
    assert picture.caption.startswith("relu over")


@pytest.mark.parametrize(
    ("name", "said"),
    [("tanh", "5 ulp."), ("sigmoid", "7.5 to 49,163 ulp."), ("relu", "Nothing is allowed.")],
)
def test_what_is_said_to_be_allowed_is_what_the_bounds_allow(name: str, said: str) -> None:
    wave = [float(n % 3) for n in range(40)]
    one = ActivationError("a", name, -10.0, 10.0, [*wave], [*wave])
    assert said in activation_picture(name, [one]).caption


def test_a_curve_that_layers_and_backends_share_is_drawn_once() -> None:
    flat, steep = [0.5, 0.25], [0.5, 900.0]
    measured = [
        ActivationError(backend, "tanh", -10.0, 10.0, [*curve], [*curve], layer)
        for backend, layer, curve in (
            *(("torch", "rnn", flat), ("torch", "lstm", flat), ("mindspore", "lstm", flat)),
            *(("mindspore", "rnn", steep), ("mindspore:graph", "rnn", steep)),
        )
    ]
    caption = activation_picture("tanh", measured).caption
    assert "torch (RNN, LSTM); mindspore (LSTM): at most 0.5 ulp; " in caption
    assert "mindspore, mindspore:graph (RNN): at most 900 ulp. " in caption


@pytest.mark.parametrize("kind", EXTREMES)
def test_a_map_of_any_numbers_is_drawn(kind: str) -> None:
    values: Any = EXTREMES[kind]
    rows = [values, [*values[:-1], None]]
    one = ErrorMap("f", config_of(1).id, True, 0, "forward", 0, len(values), 2, rows, rows)
    assert "svg" in drawn(map_picture, one).drawing


@pytest.mark.parametrize(
    ("ratio", "pictures"), [(2.0, 2), ("inf", 0)], ids=["a distance", "NaN is none"]
)
def test_a_finding_has_pictures_that_say_something_or_none(ratio: Number, pictures: int) -> None:
    """Where NaN became a number nothing is beyond a bound: a map would be zeros."""
    value = 20.0 if pictures else 0.0
    rows: Any = [[value, 0.5], [0.0, None]]
    one = ErrorMap("f", config_of(1).id, True, 0, "forward", 0, 2, 2, rows, rows)
    lines = [changed(line(seed, 1.0), ratio=ratio) for seed in (1, 2)]
    (finding,) = find(lines)
    made = differences._pictures(finding, one, [0.1, 0.2, ratio], lines)
    assert len(made) == pictures


@pytest.mark.parametrize("kind", [*EXTREMES, "empty"])
def test_ratios_of_any_size_are_drawn(kind: str) -> None:
    values = [size for size in EXTREMES.get(kind, []) if not str(size).startswith("-")]
    assert "svg" in drawn(ratio_picture, values, values[:1]).drawing


def test_a_run_ends_with_a_report_whatever_its_backends_do(tmp_path: Path) -> None:
    """Killed, hanging, NaN, other shapes, no array, a leaky relu: all in one run."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "\n".join(
            (
                "rnn-relu-nobias-sweep-i00001-h00001-b65536-t00001-s000000",
                *(Config.of(input_size=7, steps=2, nonlinearity=a).id for a in ("tanh", "relu")),
                Config.of(input_size=3, steps=3, lengths="ragged").id,
                Config.of(aspect="call.x.flat", data="plain", input_size=7).id,
                Config.of(aspect="gradient", data="plain", nonlinearity="relu").id,
            )
        ),
        "utf-8",
    )
    named = (
        *("crashing.py:killed_beside_others", "crashing.py:hanging_beside_others"),
        *("faulty.py:nan", "faulty.py:shape_beside_others", "faulty.py:list_beside_others"),
        "faulty.py:leaky_beside_others",
    )
    out = tmp_path / "out"
    options = ("--time-limit", 3, "--corpus", corpus, "--examples", 0, "--out", out)
    backends = [word for name in named for word in ("--backend", str(HERE / name))]
    done = CliRunner().invoke(main, ["run", *backends, *map(str, options)])
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    recorded = read_run(out / "results.jsonl")
    assert recorded.complete
    assert all((out / name).stat().st_size for name in FILES)
    page = (out / "report.html").read_text("utf-8")
    assert "could not be made" not in page
    assert "relu over [-10, 10]" in page
    wrong = {r.backend for r in recorded.results if r.verdict in (Verdict.FAIL, Verdict.ERROR)}
    assert len(wrong) == len(named)


def test_a_config_that_the_harness_fails_at_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Session.judge

    def fails_once(self: Session, config: Config, **named: Any) -> Any:
        return broken() if config.steps == 2 else judge(self, config, **named)

    monkeypatch.setattr(Session, "judge", fails_once)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(Config.of(steps=n).id for n in (2, 3)), "utf-8")
    options = ("--in-process", "--corpus", corpus, "--examples", 0, "--out", tmp_path)
    right = f"{HERE / 'faulty.py'}:right"
    done = CliRunner().invoke(main, ["run", "--backend", right, *map(str, options)])
    assert done.exit_code == 1, done.output
    assert "the harness itself failed" in (tmp_path / "junit.xml").read_text("utf-8")
    assert {r.verdict for r in read_run(tmp_path / "results.jsonl").results} >= {"error", "pass"}
