"""What a run prints at its end: the answer, in at most 40 lines, for whoever waited for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from harness.answer import Answer, Way, answer_of
from harness.backends.installed import is_shipped
from harness.backends.reference import name_in
from harness.baseline_update import Update
from harness.folder import SCRIPTS
from harness.matrix import Cell
from harness.outcome import Outcome
from harness.report.answering import answer_sentence, way_size
from harness.report.wording import cell_mark, finding_lines, plural, tally
from harness.requirements import GROUPS, REQUIREMENTS
from harness.shipped import BASELINE
from harness.verdicts import ReportState

__all__ = ["MOST_LINES", "print_summary", "print_update"]

MOST_LINES = 40
"""Of the end of a run, unless it is to be verbose."""

FEWEST_KNOWN = 5
"""Lines that are left to known differences, however much is new."""


def print_summary(
    console: Console,
    outcome: Outcome,
    files: Sequence[str],
    *,
    verbose: bool = False,
    baseline: Path = BASELINE,
    answered: bool = False,
) -> None:
    """The answer in three lines, what is new in full, what is known, a line each; files; what next.

    `verbose`: every requirement too, and each known difference in full; and no limit of lines.
    `baseline`: the file that said what to expect.
    `answered`: verdict and known differences were printed before, in another form.
    """
    answer = answer_of(outcome)
    verdict = [] if answered else _verdict(outcome, answer)
    last = [*_files(files), _next(outcome, answer, files, baseline)]
    new = [way for way in answer.ways if way.new]
    known = [way for way in answer.ways if not way.new]
    left = MOST_LINES - len(verdict) - len(last) - 3  # two headings, and a line that is left out
    reserved = min(len(known), FEWEST_KNOWN)
    console.print()
    for line in verdict:
        _line(console, line)
    if verbose and outcome.results:
        console.print(_matrix(outcome))
    left -= _new(console, outcome, new, None if verbose else left - reserved)
    if verbose:
        _unscripted(console, outcome)
    if verbose or not answered:
        _known(console, outcome, known, None if verbose else left)
    for line in last:
        _line(console, line)


def _line(console: Console, text: str, columns: int = 0) -> None:
    """Whole, so that a command can be copied."""
    console.print(" " * columns + text, highlight=False, soft_wrap=True)


def _verdict(outcome: Outcome, answer: Answer) -> list[str]:
    """What came out, in how many ways they differ, and of how much."""
    word, colour = _word(outcome)
    counts = (
        (len(answer.new), "new"),
        (len(outcome.vanished), "vanished"),
        (len(outcome.shrunk), "shrank"),
        (len(outcome.grown), "grew"),
        (len(outcome.idle), "without a verdict"),
    )
    alarms = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing unexpected"
    known = len(answer.ways) - len(answer.new)
    before = plural(known, "known difference") if known else "no known difference"
    versions = ", ".join(f"{name} {text}" for name, text in outcome.header["versions"].items())
    comparisons = plural(len(outcome.results), "comparison")
    return [
        f"[bold {colour}]{word}[/] {alarms}; {before}",
        escape(answer_sentence(answer)),
        escape(f"{tally(outcome.results)}, {comparisons}, {_asked(outcome)}; {versions}"),
    ]


def _asked(outcome: Outcome) -> str:
    """'asked 15 of 66 requirements': what a run was not asked says nothing of an implementation."""
    rows = outcome.matrix.values()
    asked = sum(not _without_result(row) for row in rows)
    total = f"{plural(len(rows), 'requirement')}"
    return f"all {total}" if asked == len(rows) else f"asked {asked} of {total}"


def _word(outcome: Outcome) -> tuple[str, str]:
    if outcome.unexpected or outcome.alarms:
        return "UNEXPECTED", "red"
    return ("UNFINISHED", "yellow") if outcome.unfinished else ("AS EXPECTED", "green")


def _new(console: Console, outcome: Outcome, ways: Sequence[Way], most: int | None) -> int:
    """Print what is unexpected in at most so many lines, and say how many it took."""
    blocks = [
        *(list(_in_full(way, outcome)) for way in ways),
        *([f"[bold red]{escape(message)}[/]"] for message in outcome.alarms),
    ]
    if not blocks:
        return 0
    _line(console, "[bold]New, or no longer as it was[/]")
    taken = 1
    for number, block in enumerate(blocks):
        after = len(blocks) - number - 1
        height = sum(_height(console, line) for line in block)
        if most is None or taken + height + bool(after) <= most:
            for line in block:
                console.print(_indented(line), highlight=False, soft_wrap=line.startswith(COMMAND))
            taken += height
        elif taken + 1 + bool(after) <= most:
            _cropped(console, f"  {block[0]}")
            taken += 1
        else:
            _line(console, f"  [dim]... and {plural(after + 1, 'other')}, in the report[/]")
            return taken + 1
    return taken


def _unscripted(console: Console, outcome: Outcome) -> None:
    """Of which findings no script could be made, and why."""
    reasons: dict[str, list[str]] = {}
    for slug, why in outcome.irreproducible.items():
        reasons.setdefault(why, []).append(slug)
    for why, slugs in reasons.items():
        _line(console, escape(f"no script shows {', '.join(slugs)} alone: {why}"))


COMMAND = "[cyan]"
"""How lines begin that are to be copied whole."""


def _indented(line: str) -> Padding | str:
    return f"  {line}" if line.startswith(COMMAND) else Padding(line, (0, 0, 0, 2))


def _height(console: Console, line: str) -> int:
    return 1 if line.startswith(COMMAND) else len(console.render_lines(_indented(line)))


def _in_full(way: Way, outcome: Outcome) -> Iterator[str]:
    """What it is, how large, what it depends on, and the commands that show it."""
    yield f"[bold red]✗ {escape(way.name)}[/]  [bold]{escape(way.statement)}[/]"
    head, *others = sorted(way.group.findings, key=lambda one: one is not way.group.head)
    if head.difference not in way.statement:
        yield escape(head.difference)
    for line in finding_lines(head):
        yield escape(line)
    if others:
        seen = dict.fromkeys(one.difference for one in others)
        yield f"[dim]also: {escape('; '.join(seen))}[/]"
    yield f"{COMMAND}{escape(way.group.smallest.replay)}[/]"
    for script in _scripts(way, outcome)[:1]:
        yield f"{COMMAND}{script}[/]"


def _scripts(way: Way, outcome: Outcome) -> list[str]:
    """Those that show it without this project."""
    made = outcome.reproducers
    slugs = [one.slug for one in way.group.findings]
    return [f"{SCRIPTS}/{made[slug].file}" for slug in slugs if slug in made]


def _known(console: Console, outcome: Outcome, ways: Sequence[Way], most: int | None) -> None:
    """A line each, the most harmful first; without a limit what to do and a command, too."""
    if not ways:
        return
    _line(console, "[bold]Known[/] (configs that show it)")
    shown = ways if most is None or len(ways) <= most else ways[: most - 1]
    for way in shown:
        line = f"  {way.configs:5,}  {escape(f'{way.name}: {way.statement}')}"
        if most is not None:
            _cropped(console, line)
            continue
        _line(console, line)
        for more in (way.remedy, way_size(way)):
            if more:
                _line(console, f"         {escape(more)}")
        _line(console, f"         {COMMAND}{escape(way.group.smallest.replay)}[/]")
        for script in _scripts(way, outcome)[:1]:
            _line(console, f"         {COMMAND}{script}[/]")
    if len(shown) < len(ways):
        _line(console, f"  [dim]... and {len(ways) - len(shown)} more: --verbose[/]")


def _cropped(console: Console, line: str) -> None:
    """One line, whatever it says."""
    console.print(line, highlight=False, no_wrap=True, overflow="ellipsis")


def _files(files: Sequence[str]) -> list[str]:
    """Those of the directory in a line, and in another what lies elsewhere."""
    folder = Path(files[0]).parent
    here = [Path(name).name for name in files if Path(name).parent == folder]
    others = [name for name in files if Path(name).parent != folder]
    lines = [f"[bold]Files[/] in {escape(str(folder))}: {escape(', '.join(here))}"]
    return [*lines, *([f"      {escape(', '.join(others))}"] if others else [])]


OWN_BASELINE = "my.toml"
"""What a command names for somebody's own backends, whose differences are nobody else's."""


def _next(outcome: Outcome, answer: Answer, files: Sequence[str], baseline: Path) -> str:
    """The command, or the file, that tells most now."""
    results = next((name for name in files if name.endswith("results.jsonl")), "results.jsonl")
    page = next((name for name in files if name.endswith("report.html")), "report.html")
    if answer.new:
        command = answer.new[0].group.smallest.replay
    elif outcome.vanished or outcome.shrunk or outcome.grown:
        command = f"rnn-parity baseline update --results {shlex.quote(results)}"
        if baseline.resolve() != BASELINE.resolve():
            command += f" --baseline {shlex.quote(str(baseline))}"
        elif not all(is_shipped(name) for name in _backends(outcome)):
            command += f" --baseline {OWN_BASELINE}"
    else:
        command = f"open {shlex.quote(page)}"
    return f"[bold]Next[/]  {COMMAND}{escape(command)}[/]"


def _backends(outcome: Outcome) -> set[str]:
    return {name_in(result.backend) for result in outcome.results}


def _matrix(outcome: Outcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("what was tested", max_width=62)
    rows = outcome.matrix
    backends = list(next(iter(rows.values())))
    for backend in backends:
        table.add_column(backend)
    empty = 0 if outcome.whole else sum(map(_without_result, rows.values()))
    for name in GROUPS:
        own = {key: row for key, row in rows.items() if REQUIREMENTS[key].group == name}
        if not outcome.whole:  # what was not asked is no fault of an implementation
            own = {key: row for key, row in own.items() if not _without_result(row)}
        if own:
            table.add_row(f"[bold]{name}[/]")
        for key, row in own.items():
            cells = []
            for backend in backends:
                cell = row[backend]
                judged = f" ({cell.configs:,})" if cell.configs else ""
                cells.append(f"[{cell.verdict.colour.style}]{cell_mark(cell)}[/]{judged}")
            table.add_row(Padding(REQUIREMENTS[key].statement, (0, 0, 0, 2)), *cells)
    table.caption = (
        "In brackets: configs. * Apart from failures with an established cause (activation, "
        "flushed subnormals, NaN), which count where the cause is judged."
    )
    if empty:
        table.caption += f" Left out: {plural(empty, 'requirement')} that this run was not asked."
    table.caption_justify = "left"
    return table


def _without_result(row: Mapping[str, Cell]) -> bool:
    return all(
        c.verdict in (ReportState.UNTESTED, ReportState.NOT_APPLICABLE) for c in row.values()
    )


def print_update(console: Console, update: Update, path: object) -> None:
    """What was changed in a baseline, and what a person has to do."""
    for line in update.changes:
        console.print(f"[yellow]changed[/] {escape(line)}", highlight=False, soft_wrap=True)
    for line in update.open:
        console.print(f"[bold red]for you[/] {escape(line)}", highlight=False, soft_wrap=True)
    name = escape(str(path))
    if update.open and update.changes:
        advice = (
            f"A run is red until what is for you is done; do it, then review {name} (git diff), "
            "and commit it."
        )
    elif update.open:
        advice = f"No entry of {name} was changed, and a run is red until what is for you is done."
    elif update.changes:
        advice = f"Review {name} (git diff), and commit it with your reasons."
    elif update.begun:
        advice = f"{name} was begun, and agrees with the run; commit it."
    else:
        advice = f"{name} agrees with the run; nothing was changed."
    console.print(f"[bold]{advice}[/]", highlight=False, soft_wrap=True)
