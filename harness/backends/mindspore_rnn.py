"""mindspore.nn.RNN, eager mode. The only file that imports mindspore, and only when used."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping

from reference.arrays import Array, IntArray

os.environ.setdefault("GLOG_v", "3")  # errors only; must be set before the import
import mindspore

from harness.backends.protocol import require_parameters
from harness.config import Config, LayerOptions

__all__ = ["MindSporeBackend"]

DTYPES = {
    "fp16": mindspore.float16,
    "fp32": mindspore.float32,
    "fp64": mindspore.float64,
}


class MindSporeLayer:
    """mindspore.nn.RNN on the CPU, in evaluation mode."""

    def __init__(self, options: LayerOptions) -> None:
        # By position: a later version renames has_bias to bias, the order stays.
        self.rnn = mindspore.nn.RNN(
            options.input_size,
            options.hidden_size,
            options.num_layers,
            options.bias,
            options.batch_first,
            options.dropout,
            options.bidirectional,
            nonlinearity=options.nonlinearity,
            **({} if options.dtype == "fp32" else {"dtype": DTYPES[options.dtype]}),
        )
        self.rnn.set_train(False)
        self.parameters = {parameter.name: parameter for parameter in self.rnn.get_parameters()}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        # get_parameters() is ordered differently from torch: by name, never by position.
        require_parameters(weights, {name: p.shape for name, p in self.parameters.items()})
        for name, parameter in self.parameters.items():
            parameter.set_data(mindspore.Tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: parameter.asnumpy().copy() for name, parameter in self.parameters.items()}

    def forward(self, x: Array, h_0: Array | None, lengths: IntArray | None) -> tuple[Array, Array]:
        state = None if h_0 is None else mindspore.Tensor(h_0)
        inputs = [mindspore.Tensor(x), state]
        if lengths is not None:
            inputs.append(mindspore.Tensor(lengths))
        output, h_n = self.rnn(*inputs)
        return output.asnumpy(), h_n.asnumpy()


class MindSporeBackend:
    name = "mindspore"

    def __init__(self) -> None:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        # Launching in the calling thread: small layers run several times faster, and an error
        # surfaces in the call that caused it.
        launch_blocking = getattr(getattr(mindspore, "runtime", None), "launch_blocking", None)
        if launch_blocking is not None:
            launch_blocking()
        else:
            mindspore.set_context(pynative_synchronize=True)

    def build(self, options: LayerOptions) -> MindSporeLayer:
        return MindSporeLayer(options)

    def unsupported(self, config: Config) -> str | None:
        if config.layout == "unbatched":
            return "mindspore.nn.RNN documents 3-D x only, no unbatched (seq_len, input_size)"
        if config.dtype == "fp64":
            return "mindspore.nn.RNN documents float32 and float16 inputs only"
        if config.lengths != "nolens" and not self._takes_lengths():
            return "this version of mindspore.nn.RNN has no seq_length input"
        return None

    def versions(self) -> dict[str, str]:
        return {"mindspore": mindspore.__version__}

    @staticmethod
    def _takes_lengths() -> bool:
        return "seq_length" in inspect.signature(mindspore.nn.RNN.construct).parameters
