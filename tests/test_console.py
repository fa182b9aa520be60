"""The end of a run on the console: the answer in 40 lines, and nothing that is not so."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.answer import answer_of
from harness.baseline import KnownDifference
from harness.causes import Cause
from harness.cli.progress import Shown
from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.layers import LAYERS
from harness.matrix import matrix
from harness.outcome import Outcome
from harness.report.answering import answer_sentence
from harness.report.console import MOST_LINES, print_summary
from harness.report.files import summary_of
from harness.report.markdown import as_text
from harness.requirements import REQUIREMENTS
from harness.shipped import BASELINE
from harness.verdicts import ReportState, Verdict
from tests.synthetic_results import changed, line, written_header
from tests.synthetic_run import synthetic_run

FILES = [f"out/{name}" for name in ("report.html", "summary.md", "junit.xml", "results.jsonl")]


def printed(outcome: Outcome, *, verbose: bool = False, baseline: Path = BASELINE) -> list[str]:
    console = Console(width=120, emoji=False, force_terminal=False)
    with console.capture() as capture:
        print_summary(console, outcome, FILES, verbose=verbose, baseline=baseline)
    return capture.get().splitlines()


def entry(number: int) -> KnownDifference:
    """Of the config with that seed."""
    return KnownDifference(
        id=f"entry-{number}",
        statement=f"difference {number} says what differs, in {'many ' * 30}words.",
        backends=("torch",),
        versions={"torch": ">=2"},
        checks=("step_residual",),
        causes=(Cause.ACTIVATION,),
        reason="so",
        shown_by=(Config.of(seed=number).id,),
        when={"seed": number},
    )


def outcome_of(results: Iterable[Judged], known: Iterable[KnownDifference] = ()) -> Outcome:
    expected = Expectations(known)
    header = written_header("torch") | {"versions": {"torch": "2.13.0"}}
    return Outcome(header, expected.join(results), expected.by_id)


@pytest.mark.parametrize(("known", "new"), [(0, 0), (3, 0), (200, 0), (0, 30), (200, 30), (5, 1)])
def test_it_is_at_most_forty_lines(known: int, new: int) -> None:
    fresh = [
        line(seed, 4.0, check=check, cause="unexplained", message="x" * 500)
        for seed, check in zip(
            range(1000, 1000 + new), ("step_residual", "prefix", "last_state") * 10, strict=False
        )
    ]
    every = [line(seed, 4.0) for seed in range(known)]
    outcome = outcome_of([*every, *fresh], map(entry, range(known)))
    outcome.vanished = [f"known difference 'x{n}' vanished: gone" for n in range(new)]
    said = printed(outcome)
    assert len(said) <= MOST_LINES
    assert any("Files" in one for one in said)
    assert "Next" in said[-1]
    assert len(printed(outcome, verbose=True)) > len(said) or known + new < 2


def test_it_opens_with_three_lines_of_verdict() -> None:
    outcome = outcome_of([line(1, 4.0), line(2, 4.0, check="prefix", cause="flush")], [entry(1)])
    outcome.vanished, outcome.shrunk = ["gone"], ["smaller", "smaller too"]
    _, first, second, third, *_ = printed(outcome)
    assert first == "UNEXPECTED 1 new, 1 vanished, 2 shrank; 1 known difference"
    assert second == answer_sentence(answer_of(outcome))
    assert third.startswith("2 configs (2 corpus; judged: 2 torch), 2 comparisons, asked ")
    assert third.endswith("torch 2.13.0")


def test_what_is_new_stands_in_full_and_what_is_known_in_a_line() -> None:
    new = line(2, 4.0, check="prefix", cause="flush", message="here it is", replay="replay it")
    said = printed(outcome_of([line(1, 4.0), new], [entry(1)]))
    text = " ".join(" ".join(said).split())
    assert "✗ torch-prefix-flush-unexpected" in text
    assert "here it is" in text
    assert "  replay it" in said
    (known,) = [one for one in said if "entry-1" in one]
    assert known.startswith("      1  entry-1: difference 1 says what differs")
    assert len(known) <= 120
    assert said[-1] == "Next  replay it"


@pytest.mark.parametrize(
    ("backend", "baseline", "option"),
    [
        ("torch", BASELINE, ""),
        ("mindspore:graph", BASELINE, ""),
        ("mine", BASELINE, " --baseline my.toml"),
        ("mine", Path("a b.toml"), " --baseline 'a b.toml'"),
        ("torch", Path("theirs.toml"), " --baseline theirs.toml"),
    ],
)
def test_the_next_command_names_the_baseline_of_the_run(
    backend: str, baseline: Path, option: str
) -> None:
    """Never the installed one for a backend that is somebody's own."""
    outcome = outcome_of([line(1, 0.5, backend=backend, verdict="pass", cause=None)])
    outcome.vanished = ["gone"]
    command = "rnn-parity baseline update --results out/results.jsonl"
    assert printed(outcome, baseline=baseline)[-1] == f"Next  {command}{option}"


def test_a_difference_has_the_name_of_its_entry_and_the_worst_come_first() -> None:
    outcome = synthetic_run(60)
    said = printed(outcome)
    ways = [way for way in answer_of(outcome).ways if not way.new]
    listed = [one.split()[1].rstrip(":") for one in said[said.index(KNOWN) + 1 :] if ":" in one]
    assert listed[: len(ways)] == [way.name for way in ways]


KNOWN = "Known (configs that show it)"


def test_a_partial_run_says_what_it_was_asked() -> None:
    said = printed(outcome_of([line(1, 0.5, verdict="pass", cause=None)]))
    asked = sum(
        cell.verdict not in (ReportState.UNTESTED, ReportState.NOT_APPLICABLE)
        for row in matrix([line(1, 0.5, verdict="pass", cause=None)]).values()
        for cell in row.values()
    )
    total = sum(one.concerns(LAYERS["rnn"]) for one in REQUIREMENTS.values())
    assert f"asked {asked} of {total} requirements" in " ".join(said)
    assert "untested" not in " ".join(printed(outcome_of([line(1, 4.0)]), verbose=True))


def test_what_was_asked_and_counts_elsewhere_is_not_untested() -> None:
    """A failure by the activation counts where activations are asked."""
    rows = matrix(Expectations().join([line(1, 4.0)])).values()
    cells = [row["torch"] for row in rows]
    elsewhere = [cell for cell in cells if cell.elsewhere and not cell.configs]
    assert elsewhere
    assert {cell.verdict for cell in elsewhere} == {Verdict.INCONCLUSIVE}
    assert ReportState.UNTESTED in {cell.verdict for cell in cells}


def test_a_pass_is_no_known_difference_because_it_could_have_failed() -> None:
    known = msgspec.structs.replace(entry(1), intermittent=("states",))
    passing = changed(line(1, 0.5, part="states"), verdict="pass", cause=None)
    (joined,) = Expectations([known]).join([passing])
    assert (joined.state, joined.known, joined.may_show) == (Verdict.PASS, None, "entry-1")
    said = printed(outcome_of([passing], [known]))
    assert said[1] == "AS EXPECTED nothing unexpected; no known difference"


@pytest.mark.parametrize(("known", "new"), [(3, 1), (300, 60)])
def test_the_summary_fits_a_comment_and_begins_with_the_answer(known: int, new: int) -> None:
    fresh = [
        line(1000 + n, 4.0, check="prefix", cause="flush", backend=f"mine{n}", message="x" * 2000)
        for n in range(new)
    ]
    outcome = outcome_of([*(line(n, 4.0) for n in range(known)), *fresh], map(entry, range(known)))
    outcome.vanished = ["gone " * 300] * new
    text = summary_of(outcome)
    assert len(text) <= 65_536
    title, _, sentence, *_ = text.splitlines()
    assert title == "# rnn-parity: UNEXPECTED results"
    assert sentence == as_text(answer_sentence(answer_of(outcome)))
    assert "## New, or no longer as it was" in text
    assert ("Every requirement" in text) == (known < 10)


def test_how_long_a_run_takes_is_said_once_a_twentieth_is_done() -> None:
    """The slowest configs come first: after three of them it would be half a day."""
    text = io.StringIO()
    shown = Shown(Console(file=text, width=120), lambda: None)
    shown.progress("corpus", 0, 100, 0)
    for done in (4, 5):
        shown.printed = -math.inf  # as if ten seconds had gone by
        shown.progress("corpus", done, 100, 0)
    assert ["left" in line for line in text.getvalue().splitlines()] == [False, False, True]


def test_a_known_difference_is_one_line_of_the_log_and_a_new_one_is_told_in_full() -> None:
    text, long = io.StringIO(), "many words " * 30
    shown = Shown(Console(file=text, width=120), lambda: None)
    new = line(1, 9.0, message=long, replay="rnn-parity replay x")
    shown.found([line(0, 9.0, known="entry-0"), new], {"entry-0": entry(0)})
    known, first, *rest = text.getvalue().splitlines()
    assert known.startswith("known      entry-0: difference 0 says what differs, in many")
    assert known.endswith("…")
    assert len(known) == 120
    assert first == f"UNEXPECTED torch, step_residual: {long}"
    assert [one.strip() for one in rest] == ["rnn-parity replay x"]
