"""Parameters as a layer is built with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from harness.backends.protocol import Backend, FullBackend, offers
from harness.case import Case
from harness.config import LayerOptions
from harness.observe.arrays import parameters
from harness.observe.errors import NotOffered
from harness.observe.records import InitialWeights, Observation
from reference.arrays import Array

__all__ = ["observe_initial"]

WANTED = 4000
MOST_LAYERS = 24


def observe_initial(backend: Backend, case: Case) -> Observation:
    """Build until there are enough weights to judge a distribution by, and with seeds."""
    if not offers(backend, "seed"):
        raise NotOffered("has no method seed(value)")
    if case.config.bias and getattr(backend, "merges_biases", False):
        raise NotOffered("merges its biases, so initial ones cannot be separated")
    options = case.config.options
    count = sum(array.size for array in case.weights.values())
    layers = tuple(
        parameters(backend.build(options).read_weights())
        for _ in range(min(MOST_LAYERS, max(2, -(-WANTED // count))))
    )
    full = cast(FullBackend, backend)
    state = np.random.get_state()
    try:
        seeded = (
            _seeded(full, options, 7),
            _seeded(full, options, 7),
            _seeded(full, options, 8),
        )
        before = _position()
        backend.build(options)
        advanced = _position() != before
    finally:
        np.random.set_state(state)
    return Observation(backend.name, details=InitialWeights(layers, seeded, advanced))


def _position() -> tuple[bytes, int]:
    """Where NumPy's global generator is."""
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    return state["state"]["key"].tobytes(), state["state"]["pos"]


def _seeded(backend: FullBackend, options: LayerOptions, seed: int) -> Mapping[str, Array]:
    backend.seed(seed)
    return parameters(backend.build(options).read_weights())
