"""What a replay prints: how far off each output is, and what that means; details if asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Judged
from harness.report.wording import place_text, plural, power_text, ratio_text
from harness.results import Number, as_float
from harness.verdicts import FAILED, State, Verdict

__all__ = ["ReplayPrinter", "scientific"]


class ReplayPrinter:
    """Prints the id before anything is loaded, then each backend once it is judged."""

    def __init__(self, console: Console, config: Config, *, verbose: bool) -> None:
        self.console, self.config, self.verbose = console, config, verbose

    def begin(self, backends: Sequence[str]) -> None:
        """What is judged, and by whom."""
        self._line(f"[bold]{self.config.id}[/bold]")
        self._line(f"[dim]{escape(self.config.description)}[/dim]")
        self._line(f"[dim]loading {escape(', '.join(backends))} ...[/dim]")

    def print(self, results: Sequence[Judged], known: Mapping[str, KnownDifference]) -> None:
        """All that one backend shows: its table first."""
        if not results:
            return
        self._line(f"\n[bold underline]{escape(results[0].backend)}[/]")
        measured = [one for one in results if _measured(one)]
        if measured:
            self.console.print(_table(measured))
        passed = [one for one in results if one not in measured and one.verdict is Verdict.PASS]
        if passed:
            names = ", ".join(dict.fromkeys(one.check for one in passed))
            self._line(f"[green]✓ pass[/] too: {names}")
        self._explain([one for one in results if one.verdict is not Verdict.PASS], known)
        if not any(one.verdict in FAILED for one in results):
            self._amplified(measured)
        if self.verbose:
            for one in results:
                self._details(one)

    def end(self, results: Sequence[Judged], training: Sequence[str] | None = None) -> None:
        """The answer in a line; and which known differences concern training, if it drops and was
        not asked.
        """
        unexpected = sum(one.unexpected for one in results)
        known = sorted({one.known for one in results if one.known and one.verdict in FAILED})
        if unexpected:
            self._line(f"\n[bold red]UNEXPECTED[/] {plural(unexpected, 'comparison')}.")
        else:
            found = f"; known: {', '.join(known)}" if known else ""
            self._line(f"\n[bold green]AS EXPECTED[/]{found}")
        if training is not None:
            ids = escape(", ".join(training)) or "nothing"
            where = "where dropout drops (--aspect training)"
            self._line(f"not asked: training, {where}; known of it: {ids}")
        if not self.verbose:
            self._line("[dim]every comparison in full: --verbose[/dim]")

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _explain(self, results: Sequence[Judged], known: Mapping[str, KnownDifference]) -> None:
        """What is not a pass: known differences once each, then the rest, one by one."""
        found: dict[tuple[State, str], list[str]] = {}
        remedies: dict[str, str] = {}
        for one in results:
            what = f"{known[one.known].statement} ({one.known})" if one.known else one.message
            if one.cause is not None and one.unexpected:
                what += f" (cause: {one.cause})"
            if one.known:
                remedies[what] = known[one.known].remedy
            found.setdefault((one.state, what), []).append(_named(one))
        for (state, what), places in sorted(found.items(), key=lambda one: one[0][0].severity):
            where = "; ".join(places)
            self._line(f"[{state.colour.style}]{state.mark}[/] [bold]{escape(where)}[/]")
            if what:
                self._line(f"    {escape(what)}")
            if remedies.get(what):
                self._line(f"    → {escape(remedies[what])}")

    def _amplified(self, measured: Sequence[Judged]) -> None:
        """What large numbers beside a pass mean: `allclose` would call this a failure."""
        large = [one for one in measured if _amplifies(one)]
        if not large:
            return
        one = max(large, key=lambda one: _bound(one) or 0.0)
        self._line(
            f"[cyan]note[/] {escape(_named(one))} is within its bound, although "
            f"torch.testing.assert_close would call it unequal ({one.assert_close}): this config "
            f"amplifies rounding up to {scientific(_bound(one))}, so that two correct "
            f"implementations may differ by that. {self._advice(one)}"
        )

    def _advice(self, one: Judged) -> str:
        """How to compare; no tolerance that is as large as the output itself."""
        if self.config.data == "mixed":
            return "Some of its rows are extreme; --data plain has such as a new layer meets."
        if one.worst is None or (_bound(one) or 0.0) >= abs(as_float(one.worst.expected)):
            return "That is as large as the output there: compare your own results in float64."
        return (
            "Compare your own results with an atol of that size, or in float64; what hangs on "
            "smaller differences cannot be relied on."
        )

    def _details(self, one: Judged) -> None:
        state = one.state
        self._line(f"\n[{state.colour.style}]{state.mark:15}[/] [bold]{escape(_named(one))}[/]")
        for line in _detail(one):
            self._line(f"    {escape(line)}")


def _named(one: Judged) -> str:
    """'step_residual, layer 1 forward'; of a cell, which has one layer, without it."""
    part = one.part
    if Config.parse(one.config_id).record.single_step:
        part = part.removeprefix("layer 0 forward").removeprefix(", ")
    return ", ".join(filter(None, (one.check, part)))


def scientific(value: Number | None) -> str:
    """An error or a bound: three digits, always written the same way."""
    if value is None:
        return "–"
    number = as_float(value)
    return "0" if number == 0 else f"{number:.2e}"


def _value(value: Number | None) -> str:
    """As many digits as tell two float32 apart."""
    return f"{as_float(value):.9g}"


def _measured(one: Judged) -> bool:
    """Whether it is about the size of an error."""
    return one.worst is not None and one.worst.bound is not None


def _error(one: Judged) -> float | None:
    if one.worst is None:
        return None
    return abs(as_float(one.worst.actual) - as_float(one.worst.expected))


def _bound(one: Judged) -> float | None:
    return None if one.worst is None or one.worst.bound is None else as_float(one.worst.bound)


def _amplifies(one: Judged) -> bool:
    return (
        one.verdict is Verdict.PASS
        and one.assert_close not in (None, "pass")
        and math.isfinite(_bound(one) or math.nan)
        and bool(_error(one))
    )


def _table(results: Iterable[Judged]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output")
    for name in ("worst error", "its bound", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("verdict", no_wrap=True)
    for one in results:
        state = one.state
        table.add_row(
            escape(_named(one)),
            scientific(_error(one)),
            scientific(_bound(one)),
            ratio_text(one.ratio),
            f"[{state.colour.style}]{state.mark}[/]",
        )
    return table


def _detail(result: Judged) -> Iterable[str]:
    if result.message:
        yield result.message
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
    yield f"largest error: {scientific(result.max_abs)}"
    yield f"torch.testing.assert_close would say: {result.assert_close}"
    if result.worst is not None:
        bound = result.worst.bound
        yield (
            f"worst at {place_text(result.worst, result.config_id)}: "
            f"actual {_value(result.worst.actual)}, expected {_value(result.worst.expected)}, "
            "bound " + (scientific(bound) if bound is not None else "none, equality is asked for")
        )
    if result.first is not None:
        yield (
            f"first at {place_text(result.first, result.config_id)}: "
            f"actual {_value(result.first.actual)}, expected {_value(result.first.expected)}; "
            f"{result.failing} fail, {result.conditional} of them after an earlier one of their row"
        )
