"""The answer of a run: in how many ways the implementations differ, the most harmful first.

A way is a difference under one name, that of its entry in the baseline, or of its finding where
no baseline knows it. Ways come in three groups, by what they do to who ports a model, and within
each by harm times reach: how grave the cause is, times how many configs show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.backends.reference import variant_in
from harness.baseline import KnownDifference
from harness.causes import Cause, Harm
from harness.config import Config
from harness.expectations import Judged
from harness.findings import Finding, Key, members
from harness.groups import Group, group, is_invalid
from harness.outcome import Outcome
from harness.results import as_float
from reference import FORMATS

__all__ = ["Answer", "Section", "Way", "answer_of"]

WORST = 3
"""Ways of a section that stand in its sentence."""


@dataclass(frozen=True)
class Way:
    """One difference.

    `name` is stable: the id of the known difference, or that of the finding of a new one. `layers`
    are names of those whose configs show it, `judged` counts configs that could have. `off_by` is
    the largest finite error of all results that show it: absolute, and in ulp where they are
    known at the same element, else NaN; None if no numbers differ.
    """

    name: str
    statement: str
    remedy: str
    harm: Harm
    layers: tuple[str, ...]
    judged: int
    group: Group
    off_by: tuple[float, float] | None

    @property
    def new(self) -> bool:
        return self.group.unexpected

    @property
    def backends(self) -> tuple[str, ...]:
        return self.group.backends

    @property
    def configs(self) -> int:
        return self.group.configs

    @property
    def weight(self) -> float:
        """Harm times reach."""
        return max(_weight(finding) * finding.configs for finding in self.group.findings)


@dataclass(frozen=True)
class Section:
    """The ways of one harm; `configs` counts those that show any of them, of all `judged`."""

    harm: Harm
    ways: tuple[Way, ...]
    configs: int
    judged: int

    @property
    def worst(self) -> tuple[Way, ...]:
        return self.ways[:WORST]


@dataclass(frozen=True)
class Answer:
    """What a run says of its implementations.

    `frameworks` are the backends without their variants, the one first that the others are held
    against; `layers` stand as they were judged; `configs` counts all that were.
    """

    frameworks: tuple[str, ...]
    layers: tuple[str, ...]
    sections: tuple[Section, ...]
    configs: int

    @property
    def ways(self) -> tuple[Way, ...]:
        """All of them, in the order of the sections."""
        return tuple(way for section in self.sections for way in section.ways)

    @property
    def new(self) -> tuple[Way, ...]:
        return tuple(way for way in self.ways if way.new)

    def of_layer(self, layer: str) -> Mapping[Harm, tuple[Way, ...]]:
        """The ways that a layer shows, by their harm."""
        return {
            section.harm: tuple(way for way in section.ways if layer in way.layers)
            for section in self.sections
        }


def answer_of(outcome: Outcome, groups: Sequence[Group] | None = None) -> Answer:
    """The answer of an outcome; `groups` are those of its findings, if they are there already."""
    found = group(outcome.findings) if groups is None else groups
    configs = {result.config_id: None for result in outcome.results}
    layers = tuple(dict.fromkeys(Config.parse(config_id).layer for config_id in configs))
    lines = members(outcome.results)
    ways = [_way(one, lines, outcome.known, layers) for one in found]
    backends = dict.fromkeys(result.backend for result in outcome.results)
    return Answer(
        tuple(dict.fromkeys(map(_without_variant, backends))),
        layers,
        tuple(_section(harm, ways, len(configs)) for harm in Harm),
        len(configs),
    )


def _without_variant(backend: str) -> str:
    variant = variant_in(backend)
    return backend.removesuffix(f":{variant}") if variant else backend


def _section(harm: Harm, ways: Sequence[Way], judged: int) -> Section:
    own = sorted((way for way in ways if way.harm is harm), key=lambda w: (not w.new, -w.weight))
    showing = {
        config for way in own for finding in way.group.findings for config in finding.showing
    }
    return Section(harm, tuple(own), len(showing), judged)


def _way(
    own: Group,
    lines: Mapping[tuple[Key, str | None], Sequence[Judged]],
    known: Mapping[str, KnownDifference],
    layers: Sequence[str],
) -> Way:
    entry = known.get(own.topic)
    showing = {Config.parse(one).layer for finding in own.findings for one in finding.showing}
    errors = (_error(one) for finding in own.findings for one in lines.get(finding.identity, ()))
    return Way(
        own.topic or own.head.slug,
        own.title if entry is None else entry.statement,
        "" if entry is None else entry.remedy,
        _harm(own, entry),
        tuple(name for name in layers if name in showing),
        own.judged,
        own,
        max((one for one in errors if one and math.isfinite(one[0])), default=None),
    )


def _error(line: Judged) -> tuple[float, float] | None:
    """The largest of a result. Of what is flushed, where it is worst: others are of rounding."""
    place = line.worst
    if place is None or place.actual is None or place.expected is None:
        return None
    expected = as_float(place.expected)
    error = abs(as_float(place.actual) - expected)
    largest = as_float(line.max_abs)
    if line.cause is not Cause.FLUSH and 1.001 * error < largest < math.inf:
        return largest, math.nan
    return error, error / float(FORMATS[Config.parse(line.config_id).dtype].ulp(expected))


def _harm(own: Group, entry: KnownDifference | None) -> Harm:
    """The gravest of its findings', unless the baseline says otherwise."""
    if entry is not None and entry.harm is not None:
        return entry.harm
    return min((_harm_of(one) for one in own.findings), key=list(Harm).index)


def _harm_of(finding: Finding) -> Harm:
    """That of the cause; but a call that should be refused does nothing worse than be accepted."""
    if finding.cause is Cause.WRONG and is_invalid(finding):
        return Harm.SILENT
    return Harm.NUMBERS if _breaks(finding) else finding.cause.about.harm


def _weight(finding: Finding) -> float:
    return (Cause.CRASHED if _breaks(finding) else finding.cause).about.weight


def _breaks(finding: Finding) -> bool:
    """Whether right calls are refused after others: a layer that works no more."""
    return finding.cause is Cause.REFUSED and bool(Config.parse(finding.smallest.config_id).life)
