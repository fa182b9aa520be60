"""What can be asked of a layer: its values, gradients, dropout, and what calls it accepts.

The aspect stands after the layer in a config id; `values`, the commonest, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.life import wrong_life

if TYPE_CHECKING:
    from harness.config import Config

__all__ = ["ASPECTS", "CALL", "LIFE", "VALUES", "Aspect", "CallAspect", "Documented", "aspect_of"]

VALUES = "values"

LIFE = "life"
"""The aspect of every config with a sequence of steps; the sequence says so in ids."""

CALL = "call."
"""Aspects that begin so are calls, by the layer's own names."""


class Documented(str, Enum):
    """What torch's documentation says of a call; the mapping pages claim it for both."""

    VALID = "valid"
    INVALID = "invalid"
    OPEN = "open"


@dataclass(frozen=True)
class Aspect:
    """What is asked: how ids call it, half a sentence about it, the kinds of data it takes.

    `data` is empty where any kind will do.
    """

    name: str
    says: str
    data: tuple[str, ...] = ()

    def wrong(self, config: Config) -> str | None:
        """What is wrong with a config for this aspect, or None."""
        if self.data and config.data not in self.data:
            kinds = " or ".join(repr(kind) for kind in self.data)
            return f"aspect {self.name}, expected data = {kinds}"
        return None


@dataclass(frozen=True)
class CallAspect(Aspect):
    """A valid, borderline or invalid way to build or call a layer.

    `requirement` is the key of the requirement that it speaks about; `harness.calls` makes the
    call.
    """

    requirement: str = ""
    documented: Documented = Documented.OPEN

    def wrong(self, config: Config) -> str | None:
        if config.data != "plain" or config.dtype != "fp32":
            return "an aspect call.* compares answers, expected data = 'plain' and dtype = 'fp32'"
        if config.memory != "contiguous":
            return "an aspect call.* is about what is given, expected memory = 'contiguous'"
        if config.layout == "unbatched" or config.lengths == "emptyrows":
            return (
                "an aspect call.* changes a call that everybody takes, expected layout timefirst "
                "or batchfirst, and no empty rows"
            )
        return None


class _Life(Aspect):
    def wrong(self, config: Config) -> str | None:
        if not config.life:
            example = config.id.replace("-", "-life.f0.w1.f0.end-", 1)
            return f"aspect life, expected a life: its steps stand in an id, such as {example}"
        return super().wrong(config) or wrong_life(config.life)


class _Training(Aspect):
    def wrong(self, config: Config) -> str | None:
        dropping = config.num_layers > 1 and config.dropout > 0
        if dropping and config.lengths == "emptyrows":
            return "aspect training, expected no empty rows where anything is dropped"
        if dropping and config.record.passes(config) is None:
            return (
                "aspect training, expected options with which layers can pass on what was dropped "
                "(of gated layers biases)"
            )
        return super().wrong(config)


ASPECTS: Mapping[str, Aspect] = {
    aspect.name: aspect
    for aspect in (
        Aspect(VALUES, ""),
        Aspect(
            "gradient",
            "gradients of ",
            ("plain", "mixed", "ints", "lone", "missing", "lasting", "sweep"),
        ),
        _Training("training", "dropout in training mode of ", ("plain",)),
        Aspect("initial", "initial weights of ", ("plain",)),
        Aspect("checkpoint", "checkpoint round trips of ", ("plain",)),
        Aspect("repeated", "many identical calls of ", ("plain", "mixed", "special")),
        _Life(LIFE, "the life of ", ("plain",)),
    )
}
"""All aspects but the calls, which belong to layers."""


def aspect_of(config: Config) -> Aspect:
    """The aspect of a config; of a call, its layer's. Raises KeyError for an unknown one."""
    if config.aspect.startswith(CALL):
        return config.record.calls[config.aspect.removeprefix(CALL)][0]
    return ASPECTS[config.aspect]
