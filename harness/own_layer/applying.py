"""Which known differences concern a layer with these options, and which do not.

An entry of the baseline concerns it if some question about this very layer, with these options,
would be judged by one of the entry's checks: with other inputs, lengths or calls than the user's.
Options that were assumed may be others, and variants (graph mode) that were not judged may be used:
what would then concern the layer may concern it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.aspects import ASPECTS, CALL, LIFE, VALUES
from harness.backends.reference import unversioned, variant_in
from harness.baseline import KnownDifference
from harness.causes import Cause, Harm
from harness.checks import checks_for
from harness.config import Config, ConfigError
from harness.expectations import Expectations

__all__ = ["Applying", "applying", "is_of_training"]


@dataclass(frozen=True)
class Applying:
    """Known differences: those that this run `showed`, that `may` show otherwise, and `others`; the
    most harmful first. `unjudged` are variants that some of them are about and nobody judged.
    """

    showed: tuple[KnownDifference, ...]
    may: tuple[KnownDifference, ...]
    others: tuple[KnownDifference, ...]
    unjudged: tuple[str, ...] = ()


def applying(
    known: Expectations,
    called: Config,
    backends: Sequence[str],
    showed: Iterable[str],
    assumed: Collection[str] = (),
) -> Applying:
    """All entries about the backends of a run and their variants; `assumed` are options that the
    user did not name.
    """
    seen = set(showed)
    entries = [
        entry
        for entry in sorted(known.entries, key=_harm)
        if entry.id in seen or any(_is_about(entry, b) and known.covers(entry, b) for b in backends)
    ]
    layers = list(_layers(called, assumed))
    possible = [one for one in entries if one.id not in seen and _concerns(one, layers)]
    judged = {unversioned(backend) for backend in backends}
    variants = {b for one in possible for b in one.backends if variant_in(b)} - judged
    return Applying(
        tuple(one for one in entries if one.id in seen),
        tuple(possible),
        tuple(one for one in entries if one.id not in seen and one not in possible),
        tuple(sorted(b for b in variants if b.partition(":")[0] in judged)),
    )


def is_of_training(entry: KnownDifference) -> bool:
    """Whether it is about dropout that drops."""
    return entry.when.get("aspect") == "training"


def _is_about(entry: KnownDifference, backend: str) -> bool:
    """Whether it is about a backend, or about a variant of one that has none."""
    name = unversioned(backend)
    return name in entry.backends or any(
        one.startswith(f"{name}:") for one in entry.backends if not variant_in(name)
    )


def _harm(entry: KnownDifference) -> tuple[int, float]:
    """The most harmful first, the heaviest first among those of one harm."""
    harms = [entry.harm] if entry.harm else [_harm_of(entry, cause) for cause in entry.causes]
    return min(map(list(Harm).index, harms)), -max(cause.about.weight for cause in entry.causes)


def _harm_of(entry: KnownDifference, cause: Cause) -> Harm:
    """A call that should be refused does nothing worse than be accepted."""
    aspects = entry.when.get("aspect", "")
    of_calls = all(a.startswith(CALL) for a in ([aspects] if isinstance(aspects, str) else aspects))
    return Harm.SILENT if of_calls and cause is Cause.WRONG else cause.about.harm


def _layers(called: Config, assumed: Collection[str]) -> Iterator[Config]:
    """The layer; and what it may be where an option was assumed. Of dropout one value will do."""
    others = {
        option.name: list(option.words)
        for option in called.record.options
        if option.name in assumed
    }
    dropout = [called.dropout, 50] if called.dropout or "dropout" in assumed else [0]
    for values in itertools.product(*others.values()):
        for percent in dropout:
            own = dict(zip(others, values, strict=True))
            yield called.adapted(dropout=percent, **own)


def _concerns(entry: KnownDifference, layers: Iterable[Config]) -> bool:
    return any(
        entry.holds(config) and any(check.name in entry.checks for check in checks_for(config))
        for layer in layers
        for config in _questions(entry, layer)
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
