"""Observations of dropout, from arrays written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.config import Config
from harness.evidence import Evidence
from harness.observe import DropoutCalls, Outputs
from reference.arrays import Array
from tests.synthetic import evidence_of

DROPPING = Config.of(
    aspect="training", data="plain", num_layers=2, hidden_size=2, batch=3, steps=2, dropout=50
)
ONE_LAYER = DROPPING.replace(num_layers=1)
BOTH = DROPPING.replace(bidirectional=True)


def answer(value: float = 1.0, h_n: float = 2.0) -> Outputs:
    return {"output": np.full((2, 3, 2), value, "f"), "h_n": np.full((2, 3, 2), h_n, "f")}


def only(output: Any, h_n: Any = 0.0) -> Outputs:
    """A call of which the output matters."""
    return {"output": np.array(output, "f"), "h_n": np.array(h_n, "f")}


def dropping(config: Config = DROPPING, **changes: Any) -> Evidence:
    given: dict[str, Any] = {
        "weights": {},
        "first": answer(),
        "evaluated": answer(),
        "without": answer(),
        "trained": (answer(), answer(), answer()),
        "later": (),
        "evaluated_after": answer(),
        "as_built": None,
    }
    return evidence_of(config, details=DropoutCalls(**given | changes))


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).integers(0, 2, shape) * 1.0
