"""Outcomes of calls, written by hand, and the call that they answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from harness.aspects import CallAspect, Documented
from harness.axes import to_layout
from harness.calls import Call
from harness.case import Case, make_case
from harness.config import Config
from harness.evidence import Evidence
from harness.layers import LAYERS, registered
from harness.observe import CallOutcome, Observation
from reference.arrays import Array
from tests.synthetic import evidence_of as evidence_on
from tests.synthetic import right_outputs

CONFIG = Config.of(
    aspect="call.x.flat", data="plain", input_size=3, hidden_size=4, batch=2, steps=3, states=True
)
MEANING = make_case(CONFIG.replace(aspect="values", layout="batchfirst"))
WEIGHTS = MEANING.weights
SHAPES = "output float32 (2, 3, 4) and h_n float32 (1, 2, 4)"


def right() -> tuple[Array, ...]:
    """What the call must return."""
    outputs = right_outputs(MEANING).items()
    return tuple(to_layout(MEANING.config, name, array) for name, array in outputs)


def outcome(error: str | None = None, returned: Any = None, **changes: Any) -> CallOutcome:
    given = {"stage": "call", "weights": WEIGHTS, "aftermath": None, **changes}
    if returned is None and error is None:
        returned = right()
    return CallOutcome(error=error, returned=returned, **given)


def call(**changes: Any) -> Call:
    return Call((), {}, (), **{"weights": WEIGHTS, "meaning": MEANING, **changes})


def evidence_of(
    details: CallOutcome | None,
    peer: CallOutcome | None = None,
    config: Config = CONFIG,
    **changes: Any,
) -> Evidence:
    other = None if peer is None else Observation("other", details=peer)
    return evidence_on(make_case(config), details=details, peer=other, **changes)


def layer_with(name: str, documented: Documented, make: Callable[[Case], Call | None]) -> Any:
    """A context in which a layer like torch's RNN has one call of its own; and its config."""
    aspect = CallAspect(f"call.{name}", "a call", (), requirement="x", documented=documented)
    record = dataclasses.replace(
        LAYERS["rnn"], name="called", calls={name: (aspect, make)}, requirements=()
    )
    return registered(record)


def config_of(name: str) -> Config:
    """Of that layer: asked for that call."""
    given = {n: getattr(CONFIG, n) for n in ("data", "input_size", "hidden_size", "batch", "steps")}
    return Config.of("called", aspect=f"call.{name}", states=True, **given)
