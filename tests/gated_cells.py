"""All cells of the package, and one that it does not have.

Source of that: G.-B. Zhou, J. Wu, C.-L. Zhang and Z.-H. Zhou, "Minimal gated unit for recurrent
neural networks", International Journal of Automation and Computing 13 (2016), in which the gate
acts before the matrix product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reference import GRU, Cell, elman, lstm
from reference.arrays import Array
from reference.gradient import gradients
from reference.layer import expected_parameters


def _mgu(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
    h = s["h"]
    f = op.activation("sigmoid", op.add(op.linear(w("ih", "f"), x), op.linear(w("hh", "f"), h)))
    a = op.add(op.linear(w("ih", "n"), x), op.linear(w("hh", "n"), op.multiply(f, h)))
    return {"h": op.blend(f, h, op.activation("tanh", a))}


LSTM, PROJECTED = lstm(), lstm(projected=True)
MGU = Cell("mgu", _mgu, ("sigmoid", "tanh"), gates=("f", "n"))

CELLS = {
    "elman": elman("tanh"),
    "relu": elman("relu"),
    "lstm": LSTM,
    "projected": PROJECTED,
    "gru": GRU,
    "mgu": MGU,
}


def arrays_of(
    cell: Cell,
    rng: np.random.Generator,
    sizes: tuple[int, int, int],
    *,
    layers: int = 1,
    directions: int = 1,
    bias: bool = True,
    scale: float = 1.0,
) -> dict[str, Array]:
    """Uniform random weights; sizes are those of input, hidden and output units."""
    inputs, hidden, outputs = sizes
    shapes = expected_parameters(cell, layers, directions, bias, inputs, hidden, outputs)
    return {name: rng.uniform(-scale, scale, shape) for name, shape in shapes.items()}


class Stack:
    """Layers of a cell, with arguments and cotangents, at drawn sizes and options."""

    def __init__(self, cell: Cell, drawn: dict[str, Any]) -> None:
        rng = np.random.default_rng(drawn["seed"])
        inputs, hidden, batch, steps = (drawn[n] for n in ("inputs", "hidden", "batch", "steps"))
        outputs = hidden - 1 if cell.projection else hidden
        self.cell, self.directions = cell, 2 if drawn["bidirectional"] else 1
        self.weights = arrays_of(
            cell, rng, (inputs, hidden, outputs), layers=drawn["layers"],
            directions=self.directions, bias=drawn["bias"],
        )  # fmt: skip
        self.x = rng.uniform(-1, 1, (steps, batch, inputs))
        rows, units = drawn["layers"] * self.directions, {"h": outputs, "c": hidden}
        states = {name: (rows, batch, units[name]) for name in cell.states}
        self.initial: dict[str, Any] = {n: rng.uniform(-1, 1, s) for n, s in states.items()}
        if not drawn.get("initial", True):
            self.initial = dict.fromkeys(states)
        self.g = rng.uniform(-1, 1, (steps, batch, self.directions * outputs))
        self.g_n = {n: rng.uniform(-1, 1, s) for n, s in states.items()}
        self.lengths = rng.integers(1, steps + 1, batch) if drawn["ragged"] else None
        self.options = {
            "num_layers": drawn["layers"],
            "bias": drawn["bias"],
            "bidirectional": drawn["bidirectional"],
            "lengths": self.lengths,
        }

    def gradients(self) -> dict[str, Array]:
        return gradients(
            self.cell, self.x, self.initial, self.weights, self.g, self.g_n, **self.options
        )
