"""What was observed of dropout, made up for tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from made_up import evidence_of

from harness.comparison import Comparison
from harness.config import Config
from harness.observe import Dropping, Forward


def said(result: Comparison) -> tuple[Any, ...]:
    return result.part, result.verdict, result.compared, result.message, result.cause, result.ratio


DROPPING = Config(
    aspect="training", data="plain", num_layers=2, hidden_size=2, batch=3, steps=2, dropout=50
)
ONE_LAYER = Config(aspect="training", data="plain", hidden_size=2, batch=3, steps=2, dropout=50)
BOTH = Config(
    aspect="training", data="plain", num_layers=2, hidden_size=2, batch=3, steps=2, dropout=50,
    bidirectional=True,
)  # fmt: skip


def answer(value: float = 1.0, h_n: float = 2.0) -> Forward:
    return Forward(np.full((2, 3, 2), value, "f"), np.full((2, 3, 2), h_n, "f"))


def dropping(config: Config = DROPPING, **facts: Any) -> Any:
    given = {
        "weights": {},
        "first": answer(),
        "evaluated": answer(),
        "without": answer(),
        "trained": (answer(), answer(), answer()),
        "later": (),
        "again": answer(),
        "fresh": None,
    }
    given |= facts
    given["later"] = tuple(  # of masks, what comes through is 1
        Forward(one * 1.0, np.zeros(1)) if isinstance(one, np.ndarray) else one
        for one in given["later"]
    )
    facts = Dropping(**given)
    return evidence_of(config, observation=SimpleNamespace(facts=facts))


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, shape) * 1.0
