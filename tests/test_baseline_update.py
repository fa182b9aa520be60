"""The baseline brought up to date by a run; and that it is red where it does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from click.testing import CliRunner, Result
from packaging.specifiers import SpecifierSet

from harness.baseline import BASELINE, BaselineError, read_baseline
from harness.baseline_update import NEW, _widened, updated
from harness.cli import main
from harness.config import Config
from harness.corpus import load_corpus
from harness.expectations import Expectations, expectations_of, stale_entries
from harness.journal import Journal, read_run
from harness.results import Result as Line
from tests.synthetic_results import changed, header, line, written_header

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
    how = "shrank" if ratio < 10 else "grew"
    assert changes == [f"theirs: {how} to {ratio:g}, was [10.0, 20.0]"]
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
    assert [one.partition(":")[2][:9] for one in changes] == [" max_rati", " grew to "]
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
        "ratio": [6.4, 10.0],
    }
    assert changes == ["torch-prefix-flush: entered"]
    assert left == ["torch-prefix-flush: give it a statement and a reason"]
    with pytest.raises(BaselineError, match="torch-prefix-flush': reason is empty"):
        read_baseline(tmp_path / "known.toml")


SMALL = Config.of(seed=0).id


@pytest.mark.parametrize("origin", ["tested", "shortened", "drawn"])
def test_an_entry_is_shown_by_configs_of_the_corpus(origin: str, tmp_path: Path) -> None:
    """What a run chose for its findings may never be judged again: it could not vanish."""
    new = {"check": "prefix", "cause": "flush"}
    smaller = line(0, 80.0, config_id=SMALL, origin=origin, **new)
    text, _, left = update(tmp_path, *BOTH, smaller, line(7, 8.0, **new))
    made = tomlkit.parse(text).unwrap()["difference"][-1]
    assert made["shown_by"] == [Config.of(seed=7).id]
    assert (made["ratio"], made["max_ratio"]) == ([6.4, 10.0], 100.0)
    assert len(left) == 1
    text, _, left = update(tmp_path, *BOTH, smaller)
    assert tomlkit.parse(text).unwrap()["difference"][-1]["shown_by"] == [SMALL]
    assert f"the one in `shown_by` is {origin}, and runs that do not judge it" in left[1]


def test_who_took_the_place_of_a_config_is_of_the_corpus_too(tmp_path: Path) -> None:
    gone = [changed(r, verdict="pass", cause=None, ratio=0.5) for r in BOTH]
    both = [line(seed, 15.0, backend=one) for seed in (5,) for one in ("torch", "mindspore")]
    chosen = [changed(r, config_id=SMALL, origin="tested") for r in both]
    assert entry(update(tmp_path, *gone, *both, *chosen)[0])["shown_by"] == [both[0].config_id]


def completed(path: Path, text: str) -> str:
    """With what a person has to say."""
    text = text.replace('statement = ""', 'statement = "a"').replace('reason = ""', 'reason = "b"')
    path.write_text(text, "utf-8")
    return text


@pytest.mark.parametrize("large", ["inf", 1.37e44])
def test_what_has_no_size_gets_no_limit(large: object, tmp_path: Path) -> None:
    """The next run may find another number there, or infinity; and then it is as it was."""
    path, new = tmp_path / "known.toml", {"check": "prefix", "cause": "flush"}
    first = [*BOTH, line(7, 8.0, **new), changed(line(9, 1.0, **new), ratio=large)]
    text = completed(path, update(tmp_path, *first)[0])
    made = tomlkit.parse(text).unwrap()["difference"][-1]
    assert "max_ratio" not in made
    assert made["ratio"] == [6.4, 10.0]
    for other in ("inf", 9e50, 3.0):
        again = [*BOTH, line(7, 8.0, **new), changed(line(9, 1.0, **new), ratio=other)]
        found = updated(text, expectations_of(RUN, path), again, RUN)
        assert (found.text, found.changes, found.open) == (text, [], [])


def test_a_limit_that_infinity_exceeds_goes(tmp_path: Path) -> None:
    """Else what it is about would come in a second time, and under the same id."""
    infinite = changed(line(9, 1.0, origin="drawn"), ratio="inf")
    text, changes, left = update(tmp_path, *BOTH, infinite)
    assert "max_ratio" not in entry(text)
    assert (changes, left) == (["theirs: max_ratio is without a limit now"], [])


def test_the_last_entry_leaves_a_file_that_can_get_another(tmp_path: Path) -> None:
    path, new = tmp_path / "known.toml", line(7, 8.0, check="prefix", cause="flush")
    path.write_text(NEW, "utf-8")
    text = completed(path, updated(NEW, Expectations(), [new], RUN).text)
    known = expectations_of(RUN, path)
    passing = changed(new, verdict="pass", cause=None, ratio=0.5)
    emptied = updated(text, known.of([known.by_id["torch-prefix-flush"]]), [passing], RUN).text
    assert emptied.strip() == NEW.strip()
    completed(path, updated(emptied, Expectations(), [new], RUN).text)
    assert "torch-prefix-flush" in {one.id for one in read_baseline(path)}


def test_no_two_entries_get_one_id(tmp_path: Path) -> None:
    path, new = tmp_path / "known.toml", {"check": "prefix", "cause": "flush"}
    text = completed(path, update(tmp_path, *BOTH, line(7, 8.0, **new))[0])
    narrowed = text.replace('statement = "a"', 'statement = "a"\nmax_share = 0.001')
    path.write_text(narrowed, "utf-8")
    more = changed(line(7, 8.0, **new), failing=2)
    found = updated(narrowed, expectations_of(RUN, path), [*BOTH, more], RUN)
    assert "torch-prefix-flush-2: entered" in found.changes


def test_an_id_is_not_longer_than_one_may_be(tmp_path: Path) -> None:
    aspect = "call.lengths.float64"
    of_call = Config.parse(next(c.id for c in load_corpus() if c.aspect.startswith(aspect[:18]))).id
    new = {"check": "call", "cause": "accepted", "config_id": of_call}
    name = "mine-" + "x" * 50
    run = RUN | {"backends": {name: {"name": name, "versions": {"mine": "1.0"}}}}
    path = tmp_path / "known.toml"
    found = updated("", Expectations(), [line(1, 1.0, backend=name, **new)], run)
    completed(path, found.text)
    assert len(read_baseline(path)[0].id) == 60


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
        (
            {"cause": "unexplained"},
            "no cause is established; repair it, or say in unsupported() that it is not done",
        ),
        (
            {"backend": "own", "cause": "flush"},
            "no package's version to pin it to; report one in versions()",
        ),
    ],
)
def test_what_cannot_be_known_is_not_entered(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    text, made, left = update(tmp_path, *BOTH, line(7, 8.0, check="prefix", **changes))
    assert (text, made) == (TEXT, [])
    assert left == [f"{changes.get('backend', 'torch')}, prefix: not entered, {why}"]


SIDE_BY_SIDE = header(torch="2.13.0+cpu", **{"torch (torch==2.9.1)": "2.9.1"}) | {
    "backends": {
        name: {"name": name, "versions": {"torch": version}}
        for name, version in (("torch", "2.13.0+cpu"), ("torch==2.9.1", "2.9.1"))
    }
}
"""The header of a run of two versions of torch."""


def test_an_update_keys_on_the_versions_in_the_results(tmp_path: Path) -> None:
    """Two versions, of which one shows the entry and the other something else."""
    text = TEXT.replace(">=2", ">=2.13,<2.14").replace('"torch", "mindspore"', '"torch"')
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    older = {"backend": "torch==2.9.1"}
    passing = {**older, "verdict": "pass", "cause": None}
    results = [
        *(line(seed, 15.0) for seed in (1, 2)),
        *(line(seed, 0.5, **passing) for seed in (1, 2)),
        line(9, 8.0, cause="flush", **older),
    ]
    found = updated(text, expectations_of(SIDE_BY_SIDE, path), results, SIDE_BY_SIDE)
    assert found.changes == ["torch-2-9-1-step-residual-flush: entered"]
    *before, made = tomlkit.parse(found.text).unwrap()["difference"]
    assert before == tomlkit.parse(text).unwrap()["difference"]
    assert (made["backends"], made["versions"]) == (["torch"], {"torch": ">=2.9,<2.10"})


@pytest.mark.parametrize("version", ["2.9.1", "2.20.0"])
def test_a_run_of_another_version_deletes_nothing(version: str, tmp_path: Path) -> None:
    text = TEXT.replace(">=2", ">=2.13,<2.14")
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    passing = [changed(r, verdict="pass", cause=None, ratio=0.5) for r in BOTH]
    other = header(torch=version)
    found = updated(text, expectations_of(other, path), passing, other)
    assert (found.text, found.changes, found.open) == (text, [], [])


def test_a_run_of_one_backend_alone_deletes_nothing_that_takes_two(tmp_path: Path) -> None:
    text = TEXT.replace("step_residual", "call_parity")
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    alone = [line(seed, 0.5, check="call", verdict="pass", cause=None) for seed in (1, 2)]
    found = updated(text, expectations_of(RUN, path), alone, RUN)
    assert (found.text, found.changes, found.open) == (text, [], [])
    assert stale_entries(expectations_of(RUN, path), Expectations().join(alone)) == []


def test_a_green_run_is_a_fixed_point(tmp_path: Path) -> None:
    """Whatever the file looks like: blank lines, comments, entries without a range."""
    text = TEXT.replace("\n\n[[", "\n# why\n[[").replace("ratio = [10.0, 20.0]\n", "")
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    known = expectations_of(RUN, path)
    assert stale_entries(known, known.join(BOTH)) == []
    found = updated(text, known, BOTH, RUN)
    assert (found.text, found.changes, found.open) == (text, [], [])


def test_messages_name_the_file_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, "utf-8")
    known = expectations_of(RUN, path)
    (stale,) = stale_entries(known, known.join(changed(r, ratio=25.0) for r in BOTH))
    assert f"of the entry in {path}; or review" in stale.message
    assert f"`rnn-parity baseline update --baseline {path}`" in stale.message


def written(folder: Path, *results: Line) -> Path:
    """The results of a whole run of torch and of a backend of one's own."""
    first = written_header("torch", "mine")
    first["backends"]["mine"]["versions"] = {"torch": "2.13.0"}
    with Journal.begin(folder / "results.jsonl", first) as journal:
        for one in results:
            journal.append([one])
        journal.finish(results)
    return folder


def test_a_baseline_of_ones_own_may_extend_that_of_a_framework(tmp_path: Path) -> None:
    """In one command: what is known of torch is known of what wraps it, the rest is entered."""
    known = next(e for e in read_baseline(BASELINE) if e.id == "torch-lengths-of-other-types")
    config_id = next(one.id for one in load_corpus() if one.aspect.startswith("call.lengths.float"))
    same = {"check": "call", "cause": "accepted", "config_id": config_id}
    results = [
        line(1, 1.0, backend="torch", **same),
        line(1, 1.0, backend="mine", **same),
        line(2, 9.0, backend="mine", cause="flush"),
    ]
    out, mine = written(tmp_path, *results), tmp_path / "mine.toml"
    command = ["baseline", "update", "--results", str(out), "--baseline", str(mine)]
    done = CliRunner().invoke(main, [*command, "--extends", "mine=torch"])
    assert done.exit_code == 0, done.output
    text = mine.read_text("utf-8")
    assert [e["id"] for e in tomlkit.parse(text).unwrap()["difference"]] == [
        "mine-step-residual-flush"
    ]
    mine.write_text(
        text.replace('statement = ""', 'statement = "a"').replace('reason = ""', 'reason = "b"')
    )
    joined = expectations_of(read_run(out / "results.jsonl").header, mine).join(results)
    assert [one.known for one in joined] == [known.id, known.id, "mine-step-residual-flush"]
    assert "nothing was changed" in CliRunner().invoke(main, command).output
    assert "agrees with the run; commit it" in begun_anew(tmp_path, out)
    refused = CliRunner().invoke(main, [*command, "--extends", "mien=torch"])
    assert refused.exit_code == 2
    assert "did you mean 'mine'?" in " ".join(refused.output.split())


def begun_anew(folder: Path, out: Path) -> str:
    """What is printed where a file is begun that needs no entry of its own."""
    passing = line(1, 0.5, backend="mine", verdict="pass", cause=None)
    written(out, passing)
    command = ["baseline", "update", "--results", str(out), "--baseline"]
    return CliRunner().invoke(main, [*command, str(folder / "new.toml")]).output


@pytest.mark.parametrize("cause", ["flush", "unexplained"])
def test_what_is_left_to_do_is_not_to_be_committed(cause: str, tmp_path: Path) -> None:
    out = written(tmp_path, line(2, 9.0, backend="mine", cause=cause))
    command = ["baseline", "update", "--results", str(out), "--baseline", str(tmp_path / "a.toml")]
    said = " ".join(CliRunner().invoke(main, command).output.split())
    assert "a run is red until what is for you is done" in said.replace("A run", "a run")
    assert ("commit" in said) == (cause == "flush")
    assert "agrees with the run" not in said


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
