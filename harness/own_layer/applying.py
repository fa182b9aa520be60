"""Which known differences concern a layer with these options, and which do not.

An entry of the baseline concerns it if some question about this very layer, with these options,
would be judged by one of the entry's checks: with other inputs, lengths or calls than the user's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.aspects import ASPECTS, CALL, LIFE, VALUES
from harness.backends.reference import unversioned
from harness.baseline import KnownDifference
from harness.checks import checks_for
from harness.config import Config, ConfigError
from harness.expectations import Expectations

__all__ = ["Applying", "applying"]


@dataclass(frozen=True)
class Applying:
    """Known differences: those that this run `showed`, that `may` show otherwise, and `others`."""

    showed: tuple[KnownDifference, ...]
    may: tuple[KnownDifference, ...]
    others: tuple[KnownDifference, ...]


def applying(
    known: Expectations, called: Config, backends: Sequence[str], showed: Iterable[str]
) -> Applying:
    """All entries about the backends of a run."""
    seen = set(showed)
    entries = [
        entry
        for entry in known.entries
        if any(unversioned(b) in entry.backends and known.covers(entry, b) for b in backends)
    ]
    possible = [one for one in entries if one.id not in seen and _concerns(one, called)]
    return Applying(
        tuple(one for one in entries if one.id in seen),
        tuple(possible),
        tuple(one for one in entries if one.id not in seen and one not in possible),
    )


def _concerns(entry: KnownDifference, called: Config) -> bool:
    return any(
        entry.holds(config) and any(check.name in entry.checks for check in checks_for(config))
        for config in _questions(entry, called)
    )


FREE = ("aspect", "lengths", "states", "data", "mode", "cotangents", "memory", "layout")
"""Of a config, what is chosen anew with every call; the rest is the layer."""


def _questions(entry: KnownDifference, called: Config) -> Iterator[Config]:
    """The layer asked everything that bears on an entry."""
    wanted = {n: v if isinstance(v, list) else [v] for n, v in entry.when.items()}
    aspects = wanted.get("aspect") or [a for a in (*ASPECTS, *_calls(called)) if a != LIFE]
    lengths = wanted.get("lengths") or [called.lengths, "nolengths", "ragged"]
    kinds = [kind.name for kind in called.record.data if kind.name not in ("sweep", "page")]
    free: dict[str, list[Any]] = {"data": kinds, "aspect": aspects, "lengths": lengths}
    free |= {n: v for n, v in wanted.items() if n in FREE and n not in free}
    free |= {"batch": wanted["batch"]} if "batch" in wanted else {}
    layout = "timefirst" if called.layout == "unbatched" else called.layout
    plain = called.replace(layout=layout)
    for values in itertools.product(*(dict.fromkeys(of) for of in free.values())):
        with_these = dict(zip(free, values, strict=True))
        try:
            yield plain.adapted(**with_these)
        except ConfigError:
            continue
    sweep = called.record.sweep
    if sweep is not None:
        yield from (sweep(one, called.dtype, VALUES) for one in called.cell.activations)
    for config_id in entry.shown_by:
        life = Config.parse(config_id).life
        if life:
            yield plain.replace(aspect=LIFE, life=life, lengths="nolengths")


def _calls(config: Config) -> list[str]:
    return [f"{CALL}{name}" for name in config.record.calls]
