"""Differences and their findings as the page shows them: dependence, links, pictures, scripts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.dependence import OptionShare, dependence
from harness.exhibits import ErrorMap
from harness.expectations import Judged
from harness.findings import Finding, Group, judged_as, key_of, members
from harness.outcome import Outcome
from harness.reproducers import Reproducer
from harness.results import Number

if TYPE_CHECKING:
    from harness.report.pictures import Picture

__all__ = ["Difference", "Shown", "differences_of", "opened"]

FEW = 6
"""Configs of a finding that are linked one by one; all of them are one click away."""


@dataclass(frozen=True)
class Shown:
    """A finding with everything that the page shows of it.

    `number` is its place in the table of configs, which can be filtered by it. `mapped` says
    that one could want an error map of it.
    """

    finding: Finding
    number: int
    shares: Sequence[OptionShare]
    links: Sequence[str]
    pictures: Sequence[Picture]
    mapped: bool
    reproducer: Reproducer | None

    @property
    def needed(self) -> list[str]:
        """'nonlinearity = tanh (in none of 212 with another)'; one config says nothing."""
        return [
            f"{s.option} = {' or '.join(s.needed)} (in none of {s.elsewhere:,} with another)"
            for s in self.shares
            if s.needed and self.finding.configs > 1
        ]

    @property
    def indifferent(self) -> list[str]:
        return [share.option for share in self.shares if share.indifferent]

    @property
    def anchor(self) -> str:
        return f"finding-{self.finding.slug}"


@dataclass(frozen=True)
class Difference:
    """A group of findings, numbered as in the console."""

    number: int
    group: Group
    findings: Sequence[Shown]

    @property
    def anchor(self) -> str:
        return f"difference-{self.number}"


def differences_of(outcome: Outcome, groups: Sequence[Group]) -> list[Difference]:
    """The groups of a run, in their order, with all that is shown of them."""
    ordered = [finding for one in groups for finding in one.findings]
    numbers = {id(finding): number for number, finding in enumerate(ordered, start=1)}
    failing, judged = members(outcome.results), defaultdict(set)
    ratios: dict[tuple[str, str], list[Number]] = defaultdict(list)
    for line in outcome.results:
        if line.verdict in ("pass", "fail", "error"):
            judged[judged_as(key_of(line))].add(line.config_id)
        if line.ratio is not None:
            ratios[line.backend, line.check].append(line.ratio)

    def shown(finding: Finding) -> Shown:
        lines = failing[finding.identity]
        ids = dict.fromkeys(line.config_id for line in lines)
        exhibit = outcome.exhibits.map_of(finding.slug)
        return Shown(
            finding,
            numbers[id(finding)],
            dependence(ids, judged[judged_as(finding.key)]),
            list(dict.fromkeys((finding.smallest.config_id, finding.worst.config_id, *ids)))[:FEW],
            _pictures(finding, exhibit, ratios[finding.backend, finding.check], lines),
            finding.numeric and exhibit is None,
            outcome.reproducers.get(finding.slug),
        )

    return [
        Difference(number, one, [shown(finding) for finding in one.findings])
        for number, one in enumerate(groups, start=1)
    ]


def opened(differences: Sequence[Difference]) -> list[str]:
    """The findings to begin with: all unexpected ones, or else the first with a picture."""
    every = [shown for one in differences for shown in one.findings]
    unexpected = [shown.anchor for shown in every if shown.finding.unexpected]
    return unexpected or [shown.anchor for shown in every if shown.pictures][:1]


def _pictures(
    finding: Finding, exhibit: ErrorMap | None, ratios: Sequence[Number], lines: Sequence[Judged]
) -> list[Picture]:
    """Of ratios none where all or nothing is asked: there is no scale then."""
    if exhibit is None and not finding.numeric:
        return []
    # matplotlib takes half a second to import, and only a report draws.
    from harness.report.pictures import map_picture, ratio_picture

    pictures = [map_picture(exhibit)] if exhibit else []
    if any(ratio not in (0, "inf") for ratio in ratios):
        own = [line.ratio for line in lines if line.ratio is not None]
        pictures.append(ratio_picture(ratios, own))
    return pictures
