"""Which option values a finding depends on, and which it does not, as far as a run can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.config import Config

__all__ = ["OptionShare", "dependence"]

CHANCE = 0.01
"""A dependence that would come about by chance as often as this is not reported."""


@dataclass(frozen=True)
class OptionShare:
    """Of the configs judged with each value of an option, how many show a finding.

    `values` are (value, showing, judged), the option's values in order.
    """

    option: str
    values: Sequence[tuple[str, int, int]]

    @property
    def needed(self) -> tuple[str, ...]:
        """The values it shows with, if that it never shows with the others is no chance."""
        showing = tuple(value for value, count, _ in self.values if count)
        return showing if self.chance < CHANCE else ()

    @property
    def chance(self) -> float:
        """How likely its absence elsewhere is, if it were as frequent there; 1 if not absent."""
        showing = sum(hits for _, hits, _ in self.values)
        judged = sum(total for _, hits, total in self.values if hits)
        return (1 - showing / judged) ** self.elsewhere if judged and self.elsewhere else 1.0

    @property
    def elsewhere(self) -> int:
        """Configs that were judged with a value that it never shows with."""
        return sum(judged for _, showing, judged in self.values if not showing)

    @property
    def indifferent(self) -> bool:
        """Whether it shows with every value that was judged, of at least two."""
        return len(self.values) > 1 and not self.elsewhere


def dependence(showing: Iterable[str], judged: Iterable[str]) -> list[OptionShare]:
    """By option, for the ids of configs that show a finding and of all that could have.

    An option of which only one value was judged says nothing, and is left out.
    """
    ids = set(showing)
    configs = [(Config.parse(one), one in ids) for one in {*judged, *ids}]
    shares = []
    for option in dict.fromkeys(name for config, _ in configs for name in config.choices):
        with_it = [(c.choices[option], hit) for c, hit in configs if option in c.choices]
        total = Counter(value for value, _ in with_it)
        hits = Counter(value for value, hit in with_it if hit)
        if len(total) > 1:
            values = [(_word(value), hits[value], total[value]) for value in sorted(total)]
            shares.append(OptionShare(option, values))
    return shares


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
