"""Right layers wrapped: the places at which a mistake can be made around a real layer.

Inside, everything is time first and batched, whatever the layout of the call. A wrapped layer
is itself in evaluation mode only; in training mode, and as it comes, it is the layer within.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness.backends.loading import unsupported_reason, versions_of
from harness.backends.protocol import Backend, FullBackend, FullLayer
from harness.config import Config, LayerOptions
from reference.arrays import Array, IntArray

__all__ = ["Full", "Values", "WrappedBackend", "rounded", "time_first"]

Lengths = IntArray | None

POSITIONS = (
    "input_size",
    "hidden_size",
    "num_layers",
    "nonlinearity",
    "bias",
    "batch_first",
    "dropout",
    "bidirectional",
)


def time_first(array: Array, batch_first: bool) -> Array:
    """(T, B, F) of an array in the layout of a call, or the other way round; a fresh copy."""
    if array.ndim == 2:
        return array[:, None].copy()
    return (array.swapaxes(0, 1) if batch_first else array).copy()


class Values:
    """A right layer within, and hooks for weights, inputs and outputs; it offers values only."""

    def __init__(self, inner: Any, options: LayerOptions, base: Backend) -> None:
        self.inner, self.options, self.base = cast(FullLayer, inner), options, base
        self.given: dict[str, Array] | None = None
        self.training = True
        self.calls = 0

    def changed(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        """What the layer within gets in place of the weights that were loaded."""
        return weights

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        """Output (T, B, D * H) and h_n (L * D, B, H) in evaluation mode, from time-first inputs."""
        return self.run(x, h_0, lengths)

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.given = dict(weights)
        self.inner.load_weights(self.changed(dict(weights)))

    def read_weights(self) -> Mapping[str, Array]:
        if self.given is None:
            return self.inner.read_weights()
        return {name: self.given[name] for name in self.inner.read_weights()}

    def run(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        """The layer within, time first; one batch row where the call was unbatched."""
        if self.flat:
            x, h_0 = x[:, 0], None if h_0 is None else h_0[:, 0]
        elif self.options.batch_first:
            x = x.swapaxes(0, 1)
        given = (x.copy(), None if h_0 is None else h_0.copy(), lengths)
        output, h_n = self.inner.forward(*given)
        if self.flat:
            return output[:, None].copy(), h_n[:, None].copy()
        return time_first(output, self.options.batch_first), h_n.copy()

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        if self.training:
            return self.inner.forward(x, h_0, lengths)
        self.calls += 1
        self.flat = x.ndim == 2
        states = h_0[:, None] if self.flat and h_0 is not None else h_0
        output, h_n = self.answer(time_first(x, self.options.batch_first), states, lengths)
        if self.flat:
            return output[:, 0].copy(), h_n[:, 0].copy()
        return time_first(output, self.options.batch_first), h_n.copy()

    def single(self, layer: int, reverse: bool, **changes: Any) -> Any:
        """One direction of one layer as a real layer of its own, time first, with its weights."""
        assert self.given is not None
        o = self.options
        options = dataclasses.replace(
            o,
            input_size=o.directions * o.hidden_size if layer else o.input_size,
            num_layers=1,
            bidirectional=False,
            batch_first=False,
            dropout=0.0,
            **changes,
        )
        built = self.base.build(options)
        built.load_weights(self.weights_of(layer, reverse))
        return built

    def weights_of(self, layer: int, reverse: bool) -> dict[str, Array]:
        """The parameters of one direction of one layer, by the names of a single layer."""
        assert self.given is not None
        suffix = f"_l{layer}" + "_reverse" * reverse
        given = self.changed(dict(self.given))
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return {f"{kind}_l0": given[kind + suffix] for kind in kinds if kind + suffix in given}


class Full(Values):
    """As `Values`, with everything else that the layer within offers."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> dict[str, Array]:
        """Gradients, time first; as `run_gradients` unless that is the mistake."""
        return self.run_gradients(x, h_0, lengths, output, h_n)

    def run_gradients(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> dict[str, Array]:
        """Of the layer within, time first."""
        batch_first = self.options.batch_first
        if self.flat:
            states = None if h_0 is None else h_0[:, 0]
            found = self.inner.gradients(x[:, 0], states, lengths, output[:, 0], h_n[:, 0])
            rows = {n: a[:, None] for n, a in found.items() if n in ("x", "h_0")}
            return {**found, **rows}
        if batch_first:
            x, output = x.swapaxes(0, 1).copy(), output.swapaxes(0, 1).copy()
        found = dict(self.inner.gradients(x, h_0, lengths, output, h_n))
        return {**found, "x": time_first(found["x"], batch_first)}

    def gradients(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Mapping[str, Array]:
        batch_first, self.flat = self.options.batch_first, x.ndim == 2
        if self.flat and h_0 is not None:
            h_0 = h_0[:, None]
        found = self.derive(
            time_first(x, batch_first),
            h_0,
            lengths,
            time_first(output, batch_first),
            h_n[:, None] if self.flat else h_n,
        )
        if self.flat:
            return {n: a[:, 0] if n in ("x", "h_0") else a for n, a in found.items()}
        return {**found, "x": time_first(found["x"], batch_first)}

    def train(self, training: bool) -> None:
        self.training = training
        self.inner.train(training)

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return self.inner.call(inputs, named)

    def save(self, directory: Path) -> None:
        if self.given is not None:
            self.inner.load_weights(self.given)
        self.inner.save(directory)
        if self.given is not None:
            self.inner.load_weights(self.changed(dict(self.given)))

    def load(self, directory: Path) -> None:
        self.inner.load(directory)
        self.load_weights({n: a.copy() for n, a in self.inner.read_weights().items()})


class WrappedBackend:
    """A right backend whose layers are wrapped; it keeps the name, so that what is known stays."""

    def __init__(self, base: Backend, layer: type[Values] = Full) -> None:
        self.base, self.layer, self.name = cast(FullBackend, base), layer, base.name

    def build(self, options: LayerOptions) -> Any:
        layer = self.layer(self.base.build(options), options, self.base)
        layer.training = False
        return layer

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> Any:
        more = {"literal": True} if literal else {}
        inner = self.base.construct(positional, keywords, **more)
        named = {**dict(zip(POSITIONS, positional, strict=False)), **keywords}
        defaults = {
            "num_layers": 1,
            "nonlinearity": "tanh",
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        options = LayerOptions(**{**defaults, **named}, dtype="fp32")
        return self.layer(inner, options, self.base)

    def seed(self, value: int) -> None:
        self.base.seed(value)

    def unsupported(self, config: Config) -> str | None:
        return unsupported_reason(self.base, config)

    def versions(self) -> dict[str, str]:
        return versions_of(self.base)


def rounded(array: Array, dtype: Any) -> Array:
    """Through a narrower format, and back."""
    with np.errstate(over="ignore"):
        narrow: Array = array.astype(dtype).astype(array.dtype)
    return narrow
