"""torch.nn.RNN. The only file that imports torch; it is imported when the backend is used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from harness.backends.protocol import BackendUnavailable, require_parameters
from harness.config import Config, LayerOptions
from reference.arrays import Array, IntArray

__all__ = ["TorchBackend"]

DTYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "fp64": torch.float64,
    "bf16": torch.bfloat16,
}


CPU = torch.device("cpu")


def to_tensor(value: Any, device: torch.device = CPU) -> Any:
    """A NumPy array as a tensor of its dtype, a copy; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == ml_dtypes.bfloat16:
        return torch.tensor(value.view(np.int16), device=device).view(torch.bfloat16)
    return torch.tensor(value, device=device)


def to_numpy(tensor: torch.Tensor) -> Array:
    """A tensor as an array of its dtype, a copy."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy().copy()
        return bits.view(ml_dtypes.bfloat16)
    return tensor.numpy().copy()


THREADS = torch.get_num_threads()


class TorchLayer:
    """A torch.nn.RNN, on the CPU or another device."""

    def __init__(self, rnn: torch.nn.RNN, device: torch.device = CPU) -> None:
        self.rnn = rnn if device == CPU else rnn.to(device)
        self.device = device

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        parameters = dict(self.rnn.named_parameters())
        require_parameters(weights, {name: tuple(p.shape) for name, p in parameters.items()})
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(to_tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: to_numpy(p) for name, p in self.rnn.named_parameters()}

    def forward(self, x: Array, h_0: Array | None, lengths: IntArray | None) -> tuple[Array, Array]:
        given = (x, h_0, lengths)
        output, h_n = self.call(given[: 3 if lengths is not None else 2], {})
        return output, h_n

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        tensors = [to_tensor(value, self.device) for value in inputs]
        keywords = {name: to_tensor(value, self.device) for name, value in named.items()}
        with torch.no_grad():
            output, h_n = self._tensors(tensors, keywords)
        return to_numpy(output), to_numpy(h_n)

    def _tensors(
        self, inputs: Sequence[Any], named: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Call with tensors; with lengths, packed before and unpacked after."""
        if len(inputs) < 3:
            return self.rnn(*inputs, **named)  # type: ignore[no-any-return]
        x, h_0, lengths = inputs
        batch_first = self.rnn.batch_first
        if isinstance(lengths, torch.Tensor):
            lengths = lengths.cpu()  # pack_padded_sequence takes no others
        packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        result, h_n = self.rnn(packed, h_0)
        steps = x.shape[1 if batch_first else 0]
        output, _ = pad_packed_sequence(result, batch_first, total_length=steps)
        return output, h_n

    def gradients(
        self,
        x: Array,
        h_0: Array | None,
        lengths: IntArray | None,
        output_cotangent: Array,
        h_n_cotangent: Array,
    ) -> dict[str, Array]:
        inputs = {"x": to_tensor(x, self.device).requires_grad_()}
        if h_0 is not None:
            inputs["h_0"] = to_tensor(h_0, self.device).requires_grad_()
        given = [inputs["x"], inputs.get("h_0")]
        if lengths is not None:
            given.append(to_tensor(lengths))
        outputs = self._tensors(given, {})
        wanted = {**inputs, **dict(self.rnn.named_parameters())}
        cotangents = [to_tensor(c, self.device) for c in (output_cotangent, h_n_cotangent)]
        found = torch.autograd.grad(outputs, list(wanted.values()), cotangents)
        return {name: to_numpy(g) for name, g in zip(wanted, found, strict=True)}

    def train(self, training: bool) -> None:
        self.rnn.train(training)

    def save(self, directory: Path) -> None:
        torch.save(self.rnn.state_dict(), directory / "rnn.pt")

    def load(self, directory: Path) -> None:
        self.rnn.load_state_dict(torch.load(directory / "rnn.pt", weights_only=True))


class TorchBackend:
    name = "torch"
    variants = ("cuda",)

    def __init__(self, variant: str = "") -> None:
        if variant == "cuda" and not torch.cuda.is_available():
            raise BackendUnavailable(
                f"backend 'torch:cuda': torch {torch.__version__} finds no CUDA device here "
                "(torch.cuda.is_available() is False)"
            )
        self.device = torch.device(variant) if variant else CPU

    def build(self, options: LayerOptions) -> TorchLayer:
        layer = self.construct(
            (options.input_size, options.hidden_size, options.num_layers),
            {
                "nonlinearity": options.nonlinearity,
                "bias": options.bias,
                "batch_first": options.batch_first,
                "dropout": options.dropout,
                "bidirectional": options.bidirectional,
                "dtype": DTYPES[options.dtype],
            },
        )
        layer.train(False)
        return layer

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> TorchLayer:
        with warnings.catch_warnings():
            # "dropout option adds dropout after all but last recurrent layer": we know.
            warnings.filterwarnings("ignore", message="dropout option adds dropout")
            return TorchLayer(torch.nn.RNN(*positional, **keywords), self.device)

    def seed(self, value: int) -> None:
        torch.manual_seed(value)

    def threads(self, count: int | None) -> None:
        torch.set_num_threads(THREADS if count is None else count)

    def unsupported(self, config: Config) -> str | None:
        if config.lengths == "empties":
            return (
                "torch.nn.utils.rnn.pack_padded_sequence raises for a length of 0 "
                '("Length of all samples has to be greater than 0")'
            )
        return None

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}
