"""The data of the pages, apart from how they are rendered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.expectations import Judged
from harness.findings import group
from harness.outcome import Outcome
from harness.power import HEADLINE, distributions, headlines
from harness.report.shown import differences_of, opened
from harness.report.table import columns, packed
from harness.requirements import GROUPS, REQUIREMENTS

if TYPE_CHECKING:
    from harness.report.pictures import Picture

__all__ = ["html_page", "page"]


def page(outcome: Outcome) -> dict[str, Any]:
    """What both pages show."""
    verdicts = outcome.matrix
    return {
        "header": outcome.header,
        "requirements": REQUIREMENTS,
        "requirement_groups": GROUPS,
        "matrix": verdicts,
        "backends": list(next(iter(verdicts.values()))),
        "groups": group(outcome.findings),
        "known": outcome.known,
        "vanished": outcome.vanished,
        "idle": outcome.idle,
        "headline": outcome.headline,
        "unfinished": outcome.unfinished,
        "pinned": outcome.pinned,
        "reproducers": outcome.reproducers,
        "results": outcome.results,
    }


def html_page(outcome: Outcome, both: Mapping[str, Any]) -> dict[str, Any]:
    """What report.html shows beside it."""
    by_config: dict[str, list[Judged]] = defaultdict(list)
    for result in outcome.results:
        by_config[result.config_id].append(result)
    ordered = [finding for members in both["groups"] for finding in members.findings]
    differences = differences_of(outcome, both["groups"])
    return {
        **both,
        "differences": differences,
        "opened": opened(differences),
        "activations": _activations(outcome),
        "faults": HEADLINE,
        "power": _power(outcome.results),
        "configs": len(by_config),
        "table": packed(columns(by_config, ordered)),
    }


def _activations(outcome: Outcome) -> list[tuple[str, Picture]]:
    from harness.report.pictures import activation_picture  # half a second, see shown

    by_name = defaultdict(list)
    for one in outcome.exhibits.activations:
        by_name[one.nonlinearity].append(one)
    return [(name, activation_picture(name, measured)) for name, measured in by_name.items()]


def _power(results: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """For each backend what its comparisons could have seen: over the corpus, if it was run."""
    pinned = [r for r in results if r.origin == "corpus"] or results
    power = {}
    for backend in dict.fromkeys(r.backend for r in results):
        own = [r for r in pinned if r.backend == backend]
        power[backend] = {
            "headlines": headlines(own).get("", ()),
            "distributions": distributions(own),
        }
    return power
