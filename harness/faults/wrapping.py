"""Correct layers wrapped: the places at which a mistake can be made around a real layer.

Inside, everything is time first and batched, whatever the layout of the call. A wrapper changes
evaluation mode only; in training mode, and before any mode is set, calls go to the layer inside.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from harness.axes import output_names
from harness.backends.loading import unsupported_reason, versions_of
from harness.backends.protocol import Backend, FullBackend, FullLayer
from harness.config import Config, LayerOptions
from harness.faults.arrays import Arrays, TimeFirst
from harness.faults.correct import layer_options
from reference import parameter_name
from reference.arrays import Array

__all__ = ["WrappedBackend", "WrappedLayer", "WrappedValues"]


class WrappedValues(TimeFirst):
    """A correct layer inside, and hooks for weights, inputs and outputs; it offers values only."""

    def __init__(self, inner: Any, options: LayerOptions, base: Backend) -> None:
        super().__init__(options)
        self.inner, self.base = cast(FullLayer, inner), base
        self.loaded: dict[str, Array] | None = None
        self.training = True
        self.calls = 0

    def used_weights(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        """What the layer inside computes with in place of the weights that were loaded."""
        return weights

    def answer(self, given: Arrays) -> Arrays:
        """The outputs in evaluation mode, time first."""
        return self.run(given)

    def run(self, given: Arrays) -> Arrays:
        """The layer inside, time first."""
        inner: Any = self.inner
        return self.time_first(inner.forward(self.in_layout(given)))

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        if self.training:
            inner: Any = self.inner
            return inner.forward(inputs)
        self.calls += 1
        return self.in_layout(self.answer(self.entering(inputs)))

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        before, self.loaded = self.loaded, dict(weights)
        try:
            self.inner.load_weights(self.used_weights(dict(weights)))
        except Exception:
            self.loaded = before
            raise

    def read_weights(self) -> Mapping[str, Array]:
        if self.loaded is None:
            return self.inner.read_weights()
        return {name: self.loaded[name].copy() for name in self.inner.read_weights()}

    def single(self, layer: int, reverse: bool) -> Any:
        """One direction of one layer as a real layer of its own, time first, with its weights."""
        assert self.loaded is not None
        o = self.options
        options = dataclasses.replace(
            o,
            input_size=o.directions * o.output_size if layer else o.input_size,
            num_layers=1,
            bidirectional=False,
            batch_first=False,
            dropout=0.0,
        )
        built = self.base.build(options)
        weights = self.used_weights(dict(self.loaded))
        names = [one.name for one in self.layout.cell.arrays(o.bias)]
        built.load_weights(
            {parameter_name(n, 0, False): weights[parameter_name(n, layer, reverse)] for n in names}
        )
        return built


class WrappedLayer(WrappedValues):
    """As `WrappedValues`, with everything else that the layer inside offers."""

    seen: Mapping[int, Arrays] = {}

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        """Gradients, time first; as `run_gradients` unless that is the mistake."""
        return self.run_gradients(given, cotangents)

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        """The outputs that come with gradients, time first; those of the same call inside."""
        return found

    def run_gradients(self, given: Arrays, cotangents: Arrays) -> Arrays:
        """Of the layer inside, time first. What outputs come with them is kept."""
        inner: Any = self.inner
        found = self.time_first(inner.gradients(self.in_layout(given), self.in_layout(cotangents)))
        names = output_names(self.layout)
        self.seen = {id(given["x"]): {n: found.pop(n) for n in names if n in found}}
        return found

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        """With outputs, if it was this x that the layer inside was asked of."""
        given = self.entering(inputs)
        self.seen = {}
        found = self.derive(given, self.time_first(cotangents))
        outputs = self.seen.get(id(given["x"]))
        if outputs:
            found = {**found, **self.training_values(given, outputs)}
        return self.in_layout(found)

    def train(self, training: bool) -> None:
        self.training = training
        self.inner.train(training)

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return self.inner.call(inputs, named)

    def save(self, directory: Path) -> None:
        if self.loaded is not None:
            self.inner.load_weights(self.loaded)
        self.inner.save(directory)
        if self.loaded is not None:
            self.inner.load_weights(self.used_weights(dict(self.loaded)))

    def load(self, directory: Path) -> None:
        self.inner.load(directory)
        self.load_weights({n: a.copy() for n, a in self.inner.read_weights().items()})

    @property
    def copy(self) -> Callable[[], Any]:
        """Where the layer inside has such a method."""
        inner_copy = self.inner.copy
        return lambda: self.around(inner_copy())

    @property
    def pickled(self) -> Callable[[], Any]:
        """Where the layer inside has such a method."""
        inner_copy = self.inner.pickled
        return lambda: self.around(inner_copy())

    def around(self, inner: Any) -> Any:
        """The copy of this wrapper around a copy of the layer inside."""
        other = copy.copy(self)
        own = {n: value for n, value in vars(self).items() if n not in ("inner", "base")}
        vars(other).update(copy.deepcopy(own))
        other.inner = inner
        return other


class WrappedBackend:
    """A correct backend whose layers are wrapped; its name, by which what is known goes, stays."""

    def __init__(self, base: Backend, layer: type[WrappedValues] = WrappedLayer) -> None:
        self.base, self.layer, self.name = cast(FullBackend, base), layer, base.name
        self.seeds_dropout = getattr(base, "seeds_dropout", False)
        self.concurrent = getattr(base, "concurrent", False)

    def build(self, options: LayerOptions) -> Any:
        layer = self.layer(self.base.build(options), options, self.base)
        layer.training = False
        return layer

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> Any:
        base: Any = self.base
        named = self.keywords(positional, keywords)
        inner = base.construct(layer, positional, named, **({"literal": True} if literal else {}))
        return self.layer(inner, layer_options(layer, positional, named), self.base)

    def keywords(self, positional: Sequence[Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keywords that the layer inside is constructed with."""
        return given

    def seed(self, value: int) -> None:
        self.base.seed(value)

    def unsupported(self, config: Config) -> str | None:
        return unsupported_reason(self.base, config)

    def versions(self) -> dict[str, str]:
        return versions_of(self.base)
