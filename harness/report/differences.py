"""Differences and their findings as the page has them: dependence, links, pictures, scripts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.answer import Way
from harness.dependence import OptionShare, dependence
from harness.expectations import Judged
from harness.figures import ErrorMap
from harness.findings import Finding, judged_as, key_of, members
from harness.outcome import Outcome
from harness.report.attempts import Picture, attempted, no_picture
from harness.reproducers import Reproducer
from harness.results import Number, as_float
from harness.verdicts import JUDGED

__all__ = ["DifferenceView", "FindingView", "difference_views", "initially_open"]

FEW = 6
"""Configs of a finding that are linked one by one; all of them are one click away."""


@dataclass(frozen=True)
class FindingView:
    """A finding with everything that the page shows of it.

    `script` shows it, and may be that of another finding.
    """

    finding: Finding
    shares: Sequence[OptionShare]
    links: Sequence[str]
    pictures: Sequence[Picture]
    script: Reproducer | None

    @property
    def indifferent(self) -> list[str]:
        return [share.option for share in self.shares if share.indifferent]

    @property
    def anchor(self) -> str:
        return f"finding-{self.finding.slug}"


@dataclass(frozen=True)
class DifferenceView:
    """A way in which implementations differ, with its findings."""

    way: Way
    findings: Sequence[FindingView]

    @property
    def slugs(self) -> str:
        """By which the table of configs names what shows it."""
        return " ".join(view.finding.slug for view in self.findings)


def difference_views(outcome: Outcome, ways: Sequence[Way]) -> list[DifferenceView]:
    """The ways of an answer, in their order, with everything on the page about them."""
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
            attempted("", lambda: dependence(ids, judged[judged_as(finding.key)]), lambda _: []),
            list(dict.fromkeys((finding.smallest.config_id, finding.worst.config_id, *ids)))[:FEW],
            attempted(
                "The pictures",
                lambda: _pictures(finding, error_map, every, lines),
                lambda why: [no_picture(why)],
            ),
            outcome.reproducers.get(finding.slug),
        )

    return [DifferenceView(way, [view(one) for one in way.group.findings]) for way in ways]


def initially_open(differences: Sequence[DifferenceView]) -> list[str]:
    """The findings to begin with: all unexpected ones, and no others: the answer stands above."""
    every = [view for one in differences for view in one.findings]
    return [view.anchor for view in every if view.finding.unexpected]


def _pictures(
    finding: Finding, error_map: ErrorMap | None, ratios: Sequence[Number], lines: Sequence[Judged]
) -> list[Picture]:
    """Only what says something: a map with something beyond the bound in it, and ratios where
    there is a scale, not all or nothing.
    """
    if error_map is not None and not error_map.tells:
        error_map = None
    own = [line.ratio for line in lines if line.ratio is not None]
    scaled = any(0 < as_float(ratio) < math.inf for ratio in own)
    if error_map is None and not scaled:
        return []
    # matplotlib takes half a second to import, and only a report draws.
    from harness.report.pictures import map_picture, ratio_picture

    pictures = [map_picture(error_map)] if error_map else []
    if scaled:
        pictures.append(ratio_picture(ratios, own))
    return pictures
