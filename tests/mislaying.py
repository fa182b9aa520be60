"""torch's layers, but that one recurrent weight of the second layer arrives off by a quarter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.backends.torch_backend import TorchBackend, TorchLayer
from harness.config import Config, LayerOptions
from reference.arrays import Array

UNIT, COLUMN = 3, 1


class _Layer:
    def __init__(self, layer: TorchLayer) -> None:
        self.layer = layer
        self.given: Mapping[str, Array] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.given = {name: np.array(array) for name, array in weights.items()}
        loaded = {name: array.copy() for name, array in self.given.items()}
        if "weight_hh_l1" in loaded:
            loaded["weight_hh_l1"][UNIT, COLUMN] += 0.25
        self.layer.load_weights(loaded)

    def read_weights(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.given.items()}

    def forward(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return self.layer.forward(inputs)


class _Mislaying:
    name = "mislaying"

    def __init__(self) -> None:
        self.torch = TorchBackend()

    def build(self, options: LayerOptions) -> _Layer:
        return _Layer(self.torch.build(options))

    def unsupported(self, config: Config) -> str | None:
        return self.torch.unsupported(config)


backend = _Mislaying()
