"""Large cases are judged a few rows of the batch at a time: rows are independent of each other.

A backend answers the whole call. What it gave is cut into blocks of rows, each is judged as a case
of its own, and the comparisons are put together again. So memory is bounded by the block.

Gradients of weights are sums over rows, and nobody can take them apart. Those of a large case are
therefore asked for a loss of the first block's rows alone: the call is the whole one, and of the
other rows the gradient is 0.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from harness.axes import take
from harness.case import Case, Part, rows_of
from harness.checks import Check
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.observe import Derivatives, Observation, Outputs, Rerun
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["case_of", "joined", "observation_of"]

Rows = range


def case_of(part: Part) -> Case:
    """The case of these rows alone."""
    config = part.whole.config.replace(batch=len(part.rows))
    return dataclasses.replace(
        part.whole, config=config, inputs=rows_of(part.whole, part.rows), part=part
    )


def observation_of(config: Config, seen: Observation, rows: Rows) -> Observation:
    """What a backend gave for these rows of the config's case."""

    def cut(arrays: Outputs | None) -> Outputs | None:
        return None if arrays is None else _rows_of(config, arrays, rows)

    def every(hidden: Iterable[Outputs]) -> tuple[Outputs, ...]:
        return tuple(_rows_of(config, one, rows) for one in hidden)

    unspoiled = seen.unspoiled
    if unspoiled is not None:
        unspoiled = msgspec.structs.replace(
            unspoiled,
            outputs=_rows_of(config, unspoiled.outputs, rows),
            hidden=every(unspoiled.hidden),
        )
    return msgspec.structs.replace(
        seen,
        outputs=cut(seen.outputs),
        hidden=every(seen.hidden),
        reruns=tuple(_rerun(config, one, rows) for one in seen.reruns),
        unspoiled=unspoiled,
        derivatives=seen.derivatives and _derivatives(config, seen.derivatives, rows),
    )


def _rows_of(config: Config, arrays: Mapping[str, Array], rows: Rows) -> dict[str, Array]:
    return take(config, arrays, {"rows": rows})


def _rerun(config: Config, rerun: Rerun, rows: Rows) -> Rerun:
    return msgspec.structs.replace(
        rerun,
        kept=rerun.kept[list(rows)],
        outputs=_rows_of(config, rerun.outputs, rows),
    )


def _derivatives(config: Config, of: Derivatives, rows: Rows) -> Derivatives:
    parts: dict[str, Any] = {}
    for name in of.__struct_fields__:
        given = getattr(of, name)
        if isinstance(given, Mapping):
            parts[name] = _rows_of(config, given, rows)
        elif isinstance(given, tuple):
            parts[name] = tuple(_rows_of(config, one, rows) for one in given)
    if of.clean is of.found:
        parts["clean"] = parts["found"]
    return msgspec.structs.replace(of, **parts)


_ORDER = (
    Verdict.ERROR,
    Verdict.FAIL,
    Verdict.PASS,
    Verdict.INCONCLUSIVE,
    Verdict.UNSUPPORTED,
)
"""What a verdict of all rows is, of verdicts of some: the first of these that any has."""


def joined(
    parts: Iterable[tuple[Rows, Sequence[tuple[Check, Comparison]]]],
) -> list[tuple[Check, Comparison]]:
    """The comparisons of all blocks, those of the same thing as one.

    Failures of different causes stay apart.
    """
    found: dict[tuple[Any, ...], tuple[Check, list[Comparison]]] = {}
    for rows, comparisons in parts:
        before: Counter[tuple[Any, ...]] = Counter()  # of several of the same name in a block
        for check, one in comparisons:
            name = (check.name, one.part, one.requirement, one.against)
            key = (*name, before[name], one.cause)
            before[name] += 1
            moved = dataclasses.replace(
                one, worst=_moved(one.worst, rows), first=_moved(one.first, rows)
            )
            found.setdefault(key, (check, []))[1].append(moved)
    return [(check, _one(several)) for check, several in found.values()]


def _moved(worst: Worst | None, rows: Rows) -> Worst | None:
    """The place, as the whole batch counts rows."""
    if worst is None or worst.batch is None:
        return worst
    return dataclasses.replace(worst, batch=rows[worst.batch])


def _one(several: Sequence[Comparison]) -> Comparison:
    head = min(several, key=lambda one: (_ORDER.index(one.verdict), -_or(one.ratio, -1.0)))
    compared = sum(one.compared for one in several)

    def most(name: str) -> float | None:
        given = [value for one in several if (value := getattr(one, name)) is not None]
        return float(np.max(given)) if given else None

    return dataclasses.replace(
        head,
        compared=compared,
        max_abs=most("max_abs"),
        max_rel=most("max_rel"),
        max_ulp=most("max_ulp"),
        ratio=most("ratio"),
        failing=sum(one.failing for one in several),
        conditional=sum(one.conditional for one in several),
        undefined=sum(one.undefined for one in several),
        first=next((one.first for one in several if one.first is not None), None),
        power=_power(several),
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None or np.isnan(value) else value


def _power(several: Sequence[Comparison]) -> dict[Any, float]:
    """Shares by how much was compared; of sizes the largest, for all blocks see that much."""
    names = dict.fromkeys(name for one in several for name in one.power)
    found = {}
    for name in names:
        having = [one for one in several if name in one.power]
        if name.is_size:
            found[name] = max(one.power[name] for one in having)
            continue
        total = sum(one.compared for one in having)
        shares = [one.power[name] * one.compared for one in having]
        found[name] = sum(shares) / total if total else 0.0
    return found
