"""Differences and their findings as the page has them: dependence, links, pictures, scripts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.dependence import OptionShare, dependence
from harness.expectations import Judged
from harness.figures import ErrorMap
from harness.findings import Finding, judged_as, key_of, members
from harness.groups import Group
from harness.outcome import Outcome
from harness.report.attempts import Picture, attempted, no_picture
from harness.reproducers import Reproducer
from harness.results import Number
from harness.verdicts import JUDGED

__all__ = ["DifferenceView", "FindingView", "difference_views", "initially_open"]

FEW = 6
"""Configs of a finding that are linked one by one; all of them are one click away."""


@dataclass(frozen=True)
class FindingView:
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
    def indifferent(self) -> list[str]:
        return [share.option for share in self.shares if share.indifferent]

    @property
    def anchor(self) -> str:
        return f"finding-{self.finding.slug}"


@dataclass(frozen=True)
class DifferenceView:
    """A group of findings, numbered as in the console."""

    number: int
    group: Group
    findings: Sequence[FindingView]

    @property
    def anchor(self) -> str:
        return f"difference-{self.number}"


def difference_views(outcome: Outcome, groups: Sequence[Group]) -> list[DifferenceView]:
    """The groups of a run, in their order, with everything on the page about them."""
    ordered = [finding for one in groups for finding in one.findings]
    numbers = {id(finding): number for number, finding in enumerate(ordered, start=1)}
    failing, judged = members(outcome.results), defaultdict(set)
    ratios: dict[tuple[str, str], list[Number]] = defaultdict(list)
    for line in outcome.results:
        if line.verdict in JUDGED:
            judged[judged_as(key_of(line))].add(line.config_id)
        if line.ratio is not None:
            ratios[line.backend, line.check].append(line.ratio)

    def view(finding: Finding) -> FindingView:
        lines = failing[finding.identity]
        ids = dict.fromkeys(line.config_id for line in lines)
        error_map = outcome.figures.map_of(finding.slug)
        every = ratios[finding.backend, finding.check]
        return FindingView(
            finding,
            numbers[id(finding)],
            attempted("", lambda: dependence(ids, judged[judged_as(finding.key)]), lambda _: []),
            list(dict.fromkeys((finding.smallest.config_id, finding.worst.config_id, *ids)))[:FEW],
            attempted(
                "The pictures",
                lambda: _pictures(finding, error_map, every, lines),
                lambda why: [no_picture(why)],
            ),
            finding.numeric and error_map is None,
            outcome.reproducers.get(finding.slug),
        )

    return [
        DifferenceView(number, one, [view(finding) for finding in one.findings])
        for number, one in enumerate(groups, start=1)
    ]


def initially_open(differences: Sequence[DifferenceView]) -> list[str]:
    """The findings to begin with: all unexpected ones, or else the first with a picture."""
    every = [view for one in differences for view in one.findings]
    unexpected = [view.anchor for view in every if view.finding.unexpected]
    return unexpected or [view.anchor for view in every if view.pictures][:1]


def _pictures(
    finding: Finding, error_map: ErrorMap | None, ratios: Sequence[Number], lines: Sequence[Judged]
) -> list[Picture]:
    """Of ratios none where all or nothing is asked: there is no scale then."""
    if error_map is None and not finding.numeric:
        return []
    # matplotlib takes half a second to import, and only a report draws.
    from harness.report.pictures import map_picture, ratio_picture

    pictures = [map_picture(error_map)] if error_map else []
    if any(ratio not in (0, "inf") for ratio in ratios):
        own = [line.ratio for line in lines if line.ratio is not None]
        pictures.append(ratio_picture(ratios, own))
    return pictures
