"""The layer of torch.nn.RNN as one call, and random weights for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference import elman, evaluate
from reference.arrays import Array


def rnn(
    x: Any, h_0: Any, weights: Any, *, nonlinearity: str = "tanh", **options: Any
) -> tuple[Array, Array]:
    """The layer of torch.nn.RNN: output and h_n."""
    found = evaluate(elman(nonlinearity), x, {"h": h_0}, weights, **options)
    assert list(found) == ["output", "h_n"]
    return found["output"], found["h_n"]


def random_weights(rng: np.random.Generator, sizes: tuple[int, ...], bias: bool) -> dict[str, Any]:
    """Unidirectional weights for sizes (input_size, hidden_size, num_layers)."""
    inputs, hidden, layers = sizes
    weights = {}
    for k in range(layers):
        weights[f"weight_ih_l{k}"] = rng.uniform(-1, 1, (hidden, inputs if k == 0 else hidden))
        weights[f"weight_hh_l{k}"] = rng.uniform(-1, 1, (hidden, hidden))
        if bias:
            weights[f"bias_ih_l{k}"] = rng.uniform(-1, 1, hidden)
            weights[f"bias_hh_l{k}"] = rng.uniform(-1, 1, hidden)
    return weights
