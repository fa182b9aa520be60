"""torch.nn.RNN. The only file that imports torch; it is imported when the backend is used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from harness.backends.protocol import require_parameters
from harness.config import Config, LayerOptions
from reference.arrays import Array, IntArray

__all__ = ["TorchBackend"]

DTYPES = {"fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}


class TorchLayer:
    """torch.nn.RNN on the CPU, in evaluation mode, without gradients."""

    def __init__(self, options: LayerOptions) -> None:
        with warnings.catch_warnings():
            # "dropout option adds dropout after all but last recurrent layer": we know.
            warnings.filterwarnings("ignore", message="dropout option adds dropout")
            self.rnn = torch.nn.RNN(
                options.input_size,
                options.hidden_size,
                options.num_layers,
                nonlinearity=options.nonlinearity,
                bias=options.bias,
                batch_first=options.batch_first,
                dropout=options.dropout,
                bidirectional=options.bidirectional,
                dtype=DTYPES[options.dtype],
            ).eval()
        self.batch_first = options.batch_first

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        parameters = dict(self.rnn.named_parameters())
        require_parameters(weights, {name: tuple(p.shape) for name, p in parameters.items()})
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(torch.tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: p.detach().numpy().copy() for name, p in self.rnn.named_parameters()}

    def forward(self, x: Array, h_0: Array | None, lengths: IntArray | None) -> tuple[Array, Array]:
        state = None if h_0 is None else torch.tensor(h_0)
        with torch.no_grad():
            if lengths is None:
                output, h_n = self.rnn(torch.tensor(x), state)
            else:
                packed = pack_padded_sequence(
                    torch.tensor(x), torch.tensor(lengths), self.batch_first, enforce_sorted=False
                )
                result, h_n = self.rnn(packed, state)
                steps = x.shape[1 if self.batch_first else 0]
                output, _ = pad_packed_sequence(result, self.batch_first, total_length=steps)
        return output.numpy(), h_n.numpy()


class TorchBackend:
    name = "torch"

    def build(self, options: LayerOptions) -> TorchLayer:
        return TorchLayer(options)

    def unsupported(self, config: Config) -> str | None:
        if config.lengths == "empties":
            return (
                "torch.nn.utils.rnn.pack_padded_sequence raises for a length of 0 "
                '("Length of all samples has to be greater than 0")'
            )
        return None

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}
