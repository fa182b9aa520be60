"""When a check applies: conditions on a config, each with the words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.aspects import VALUES as ASKED_VALUES
from harness.config import Config

__all__ = [
    "ALWAYS",
    "CALL",
    "DROPPING",
    "INTEGERS",
    "LAYERS",
    "NOTHING_DROPPED",
    "NOT_A_SWEEP",
    "NO_CALL",
    "NO_DROPPING",
    "NUMBERS",
    "PADDING",
    "ROWS",
    "SPECIAL",
    "STATES",
    "SWEEP",
    "TANH",
    "VALUES",
    "When",
    "aspect",
]


@dataclass(frozen=True)
class When:
    """A condition, and its words: 'values, several layers'."""

    words: str
    holds: Callable[[Config], bool]

    def __call__(self, config: Config) -> bool:
        return self.holds(config)

    def __and__(self, other: When) -> When:
        return When(f"{self.words}, {other.words}", lambda c: self.holds(c) and other.holds(c))

    def __or__(self, other: When) -> When:
        return When(f"{self.words}; {other.words}", lambda c: self.holds(c) or other.holds(c))


def _has_padding(config: Config) -> bool:
    padded = config.lengths not in ("nolengths", "fulllengths")
    return config.lengths == "emptyrows" or (padded and config.steps > 1)


def aspect(*names: str) -> When:
    """Configs of these aspects."""
    return When(", ".join(names), lambda config: config.aspect in names)


ALWAYS = When("always", lambda config: True)
CALL = When("calls", lambda config: config.is_call)
VALUES = When("values", lambda config: config.aspect == ASKED_VALUES)
NOT_A_SWEEP = When("no sweep of an activation", lambda config: config.data != "sweep")
NOTHING_DROPPED = When("nothing dropped", lambda config: not config.drops)
NUMBERS = VALUES & NOT_A_SWEEP
STATES = When(
    "values and gradients, no sweep of an activation",
    lambda c: c.aspect in (ASKED_VALUES, "gradient") and c.data != "sweep",
)
"""States are asked for their own sake, or for gradients, which rest on them."""
PADDING = When("some row is padded", _has_padding)
NO_CALL = When("all but calls", lambda config: not config.is_call)
SWEEP = When("the sweep of an activation", lambda config: config.data == "sweep")
INTEGERS = When("small integers", lambda config: config.data == "ints")
SPECIAL = When("NaN and infinities", lambda config: not config.finite)
TANH = When("states are values of tanh", lambda config: config.cell.activations == ("tanh",))
ROWS = When("several batch rows", lambda config: config.batch > 1)
LAYERS = When("several layers", lambda config: config.num_layers > 1)
_DROPS = When("dropout between layers", lambda config: config.num_layers > 1 and config.dropout > 0)
DROPPING = aspect("training") & _DROPS
NO_DROPPING = aspect("training") & When(
    "no dropout between layers", lambda config: not _DROPS(config)
)
