"""mindspore.nn.RNN, eager and in graph mode. The only file that imports mindspore."""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reference.arrays import Array, IntArray

# Must be set before the import: logs on crashes only, and the dump of a graph that could not be
# compiled elsewhere than into the working directory.
os.environ.setdefault("GLOG_v", "4")
os.environ.setdefault("MS_OM_PATH", str(Path(tempfile.gettempdir()) / "rnn-parity-mindspore"))
import mindspore

from harness.backends.protocol import require_parameters
from harness.config import Config, LayerOptions

__all__ = ["MindSporeBackend"]

DTYPES = {
    "fp16": mindspore.float16,
    "fp32": mindspore.float32,
    "fp64": mindspore.float64,
}

EAGER, GRAPH = mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE


def to_tensor(value: Any) -> Any:
    """A NumPy array as a tensor of its dtype; anything else as it is."""
    return mindspore.Tensor(value) if isinstance(value, np.ndarray) else value


@contextlib.contextmanager
def execution(mode: int) -> Iterator[None]:
    """Run in this execution mode; eager again after it."""
    mindspore.set_context(mode=mode)
    try:
        yield
    finally:
        mindspore.set_context(mode=EAGER)


class MindSporeLayer:
    """A mindspore.nn.RNN on the CPU, called in one of the execution modes."""

    def __init__(self, rnn: Any, mode: int) -> None:
        self.rnn, self.mode = rnn, mode
        self.parameters = {parameter.name: parameter for parameter in rnn.get_parameters()}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        # get_parameters() is ordered differently from torch: by name, never by position.
        require_parameters(weights, {name: p.shape for name, p in self.parameters.items()})
        for name, parameter in self.parameters.items():
            parameter.set_data(mindspore.Tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: parameter.asnumpy().copy() for name, parameter in self.parameters.items()}

    def forward(self, x: Array, h_0: Array | None, lengths: IntArray | None) -> tuple[Array, Array]:
        given = (x, h_0, lengths)
        output, h_n = self.call(given[: 3 if lengths is not None else 2], {})
        return output, h_n

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        tensors = [to_tensor(value) for value in inputs]
        keywords = {name: to_tensor(value) for name, value in named.items()}
        with execution(self.mode):
            output, h_n = self.rnn(*tensors, **keywords)
            # Errors of a call may surface only when its values are asked for: ask here.
            return output.asnumpy(), h_n.asnumpy()

    def gradients(
        self,
        x: Array,
        h_0: Array | None,
        lengths: IntArray | None,
        output_cotangent: Array,
        h_n_cotangent: Array,
    ) -> dict[str, Array]:
        of_lengths = [] if lengths is None else [mindspore.Tensor(lengths)]
        inputs = {"x": mindspore.Tensor(x)}
        if h_0 is not None:
            inputs["h_0"] = mindspore.Tensor(h_0)

        def with_state(x: Any, h_0: Any) -> Any:
            return self.rnn(x, h_0, *of_lengths)

        def without_state(x: Any) -> Any:
            return self.rnn(x, None, *of_lengths)

        names = [name for name, parameter in self.parameters.items() if parameter.requires_grad]
        weights = mindspore.ParameterTuple([self.parameters[name] for name in names])
        derive = mindspore.ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)
        cotangents = (mindspore.Tensor(output_cotangent), mindspore.Tensor(h_n_cotangent))
        with execution(self.mode):
            function = without_state if h_0 is None else with_state
            of_inputs, of_weights = derive(function, weights)(*inputs.values(), cotangents)
            found = dict(zip([*inputs, *names], [*of_inputs, *of_weights], strict=True))
            return {name: gradient.asnumpy().copy() for name, gradient in found.items()}

    def train(self, training: bool) -> None:
        self.rnn.set_train(training)

    def save(self, directory: Path) -> None:
        mindspore.save_checkpoint(self.rnn, str(directory / "rnn.ckpt"))

    def load(self, directory: Path) -> None:
        loaded = mindspore.load_checkpoint(str(directory / "rnn.ckpt"))
        left, _ = mindspore.load_param_into_net(self.rnn, loaded, strict_load=True)
        if left:
            raise ValueError(f"parameters {left} are not in the checkpoint")


class MindSporeBackend:
    """Eager; or compiled, in graph mode, where every new layer and shape costs half a second."""

    name = "mindspore"
    variants = default_variants = ("graph",)

    def __init__(self, variant: str = "") -> None:
        self.sampled = variant == "graph"
        self.mode = GRAPH if variant == "graph" else EAGER
        mindspore.set_context(mode=EAGER)
        # Launching in the calling thread: small layers run several times faster, and an error
        # surfaces in the call that caused it.
        launch_blocking = getattr(getattr(mindspore, "runtime", None), "launch_blocking", None)
        if launch_blocking is not None:
            launch_blocking()
        else:
            mindspore.set_context(pynative_synchronize=True)

    def build(self, options: LayerOptions) -> MindSporeLayer:
        dtype = {} if options.dtype == "fp32" else {"dtype": DTYPES[options.dtype]}
        # By position: a later version renames has_bias to bias, the order stays.
        layer = self.construct(
            (
                options.input_size,
                options.hidden_size,
                options.num_layers,
                options.bias,
                options.batch_first,
                options.dropout,
                options.bidirectional,
            ),
            {"nonlinearity": options.nonlinearity, **dtype},
        )
        layer.train(False)
        return layer

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> MindSporeLayer:
        named = dict(keywords)
        if "bias" in named and not literal and self._takes("__init__", "has_bias"):
            named["has_bias"] = named.pop("bias")
        return MindSporeLayer(mindspore.nn.RNN(*positional, **named), self.mode)

    def seed(self, value: int) -> None:
        mindspore.set_seed(value)

    def unsupported(self, config: Config) -> str | None:
        if config.layout == "unbatched":
            return "mindspore.nn.RNN documents 3-D x only, no unbatched (seq_len, input_size)"
        if config.dtype == "bf16" or (config.dtype == "fp64" and config.h_0):
            return "mindspore.nn.RNN documents float32 and float16 inputs only"
        if config.lengths != "nolens" and not self._takes("construct", "seq_length"):
            return "this version of mindspore.nn.RNN has no seq_length input"
        return None

    def versions(self) -> dict[str, str]:
        return {"mindspore": mindspore.__version__}

    @staticmethod
    def _takes(method: str, name: str) -> bool:
        """Whether the layer, or the class that does its work, has an argument of this name."""
        classes = mindspore.nn.RNN.__mro__[:2]
        return any(
            name in inspect.signature(getattr(one, method)).parameters
            for one in classes
            if hasattr(one, method)
        )
