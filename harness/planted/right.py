"""A right implementation of everything that a backend may offer, on the oracle.

`OracleLayer` offers values only; `CompleteLayer` adds gradients, dropout, files, and torch's
checks of arguments. Faults that no wrapping of a real layer can show are planted here: every
step of the way is a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.config import Config, LayerOptions
from reference import exact_activation, rnn
from reference.arrays import Array
from reference.gradient import rnn_gradients

__all__ = ["CompleteBackend", "CompleteLayer", "OracleBackend", "OracleLayer"]


class OracleLayer:
    """The oracle's values, rounded to the layer's dtype."""

    def __init__(self, options: LayerOptions) -> None:
        self.options = options
        self.calls = 0
        self.weights: dict[str, Array] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.weights = dict(weights)

    def read_weights(self) -> Mapping[str, Array]:
        return self.weights

    def used_weights(self) -> Mapping[str, Array]:
        """What the layer computes with; a fault may differ from what it reads back."""
        return self.weights

    def activation(self, a: Array) -> Array:
        return exact_activation(self.options.nonlinearity, a)

    def masks(self, x: Array) -> list[Array] | None:
        """Dropout masks, time first, or None where nothing is dropped."""
        return None

    def evaluate(self, x: Array, h_0: Array | None, lengths: Any) -> tuple[Array, Array]:
        """In float64, in the layout of the call."""
        o = self.options
        return rnn(
            x,
            h_0,
            self.used_weights(),
            num_layers=o.num_layers,
            nonlinearity=self.activation,
            bias=o.bias,
            batch_first=o.batch_first,
            bidirectional=o.bidirectional,
            lengths=lengths,
            dropout_masks=self.masks(x),
        )

    def forward(self, x: Array, h_0: Array | None, lengths: Any) -> Any:
        self.calls += 1
        dtype = NUMPY_DTYPES[self.options.dtype]
        output, h_n = self.evaluate(x, h_0, lengths)
        with np.errstate(over="ignore"):
            return output.astype(dtype), h_n.astype(dtype)


class OracleBackend:
    """A backend made of one kind of layer, which offers values only."""

    def __init__(self, layer: type[OracleLayer] = OracleLayer, name: str = "right") -> None:
        self.layer, self.name = layer, name

    def build(self, options: LayerOptions) -> Any:
        return self.layer(options)


class CompleteLayer(OracleLayer):
    """The oracle with gradients, dropout, files, and the checks of arguments that torch makes."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options)
        self.training, self.rng = True, rng
        limit = 1 / np.sqrt(options.hidden_size)
        dtype = NUMPY_DTYPES[options.dtype]
        self.weights = {
            name: self.drawn(limit, shape).astype(dtype)
            for name, shape in options.parameter_shapes().items()
        }

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-limit, limit, shape)

    def train(self, training: bool) -> None:
        self.training = training

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.weights = {name: weights[name] for name in self.weights}

    def probability(self) -> float:
        return self.options.dropout

    def drops(self) -> bool:
        return self.training and self.options.dropout > 0

    def masks(self, x: Array) -> list[Array] | None:
        if not self.drops():
            return None
        o = self.options
        steps, batch = (x.shape[1], x.shape[0]) if o.batch_first else x.shape[:2]
        if x.ndim == 2:
            steps, batch = len(x), 1
        return self.drawn_masks((steps, batch, o.directions * o.hidden_size))

    def drawn_masks(self, shape: tuple[int, ...]) -> list[Array]:
        """One for each layer but the last; 0, or 1 / (1 - p)."""
        p = self.probability()
        return [(self.rng.random(shape) >= p) / (1 - p) for _ in range(self.options.num_layers - 1)]

    def gradients(
        self, x: Array, h_0: Array | None, lengths: Any, output: Array, h_n: Array
    ) -> dict[str, Array]:
        o = self.options
        flat, swap = x.ndim == 2, o.batch_first and x.ndim == 3
        if swap:
            x, output = x.swapaxes(0, 1), output.swapaxes(0, 1)
        if flat:
            x, output, h_n = x[:, None], output[:, None], h_n[:, None]
            h_0 = None if h_0 is None else h_0[:, None]
        found = self.derive(x, h_0, lengths, output, h_n)
        if h_0 is None:
            del found["h_0"]
        if swap:
            found["x"] = found["x"].swapaxes(0, 1)
        if flat:
            found |= {name: found[name][:, 0] for name in ("x", "h_0") if name in found}
        return {name: array.astype(x.dtype) for name, array in found.items()}

    def derive(
        self, x: Array, h_0: Array | None, lengths: Any, output: Array, h_n: Array
    ) -> dict[str, Array]:
        """Time first, in float64; `h_0` is among them in any case."""
        o = self.options
        found = rnn_gradients(
            x,
            h_0,
            self.used_weights(),
            output,
            h_n,
            num_layers=o.num_layers,
            nonlinearity=o.nonlinearity,
            bias=o.bias,
            bidirectional=o.bidirectional,
            lengths=lengths,
        )
        return dict(found)

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        x, h_0, lengths = self.arguments(*inputs, **named)
        self.validate(x, h_0, lengths)
        return self.forward(x, h_0, None if lengths is None else np.asarray(lengths))

    def arguments(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:  # noqa: A002
        return input, hx, lengths

    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        dtype = NUMPY_DTYPES[self.options.dtype]
        for name, array in (("x", x), ("h_0", h_0)):
            if array is None and name == "h_0":
                continue
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                raise TypeError(f"{name} must be an array of {dtype}")
        if x.ndim not in (2, 3) or x.shape[-1] != self.options.input_size or 0 in x.shape:
            raise ValueError(f"x has shape {x.shape}")
        if lengths is not None:
            batch = x.shape[0 if self.options.batch_first else 1]
            steps = x.shape[1 if self.options.batch_first else 0]
            lengths = np.asarray(lengths)
            if lengths.dtype.kind != "i" or lengths.shape != (batch,):
                raise ValueError("lengths must be integers, one for each row")
            if lengths.min() < 1 or lengths.max() > steps:
                raise ValueError("lengths must be in 1..T")

    def save(self, directory: Path) -> None:
        np.savez(directory / "weights.npz", **self.weights)

    def load(self, directory: Path) -> None:
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            self.weights = {name: stored[name] for name in self.weights}


class CompleteBackend:
    """Builds layers as torch does, with torch's checks of the arguments."""

    def __init__(self, layer: type[CompleteLayer] = CompleteLayer, name: str = "complete") -> None:
        self.layer, self.name = layer, name
        self.rng = np.random.default_rng(0)

    def build(self, options: LayerOptions) -> CompleteLayer:
        layer = self.layer(options, self.rng)
        layer.train(False)
        return layer

    def seed(self, value: int) -> None:
        self.rng = np.random.default_rng(value)

    def unsupported(self, config: Config) -> str | None:
        return "NumPy has no bfloat16" if config.dtype == "bf16" else None

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> CompleteLayer:
        return self.layer(self.options(*positional, **keywords), self.rng)

    def options(
        self,
        input_size: Any,
        hidden_size: Any,
        num_layers: Any = 1,
        nonlinearity: Any = "tanh",
        bias: Any = True,
        batch_first: Any = False,
        dropout: Any = 0.0,
        bidirectional: Any = False,
    ) -> LayerOptions:
        for size in (input_size, hidden_size, num_layers):
            if type(size) is not int or size < 1:
                raise TypeError(f"sizes must be positive integers, got {size!r}")
        for flag in (bias, batch_first, bidirectional):
            if type(flag) is not bool:
                raise TypeError(f"flags must be bool, got {flag!r}")
        if type(dropout) not in (int, float) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be within 0 and 1, got {dropout!r}")
        exact_activation(nonlinearity, np.zeros(1))
        return LayerOptions(
            input_size,
            hidden_size,
            num_layers,
            nonlinearity,
            bias,
            batch_first,
            float(dropout),
            bidirectional,
            "fp32",
        )
