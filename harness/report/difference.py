"""What `rnn-parity diff` prints, and the same as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
from rich.console import Console
from rich.markup import escape

from harness.comparing import KINDS, Change, Difference
from harness.findings import Finding
from harness.report.wording import plural, ratio_text

__all__ = ["print_difference", "write_difference"]

STYLES = {"appeared": "bold red", "grew": "bold red", "shrank": "yellow", "disappeared": "green"}
TEMPLATES = Path(__file__).with_name("templates")


def print_difference(console: Console, difference: Difference) -> None:
    """The changes, the most alarming first; what was compared; the verdict last."""
    for name, (old, new) in difference.versions.items():
        console.print(f"[dim]{escape(version_change(name, old, new))}[/]", highlight=False)
    console.print(f"[dim]{escape(covered(difference))}[/]", highlight=False)
    for change in difference.changes:
        console.print(
            f"\n[{STYLES[change.kind]}]{change.kind}[/] [bold]{escape(change.title)}[/]",
            highlight=False,
            soft_wrap=True,
        )
        for line in detail(change):
            console.print(f"   {escape(line)}", highlight=False, soft_wrap=True)
    for line, command in weaker(difference):
        console.print(f"\n[bold red]weaker[/] {escape(line)}", highlight=False, soft_wrap=True)
        console.print(f"   {escape(command)}", highlight=False, soft_wrap=True)
    style, word = ("bold red", "CHANGED") if difference.exit_code else ("bold green", "UNCHANGED")
    console.print(f"\n[{style}]{word}[/] {counted(difference)}.", highlight=False)


def counted(difference: Difference) -> str:
    """Everything that makes it red: '1 finding appeared, 0 grew, ...; 3 comparisons say less'."""
    counts = [sum(change.kind == kind for change in difference.changes) for kind in KINDS]
    first, *others = (f"{count} {kind}" for count, kind in zip(counts, KINDS, strict=True))
    text = ", ".join((first.replace(" ", f" finding{'s' * (counts[0] != 1)} ", 1), *others))
    less = sum(difference.weaker.values())
    if not less:
        return text
    return f"{text}; {plural(less, 'comparison')} concluded before and not any more"


def version_change(name: str, old: str | None, new: str | None) -> str:
    """'torch 2.9.1 -> 2.13.0', or that one of the runs did not have it."""
    if old is None or new is None:
        return f"{name} {new or old}, in the {'newer' if old is None else 'older'} run only"
    return f"{name} {old} -> {new}"


def covered(difference: Difference) -> str:
    """What could be compared: '120 configs of torch (3 more in the older run only), ...'."""
    parts = []
    backends = {**difference.common, **difference.only_old, **difference.only_new}
    for backend in sorted(backends):
        one = f"{plural(difference.common.get(backend, 0), 'config')} of {backend} in both runs"
        alone = [
            f"{counts[backend]:,} in the {which} only"
            for which, counts in (("older", difference.only_old), ("newer", difference.only_new))
            if counts.get(backend)
        ]
        parts.append(one + (f" ({', '.join(alone)}: not compared)" if alone else ""))
    return "; ".join(parts) or "nothing to compare"


def detail(change: Change) -> list[str]:
    """Sizes before and after, and where to look."""
    before, after = _size(change.old), _size(change.new)
    if change.old and change.new:
        lines = [f"was {before}, is {after}"]
    else:
        lines = [after if change.new else before]
    if change.entries:
        names = ", ".join(change.entries)
        lines.append(f"known difference{'s' * (len(change.entries) > 1)} {names}")
    if change.finding.worst.message and change.kind in ("appeared", "grew"):
        lines.append(change.finding.worst.message)
    return [*lines, change.finding.smallest.replay]


def _size(finding: Finding | None) -> str:
    if finding is None:
        return ""
    ratio = finding.worst.ratio
    size = "" if ratio is None else f"{ratio_text(ratio)} times the bound, "
    return f"{size}in {finding.configs} of {plural(finding.judged, 'config')}"


def weaker(difference: Difference) -> list[tuple[str, str]]:
    """What says less, and the command that shows one."""
    return [
        (
            f"{turn[0]}, {turn[1]}: {plural(count, 'comparison')} {_past(turn[2])} and "
            f"{'is' if count == 1 else 'are'} {_NOW.get(turn[3], str(turn[3]))} now",
            difference.shown[turn].replay,
        )
        for turn, count in difference.weaker.items()
    ]


_NOW = {"error": "in error"}


def _past(verdict: str) -> str:
    return {"pass": "passed", "fail": "failed"}[verdict]


def write_difference(
    path: Path, difference: Difference, headers: tuple[Mapping[str, object], ...]
) -> None:
    """The same as a page of its own."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("difference.html.j2").render(
        difference=difference,
        kinds=KINDS,
        covered=covered(difference),
        weaker=weaker(difference),
        counted=counted(difference),
        detail=detail,
        headers=headers,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, "utf-8")
