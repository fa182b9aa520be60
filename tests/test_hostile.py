"""Hostile input: whatever a backend returns is data, and costs its own config at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import hostile
import pytest
from click.testing import CliRunner

from harness.backends import BackendUnavailable
from harness.cli import main
from harness.config import Config
from harness.judge import Session
from harness.results import Result
from harness.runners import Isolated, Limits
from tests.campaigns.harmless_reports import assert_harmless, assert_printable

FILE = str(Path(__file__).with_name("hostile.py"))
ORDINARY = Config(input_size=3, hidden_size=4, batch=5, steps=6, h_0=True, data="plain")
LONGEST = 2500


@pytest.fixture(scope="module", params=["here", "in a worker"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    one = hostile.backend if request.param == "here" else Isolated(f"{FILE}:backend", Limits(20.0))
    with Session({"hostile": one}) as made:  # type: ignore[dict-item]
        yield made


def judged(session: Session, kind: str, aspect: str = "forward") -> list[Result]:
    config = dataclasses.replace(ORDINARY, aspect=aspect, input_size=hostile.width(kind))
    results = session.judge(config)
    for result in results:
        assert len(result.message) < LONGEST
        assert result.message.isprintable()
    return results


def verdicts(results: list[Result]) -> set[str]:
    return {result.verdict for result in results}


def test_none_of_it_ends_the_run_or_passes(session: Session) -> None:
    for kinds, aspect in (
        (hostile.FORWARD, "forward"),
        (hostile.READ, "forward"),
        (hostile.GRADIENTS, "gradient"),
    ):
        for kind in kinds:
            results = judged(session, kind, aspect)
            assert verdicts(results) & {"fail", "error"}, (kind, results)
    assert verdicts(session.judge(ORDINARY)) <= {"pass", "inconclusive"}


def test_odd_arrays_of_the_right_numbers_pass(session: Session) -> None:
    for kind in hostile.HARMLESS:
        assert verdicts(judged(session, kind)) <= {"pass", "inconclusive"}, kind


def test_reasons_are_shown_as_texts(session: Session) -> None:
    for kind in hostile.REASONS:
        expected = {"error"} if kind == "reason-raises" else {"unsupported"}
        assert verdicts(judged(session, kind)) - {"pass"} == expected, kind


def test_an_array_that_changes_while_it_is_looked_at_is_judged_once(session: Session) -> None:
    assert judged(session, "restless")


@pytest.mark.parametrize("aspect", ["training", "fresh", "files", "steady", "call.x.flat"])
def test_every_aspect_looks_with_the_same_care(session: Session, aspect: str) -> None:
    for kind in ("huge", "masked", "objects", "raises-text", "read-huge", "read-endless-names"):
        assert judged(session, kind, aspect), kind
    config = dataclasses.replace(ORDINARY, aspect=aspect)
    assert verdicts(session.judge(config)) <= {"pass", "inconclusive", "unsupported"}


def test_versions_are_texts_and_few(session: Session) -> None:
    versions = session.runners["hostile"].about.versions
    assert len(versions) == 20
    assert all(
        len(text) <= 100 and text.isprintable() for pair in versions.items() for text in pair
    )


@pytest.mark.parametrize("given", [5, None, [1], ["ab", "abc"]])
def test_versions_that_are_no_dict_are_named(given: object) -> None:
    class Odd(hostile.HostileBackend):
        def versions(self) -> object:
            return given

    with pytest.raises(BackendUnavailable, match=r"Odd.versions\(\) raised .*expected a dict"):
        Session({"odd": Odd()})


def test_a_name_that_changes_is_the_name_it_was_loaded_with() -> None:
    class Renamed(hostile.CompleteBackend):
        names = iter(("first",))

        @property
        def name(self) -> str:
            return next(self.names)

        @name.setter
        def name(self, value: str) -> None:
            pass

    results = Session({"x": Renamed()}).judge(ORDINARY)
    assert {result.backend for result in results} == {"first"}


def test_every_report_of_a_hostile_backend_is_harmless(tmp_path: Path) -> None:
    kinds = ["objects", "structured", "a-class", "raises-text", "raises-named", "reason-text"]
    kinds += ["read-hostile-names", "restless"]
    ids = [dataclasses.replace(ORDINARY, input_size=hostile.width(kind)).id for kind in kinds]
    calls = [dataclasses.replace(ORDINARY, aspect=a).id for a in ("call.x.flat", "call.x.wider")]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join([*ids, *calls]), "utf-8")
    arguments = ["run", "--backend", f"{FILE}:backend", "--examples", "0", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, [*arguments, "--corpus", str(corpus)])
    assert done.exit_code == 1
    assert_harmless(tmp_path, done.output)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    shown = " ".join(done.output.split())
    for literal in ("<script>alert(1)", "[bold red]x[/]", "[link=file:///etc]y[/]", r"\x1b[31m"):
        assert literal in shown
    replayed = CliRunner().invoke(main, ["replay", ids[3], "--backend", f"{FILE}:backend"])
    assert_printable(replayed.output)
    for literal in ("<script>alert(1)", "[bold red]x[/]", ":bomb:", r"\x1b[31m"):
        assert literal in replayed.output
