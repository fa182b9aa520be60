"""Figures: what a report's pictures are drawn from, and what they cost a run, which is nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.config import Config
from harness.dependence import OptionShare, dependence
from harness.expectations import Expectations, Judged
from harness.figures import ErrorMap, Figures, load_figures, make_figures, store_figures
from harness.findings import Finding, find
from harness.judge import Session
from harness.report.pictures import activation_picture, map_picture, ratio_picture
from harness.results import ResultsError, as_float
from tests import faulty
from tests.synthetic_run import figures_of

WRONG = Config.of(input_size=3, hidden_size=4, batch=6, steps=5, states=True, bidirectional=True)
WIDE = Config.of(input_size=3, hidden_size=97, steps=2)
SWEEP = Config.parse("rnn-nobias-sweep-i00001-h00001-b65536-t00001-s000000")
HEADER = {"date": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(scope="module")
def session() -> Session:
    return Session({"wrong": faulty.scaled})


@pytest.fixture(scope="module")
def made(session: Session) -> Figures:
    results = Expectations().join(r for c in (WRONG, SWEEP) for r in session.judge(c))
    return make_figures(session, HEADER, results)


def judged(session: Session, config: Config) -> list[Judged]:
    return Expectations().join(session.judge(config))


def step_residual(results: list[Judged]) -> Finding:
    return next(f for f in find(results) if f.check == "step_residual")


def largest(drawn: ErrorMap) -> float:
    return max(as_float(v) for row in drawn.ratio for v in row if v is not None)


def test_a_map_has_the_ratios_that_the_check_had(session: Session, made: Figures) -> None:
    finding = step_residual(judged(session, WRONG))
    drawn = made.map_of(finding.slug)
    place = finding.worst.worst
    assert drawn is not None
    assert place is not None
    assert (drawn.layer, drawn.direction, drawn.batch) == (0, place.direction, place.batch)
    assert (len(drawn.ratio), len(drawn.ratio[0])) == (4, 5)
    assert largest(drawn) == pytest.approx(as_float(finding.worst.ratio), rel=0.006)
    assert drawn.ratio[place.unit or 0][place.step or 0] == largest(drawn)
    assert drawn.local


def test_the_map_from_start_to_end_is_against_the_oracle(made: Figures) -> None:
    whole = [one for one in made.maps if not one.local]
    assert whole
    assert all(as_float(max(map(as_float, row))) > 1 for one in whole for row in one.ratio[:1])


def test_an_activation_is_measured_in_ulp(made: Figures) -> None:
    (tanh,) = made.activations
    assert (tanh.backend, tanh.activation) == ("faulty", "tanh")
    most = [as_float(v) for v in tanh.most if v is not None]
    assert 100 < max(most) < 600  # off by 2^-15, which is 256 ulp of a number just above 1/2
    assert most[200] > 0 > as_float(tanh.least[100])


def test_many_units_share_cells_by_the_largest(session: Session) -> None:
    results = judged(session, WIDE)
    finding = step_residual(results)
    drawn = make_figures(session, HEADER, results).map_of(finding.slug)
    assert drawn is not None
    assert (drawn.units, len(drawn.ratio), len(drawn.ratio[0])) == (97, 33, 2)
    assert largest(drawn) == pytest.approx(as_float(finding.worst.ratio), rel=0.006)


@pytest.mark.parametrize("fault", ["raises", "exits", "shape", "nan"])
def test_no_figure_ends_a_run(fault: str, session: Session) -> None:
    broken = Session({"x": getattr(faulty, fault)})
    assert isinstance(make_figures(broken, HEADER, judged(session, WRONG)), Figures)


def test_no_time_makes_no_map(session: Session) -> None:
    assert make_figures(session, HEADER, judged(session, WRONG), seconds=-1.0).maps == []


def test_they_come_back_as_they_were_stored(made: Figures, tmp_path: Path) -> None:
    store_figures(tmp_path, made)
    assert load_figures(tmp_path, HEADER) == made
    assert load_figures(tmp_path, {"date": "of another run"}) == Figures()
    assert load_figures(tmp_path / "elsewhere", HEADER) == Figures()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"steps":3', b'"steps":"<b>"'),
        (b"[[0.0,0.5,20.0]", b"[[0.0]"),
        (b'"inf"', b'"infinite"'),
        (b'"low":-10.0', b'"low":10.0'),
        (b"{", b"["),
    ],
)
def test_a_file_that_does_not_hold_figures_is_named(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = store_figures(tmp_path, figures_of("x"))
    changed = path.read_bytes().replace(old, new, 1)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(ResultsError, match=r"figures\.json cannot be read"):
        load_figures(tmp_path, HEADER)


def test_a_run_leaves_them_and_report_draws_them_again(tmp_path: Path) -> None:
    corpus = tmp_path / "ids.txt"
    corpus.write_text(WRONG.id)
    backend = f"{Path(__file__).with_name('faulty.py')}:scaled"
    arguments = ["--backend", backend, "--corpus", str(corpus), "--examples", "0"]
    CliRunner().invoke(main, ["run", "--in-process", *arguments, "--out", str(tmp_path)])
    drawn = (tmp_path / "report.html").read_text("utf-8")
    assert "Heat map of errors" in drawn
    CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert (tmp_path / "report.html").read_text("utf-8") == drawn
    (tmp_path / "figures.json").unlink()
    CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    without = (tmp_path / "report.html").read_text("utf-8")
    assert "Heat map of errors" not in without
    assert "this run has no <code>figures.json</code>" in without


def _drawings() -> dict[str, Callable[[], Any]]:
    figures = figures_of("x")
    return {
        "map": lambda: map_picture(figures.maps[0]),
        "activation": lambda: activation_picture("tanh", figures.activations),
        "ratios": lambda: ratio_picture([0, 0.1, 0.9, 1.0, 30.0, "inf", "nan"], [30.0, "inf"]),
        "empty": lambda: ratio_picture([0, "inf"], []),
    }


@pytest.mark.parametrize("name", _drawings())
def test_a_drawing_is_an_image_that_is_the_same_each_time(name: str) -> None:
    picture = _drawings()[name]()
    assert picture.drawing.startswith('<img alt="')
    assert picture.drawing == _drawings()[name]().drawing


def test_captions_count_what_is_beyond() -> None:
    drawn = _drawings()
    assert "2 are within" not in drawn["map"]().caption
    assert "3 of 5 cells beyond the bound; largest ratio ∞" in drawn["map"]().caption
    assert "4 are within their bound and 3 beyond it, 2 of them" in drawn["ratios"]().caption
    assert "torch, mindspore: at most 6 ulp" in drawn["activation"]().caption


def test_dependence_is_stated_where_it_is_no_chance() -> None:
    ids = [WRONG.replace(seed=n, dropout=n % 2 * 50).id for n in range(40)]
    relu = [WRONG.replace(seed=n, nonlinearity="relu").id for n in range(40)]
    shares = {share.option: share for share in dependence(ids, [*ids, *relu])}
    assert set(shares) == {"nonlinearity", "dropout"}
    assert shares["nonlinearity"].needed == ("tanh",)
    assert shares["nonlinearity"].values == [("relu", 0, 40), ("tanh", 40, 40)]
    assert shares["dropout"].needed == ()
    assert shares["dropout"].indifferent


@pytest.mark.parametrize(
    ("values", "needed", "indifferent"),
    [
        ([("a", 1, 100), ("b", 0, 3)], (), False),
        ([("a", 50, 100), ("b", 0, 3)], (), False),
        ([("a", 50, 100), ("b", 0, 30)], ("a",), False),
        ([("a", 50, 100), ("b", 1, 30)], (), True),
        ([("a", 0, 100), ("b", 0, 30)], (), False),
    ],
)
def test_a_share_says_what_it_can(
    values: list[tuple[str, int, int]], needed: tuple[str, ...], indifferent: bool
) -> None:
    share = OptionShare("option", values)
    assert share.needed == needed
    assert share.indifferent is indifferent
