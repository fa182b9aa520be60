"""Exhibits: what a report's pictures are drawn from, and what they cost a run, which is nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faulty
import numpy as np
import pytest
from click.testing import CliRunner
from made_up_run import exhibits_of

from harness.activation import sweep_config
from harness.cli import main
from harness.config import Config
from harness.dependence import OptionShare, dependence
from harness.exhibits import Exhibits, load_exhibits, make_exhibits, store_exhibits
from harness.exhibits.making import _cells
from harness.expectations import Expectations
from harness.findings import find
from harness.judge import Session
from harness.report.pictures import activation_picture, map_picture, ratio_picture
from harness.results import ResultsError, as_float

WRONG = Config(input_size=3, hidden_size=4, batch=6, steps=5, h_0=True, bidirectional=True)
HEADER = {"date": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(scope="module")
def session() -> Session:
    return Session({"wrong": faulty.scaled})


@pytest.fixture(scope="module")
def made(session: Session) -> Exhibits:
    results = Expectations().join(
        r for c in (WRONG, sweep_config("tanh", "fp32")) for r in session.judge(c)
    )
    return make_exhibits(session, HEADER, results)


def test_a_map_has_the_ratios_that_the_check_had(session: Session, made: Exhibits) -> None:
    finding = next(
        f for f in find(Expectations().join(session.judge(WRONG))) if f.check == "step_residual"
    )
    shown = made.map_of(finding.slug)
    place = finding.worst.worst
    assert shown is not None
    assert place is not None
    assert (shown.layer, shown.direction, shown.batch) == (0, place.direction, place.batch)
    assert (len(shown.ratio), len(shown.ratio[0])) == (4, 5)
    largest = max(as_float(v) for row in shown.ratio for v in row if v is not None)
    assert largest == pytest.approx(as_float(finding.worst.ratio), rel=0.006)
    assert shown.ratio[place.unit or 0][place.step or 0] == largest
    assert shown.local


def test_the_map_from_start_to_end_is_against_the_oracle(made: Exhibits) -> None:
    whole = [one for one in made.maps if not one.local]
    assert whole
    assert all(as_float(max(map(as_float, row))) > 1 for one in whole for row in one.ratio[:1])  # type: ignore[arg-type]


def test_an_activation_is_measured_in_ulp(made: Exhibits) -> None:
    (tanh,) = made.activations
    assert (tanh.backend, tanh.nonlinearity) == ("faulty", "tanh")
    most = [as_float(v) for v in tanh.most if v is not None]
    assert 100 < max(most) < 600  # off by 2^-15, which is 256 ulp of a number just above 1/2
    assert most[200] > 0 > as_float(tanh.least[100])


def test_long_rows_share_cells_by_the_largest() -> None:
    values = np.arange(97.0 * 2).reshape(97, 2)
    values[0] = np.nan
    cells = _cells(values)
    assert (len(cells), len(cells[0])) == (2, 49)
    assert cells[0][:2] == [2.0, 6.0]
    assert cells[1][-1] == 193.0


@pytest.mark.parametrize("fault", ["raises", "exits", "shape", "nan"])
def test_no_exhibit_ends_a_run(fault: str, session: Session) -> None:
    broken = Session({"x": getattr(faulty, fault)})
    assert isinstance(
        make_exhibits(broken, HEADER, Expectations().join(session.judge(WRONG))), Exhibits
    )


def test_no_time_makes_no_map(session: Session) -> None:
    assert (
        make_exhibits(session, HEADER, Expectations().join(session.judge(WRONG)), seconds=-1.0).maps
        == []
    )


def test_they_come_back_as_they_were_stored(made: Exhibits, tmp_path: Path) -> None:
    store_exhibits(tmp_path, made)
    assert load_exhibits(tmp_path, HEADER) == made
    assert load_exhibits(tmp_path, {"date": "of another run"}) == Exhibits()
    assert load_exhibits(tmp_path / "elsewhere", HEADER) == Exhibits()


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
def test_what_is_not_exhibits_is_named(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = store_exhibits(tmp_path, exhibits_of("x"))
    changed = path.read_bytes().replace(old, new, 1)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(ResultsError, match=r"exhibits\.json cannot be read"):
        load_exhibits(tmp_path, HEADER)


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
    (tmp_path / "exhibits.json").unlink()
    CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    again = (tmp_path / "report.html").read_text("utf-8")
    assert "Heat map of errors" not in again
    assert "none was made in this run" in again


def _drawings() -> dict[str, Callable[[], Any]]:
    exhibits = exhibits_of("x")
    return {
        "map": lambda: map_picture(exhibits.maps[0]),
        "activation": lambda: activation_picture("tanh", exhibits.activations),
        "ratios": lambda: ratio_picture([0, 0.1, 0.9, 1.0, 30.0, "inf", "nan"], [30.0, "inf"]),
        "empty": lambda: ratio_picture([0, "inf"], []),
    }


@pytest.mark.parametrize("name", _drawings())
def test_a_drawing_takes_its_colours_from_the_page(name: str) -> None:
    picture = _drawings()[name]()
    assert picture.drawing.startswith("<svg role")
    assert "var(--" in picture.drawing
    assert "#0000" not in picture.drawing
    assert "://" not in picture.drawing
    assert "DejaVu" not in picture.drawing
    assert picture.drawing == _drawings()[name]().drawing


def test_captions_count_what_is_beyond() -> None:
    drawn = _drawings()
    assert "2 are within" not in drawn["map"]().caption
    assert "3 of 5 cells beyond the bound; largest ratio ∞" in drawn["map"]().caption
    assert "4 are within their bound and 3 beyond it, 2 of them" in drawn["ratios"]().caption
    assert "torch errs by at most 6 ulp" in drawn["activation"]().caption


def test_dependence_is_stated_where_it_is_no_chance() -> None:
    ids = [dataclasses.replace(WRONG, seed=n, dropout=n % 2 * 50).id for n in range(40)]
    relu = [dataclasses.replace(WRONG, seed=n, nonlinearity="relu").id for n in range(40)]
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
