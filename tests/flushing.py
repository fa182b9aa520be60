"""Backends that switch flush-to-zero on for their thread, as torch.set_flush_denormal does."""

from __future__ import annotations

from typing import Any

import torch

from harness.backends.torch_backend import TorchBackend, TorchLayer
from harness.config import LayerOptions


class FlushingLayer(TorchLayer):
    def forward(self, x: Any, h_0: Any, lengths: Any) -> Any:
        torch.set_flush_denormal(True)
        return super().forward(x, h_0, lengths)


class FlushingBackend(TorchBackend):
    name = "flushing"

    def build(self, options: LayerOptions) -> Any:
        return FlushingLayer(super().build(options).rnn)


class FlushingFromTheStart(TorchBackend):
    name = "flushing"

    def __init__(self) -> None:
        super().__init__()
        torch.set_flush_denormal(True)
