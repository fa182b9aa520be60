"""What `rnn-parity selftest` prints, and the same for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.faults import FAULTS, VARIANTS
from harness.report.wording import plural
from harness.selftest import SelfTest, Trial

__all__ = ["print_selftest", "write_selftest"]


def print_selftest(console: Console, result: SelfTest) -> None:
    """Which check caught what, at which config; what each check sees alone; the score last."""
    bases = tuple(dict.fromkeys(trial.base for trial in (*result.faults, *result.variants)))
    if result.faults:
        console.print(_faults(result, bases))
    if result.checks:
        console.print(_alone(result))
    if result.variants:
        console.print(_variants(result, bases))
    for trial in result.missed:
        mistake = escape(FAULTS[trial.name].mistake)
        console.print(f"[bold red]not caught[/] on {trial.base}: {trial.name}. {mistake}")
    for base, names in result.ended:
        console.print(
            f"[bold red]no verdict[/] on {base}: the process ended while it tried "
            f"{', '.join(names)}. To find which: rnn-parity selftest --base {base} --fault NAME",
            soft_wrap=True,
        )
    for check in result.idle:
        console.print(f"[bold red]idle[/] {check}: no fault is seen by it alone")
    for trial in result.accused:
        for check, (config, _) in trial.caught.items():
            console.print(
                f"[bold red]accused[/] on {trial.base}: {trial.name}, by {check} at {config}",
                soft_wrap=True,
            )
    console.print(score(result), style="bold green" if result.passed else "bold red")


def score(result: SelfTest) -> str:
    """The last line."""
    names = {trial.name for trial in result.faults}
    injected = Counter(trial.base for trial in result.faults)
    missed = Counter(trial.base for trial in result.missed)
    caught = [f"{n - missed[base]} of {n} caught on {base}" for base, n in injected.items()]
    parts = [plural(len(names), "fault"), *caught]
    if result.checks:
        working = len(result.checks) - len(result.idle)
        parts.append(f"{working} of {len(result.checks)} checks have one that only they see")
    parts.append(f"{len(result.accused)} of {len(result.variants)} correct implementations accused")
    return ", ".join(parts)


def write_selftest(path: Path, result: SelfTest) -> None:
    """All trials as JSON: `passed`, `faults`, `variants`, `alone`, `missed`, `idle`,
    `ended`, `accused`.
    """
    document = {
        "passed": result.passed,
        "score": score(result),
        "faults": [
            {**_trial(trial), "mistake": FAULTS[trial.name].mistake} for trial in result.faults
        ],
        "variants": [_trial(trial) for trial in result.variants],
        "alone": result.alone(),
        "missed": [[trial.name, trial.base] for trial in result.missed],
        "idle": result.idle,
        "ended": result.ended,
        "accused": [[trial.name, trial.base] for trial in result.accused],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _trial(trial: Trial) -> dict[str, object]:
    caught = {
        check: {"config_id": config, "after": count}
        for check, (config, count) in trial.caught.items()
    }
    return {
        "name": trial.name,
        "base": trial.base,
        "configs": trial.configs,
        "seconds": round(trial.seconds, 2),
        "caught": caught,
    }


def _faults(result: SelfTest, bases: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Injected faults", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for base in bases:
        table.add_column(f"{base}: check, after configs", overflow="fold")
    table.add_column("first config")
    trials = {(trial.name, trial.base): trial for trial in result.faults}
    area = ""
    for name in dict.fromkeys(trial.name for trial in result.faults):
        if FAULTS[name].area != area:
            area = FAULTS[name].area
            table.add_row(f"[bold]{area}[/]")
        here = [trials.get((name, base)) for base in bases]
        firsts = [trial.first for trial in here if trial is not None and trial.first is not None]
        table.add_row(name, *map(_cell, here), _shortened(firsts[0][1]) if firsts else "")
    return table


def _cell(trial: Trial | None) -> str:
    """The first check with its count, and the others that saw it too."""
    if trial is None:
        return "[dim]-[/]"
    if trial.first is None:
        return f"[bold red]not caught in {trial.configs}[/]"
    check, _, count = trial.first
    others = [other for other in trial.caught if other != check]
    return f"{check} {count}" + (f" [dim]{', '.join(others)}[/]" if others else "")


def _shortened(config_id: str) -> str:
    """Enough of an id to know what it is about: aspect and first options, data and seed."""
    tokens = config_id.split("-")
    kept = tokens if len(tokens) < 9 else [*tokens[:4], "…", *tokens[-2:]]
    return "-".join(kept)


def _alone(result: SelfTest) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What only one check sees", title_justify="left")
    table.add_column("check")
    table.add_column("faults that no other check sees (on the oracle)", overflow="fold")
    for check, faults in result.alone().items():
        table.add_row(check, ", ".join(faults) or "[bold red]none[/]")
    return table


def _variants(result: SelfTest, bases: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Correct implementations", title_justify="left")
    table.add_column("implementation")
    for base in bases:
        table.add_column(f"{base}: accused by")
    trials = {(trial.name, trial.base): trial for trial in result.variants}
    for name in dict.fromkeys(trial.name for trial in result.variants):
        cells = []
        for base in bases:
            trial = trials.get((name, base))
            cell = "-" if trial is None else f"none of {trial.configs} configs"
            if trial is not None and trial.caught:
                cell = f"[bold red]{', '.join(trial.caught)}[/]"
            cells.append(cell)
        table.add_row(f"{name}: {escape(VARIANTS[name].mistake)}", *cells)
    return table
