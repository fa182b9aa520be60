"""What a run says while it works: how far it is, and each difference when it first shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from harness.baseline import KnownDifference
from harness.expectations import Judged
from harness.report.wording import plural
from harness.verdicts import FAILED

__all__ = ["Shown"]

EVERY = 10.0
"""Seconds between two lines, where there is no terminal."""

SETTLED = 0.05
"""The share of a stage after which the time left is said: the slowest configs come first."""


class Shown:
    """A bar on a terminal; elsewhere, as in the log of a CI job, a line every ten seconds.

    Above them each known difference is one line, once, cut off where it is long; each check that
    fails unexpectedly is told in full. The end of the run says which of these belong together.
    """

    def __init__(self, console: Console, check: Callable[[], None]) -> None:
        self.console, self.check = console, check
        self.bar = Bar(
            TextColumn("{task.description:10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[found]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.began: dict[str, tuple[float, int]] = {}
        self.printed = time.monotonic()
        self.new: set[tuple[str, str]] = set()
        self.known: set[str] = set()

    @contextmanager
    def running(self) -> Iterator[Shown]:
        with self.bar:
            yield self

    def progress(self, stage: str, done: int, total: int, _: int) -> None:
        """As `harness.run.Progress`."""
        self.check()
        now = time.monotonic()
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(stage, total=total, found="")
            self.began[stage] = now, done
            if total:
                self._line(stage, done, total, now)
        found = ", ".join(
            f"[{style}]{count} {word}[/]"
            for count, word, style in (
                (len(self.new), "unexpected", "red"),
                (len(self.known), "known", "yellow"),
            )
            if count
        )
        self.bar.update(self.tasks[stage], completed=done, found=found)
        if now - self.printed >= EVERY or done == total:
            self._line(stage, done, total, now)

    def found(self, results: Sequence[Judged], known: Mapping[str, KnownDifference]) -> None:
        """What shows for the first time among these results is printed."""
        for one in results:
            if one.verdict not in FAILED:
                continue
            if one.unexpected and (one.backend, one.check) not in self.new:
                self.new.add((one.backend, one.check))
                self._print(f"UNEXPECTED {one.backend}, {one.check}: {one.message}", "bold red")
                self._print(f"           {one.replay}", "cyan")
            elif one.known is not None and one.known not in self.known:
                self.known.add(one.known)
                line = f"known      {one.known}: {known[one.known].statement}"
                self.console.print(
                    line,
                    style="yellow",
                    markup=False,
                    highlight=False,
                    no_wrap=True,
                    overflow="ellipsis",
                )

    def _print(self, text: str, style: str) -> None:
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def _line(self, stage: str, done: int, total: int, now: float) -> None:
        """Nothing on a terminal, which has the bar."""
        if self.console.is_terminal or not total:
            return
        self.printed = now
        unit = "finding" if "finding" in stage or stage == "reproducing" else "config"
        began, first = self.began[stage]
        parts = [f"{stage}: {done:,} of {plural(total, unit)}"]
        parts += [f"{len(self.new)} unexpected"] * bool(self.new)
        parts += [f"{len(self.known)} known"] * bool(self.known)
        if max(1, SETTLED * (total - first)) <= done - first < total - first:
            parts.append(f"{_duration((now - began) * (total - done) / (done - first))} left")
        self._print(", ".join(parts), "")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
