"""The matrix of requirements and backends: one verdict for each, and what it rests on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.backends.reference import variant_in
from harness.config import Config
from harness.expectations import Judged
from harness.layers import LAYERS
from harness.requirements import REQUIREMENTS, Requirement
from harness.verdicts import FAILED, ReportState, State, Verdict, worst

__all__ = ["Cell", "judged", "matrix"]


@dataclass(frozen=True)
class Cell:
    """The verdict of one requirement for one backend, and on how many configs it rests.

    `elsewhere` counts failures whose established cause speaks about another requirement;
    `known` are the known differences that make the verdict.
    """

    verdict: State
    counts: Mapping[State, int]
    configs: int
    elsewhere: int
    known: tuple[str, ...]


def matrix(results: Iterable[Judged]) -> dict[str, dict[str, Cell]]:
    """requirement -> backend -> cell; a requirement without any result is `untested`.

    The worst verdict wins: an unexpected failure or error, then a known difference, then a
    pass, and only where nothing was concluded `inconclusive` or `unsupported`. What is about
    other backends only is `not applicable`. Variants come after all backends.
    """
    counts: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    elsewhere: Counter[tuple[str, str]] = Counter()
    configs: dict[tuple[str, str], set[str]] = defaultdict(set)
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    backends: dict[str, None] = {}
    layers: set[str] = set()
    requirements = list(REQUIREMENTS.values())
    for result in results:
        backends.setdefault(result.backend)
        config = Config.parse(result.config_id)
        layers.add(config.layer)
        for requirement in requirements:
            if not requirement.holds(result, config):
                continue
            at, state = (requirement.key, result.backend), result.state
            if _is_elsewhere(requirement, result):
                elsewhere[at] += 1
                continue
            counts[at][state] += 1
            if state in _VERDICTS:
                configs[at].add(result.config_id)
            if result.known:
                known[at].add(result.known)
    return {
        key: {
            backend: Cell(
                _state(key, backend, counts[key, backend], elsewhere[key, backend]),
                dict(counts[key, backend]),
                len(configs[key, backend]),
                elsewhere[key, backend],
                tuple(sorted(known[key, backend])),
            )
            for backend in sorted(backends, key=lambda name: bool(variant_in(name)))
        }
        for key in (
            one.key
            for one in requirements
            if any(one.concerns(LAYERS[name]) for name in layers) or not layers
        )
    }


def judged(result: Judged, config: Config) -> list[str]:
    """The requirements on which a result gives the matrix a verdict."""
    return [
        one.key
        for one in REQUIREMENTS.values()
        if one.holds(result, config)
        and result.state in _VERDICTS
        and not _is_elsewhere(one, result)
    ]


_BAD = frozenset((*FAILED, ReportState.EXPECTED_FAILURE))
_VERDICTS = _BAD | {Verdict.PASS}


def _is_elsewhere(requirement: Requirement, result: Judged) -> bool:
    return result.state in _BAD and not requirement.counts(result)


def _state(key: str, backend: str, counts: Mapping[State, int], elsewhere: int) -> State:
    """What was asked, and only failed for causes judged elsewhere, is not untested."""
    if REQUIREMENTS[key].of_variants and not variant_in(backend):
        return ReportState.NOT_APPLICABLE
    if counts:
        return worst(counts)
    return Verdict.INCONCLUSIVE if elsewhere else ReportState.UNTESTED
