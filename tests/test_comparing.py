"""Two runs compared: only what changed is reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.comparing import Difference, compare_runs
from harness.config import Config
from harness.journal import Journal, read_run
from harness.results import Result
from tests.synthetic_results import changed, line, written_header

FAULTY = Path(__file__).with_name("faulty.py")
PASSING = {"verdict": "pass", "cause": None, "ratio": 0.5}


def passing(seed: int, **changes: object) -> Result:
    return changed(line(seed, 0.5), **{**PASSING, **changes})


def compare(old: Sequence[Result], new: Sequence[Result]) -> Difference:
    return compare_runs(old, new, ({"torch": "1", "numpy": "1"}, {"torch": "2", "numpy": "1"}))


def kinds(difference: Difference) -> list[tuple[str, str]]:
    return [(change.kind, change.finding.check) for change in difference.changes]


def test_a_run_is_as_itself() -> None:
    results = [line(1, 3.0), passing(2)]
    difference = compare(results, results)
    assert (kinds(difference), difference.exit_code) == ([], 0)
    assert difference.versions == {"torch": ("1", "2")}
    assert difference.common == {"torch": 2}


def test_what_appears_and_disappears() -> None:
    old, new = [line(1, 3.0), passing(2)], [passing(1), passing(2)]
    assert kinds(compare(old, new)) == [("disappeared", "step_residual")]
    assert kinds(compare(new, old)) == [("appeared", "step_residual")]
    assert compare(new, old).exit_code == 1
    # Another cause is another finding.
    other = [line(1, 3.0, cause="unexplained"), passing(2)]
    assert [change.key[2] for change in compare(old, other).changes] == ["unexplained"]


@pytest.mark.parametrize(("ratio", "kind"), [(3.7, []), (3.8, ["grew"]), (2.3, ["shrank"])])
def test_what_grows_and_shrinks(ratio: float, kind: list[str]) -> None:
    difference = compare([line(1, 3.0)], [line(1, ratio)])
    assert [kind for kind, _ in kinds(difference)] == kind


def test_that_more_configs_show_it_is_growth() -> None:
    def shown_by(count: int) -> list[Result]:
        return [line(seed, 3.0) if seed < count else passing(seed) for seed in range(30)]

    assert kinds(compare(shown_by(8), shown_by(12))) == []
    assert kinds(compare(shown_by(8), shown_by(13))) == [("grew", "step_residual")]
    assert kinds(compare(shown_by(13), shown_by(8))) == [("shrank", "step_residual")]


def test_what_one_run_did_not_judge_is_no_change() -> None:
    old, new = [line(1, 3.0), passing(2)], [passing(2), line(3, 9.0)]
    difference = compare(old, new)
    assert kinds(difference) == []
    assert difference.only_old == difference.only_new == difference.common == {"torch": 1}
    assert kinds(compare([line(1, 3.0)], [line(1, 3.0, backend="other")])) == []


def test_what_a_graver_change_displaced_is_no_change_of_its_own() -> None:
    old = [line(1, 3.0), line(2, 9.0)]
    wrong = line(2, 50.0, cause="unexplained")
    assert kinds(compare(old, [line(1, 3.0), wrong])) == [("appeared", "step_residual")]
    both = [("appeared", "step_residual"), ("disappeared", "step_residual")]
    assert kinds(compare(old, [passing(1), wrong])) == both
    assert kinds(compare([line(1, 3.0), wrong], old)) == [("disappeared", "step_residual")]


def test_less_concluded_is_a_change() -> None:
    silent = passing(1, verdict="inconclusive", ratio=None)
    difference = compare([passing(1)], [silent])
    assert difference.weaker == {("torch", "step_residual", "pass", "inconclusive"): 1}
    assert difference.exit_code == 1
    assert compare([silent], [passing(1)]).exit_code == 0
    assert compare([passing(1), passing(1, part="x")], [passing(1)]).weaker == {
        ("torch", "step_residual", "pass", "gone"): 1
    }


def written(folder: Path, torch: str, *results: Result, backends: Sequence[str] = ()) -> Path:
    """The results of a whole run with this version of torch; none where it is empty."""
    header = written_header(*(backends or ("torch",)))
    header["versions"] = {"numpy": "1.0", **({"torch": torch} if torch else {})}
    folder.mkdir(exist_ok=True)
    with Journal.begin(folder / "results.jsonl", header) as journal:
        for result in results:
            journal.append([result])
        journal.finish(results)
    return folder


def diff(old: Path, new: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["diff", str(old), str(new), *options])
    return done.exit_code, " ".join(done.output.split())


def test_everything_that_makes_it_red_is_counted(tmp_path: Path) -> None:
    """A comparison that says less is none of the four words."""
    old = written(tmp_path / "old", "2.9.1", passing(1), passing(2))
    silent = passing(1, verdict="inconclusive", ratio=None)
    new = written(tmp_path / "new", "2.13.0", silent, passing(2))
    page = tmp_path / "page.html"
    code, output = diff(old, new, "--html", str(page))
    assert code == 1
    said = "0 findings appeared, 0 grew, 0 shrank, 0 disappeared; 1 comparison concluded before"
    assert said in output
    assert said in page.read_text("utf-8")
    assert "concluded before" not in diff(old, old)[1].partition("UNCHANGED")[2]


@pytest.mark.parametrize(
    ("verdict", "count", "told"),
    [
        ("inconclusive", 1, "1 comparison passed and is inconclusive now"),
        ("inconclusive", 2, "2 comparisons passed and are inconclusive now"),
        ("error", 1, "1 comparison passed and is in error now"),
    ],
)
def test_what_says_less_is_named_with_a_command(
    verdict: str, count: int, told: str, tmp_path: Path
) -> None:
    less = {"verdict": verdict, "ratio": None}
    old = written(tmp_path / "old", "2.9.1", *map(passing, range(3)))
    changed_ones = [passing(n, **less, replay=f"replay {n}") for n in range(count)]
    new = written(tmp_path / "new", "2.13.0", *changed_ones, *map(passing, range(count, 3)))
    page = tmp_path / "page.html"
    output = diff(old, new, "--html", str(page))[1]
    assert f"weaker torch, step_residual: {told} replay 0" in output
    assert "<code>replay 0</code>" in page.read_text("utf-8")


def test_what_is_known_is_named(tmp_path: Path) -> None:
    baseline = tmp_path / "known.toml"
    baseline.write_text(ENTRY, "utf-8")
    old = written(tmp_path / "old", "2.9.1", passing(1, backend="torch"))
    mine = line(1, 3.0, backend="torch")
    new = written(tmp_path / "new", "2.13.0", mine)
    for runs in ((old, new), (new, old)):
        assert "known difference theirs" in diff(*runs, "--baseline", str(baseline))[1]


ENTRY = """
[[difference]]
id = "theirs"
statement = "they differ"
backends = ["torch"]
versions = { torch = ">=2.13" }
checks = ["step_residual"]
causes = ["activation"]
reason = "because"
when = { seed = 1 }
"""


def test_a_slip_in_a_name_is_seen_before_anything_is_read(tmp_path: Path) -> None:
    code, output = diff(tmp_path, tmp_path, "--as", "mine")
    assert code == 2
    assert "--as 'mine': expected NAME=OTHER" in output
    command = ["baseline", "update", "--results", str(tmp_path), "--extends", "mine"]
    done = CliRunner().invoke(main, command)
    assert "--extends 'mine': expected NAME=OTHER" in " ".join(done.output.split())


@pytest.mark.parametrize("command", ["diff", "baseline update", "mapping"])
def test_where_there_are_no_results_the_command_that_makes_them_is_said(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "none"):
        given = [str(place)] * 2 if command == "diff" else ["--results", str(place)]
        done = CliRunner().invoke(main, [*command.split(), *given])
        assert done.exit_code == 2
        said = " ".join(done.output.split())
        assert f"does not exist; make it with: rnn-parity run --out {place}" in said


def test_a_version_that_is_not_there_is_no_none(tmp_path: Path) -> None:
    old = written(tmp_path / "old", "", passing(1))
    new = written(tmp_path / "new", "2.13.0", passing(1))
    assert "torch 2.13.0, in the newer run only" in diff(old, new)[1]
    assert "torch 2.13.0, in the older run only" in diff(new, old)[1]
    assert "None" not in diff(old, new)[1]


def test_runs_without_a_common_config_say_so(tmp_path: Path) -> None:
    old = written(tmp_path / "old", "2.9.1", passing(1), passing(2))
    new = written(tmp_path / "new", "2.13.0", passing(3))
    code, output = diff(old, new)
    assert code == 2
    assert "no config was judged in both runs: none of 2 configs of" in output
    twice = [passing(n, backend=one) for n in (1, 2) for one in ("torch", "mine")]
    several = written(tmp_path / "twice", "2.9.1", *twice, backends=["torch", "mine"])
    others = written(tmp_path / "others", "2.9.1", passing(3), passing(3, backend="mine"))
    assert "none of 2 configs of" in diff(several, others)[1]
    assert f"is among 1 config of {others} (mine, torch)" in diff(several, others)[1]
    assert "--as" not in output
    other = written(tmp_path / "other", "2.9.1", passing(1, backend="mine"), backends=["mine"])
    code, output = diff(old, other)
    assert code == 2
    assert "no backend is in both runs" in output
    assert "--as mine=torch" in output


def test_a_backend_cannot_take_the_name_of_another(tmp_path: Path) -> None:
    mine = passing(1, backend="mine")
    old = written(tmp_path / "old", "2.9.1", passing(1))
    both = written(tmp_path / "new", "2.13.0", passing(1), mine, backends=["torch", "mine"])
    code, output = diff(old, both, "--as", "mine=torch")
    assert code == 2
    assert "has 'torch' too, and the two would be one" in output
    alone = written(tmp_path / "alone", "2.13.0", mine, backends=["mine"])
    assert diff(old, alone, "--as", "mine=torch")[0] == 0


def test_an_injected_fault_is_exactly_what_changed(tmp_path: Path) -> None:
    """MindSpore as it is, tanh and all, and with b_hh dropped."""
    corpus = tmp_path / "corpus.txt"
    ids = [Config.of(num_layers=2, nonlinearity=n, batch=6, steps=4).id for n in ("tanh", "relu")]
    corpus.write_text("\n".join(ids), "utf-8")
    for name, backend in (
        ("old", "mindspore"),
        ("repeated", "mindspore"),
        ("new", f"{FAULTY}:mindspore_without_b_hh"),
    ):
        options = ["--backend", backend, "--corpus", str(corpus), "--examples", "0"]
        done = CliRunner().invoke(main, ["run", *options, "--out", str(tmp_path / name)])
        assert done.exit_code == (name == "new"), done.output
    page = tmp_path / "page.html"
    command = ["diff", str(tmp_path / "old")]
    assert CliRunner().invoke(main, [*command, str(tmp_path / "repeated")]).exit_code == 0
    command += [str(tmp_path / "new"), "--html", str(page)]
    done = CliRunner().invoke(main, command)
    assert "no backend is in both runs" in done.output
    assert done.exit_code == 2
    done = CliRunner().invoke(main, [*command, "--as", "mindspore-faulty=mindspore"])
    assert done.exit_code == 1, done.output
    old, new = (read_run(tmp_path / name / "results.jsonl").results for name in ("old", "new"))
    renamed = [changed(result, backend="mindspore") for result in new]
    difference = compare_runs(old, renamed, ({}, {}))
    assert {change.kind for change in difference.changes} == {"appeared"}
    assert {change.key[2] for change in difference.changes} == {"unexplained"}
    assert "step_residual" in {change.finding.check for change in difference.changes}
    assert not difference.weaker
    for change in difference.changes:
        assert change.title in " ".join(done.output.split())
        assert change.finding.smallest.config_id in page.read_text("utf-8")


def test_a_page_escapes_text_of_a_backend(tmp_path: Path) -> None:
    from harness.report.difference import write_difference

    bad = "<script>alert(1)</script>"
    difference = compare([passing(1)], [line(1, 3.0, message=bad)])
    header = {"date": bad, "platform": bad}
    write_difference(tmp_path / "page.html", difference, (header, header))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_runs_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["diff", str(tmp_path), str(tmp_path)])
    assert done.exit_code == 2


@pytest.mark.parametrize("names", ["none=torch", "torch=none"])
def test_a_name_that_no_run_has_is_refused(names: str, tmp_path: Path) -> None:
    """A slip in it would otherwise find that nothing changed."""
    options = ["--backend", "torch", "--examples", "0", "--no-reproducers", "--out", str(tmp_path)]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(Config.of(steps=2).id, "utf-8")
    CliRunner().invoke(main, ["run", *options, "--corpus", str(corpus)])
    done = CliRunner().invoke(main, ["diff", str(tmp_path), str(tmp_path), "--as", names])
    assert done.exit_code == 2, done.output
    assert "--as 'none'" in done.output
    assert "has torch only" in done.output
