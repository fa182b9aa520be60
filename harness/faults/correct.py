"""A correct implementation of everything that a backend may offer, of any layer, on the oracle.

`ForwardLayer` offers values only; `CorrectLayer` adds gradients, dropout, files, and torch's checks
of arguments. Faults that no wrapping of a real layer can show are injected here: every step of the
way is a method.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.protocol import require_parameters
from harness.config import Config, LayerOptions
from harness.data import NUMPY_DTYPES
from harness.faults.arrays import Arrays, TimeFirst, initial
from harness.layers import LAYERS
from reference import Exact, evaluate, exact_activation
from reference.arrays import Array
from reference.gradient import gradients

__all__ = ["CorrectBackend", "CorrectLayer", "ForwardBackend", "ForwardLayer", "layer_options"]


def layer_options(
    layer: str, positional: Sequence[Any], keywords: Mapping[str, Any]
) -> LayerOptions:
    """What the arguments of a constructor mean, unchecked.

    Raises:
        TypeError: too many arguments, an unknown one, one twice, or one missing.
    """
    record = LAYERS[layer]
    given = dict(zip(record.arguments, positional, strict=False))
    unknown = keywords.keys() - set(record.arguments)
    if len(positional) > len(record.arguments) or unknown or given.keys() & keywords.keys():
        raise TypeError(f"a layer {layer} takes {', '.join(record.arguments)}")
    common: dict[str, Any] = {
        "num_layers": 1,
        "bias": True,
        "batch_first": False,
        "dropout": 0.0,
        "bidirectional": False,
        **given,
        **keywords,
    }
    own = {option.name: common.pop(option.name, option.default) for option in record.options}
    return LayerOptions(layer=layer, dtype="fp32", specific=own, **common)


class ForwardLayer(TimeFirst):
    """The oracle's values, rounded to the layer's dtype."""

    def __init__(self, options: LayerOptions) -> None:
        super().__init__(options)
        self.calls = 0
        self.weights: dict[str, Array] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.weights = dict(weights)

    def read_weights(self) -> Mapping[str, Array]:
        return {name: array.copy() for name, array in self.weights.items()}

    def used_weights(self) -> Mapping[str, Array]:
        """What the layer computes with; a fault may differ from what it reads back."""
        return self.weights

    def activation(self, name: str, a: Array) -> Array:
        return exact_activation(name, a)

    def evaluate(self, given: Arrays) -> Arrays:
        """In float64, time first."""
        return self.compute(given)

    def compute(
        self, given: Arrays, weights: Mapping[str, Array] | None = None, **changes: Any
    ) -> Arrays:
        """The reference with this layer's options; `changes` are other arguments of it."""
        o, cell = self.options, self.cell
        arguments: dict[str, Any] = {
            "num_layers": o.num_layers,
            "bias": o.bias,
            "bidirectional": o.bidirectional,
            "lengths": given.get("lengths"),
            "arithmetic": Exact(self.activation),
            **changes,
        }
        states = {state: given.get(f"{state}_0") for state in cell.states}
        used = self.used_weights() if weights is None else weights
        return evaluate(cell, given["x"], states, used, **arguments)

    def answer(self, given: Arrays) -> Arrays:
        """In the layer's dtype, time first."""
        dtype, found = NUMPY_DTYPES[self.options.dtype], self.evaluate(given)
        with np.errstate(over="ignore"):
            return {name: array.astype(dtype) for name, array in found.items()}

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        self.calls += 1
        return self.in_layout(self.answer(self.entering(inputs)))


class ForwardBackend:
    """A backend made of one kind of layer, which offers values only."""

    def __init__(self, layer: type[ForwardLayer] = ForwardLayer, name: str = "right") -> None:
        self.layer, self.name = layer, name

    def build(self, options: LayerOptions) -> Any:
        return self.layer(options)


class CorrectLayer(ForwardLayer):
    """The oracle with gradients, dropout, files, and the checks of arguments that torch makes."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options)
        self.training, self.rng = True, rng
        self.drawn_masks: list[Array] | None = None
        limit = 1 / np.sqrt(options.hidden_size)
        dtype = NUMPY_DTYPES[options.dtype]
        self.weights = self.initial_weights(
            {
                name: self.drawn(limit, shape).astype(dtype)
                for name, shape in options.parameter_shapes().items()
            }
        )

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-limit, limit, shape)

    def initial_weights(self, weights: dict[str, Array]) -> dict[str, Array]:
        """Of a newly built layer, once all are drawn."""
        return weights

    def train(self, training: bool) -> None:
        self.training = training

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        require_parameters(weights, self.options.parameter_shapes())
        self.weights = {name: weights[name] for name in self.weights}

    def drops(self) -> bool:
        return self.training and self.options.dropout > 0

    def evaluate(self, given: Arrays) -> Arrays:
        if not self.drops():
            return self.compute(given)
        shape = (*given["x"].shape[:2], self.options.directions * self.options.output_size)
        return self.compute(given, dropout_masks=self.masks(shape))

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        """Dropout masks, one for each layer but the last; 0, or 1 / (1 - p)."""
        p = self.options.dropout
        return [(self.rng.random(shape) >= p) / (1 - p) for _ in range(self.options.num_layers - 1)]

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        """With the outputs of the same call, and the masks that it drew."""
        given = self.entering(inputs)
        shape = (*given["x"].shape[:2], self.options.directions * self.options.output_size)
        self.drawn_masks = self.masks(shape) if self.drops() else None
        found = self.derive(given, self.time_first(cotangents))
        asked = {n: a for n, a in found.items() if n in given or n not in initial(found)}
        dtype = given["x"].dtype
        with np.errstate(over="ignore"):
            gradients = {n: a.astype(dtype) for n, a in asked.items()}
            values = {n: a.astype(dtype) for n, a in self.training_values(given).items()}
        return self.in_layout({**gradients, **values})

    def training_values(self, given: Arrays) -> Arrays:
        """The outputs of a call that gradients are asked of, time first, in float64."""
        return self.compute(given, dropout_masks=self.drawn_masks)

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        """Time first, in float64; initial states are among them in any case."""
        return self.differentiate(given, cotangents)

    def differentiate(self, given: Arrays, cotangents: Arrays, **changes: Any) -> Arrays:
        """The reference with this layer's options; `changes` are other arguments of it."""
        o, cell = self.options, self.cell
        arguments: dict[str, Any] = {
            "num_layers": o.num_layers,
            "bias": o.bias,
            "bidirectional": o.bidirectional,
            "lengths": given.get("lengths"),
            "dropout_masks": self.drawn_masks,
            **changes,
        }
        return gradients(
            cell,
            given["x"],
            {state: given.get(f"{state}_0") for state in cell.states},
            self.used_weights(),
            cotangents.get("output"),
            {
                state: cotangents[f"{state}_n"]
                for state in cell.states
                if f"{state}_n" in cotangents
            },
            **arguments,
        )

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        given = self.arguments(*inputs, **named)
        self.validate(given)
        return tuple(self.forward(given).values())

    def arguments(self, input: Any, hx: Any = None, lengths: Any = None) -> Arrays:  # noqa: A002
        given = {"x": input}
        if hx is not None:
            several = len(self.states) > 1
            if several and not (isinstance(hx, tuple) and len(hx) == len(self.states)):
                raise TypeError(f"hx must be a tuple of {len(self.states)} arrays")
            arrays = hx if several else (hx,)
            given |= {f"{n}_0": a for n, a in zip(self.states, arrays, strict=True)}
        return given if lengths is None else {**given, "lengths": np.asarray(lengths)}

    def validate(self, given: Arrays) -> None:
        dtype, x = NUMPY_DTYPES[self.options.dtype], given["x"]
        for name in ("x", *initial(given)):
            if not isinstance(given[name], np.ndarray) or given[name].dtype != dtype:
                raise TypeError(f"{name} must be an array of {dtype}")
        most = 2 if LAYERS[self.options.layer].single_step else 3
        if x.ndim not in (most - 1, most) or x.shape[-1] != self.options.input_size or 0 in x.shape:
            raise ValueError(f"x has shape {x.shape}")
        if "lengths" not in given:
            return
        lengths, (steps, rows) = given["lengths"], x.shape[:2]
        if self.options.batch_first:
            steps, rows = rows, steps
        if x.ndim == 2 or lengths.dtype.kind != "i" or lengths.shape != (rows,):
            raise ValueError("lengths must be integers, one for each row of a batch")
        if lengths.min() < 1 or lengths.max() > steps:
            raise ValueError("lengths must be in 1..T")

    def save(self, directory: Path) -> None:
        np.savez(directory / "weights.npz", **self.weights)

    def load(self, directory: Path) -> None:
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            self.weights = {name: stored[name] for name in self.weights}

    def copy(self) -> CorrectLayer:
        """It draws from the same generator, which belongs to the backend."""
        other = copy.copy(self)
        own = {name: value for name, value in vars(self).items() if name != "rng"}
        vars(other).update(copy.deepcopy(own))
        return other

    def pickled(self) -> CorrectLayer:
        return self.copy()


class CorrectBackend:
    """Builds layers as torch does, with torch's checks of the arguments."""

    seeds_dropout = True
    concurrent = True

    def __init__(self, layer: type[CorrectLayer] = CorrectLayer, name: str = "complete") -> None:
        self.layer, self.name = layer, name
        self.rng = np.random.default_rng(0)

    def build(self, options: LayerOptions) -> CorrectLayer:
        layer = self.layer(options, self.rng)
        layer.train(False)
        return layer

    def seed(self, value: int) -> None:
        # Layers that are built already draw from the same generator.
        self.rng.bit_generator.state = np.random.default_rng(value).bit_generator.state

    def unsupported(self, config: Config) -> str | None:
        return "NumPy has no bfloat16" if config.dtype == "bf16" else None

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> CorrectLayer:
        options = layer_options(layer, positional, keywords)
        self.validate(options)
        return self.layer(options, self.rng)

    def validate(self, options: LayerOptions) -> None:
        for size in (options.input_size, options.hidden_size, options.num_layers):
            if type(size) is not int or size < 1:
                raise TypeError(f"sizes must be positive integers, got {size!r}")
        for flag in (options.bias, options.batch_first, options.bidirectional):
            if type(flag) is not bool:
                raise TypeError(f"flags must be bool, got {flag!r}")
        dropout: Any = options.dropout
        if type(dropout) not in (int, float) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be within 0 and 1, got {dropout!r}")
        LAYERS[options.layer].cell(options)
