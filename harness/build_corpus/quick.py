"""The configs of a quick run: few that show together what a whole run shows.

Of the results of a whole run each check that judged a requirement of a backend is wanted once, each
cell of the matrix with a verdict, each known difference, and values, gradients and calls of each
layer. What was chosen before stays while it
adds one; then the config is chosen, again and again, that adds most of them for its cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.aspects import VALUES
from harness.config import Config
from harness.corpus import CORPUS, QUICK, SAMPLE, load_corpus
from harness.expectations import Judged, expectations_of
from harness.journal import read_run
from harness.matrix import judged
from harness.verdicts import CONCLUDED

__all__ = ["build_quick"]

Wanted = tuple[str, str, str]
"""Backend, check and requirement; or backend, "matrix" and requirement; or backend, "known" and the
difference; or backend, check and layer.
"""

OF_EACH_LAYER = ("step_residual", "gradient", "call")

CALLS = {VALUES: 4, "gradient": 8, "training": 30, "life": 20, "repeated": 60, "call": 3}
"""Calls of a layer that an observation makes, about."""

COMPILED = {VALUES: 2, "gradient": 3, "training": 6, "life": 4, "repeated": 2, "call": 1}
"""Graphs that are compiled for it in graph mode, about."""


def build_quick(results: Path) -> list[str]:
    """The lines of the file. Raises ResultsError if there is no whole run to read."""
    recorded = read_run(results)
    shown = _shown(expectations_of(recorded.header).join(recorded.results))
    chosen = [one for one in load_corpus(QUICK) if one in shown]  # seen to show it in a quick run
    left = set().union(*shown.values()) - set().union(*(shown[one] for one in chosen))
    while left:
        best = max(shown, key=lambda one: (len(shown[one] & left) / _cost(one), one.id))
        chosen.append(best)
        left -= shown[best]
    needed = list(chosen)
    for one in chosen:  # later ones may have it all; one after the other, for two may have the same
        if not _adds(one, needed, shown):
            needed.remove(one)
    return [
        "# The configs of `rnn-parity run --quick`; written by `python -m harness.build_corpus`.",
        *(one.id for one in needed),
    ]


def _shown(results: Iterable[Judged]) -> Mapping[Config, set[Wanted]]:
    pinned = {*load_corpus(CORPUS), *load_corpus(SAMPLE)}
    shown: dict[Config, set[Wanted]] = defaultdict(set)
    for one in results:
        config = Config.parse(one.config_id)
        if config in pinned and one.verdict in CONCLUDED:
            shown[config].add((one.backend, one.check, one.requirement))
            shown[config] |= {(one.backend, "matrix", key) for key in judged(one, config)}
            if one.check in OF_EACH_LAYER:
                shown[config].add((one.backend, one.check, config.layer))
            if one.check == "step_residual" and config.aspect == VALUES:
                shown[config].add((one.backend, VALUES, config.layer))  # needs a forward call only
            entry = one.known or one.may_show
            if entry is not None:
                shown[config].add((one.backend, "known", entry))
    return shown


def _adds(one: Config, chosen: Iterable[Config], shown: Mapping[Config, set[Wanted]]) -> bool:
    others: set[Wanted] = set().union(*(shown[other] for other in chosen if other != one))
    return not shown[one] <= others


def _cost(config: Config) -> float:
    """Seconds, about: of MindSpore, which takes most of them."""
    aspect = "call" if config.is_call else config.aspect
    cells = config.num_layers * config.directions * config.steps
    eager = 0.0005 * cells * CALLS.get(aspect, 3)
    graph = COMPILED.get(aspect, 2) * (0.5 + 0.01 * cells)
    return 0.02 + eager + graph * (config in _SAMPLE)


_SAMPLE = frozenset(load_corpus(SAMPLE))
