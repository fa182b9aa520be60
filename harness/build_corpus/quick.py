"""The configs of a quick run: few that show together what a whole run shows.

Of the results of a whole run each check that judged a requirement of a backend is wanted once, each
cell of the matrix with a verdict, and values, gradients and calls of each layer; and each known
difference of whichever backend. The config is chosen, again and again, that adds most of them for
its cost. Graph mode costs most, and by far not the same for each config: its times are measured, in
a run of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import msgspec

from harness.aspects import VALUES
from harness.config import Config
from harness.corpus import CORPUS, SAMPLE, load_corpus
from harness.expectations import Judged, expectations_of
from harness.journal import read_run
from harness.matrix import judged
from harness.results import ResultsError
from harness.verdicts import CONCLUDED

__all__ = ["build_quick"]

Wanted = tuple[str, str, str]
"""Backend, check and requirement; or backend, "matrix" and requirement; or backend, check and
layer; or "any", "known" and the difference.
"""

OF_EACH_LAYER = ("step_residual", "gradient", "call")
OF_EACH_IN_VARIANT = ("step_residual", "gradient")
"""Checks that each layer is wanted in. The first call of an LSTM takes 18 s in graph mode."""

CALLS = {VALUES: 4, "gradient": 8, "training": 30, "life": 20, "repeated": 60, "call": 3}
"""Calls of a layer that an observation makes, about."""


def build_quick(results: Path, times: Path) -> list[str]:
    """The lines of the file.

    Args:
        results: results.jsonl of a whole run.
        times: times.json of a run of the sample in graph mode alone.

    Raises:
        ResultsError: there is no whole run to read, or a time is missing.
        OSError, msgspec.MsgspecError: there are no times to read.
    """
    recorded = read_run(results)
    seconds = msgspec.json.decode(times.read_bytes(), type=dict[str, float])
    costs = {one: _eager(one) for one in load_corpus(CORPUS)}
    for one in load_corpus(SAMPLE):
        if one.id not in seconds:
            raise ResultsError(
                f"{times} has no time of {one.id}, expected one for each of {SAMPLE}"
            )
        costs[one] = costs.get(one, 0.02) + seconds[one.id]
    shown = _shown(expectations_of(recorded.header).join(recorded.results), costs)
    chosen: list[Config] = []
    left = set().union(*shown.values())
    while left:
        best = max(shown, key=lambda one: (len(shown[one] & left) / costs[one], one.id))
        chosen.append(best)
        left -= shown[best]
    # Others may have all of one by now; the dearest are left out first, one after the other.
    needed = list(chosen)
    for one in sorted(chosen, key=lambda one: -costs[one]):
        if not _adds(one, needed, shown):
            needed.remove(one)
    return [
        "# The configs of `rnn-parity run --quick`; written by `python -m harness.build_corpus`.",
        *(one.id for one in needed),
    ]


def _shown(results: Iterable[Judged], pinned: Container[Config]) -> Mapping[Config, set[Wanted]]:
    shown: dict[Config, set[Wanted]] = defaultdict(set)
    for one in results:
        config = Config.parse(one.config_id)
        if config in pinned and one.verdict in CONCLUDED:
            shown[config].add((one.backend, one.check, one.requirement))
            shown[config] |= {(one.backend, "matrix", key) for key in judged(one, config)}
            if one.check in (OF_EACH_IN_VARIANT if ":" in one.backend else OF_EACH_LAYER):
                shown[config].add((one.backend, one.check, config.layer))
            if one.check == "step_residual" and config.aspect == VALUES:
                shown[config].add((one.backend, VALUES, config.layer))  # needs a forward call only
            entry = one.known or one.may_show
            if entry is not None:
                shown[config].add(("any", "known", entry))
    return shown


def _adds(one: Config, chosen: Iterable[Config], shown: Mapping[Config, set[Wanted]]) -> bool:
    others: set[Wanted] = set().union(*(shown[other] for other in chosen if other != one))
    return not shown[one] <= others


def _eager(config: Config) -> float:
    """Seconds, about: of eager MindSpore, which takes most of them."""
    calls = CALLS.get("call" if config.is_call else config.aspect, 3)
    return 0.02 + 0.0005 * calls * config.num_layers * config.directions * config.steps
