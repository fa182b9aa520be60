"""The data of the pages, apart from how they are rendered."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.answer import answer_of
from harness.config import Config
from harness.expectations import Judged
from harness.figures import ActivationError
from harness.groups import group
from harness.layers import LAYERS
from harness.outcome import Outcome
from harness.power import HEADLINE, distributions, headlines
from harness.report.answering import answer_sentence
from harness.report.attempts import Picture, attempted, no_picture
from harness.report.differences import difference_views, initially_open
from harness.report.layers import layer_views
from harness.report.table import columns, packed
from harness.requirements import GROUPS, REQUIREMENTS

__all__ = ["html_page", "page"]


def page(outcome: Outcome) -> dict[str, Any]:
    """What both pages have."""
    verdicts = outcome.matrix
    groups = group(outcome.findings)
    answer = answer_of(outcome, groups)
    return {
        "answer": answer,
        "sentence": answer_sentence(answer),
        "known_ways": [way for way in answer.ways if not way.new],
        "header": outcome.header,
        "requirements": REQUIREMENTS,
        "requirement_groups": GROUPS,
        "matrix": verdicts,
        "backends": list(next(iter(verdicts.values()))),
        "groups": groups,
        "known": outcome.known,
        "vanished": outcome.vanished,
        "resized": [*outcome.shrunk, *outcome.grown],
        "idle": outcome.idle,
        "alarms": outcome.alarms,
        "headline": outcome.headline,
        "unfinished": outcome.unfinished,
        "pinned": outcome.pinned,
        "reproducers": outcome.reproducers,
        "results": outcome.results,
    }


def html_page(outcome: Outcome, both: Mapping[str, Any]) -> dict[str, Any]:
    """What report.html has beside it."""
    by_config: dict[str, list[Judged]] = defaultdict(list)
    for result in outcome.results:
        by_config[result.config_id].append(result)
    answer = both["answer"]
    ordered = [finding for way in answer.ways for finding in way.group.findings]
    differences = difference_views(outcome, answer.ways)
    layers = layer_views(answer, outcome.results, both["matrix"])
    claim, _, detail = both["sentence"].partition(": ")
    missing: dict[str, str] = {}

    def part(name: str, make: Callable[[], Any]) -> Any:
        """None where it cannot be made; then `missing` has a sentence for its place."""
        return attempted("This part", make, lambda why: missing.__setitem__(name, why))

    return {
        **both,
        "claim": claim.rstrip("."),
        "detail": detail and detail[0].upper() + detail[1:],
        "layer_views": layers,
        "unasked": sum(view.unasked for view in layers),
        "differences": differences,
        "applied": {name for layer in answer.layers for name in LAYERS[layer].activations},
        "tracked": {name for layer in answer.layers for name in Config.of(layer).cell.states},
        "initially_open": initially_open(differences),
        "activations": _activations(outcome),
        "faults": HEADLINE,
        "power": part("power", lambda: _power(outcome.results)),
        "configs": len(by_config),
        "table": part("table", lambda: packed(columns(by_config, ordered))) or "",
        "missing": missing,
    }


def _activations(outcome: Outcome) -> list[tuple[str, Picture]]:
    by_name = defaultdict(list)
    for one in outcome.figures.activations:
        by_name[one.activation].append(one)
    return [
        (name, attempted("The picture", functools.partial(_drawn, name, measured), no_picture))
        for name, measured in by_name.items()
    ]


def _drawn(name: str, measured: Sequence[ActivationError]) -> Picture:
    from harness.report.pictures import activation_picture  # half a second, see differences

    return activation_picture(name, measured)


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
