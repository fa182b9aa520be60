"""Backends that switch flush-to-zero on for their thread, as torch.set_flush_denormal does."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from harness.backends.torch_backend import TorchBackend, TorchLayer
from harness.config import LayerOptions
from reference.arrays import Array


class FlushingLayer(TorchLayer):
    def forward(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        torch.set_flush_denormal(True)
        return super().forward(inputs)


class FlushingBackend(TorchBackend):
    name = "flushing"

    def build(self, options: LayerOptions) -> TorchLayer:
        return FlushingLayer(super().build(options).layer)


class FlushingFromTheStart(TorchBackend):
    name = "flushing"

    def __init__(self) -> None:
        super().__init__()
        torch.set_flush_denormal(True)
