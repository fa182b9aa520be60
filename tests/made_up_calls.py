"""Replies to calls made up for tests, and the call that they answer."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from harness.calls import Call
from harness.case import make_case
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.layout import states_to_layout, to_layout
from harness.observe import Observation, Reply
from harness.oracle import Oracle

CONFIG = Config(
    aspect="call.x.flat", data="plain", input_size=3, hidden_size=4, batch=2, steps=3, h_0=True
)
MEANING = make_case(dataclasses.replace(CONFIG, aspect="forward", layout="batchfirst"))
WEIGHTS = MEANING.weights


def right() -> tuple[np.ndarray, np.ndarray]:
    exact = Oracle(MEANING).exact
    output = to_layout(exact.output, MEANING.config).astype("f")
    return output, states_to_layout(exact.h_n, MEANING.config).astype("f")


def reply(error: str | None = None, returned: Any = None, **changes: Any) -> Reply:
    given = {"stage": "call", "weights": WEIGHTS, "afterwards": None, **changes}
    if returned is None and error is None:
        returned = right()
    return Reply(error=error, returned=returned, **given)


def call(**changes: Any) -> Call:
    return Call((), {}, (), **{"weights": WEIGHTS, "meaning": MEANING, **changes})


def evidence_of(
    facts: Reply | None, aspect: str = "call.x.flat", peer: Reply | None = None, **changes: Any
) -> Evidence:
    case = make_case(dataclasses.replace(CONFIG, aspect=aspect))
    other = None if peer is None else Observation("other", facts=peer)
    observation = Observation("mine", facts=facts, **changes)
    return Evidence(case, Oracle(case), observation, lambda: None, peer=other)


def said(result: Comparison) -> tuple[Any, ...]:
    return result.part, result.verdict, result.compared, result.message, result.cause, result.ratio


SHAPES = "output float32 (2, 3, 4) and h_n float32 (1, 2, 4)"
