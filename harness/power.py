"""How power is distributed over the comparisons of a run: by check and probe, and in one figure.

The headline is the share of comparisons of values (`VALUES`) that would have shown a dropped bias,
a wrong previous state and a swapped row, of those in whose configs the fault is possible. A
comparison that could compare nothing at all has no power, and counts. Configs with NaN or
infinities do not: there most states are NaN, and a check of its own asks which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.checks import every_check
from harness.config import Config
from harness.probes import Probe
from harness.results import Result

__all__ = ["GOAL", "HEADLINE", "VALUES", "Distribution", "Headline", "distributions", "headlines"]

GOAL = 0.99
"""Share of comparisons of the pinned corpus that must have power against each of `HEADLINE`."""

HEADLINE = {
    Probe.BIAS: "a dropped bias",
    Probe.STATE: "a wrong previous state",
    Probe.ROW: "a swapped row",
}

VALUES = ("step_residual", "exact_lane", "forward_error", "modes")
"""The checks that compare states, each with these faults as probes."""


@dataclass(frozen=True)
class Distribution:
    """What the comparisons of one check state of one probe.

    `powered` of `comparisons` have some power. Of the shares (sizes: from the largest on) the
    least, those that 1% and 10% do not exceed, and the median.
    """

    check: str
    probe: Probe
    comparisons: int
    powered: int
    least: float
    percent: float
    tenth: float
    median: float

    @property
    def meaning(self) -> str:
        return self.probe.meaning


@dataclass(frozen=True)
class Headline:
    """Of the comparisons in which a fault is possible, how many have power against it."""

    fault: Probe
    possible: int
    powered: int

    @property
    def share(self) -> float:
        """1 where the fault is possible nowhere."""
        return self.powered / self.possible if self.possible else 1.0


def distributions(results: Iterable[Result]) -> list[Distribution]:
    """One for every check and probe, in the order of the checks."""
    values: dict[tuple[str, Probe], list[float]] = defaultdict(list)
    for result in results:
        for probe, value in result.power.items():
            values[result.check, probe].append(value)
    order = [check.name for check in every_check()]
    return [
        _distribution(check, probe, powers)
        for (check, probe), powers in sorted(
            values.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def _distribution(check: str, probe: Probe, powers: list[float]) -> Distribution:
    worst_first = sorted(powers, reverse=probe.is_size)
    count = len(powers)
    return Distribution(
        check,
        probe,
        count,
        count if probe.is_size else sum(value > 0 for value in powers),
        *(worst_first[min(int(count * q), count - 1)] for q in (0, 0.01, 0.1, 0.5)),
    )


def headlines(
    results: Iterable[Result], of: Callable[[Config], str] = lambda config: ""
) -> dict[str, Sequence[Headline]]:
    """The three figures, apart for each group that `of` puts configs in; all in one by default."""
    powers: dict[str, dict[Probe, list[bool]]] = {}
    for result in results:
        if result.check not in VALUES or not result.power:
            continue
        config = Config.parse(result.config_id)
        if not config.finite:
            continue
        group = of(config)
        faults = powers.setdefault(group, {fault: [] for fault in HEADLINE})
        for fault in faults.keys() & result.power.keys():
            faults[fault].append(result.power[fault] > 0)
    return {
        group: [Headline(fault, len(seen), sum(seen)) for fault, seen in faults.items()]
        for group, faults in sorted(powers.items())
    }
