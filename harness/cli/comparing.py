"""What `rnn-parity diff` does with two results files."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from harness.baseline import read_baseline
from harness.cli.options import console_for, two_names
from harness.cli.recorded import whole_run
from harness.comparing import Difference, compare_runs
from harness.config import ConfigError
from harness.expectations import expectations_of
from harness.findings import Key, key_of
from harness.journal import Recorded
from harness.report.difference import print_difference, write_difference
from harness.report.wording import plural
from harness.results import Result, ResultsError
from harness.text import did_you_mean
from harness.verdicts import FAILED

__all__ = ["compare_and_report"]


def compare_and_report(
    old: Path, new: Path, html: Path | None, names: Sequence[str], baseline: Path
) -> NoReturn:
    """Print what changed, write it as a page if one is asked for, and end as it says.

    `baseline` has names for what changed, and no say in it.
    """
    pairs = [two_names("--as", text) for text in names]
    read_baseline(baseline)
    before, after = (whole_run(path) for path in (old, new))
    headers = (before.header, after.header)
    versions = [header["versions"] for header in headers]
    called = _called(pairs, (old, _backends(before)), (new, _backends(after)))
    results = [_renamed(result, called) for result in after.results]
    difference = compare_runs(before.results, results, versions)
    if not difference.common:
        raise ResultsError(_nothing_common(difference, (old, before), (new, after)))
    named = [*_named(before, {}, baseline), *_named(after, called, baseline)]
    changes = [
        dataclasses.replace(one, entries=tuple(sorted({x for key, x in named if key == one.key})))
        for one in difference.changes
    ]
    difference = dataclasses.replace(difference, changes=tuple(changes))
    print_difference(console_for(), difference)
    if html is not None:
        write_difference(html, difference, headers)
    sys.exit(difference.exit_code)


def _renamed(result: Result, called: Mapping[str, str]) -> Result:
    return msgspec.structs.replace(result, backend=called.get(result.backend, result.backend))


def _named(run: Recorded, called: Mapping[str, str], baseline: Path) -> Iterator[tuple[Key, str]]:
    """Findings of a run and the known differences that they are."""
    failed = [result for result in run.results if result.verdict in FAILED]
    for result in expectations_of(run.header, baseline).join(failed):
        if result.known is not None:
            yield key_of(_renamed(result, called)), result.known


def _backends(run: Recorded) -> set[str]:
    return {result.backend for result in run.results}


def _called(
    pairs: Sequence[tuple[str, str]], old: tuple[Path, set[str]], new: tuple[Path, set[str]]
) -> dict[str, str]:
    """What backends of the newer run are called in the older one.

    Raises:
        ConfigError: a run has no such backend, or two of the newer run would have one name.
    """
    called: dict[str, str] = {}
    for name, other in pairs:
        for one, (path, there) in ((name, new), (other, old)):
            if one not in there:
                raise ConfigError(
                    f"--as {one!r}: {path} has {', '.join(sorted(there))} only"
                    f"{did_you_mean(one, there)}"
                )
        called[name] = other
    kept = [called.get(name, name) for name in sorted(new[1])]
    for name, other in called.items():
        if kept.count(other) > 1:
            raise ConfigError(
                f"--as '{name}={other}': {new[0]} has {other!r} too, and the two would be one; "
                f"compare {name!r} with a run that has not, or leave --as away"
            )
    return called


def _nothing_common(difference: Difference, *runs: tuple[Path, Recorded]) -> str:
    (old, _), (new, _) = runs
    backends = sorted({*difference.only_old} & {*difference.only_new})
    if backends:
        counts = [
            f"{plural(len({r.config_id for r in run.results}), 'config')} of {path}"
            for path, run in runs
        ]
        return (
            f"no config was judged in both runs: none of {counts[0]} is among {counts[1]} "
            f"({', '.join(backends)}); compare runs of the same corpus"
        )
    return (
        f"no backend is in both runs: {old} has {', '.join(sorted(difference.only_old))}, {new} "
        f"has {', '.join(sorted(difference.only_new))}; name those to compare, such as --as "
        "mine=torch"
    )
