"""Layers of torch.nn. The only file that imports torch; it is imported when the backend is used."""

from __future__ import annotations

import contextlib
import copy
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from harness.backends.protocol import (
    BackendUnavailable,
    named_outputs,
    positional,
    require_parameters,
)
from harness.config import Config, LayerOptions
from reference.arrays import Array

__all__ = ["TorchBackend"]

DTYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "fp64": torch.float64,
    "bf16": torch.bfloat16,
}


CPU = torch.device("cpu")


def to_tensor(value: Any, device: torch.device = CPU) -> Any:
    """A NumPy array as a tensor of its dtype; anything else as it is.

    On the CPU they share their memory, strides and all, so that what torch writes to its inputs is
    seen; torch.from_numpy takes no negative strides, and warns of what is read-only.
    """
    if isinstance(value, tuple):
        return tuple(to_tensor(one, device) for one in value)
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == ml_dtypes.bfloat16:
        return to_tensor(value.view(np.int16), device).view(torch.bfloat16)
    shared = value.flags.writeable and value.flags.aligned and min(value.strides, default=0) >= 0
    return torch.from_numpy(value if shared else value.copy()).to(device)


def to_numpy(tensor: torch.Tensor) -> Array:
    """A tensor as an array of its dtype; they share their memory on the CPU."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    found: Array = tensor.numpy()
    return found


THREADS = torch.get_num_threads()

MOST_NESTED = 8
"""Mappings in mappings that a file of weights may have."""


CLASSES: dict[str, type[torch.nn.RNNBase]] = {
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
    "rnn": torch.nn.RNN,
}
"""Layers of this harness, by name."""


class TorchLayer:
    """A recurrent layer of torch.nn, on the CPU or another device."""

    def __init__(self, layer: Any, device: torch.device = CPU) -> None:
        self.layer = layer if device == CPU else layer.to(device)
        self.device = device

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        parameters = dict(self.layer.named_parameters())
        require_parameters(weights, {name: tuple(p.shape) for name, p in parameters.items()})
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(to_tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: to_numpy(p).copy() for name, p in self.layer.named_parameters()}

    def forward(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return named_outputs(self.call(positional(inputs), {}))

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        tensors = [to_tensor(value, self.device) for value in inputs]
        keywords = {name: to_tensor(value, self.device) for name, value in named.items()}
        with torch.no_grad():
            return tuple(map(to_numpy, self._tensors(tensors, keywords)))

    def _tensors(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[torch.Tensor, ...]:
        """Call with tensors; with lengths, packed before and unpacked after."""
        if len(inputs) < 3:
            output, final = self.layer(*inputs, **named)
            return output, *(final if isinstance(final, tuple) else (final,))
        x, hx, lengths = inputs
        batch_first = self.layer.batch_first
        if isinstance(lengths, torch.Tensor):
            lengths = lengths.cpu()  # pack_padded_sequence takes no others
        packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        result, final = self.layer(packed, hx)
        steps = x.shape[1 if batch_first else 0]
        output, _ = pad_packed_sequence(result, batch_first, total_length=steps)
        return output, *(final if isinstance(final, tuple) else (final,))

    def gradients(
        self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> dict[str, Array]:
        given = {
            name: to_tensor(array, self.device).requires_grad_()
            for name, array in inputs.items()
            if name != "lengths"
        }
        lengths = {n: to_tensor(a) for n, a in inputs.items() if n == "lengths"}
        outputs = named_outputs(self._tensors(positional({**given, **lengths}), {}))
        wanted = {**given, **dict(self.layer.named_parameters())}
        found = torch.autograd.grad(
            [outputs[name] for name in cotangents],
            list(wanted.values()),
            [to_tensor(array, self.device) for array in cotangents.values()],
            materialize_grads=True,  # of c_n after one step, W_hr is no part: 0, not an error
        )
        gradients = dict(zip(wanted, found, strict=True))
        return {name: to_numpy(tensor) for name, tensor in {**gradients, **outputs}.items()}

    def train(self, training: bool) -> None:
        self.layer.train(training)

    def save(self, directory: Path) -> None:
        torch.save(self.layer.state_dict(), directory / "rnn.pt")

    def load(self, directory: Path) -> None:
        self.layer.load_state_dict(torch.load(directory / "rnn.pt", weights_only=True))

    def copy(self) -> TorchLayer:
        return type(self)(copy.deepcopy(self.layer), self.device)

    def pickled(self) -> TorchLayer:
        return type(self)(pickle.loads(pickle.dumps(self.layer)), self.device)  # noqa: S301, its own


CELLS: dict[str, type[torch.nn.RNNCellBase]] = {
    "grucell": torch.nn.GRUCell,
    "lstmcell": torch.nn.LSTMCell,
    "rnncell": torch.nn.RNNCell,
}
"""Those of one step."""


class TorchCell(TorchLayer):
    """A cell of torch.nn: its parameters are called as those of a first layer, without `_l0`.

    What it returns is the output and the final state in one.
    """

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights({name.removesuffix("_l0"): a for name, a in weights.items()})

    def read_weights(self) -> dict[str, Array]:
        return {f"{name}_l0": array for name, array in super().read_weights().items()}

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        output, *states = super().call(inputs, named)
        return output.copy(), *states

    def _tensors(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[torch.Tensor, ...]:
        found = self.layer(*inputs, **named)
        states = found if isinstance(found, tuple) else (found,)
        return states[0], *states

    def gradients(
        self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> dict[str, Array]:
        names = {name for name, _ in self.layer.named_parameters()}
        found = super().gradients(inputs, cotangents)
        found["output"] = found["output"].copy()
        return {f"{n}_l0" if n in names else n: array for n, array in found.items()}


class TorchBackend:
    name = "torch"
    variants = ("cuda",)
    seeds_dropout = True
    concurrent = True

    def __init__(self, variant: str = "") -> None:
        if variant == "cuda" and not torch.cuda.is_available():
            raise BackendUnavailable(
                f"backend 'torch:cuda': torch {torch.__version__} finds no CUDA device here "
                "(torch.cuda.is_available() is False)"
            )
        self.device = torch.device(variant) if variant else CPU
        # "cudnn RNN backward can only be called in training mode"
        self.gradients_in_training_only = variant == "cuda"

    def build(self, options: LayerOptions) -> TorchLayer:
        keywords = options.keywords | {"dtype": DTYPES[options.dtype]}
        sizes = (options.input_size, options.hidden_size)
        layer = self.construct(options.layer, sizes, keywords)
        layer.train(False)
        return layer

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> TorchLayer:
        with warnings.catch_warnings():
            # "dropout option adds dropout after all but last recurrent layer": we know.
            warnings.filterwarnings("ignore", message="dropout option adds dropout")
            if layer in CELLS:
                return TorchCell(CELLS[layer](*positional, **keywords), self.device)
            return TorchLayer(CLASSES[layer](*positional, **keywords), self.device)

    def seed(self, value: int) -> None:
        torch.manual_seed(value)

    def threads(self, count: int | None) -> None:
        torch.set_num_threads(THREADS if count is None else count)

    def unsupported(self, config: Config) -> str | None:
        if config.layer not in (*CLASSES, *CELLS):
            return f"torch.nn has no layer {config.layer}"
        if config.lengths == "emptyrows":
            return (
                "torch.nn.utils.rnn.pack_padded_sequence raises for a length of 0 "
                '("Length of all samples has to be greater than 0")'
            )
        return None

    def stored_weights(self, path: Path) -> dict[str, Array]:
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # its message recommends to load whatever it is
            raise ValueError("it holds other objects than tensors, and none is loaded") from None
        if not isinstance(stored, Mapping):
            raise TypeError(f"it holds a {type(stored).__name__}, and no tensors by name")
        return dict(_arrays_in(stored))

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}


def _arrays_in(stored: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Array]]:
    """The tensors of nested mappings, by the names on the way joined with dots."""
    if isinstance(stored, Mapping) and depth < MOST_NESTED:
        for name, value in stored.items():
            yield from _arrays_in(value, f"{prefix}.{name}" if prefix else str(name), depth + 1)
    elif isinstance(stored, torch.Tensor) and stored.layout == torch.strided:
        with contextlib.suppress(TypeError, RuntimeError):  # quantised ones, and such
            yield prefix, to_numpy(stored)
