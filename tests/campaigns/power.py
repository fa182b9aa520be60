"""What the pinned corpus could have seen: `make power`, or `python -m tests.campaigns.power`.

Of the last run of the corpus it shows for every check and probe how many comparisons have power,
and how much. Exit 1 if fewer than 99% of the comparisons of values, where all numbers are finite,
would have shown a dropped bias, a wrong previous state or a swapped row.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from harness.checks import every_check
from harness.config import Config
from harness.journal import read_run
from harness.power import GOAL, HEADLINE, Distribution, Headline, distributions, headlines
from harness.results import Result


@click.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=Path("reports/latest/results.jsonl"),
    help="Of the run that is shown.",
)
def main(results: Path) -> None:
    """Show the distribution of power over the pinned corpus."""
    judged = [r for r in read_run(results).results if r.origin == "corpus"]
    console = Console(width=None if sys.stdout.isatty() else 120)
    low = False
    for backend in dict.fromkeys(result.backend for result in judged):
        low |= _show(console, backend, [r for r in judged if r.backend == backend])
    sys.exit(1 if low else 0)


def _show(console: Console, backend: str, results: Sequence[Result]) -> bool:
    """Print what one backend's results say; whether a headline figure is too low."""
    console.print(f"\n[bold]{backend}[/]: what its comparisons could have seen")
    console.print(_table(distributions(results)))
    silent = sorted({c.name for c in every_check() if not c.probes} & {r.check for r in results})
    console.print(f"See any difference, and state no share: {', '.join(silent)}.")
    unseen = sum(r.verdict == "inconclusive" for r in results)
    console.print(f"Inconclusive: {unseen:,} of {len(results):,} comparisons.")
    console.print("\nComparisons of finite values with power against")
    overall = headlines(results)
    groups = {
        "all": overall.get("", ()),
        **headlines(results, lambda config: config.dtype),
        **headlines(results, _scale),
    }
    console.print(_headlines(groups))
    low = [headline for headline in overall.get("", ()) if headline.share < GOAL]
    for one in low:
        console.print(f"[red]Below {GOAL:.0%}[/]: {HEADLINE[one.fault]}, {one.share:.2%}")
    return bool(low)


def _scale(config: Config) -> str:
    return f"mixed, scale {config.scale:2}" if config.data == "mixed" else config.data


def _table(rows: Sequence[Distribution]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left")
    for title in ("check", "probe", "comparisons", "with power", "least", "1%", "10%", "median"):
        table.add_column(title, justify="left" if title in ("check", "probe") else "right")
    for row in rows:
        numbers = (f"{v:.3g}" for v in (row.least, row.percent, row.tenth, row.median))
        powered = f"{row.powered / row.comparisons:.1%}"
        table.add_row(row.check, row.probe, f"{row.comparisons:,}", powered, *numbers)
    meanings = {row.probe: row.meaning for row in rows}
    table.caption = "Shares of elements; sizes where a name begins with smallest_.\n" + "\n".join(
        f"{probe}: {meaning}" for probe, meaning in meanings.items()
    )
    return table


def _headlines(groups: dict[str, Sequence[Headline]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("configs")
    for words in HEADLINE.values():
        table.add_column(words, justify="right")
    for name, row in groups.items():
        cells = (
            f"{h.share:.1%} ({h.powered:,} of {h.possible:,})" if h.possible else "–" for h in row
        )
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main()
