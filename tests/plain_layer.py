"""The layer of torch.nn.RNN as one call."""

from __future__ import annotations

from typing import Any

from reference import elman, evaluate
from reference.arrays import Array


def rnn(
    x: Any, h_0: Any, weights: Any, *, nonlinearity: str = "tanh", **options: Any
) -> tuple[Array, Array]:
    """The layer of torch.nn.RNN: output and h_n."""
    found = evaluate(elman(nonlinearity), x, {"h": h_0}, weights, **options)
    assert list(found) == ["output", "h_n"]
    return found["output"], found["h_n"]
