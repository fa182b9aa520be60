"""A call: what is handed over, and what it means.

A call that means something has a `meaning`, a well-formed case with the same answer; what an
implementation returns for it is judged against the oracle on that case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.aspects import CALL, VALUES, CallAspect
from harness.axes import to_layout
from harness.backends.protocol import positional
from harness.case import Case, make_case
from harness.config import Config, ConfigError
from reference.arrays import Array

__all__ = [
    "Call",
    "Calls",
    "Maker",
    "again",
    "calls_after",
    "make_call",
    "ordinary_call",
    "user_inputs",
]


@dataclass(frozen=True)
class Call:
    """Arguments of a constructor, by torch's names, and of the call after it.

    `inputs` are x, the initial states and lengths, as far as given, in this order. `weights` are
    loaded where they fit. `undropped` asks for the same answer in training mode. `meaning` is the
    case it stands for, None if nothing; `guess` the one that an implementation may have taken an
    invalid call for; `empty` the exact answer by name, in the layout of the call, where arrays
    without elements come back. `ordinary` is of the call that everybody makes, of which one thing
    was changed.
    """

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    inputs: tuple[Any, ...]
    weights: Mapping[str, Array]
    named: Mapping[str, Any] = field(default_factory=dict)
    literal: bool = False
    undropped: bool = False
    meaning: Case | None = None
    empty: Mapping[str, Array] | None = None
    guess: Case | None = None
    ordinary: Config | None = None


Maker = Callable[[Case], "Call | None"]
Calls = dict[str, tuple[CallAspect, Maker]]


def make_call(config: Config) -> Call | None:
    """The call that the config's aspect stands for; None where its sizes make it no other call, or
    its options do not fit what the call means.

    Raises:
        KeyError: the aspect is no call of the layer.
    """
    _, make = config.record.calls[config.aspect.removeprefix(CALL)]
    try:
        return make(_case(config))
    except ConfigError:
        return None


def _case(config: Config, **changes: Any) -> Case:
    return make_case(config.replace(aspect="values", **changes))


def again(case: Case, **changes: Any) -> Case:
    return _case(case.config, **changes)


def user_inputs(case: Case) -> tuple[Any, ...]:
    """x, the initial states, and lengths where there are any, in the layout of the config."""
    config = case.config
    return positional({n: to_layout(config, n, a) for n, a in case.inputs.items()})


def calls_after(config: Config) -> tuple[Config, Config]:
    """What the layer of a call is asked after it: the call that everybody makes, and the one with
    states and lengths given where they were left out, or left out where they were given.
    """
    usual = config.replace(aspect=VALUES)
    lengths = "ragged" if usual.lengths == "nolengths" else "nolengths"
    return usual, usual.adapted(states=not usual.states, lengths=lengths)


def ordinary_call(case: Case) -> Call:
    """The call as everybody makes it."""
    config = case.config
    return Call(
        (config.input_size, config.hidden_size),
        config.options.keywords,
        user_inputs(case),
        case.weights,
        meaning=case,
        ordinary=config,
    )
