"""The baseline brought up to date by a run; and that it is red where it does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from click.testing import CliRunner, Result
from packaging.specifiers import SpecifierSet

from harness.baseline import BASELINE, BaselineError, read_baseline
from harness.baseline_update import _widened, updated
from harness.cli import main
from harness.config import Config
from harness.expectations import expectations_of
from harness.results import Result as Line
from tests.synthetic_results import changed, header, line

FIRST = Config.of(seed=1).id
SWEEP = "rnn-nobias-sweep-i00001-h00001-b65536-t00001-s000000"
TEXT = f"""# A comment that stays.

[[difference]]
id = "theirs"  # and this one
statement = "they differ"
backends = ["torch", "mindspore"]
versions = {{ torch = ">=2" }}
checks = ["step_residual"]
causes = ["activation"]
max_ratio = 100.0
ratio = [10.0, 20.0]
reason = "because"
shown_by = ["{FIRST}", "{Config.of(seed=2).id}"]

[[difference]]
id = "elsewhere"
statement = "of another version"
backends = ["torch"]
versions = {{ numpy = "<1" }}
checks = ["step_residual"]
causes = ["activation"]
reason = "because"
shown_by = ["{Config.of(seed=3).id}"]
"""


RUN = header(torch="2.13.0+cpu")
WITH_NUMPY = header(numpy="1.26.4", torch="2.13.0+cpu")
BOTH = tuple(
    line(seed, 15.0, backend=backend) for seed in (1, 2) for backend in ("torch", "mindspore")
)


def update(tmp_path: Path, *results: Line) -> tuple[str, list[str], list[str]]:
    path = tmp_path / "known.toml"
    path.write_text(TEXT, "utf-8")
    found = updated(TEXT, expectations_of(RUN, path), results, RUN)
    path.write_text(found.text, "utf-8")
    return found.text, found.changes, found.open


def entry(text: str) -> dict[str, Any]:
    first: dict[str, Any] = tomlkit.parse(text).unwrap()["difference"][0]
    return first


def test_what_a_run_confirms_stays_to_the_letter(tmp_path: Path) -> None:
    assert update(tmp_path, *BOTH) == (TEXT, [], [])


@pytest.mark.parametrize("ratio", [5.0, 40.0])
def test_a_range_follows_what_was_measured(tmp_path: Path, ratio: float) -> None:
    text, changes, _ = update(tmp_path, *(changed(r, ratio=ratio) for r in BOTH))
    assert entry(text)["ratio"] == [ratio * 0.8, ratio * 1.25]
    assert changes == [f"theirs: ratio is {ratio:g}, was [10.0, 20.0]"]
    assert text.startswith("# A comment that stays.")
    assert "# and this one" in text
    assert 'id = "elsewhere"' in text


def test_what_is_larger_than_an_entry_allows_raises_its_limit(tmp_path: Path) -> None:
    text, changes, _ = update(tmp_path, *BOTH, line(9, 400.0, origin="drawn"))
    assert entry(text)["max_ratio"] == 500.0
    assert changes == ["theirs: max_ratio is 500 now"]


@pytest.mark.parametrize("more", [[], [line(9, 15.0)]], ids=["alone", "shown elsewhere too"])
def test_what_outgrew_its_limit_is_still_shown(more: list[Line], tmp_path: Path) -> None:
    """By its pinned configs, in the range that is measured now; and then nothing is left to do."""
    grown = [changed(r, ratio=400.0) for r in BOTH]
    text, changes, _ = update(tmp_path, *grown, *more)
    assert entry(text)["max_ratio"] == 500.0
    assert entry(text)["ratio"] == [320.0, 500.0]
    assert len(entry(text)["shown_by"]) == 2
    assert [one.partition(":")[2][:9] for one in changes] == [" max_rati", " ratio is"]
    second = updated(text, expectations_of(RUN, tmp_path / "known.toml"), [*grown, *more], RUN)
    assert (second.text, second.changes, second.open) == (text, [], [])


@pytest.mark.parametrize(
    ("gone", "left", "change"),
    [
        ("mindspore", {"backends": ["torch"]}, "mindspore shows it no more"),
        (FIRST, {"shown_by": [Config.of(seed=2).id]}, f"no longer shown by {FIRST}"),
        ("", None, "deleted, for nothing shows it any more"),
    ],
    ids=["backend", "config", "all"],
)
def test_who_shows_it_no_more_leaves_the_entry(
    gone: str, left: dict[str, Any] | None, change: str, tmp_path: Path
) -> None:
    passing = {"verdict": "pass", "cause": None, "ratio": 0.5}
    shown = [changed(r, **passing) if gone in ("", r.backend, r.config_id) else r for r in BOTH]
    text, changes, _ = update(tmp_path, *shown)
    assert changes == [f"theirs: {change}"]
    assert ("theirs" in text) == (left is not None)
    assert "elsewhere" in text
    assert left is None or left.items() <= entry(text).items()


def test_what_is_new_comes_in_for_a_person_to_complete(tmp_path: Path) -> None:
    new = line(7, 8.0, check="prefix", cause="flush")
    text, changes, left = update(tmp_path, *BOTH, new)
    (made,) = [e for e in tomlkit.parse(text).unwrap()["difference"] if e["checks"] == ["prefix"]]
    assert made == {
        "id": "torch-prefix-flush",
        "statement": "",
        "backends": ["torch"],
        "versions": {"torch": ">=2.13,<2.14"},
        "checks": ["prefix"],
        "causes": ["flush"],
        "reason": "",
        "shown_by": [Config.of(seed=7).id],
        "max_ratio": 10.0,
    }
    assert changes == ["torch-prefix-flush: entered"]
    assert left == ["torch-prefix-flush: give it a statement and a reason"]
    with pytest.raises(BaselineError, match="torch-prefix-flush': reason is empty"):
        read_baseline(tmp_path / "known.toml")


def test_what_another_platform_showed_is_left_to_a_person(tmp_path: Path) -> None:
    """Its versions fit already; that it shows here too is no reason to enter it again."""
    text = TEXT[TEXT.index('[[difference]]\nid = "elsewhere"') :]
    text = text.replace('numpy = "<1" }', 'torch = ">=2" }\nplatforms = ["no-such"]')
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    found = updated(text, expectations_of(RUN, path), [line(3, 15.0)], RUN)
    assert found.text == text
    assert found.open == ["elsewhere: shows here too; widen `platforms` or `cpu_flags`"]


@pytest.mark.parametrize(
    ("was", "version", "now"),
    [
        (">=2.10,<2.11", "2.12.1", ">=2.10,<2.13"),
        (">=2.10,<2.11", "2.9.0", ">=2.9,<2.11"),
        (">=2.10", "3.0", ">=2.10"),
        ("<2", "2.0", "<2.1"),
        (">=2.10,<2.14", "2.12.1", ">=2.10,<2.14"),
        (">=2.10,<2.11,!=2.10.3", "2.12.0", ">=2.10,!=2.10.3,<2.13"),
        ("<=2.10.1", "2.11.0", "<2.12"),
        ("==2.10.*", "2.12.0", ">=2.12,<2.13"),
        ("~=2.10", "3.1.0", ">=3.1,<3.2"),
    ],
)
def test_a_range_of_versions_is_widened(was: str, version: str, now: str) -> None:
    assert _widened(was, version) == now
    assert SpecifierSet(now).contains(version)


def test_what_another_version_showed_is_carried_over(tmp_path: Path) -> None:
    """With a newer numpy the entry `elsewhere` holds on; else it would come in anew."""
    path = tmp_path / "known.toml"
    path.write_text(TEXT, "utf-8")
    found = updated(TEXT, expectations_of(WITH_NUMPY, path), [*BOTH, line(3, 8.0)], WITH_NUMPY)
    # `theirs` explains it as well here; without it, only the other one does.
    assert found.changes == []
    text = TEXT[TEXT.index('[[difference]]\nid = "elsewhere"') :]
    path.write_text(text, "utf-8")
    found = updated(text, expectations_of(WITH_NUMPY, path), [line(3, 8.0)], WITH_NUMPY)
    assert "elsewhere: shows with these versions too, now numpy <1.27" in found.changes
    assert 'versions = { numpy = "<1.27" }' in found.text
    assert found.open == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cause": "unexplained"}, "no cause is established"),
        ({"backend": "own", "cause": "flush"}, "no package's version to pin it to"),
    ],
)
def test_what_cannot_be_known_is_not_entered(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    text, made, left = update(tmp_path, *BOTH, line(7, 8.0, check="prefix", **changes))
    assert (text, made) == (TEXT, [])
    assert left == [f"{changes.get('backend', 'torch')}, prefix: not entered, {why}"]


def run(out: Path, baseline: Path) -> Result:
    corpus = out.with_suffix(".txt")
    corpus.write_text(SWEEP, "utf-8")
    options = ["--backend", "mindspore", "--corpus", str(corpus), "--examples", "0"]
    options += ["--baseline", str(baseline), "--out", str(out), "--no-reproducers"]
    return CliRunner().invoke(main, ["run", *options])


def test_a_round_trip_on_a_real_framework(tmp_path: Path) -> None:
    """Run, update, green; a range edited: red, with what to do; updated: as it was."""
    baseline, out = tmp_path / "known.toml", tmp_path / "run"
    baseline.write_text(BASELINE.read_text("utf-8"), "utf-8")
    command = ["baseline", "update", "--results", str(out), "--baseline", str(baseline)]
    assert run(out, baseline).exit_code == 0
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    green = baseline.read_text("utf-8")
    done = run(out, baseline)
    assert done.exit_code == 0, done.output
    assert "nothing was changed" in CliRunner().invoke(main, command).output

    document = tomlkit.parse(green)
    edited = document["difference"][0]
    assert edited["id"] == "mindspore-tanh-approximation"
    low, high = edited["ratio"]
    edited["ratio"] = [high, 2 * high]
    baseline.write_text(tomlkit.dumps(document), "utf-8")
    done = run(out, baseline)
    assert done.exit_code == 1
    printed = " ".join(done.output.split())
    assert "'mindspore-tanh-approximation' shrank: the largest ratio of its" in printed
    assert f"expected {high:g} to {2 * high:g}" in printed
    assert "rnn-parity baseline update" in printed
    CliRunner().invoke(main, command)
    assert tomlkit.parse(baseline.read_text("utf-8"))["difference"][0]["ratio"] == [low, high]


def test_an_unfinished_run_updates_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert CliRunner().invoke(main, ["baseline", "update", "--results", str(out)]).exit_code == 2
