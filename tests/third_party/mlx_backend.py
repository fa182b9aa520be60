"""mlx.nn.RNN on the CPU: one layer in one direction; stacks and gradients are put together here.

It is batch first, has one bias (the sum of torch's two), and no lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from harness.backends.wrapping import Layout, Weights, run_stack
from harness.config import Config, LayerOptions
from reference.arrays import Array

mx.set_default_device(mx.cpu)


def one_direction(
    options: LayerOptions, weights: Mapping[str, Any], x: Any, initial: Mapping[str, Any], _: Any
) -> tuple[Any, Mapping[str, Any]]:
    hidden, features = weights["weight_ih"].shape
    activation = {"tanh": mx.tanh, "relu": nn.relu}[options.nonlinearity]
    layer = nn.RNN(features, hidden, bias=options.bias, nonlinearity=activation)
    layer.Wxh, layer.Whh = weights["weight_ih"], weights["weight_hh"]
    if options.bias:
        layer.bias = weights["bias_ih"] + weights["bias_hh"]
    states = layer(x.swapaxes(0, 1), initial.get("h_0")).swapaxes(0, 1)
    return states, {"h_n": states[-1]}


class MlxLayer(Weights):
    def forward(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        given = {name: mx.array(array) for name, array in {**inputs, **self.weights}.items()}
        return {name: np.array(array) for name, array in self._run(given).items()}

    def gradients(
        self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> Mapping[str, Array]:
        given = {name: mx.array(array) for name, array in {**inputs, **self.weights}.items()}

        def run(*arrays: mx.array) -> list[mx.array]:
            found = self._run(dict(zip(given, arrays, strict=True)))
            return [found[name] for name in cotangents]

        _, found = mx.vjp(run, list(given.values()), [mx.array(a) for a in cotangents.values()])
        return {name: np.array(a) for name, a in zip(given, found, strict=True)}

    def _run(self, given: Mapping[str, mx.array]) -> Mapping[str, mx.array]:
        weights = {name: given[name] for name in self.weights}
        inputs = {name: array for name, array in given.items() if name not in weights}
        layout = Layout.of(self.options, inputs)
        found = run_stack(self.options, weights, layout.time_first(inputs), one_direction, mx)
        return layout.back(found)


class MlxBackend:
    name = "mlx"

    def build(self, options: LayerOptions) -> MlxLayer:
        return MlxLayer(options)

    def unsupported(self, config: Config) -> str | None:
        if config.layer != "rnn":
            return f"no layer {config.layer} here"
        if config.dtype != "fp32":
            return "only float32 is asked of MLX here"
        if config.lengths != "nolengths":
            return "mlx.nn.RNN has no lengths"
        if config.memory == "reversed":
            return "mlx.core.array refuses arrays with negative strides"
        return None

    def versions(self) -> Mapping[str, str]:
        return {"mlx": version("mlx")}


backend = MlxBackend()
