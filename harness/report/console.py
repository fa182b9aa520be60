"""What a run and a replay print: for a person who has not read the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from harness.baseline_update import Update
from harness.checks import every_check
from harness.config import Config
from harness.expectations import Judged
from harness.findings import Finding
from harness.folder import SCRIPTS
from harness.groups import Group, group
from harness.matrix import Cell
from harness.outcome import Outcome
from harness.report.wording import (
    cell_mark,
    error_text,
    finding_lines,
    group_title,
    place_text,
    plural,
    power_text,
    ratio_text,
    tally,
)
from harness.requirements import GROUPS, REQUIREMENTS
from harness.results import as_float
from harness.verdicts import ReportState, Verdict

__all__ = ["print_replay", "print_summary", "print_update"]


def print_summary(
    console: Console, outcome: Outcome, files: Iterable[str], *, verbose: bool = False
) -> None:
    """The answer in three lines, what is new, what is known, a line each; and where the files are.

    `verbose`: every requirement too, and how each known difference is shown again.
    """
    groups = group(outcome.findings)
    console.print()
    for line in _answer(outcome, groups):
        console.print(line, highlight=False)
    if verbose and outcome.results:
        console.print(_matrix(outcome))
    new = [one for one in groups if one.unexpected]
    known = [one for one in groups if not one.unexpected]
    if new:
        console.print("\n[bold]New[/bold]")
    for number, members in enumerate(new, start=1):
        _print_group(console, number, members, outcome)
    for message in (*outcome.vanished, *outcome.idle):
        console.print(f"\n[bold red]unexpected[/bold red] {escape(message)}", highlight=False)
    reasons: dict[str, list[str]] = {}
    for slug, why in outcome.irreproducible.items():
        reasons.setdefault(why, []).append(slug)
    for why, slugs in reasons.items():
        console.print(
            f"no script shows {', '.join(slugs)} alone: {why}", markup=False, soft_wrap=True
        )
    if known:
        hint = "" if verbose else "; in full with --verbose"
        console.print(f"\n[bold]Known[/bold] (configs that show it{hint})", highlight=False)
    for number, members in enumerate(known, start=len(new) + 1):
        if verbose:
            _print_group(console, number, members, outcome)
        else:
            line = f"  {members.configs:5,}  {group_title(members, outcome.known)}"
            console.print(line, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")
    console.print("\n[bold]Files[/bold]")
    for name in files:
        console.print(f"  {name}", markup=False, highlight=False, soft_wrap=True)


def _answer(outcome: Outcome, groups: Sequence[Group]) -> Iterable[str]:
    """What came out, of what, and by how much."""
    word, colour = _word(outcome)
    new = len(outcome.vanished) + len(outcome.idle) + sum(one.unexpected for one in groups)
    known = sum(not one.unexpected for one in groups)
    versions = ", ".join(f"{name} {text}" for name, text in outcome.header["versions"].items())
    yield (
        f"[bold {colour}]{word}[/] {new or 'nothing'} unexpected, "
        + (plural(known, "known difference") if known else "no known difference")
    )
    yield escape(f"{tally(outcome.results)}, {plural(len(outcome.results), 'comparison')}")
    yield (
        f"{plural(len(REQUIREMENTS), 'requirement')}, {plural(len(every_check()), 'check')}; "
        f"[dim]{escape(versions)}[/]"
    )


def _word(outcome: Outcome) -> tuple[str, str]:
    if outcome.unexpected or outcome.vanished or outcome.idle:
        return "UNEXPECTED", "red"
    return ("UNFINISHED", "yellow") if outcome.unfinished else ("AS EXPECTED", "green")


def _matrix(outcome: Outcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("what was tested", max_width=62)
    rows = outcome.matrix
    backends = list(next(iter(rows.values())))
    for backend in backends:
        table.add_column(backend)
    empty = 0 if outcome.pinned else sum(map(_without_result, rows.values()))
    for name in GROUPS:
        own = {key: row for key, row in rows.items() if REQUIREMENTS[key].group == name}
        if not outcome.pinned:  # one's own corpus is about what it is about
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
        table.caption += (
            f" Left out: {plural(empty, 'requirement')} that this corpus does not test."
        )
    table.caption_justify = "left"
    return table


def _without_result(row: Mapping[str, Cell]) -> bool:
    return all(
        c.verdict in (ReportState.UNTESTED, ReportState.NOT_APPLICABLE) for c in row.values()
    )


def _print_group(console: Console, number: int, members: Group, outcome: Outcome) -> None:
    style, word = ("bold red", "UNEXPECTED") if members.unexpected else ("yellow", "known")
    title = group_title(members, outcome.known)
    _indented(console, f"{number}. [{style}]{word}[/]  [bold]{escape(title)}[/]", 0)
    if not members.unexpected:
        count = plural(members.configs, "config")
        _indented(console, f"{', '.join(members.backends)}; shown by {count}", 3, style="dim")
        replay = escape(members.smallest.replay)
        console.print(f"   [cyan]{replay}[/]", highlight=False, soft_wrap=True)
        for finding in _with_script(members, outcome)[:1]:
            console.print(
                f"   [cyan]{SCRIPTS}/{outcome.reproducers[finding.slug].file}[/]",
                highlight=False,
                soft_wrap=True,
            )
        return
    for finding in members.findings:
        mark = "[bold red]✗[/]" if finding.unexpected else "[yellow]≠[/]"
        _indented(console, f"{mark} {escape(finding.difference)}", 3)
        for line in finding_lines(finding):
            _indented(console, escape(line), 7)
        console.print(
            f"       smallest: [cyan]{escape(finding.smallest.replay)}[/]",
            highlight=False,
            soft_wrap=True,
        )
        if finding.slug in outcome.reproducers:
            console.print(
                f"       alone: [cyan]{SCRIPTS}/{outcome.reproducers[finding.slug].file}[/]",
                highlight=False,
                soft_wrap=True,
            )


def _with_script(members: Group, outcome: Outcome) -> list[Finding]:
    """Those with a script that shows them without this project."""
    return [finding for finding in members.findings if finding.slug in outcome.reproducers]


def _indented(console: Console, text: str, columns: int, style: str = "") -> None:
    """Wrapped text, all of its lines indented."""
    console.print(Padding(text, (0, 0, 0, columns)), highlight=False, style=style)


def print_replay(console: Console, config: Config, results: Sequence[Judged]) -> None:
    """The tolerance report of one config."""
    console.print(f"[bold]{config.id}[/bold]", highlight=False, soft_wrap=True)
    console.print(config.description, style="dim", highlight=False)
    backend = None
    for result in results:
        if result.backend != backend:
            backend = result.backend
            console.print(f"\n[bold underline]{backend}[/]")
        state = result.state
        console.print(
            f"[{state.colour.style}]{state.mark:15}[/] [bold]{result.check}[/], "
            + escape(result.part)
            + (f"  [dim]ratio[/] {ratio_text(result.ratio)}" if result.ratio is not None else ""),
            highlight=False,
        )
        for line in _detail(result):
            console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
    unexpected = sum(result.unexpected for result in results)
    if unexpected:
        console.print(f"\n[bold red]UNEXPECTED[/] {plural(unexpected, 'comparison')}.")
    else:
        console.print("\n[bold green]AS EXPECTED[/]")


def _detail(result: Judged) -> Iterable[str]:
    if result.message:
        yield result.message
    if result.known and result.verdict is Verdict.PASS:
        yield f"known difference {result.known}, which shows in some runs only, and not in this"
    if result.cause and result.verdict is Verdict.FAIL:
        known = f"; known difference {result.known}" if result.known else ""
        yield f"cause: {result.cause}{known}"
    yield f"{plural(result.compared, 'element')} compared" + (
        f", {result.undefined} without a bound" if result.undefined else ""
    )
    if result.power:
        yield f"would have seen (share of elements): {power_text(result.power)}"
    if result.max_abs is None:
        return
    if result.max_abs == 0 and result.ratio == 0:
        yield f"equal in every element; torch.testing.assert_close would say: {result.assert_close}"
        return
    yield (
        f"max error: abs {error_text(result.max_abs)}, rel {error_text(result.max_rel)}, "
        f"ulp {error_text(result.max_ulp)}; smallest that would pass: "
        f"rtol {error_text(result.max_rel)} alone, atol {error_text(result.max_abs)} alone"
    )
    yield f"torch.testing.assert_close would say: {result.assert_close}"
    if result.worst is not None:
        bound = result.worst.bound
        yield (
            f"worst at {place_text(result.worst)}: actual {as_float(result.worst.actual)!r}, "
            f"expected {as_float(result.worst.expected)!r}, bound "
            + (error_text(bound) if bound is not None else "none, equality is asked for")
        )
    if result.first is not None:
        yield (
            f"first at {place_text(result.first)}: actual {as_float(result.first.actual)!r}, "
            f"expected {as_float(result.first.expected)!r}; {result.failing} fail, "
            f"{result.conditional} of them after an earlier one of their row"
        )


def print_update(console: Console, update: Update, path: object) -> None:
    """What was changed in a baseline, and what a person has to do."""
    for line in update.changes:
        console.print(f"[yellow]changed[/] {escape(line)}", highlight=False, soft_wrap=True)
    for line in update.open:
        console.print(f"[bold red]for you[/] {escape(line)}", highlight=False, soft_wrap=True)
    name = escape(str(path))
    if update.changes:
        advice = f"Review {name} (git diff), and commit it with your reasons."
    else:
        advice = f"{name} agrees with the run; nothing was changed."
    console.print(f"[bold]{advice}[/]", highlight=False, soft_wrap=True)
