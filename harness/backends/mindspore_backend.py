"""Layers of mindspore.nn, eager and in graph mode. The only file that imports mindspore."""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reference.arrays import Array

# Must be set before the import: logs on crashes only, and the dump of a graph that could not be
# compiled elsewhere than into the working directory.
os.environ.setdefault("GLOG_v", "4")
os.environ.setdefault("MS_OM_PATH", str(Path(tempfile.gettempdir()) / "rnn-parity-mindspore"))
import mindspore

from harness.backends.protocol import OUTPUTS, named_outputs, positional, require_parameters
from harness.config import Config, LayerOptions

__all__ = ["MindSporeBackend"]

DTYPES = {
    "fp16": mindspore.float16,
    "fp32": mindspore.float32,
    "fp64": mindspore.float64,
}

EAGER, GRAPH = mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE


def to_tensor(value: Any) -> Any:
    """A NumPy array as a tensor of its dtype; anything else as it is.

    Tensor.from_numpy shares the memory of contiguous arrays, so that what is written to inputs is
    seen. Others it would make contiguous: they become the views that users have of tensors.
    """
    if isinstance(value, tuple):
        return tuple(map(to_tensor, value))
    if not isinstance(value, np.ndarray):
        return value
    plain = value.ndim == 0 or value.size == 0 or min(value.strides) < 0
    if plain or not (value.flags.writeable and value.flags.aligned):
        return mindspore.Tensor(value)
    return mindspore.Tensor.from_numpy(value) if value.flags.c_contiguous else _view(value)


def _view(value: Array) -> Any:
    """A tensor with strides: broadcast, transposed, or every second element of a larger one."""
    repeated = [axis for axis, stride in enumerate(value.strides) if stride == 0]
    if repeated:
        once = tuple(slice(1) if axis in repeated else slice(None) for axis in range(value.ndim))
        return mindspore.ops.broadcast_to(to_tensor(value[once]), value.shape)
    order = [int(axis) for axis in np.argsort([-stride for stride in value.strides])]
    if value.transpose(order).flags.c_contiguous:
        dense = mindspore.Tensor.from_numpy(value.transpose(order))
        return dense.permute(*(order.index(axis) for axis in range(value.ndim)))
    larger = np.full([2 * size for size in value.shape], 1, value.dtype)
    second = (slice(None, None, 2),) * value.ndim
    larger[second] = value
    return mindspore.Tensor.from_numpy(larger)[second]


@contextlib.contextmanager
def execution(mode: int) -> Iterator[None]:
    """Run in this execution mode; eager again after it."""
    mindspore.set_context(mode=mode)
    try:
        yield
    finally:
        mindspore.set_context(mode=EAGER)


def _end_recording() -> None:
    """Gradients that raise leave the process recording, and what follows raises in any layer: a
    known difference, which ends with the layer that shows it, so that no other is accused of it.
    """
    executor = getattr(mindspore.common.api, "_pynative_executor", None)
    if executor is not None and executor.grad_flag():
        executor.clear_res()


SHARED_OUT = 2**12
"""Elements of a tensor from which on threads may share it out."""

CLASSES = {"gru": mindspore.nn.GRU, "lstm": mindspore.nn.LSTM, "rnn": mindspore.nn.RNN}
"""Layers of this harness, by name."""


CELLS = {
    "grucell": mindspore.nn.GRUCell,
    "lstmcell": mindspore.nn.LSTMCell,
    "rnncell": mindspore.nn.RNNCell,
}
"""Those of one step."""


def _flat(outputs: Any) -> tuple[Any, ...]:
    """The output and the final states, of which some layers return a tuple."""
    output, final = outputs
    return (output, *final) if isinstance(final, tuple) else (output, final)


ABSENT = {"proj_size": 0}
"""Options of torch's that MindSpore documents not to have, and what it does in their place."""


def documented(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords without such as ask for nothing else than what is done anyway."""
    none = object()
    return {name: value for name, value in keywords.items() if ABSENT.get(name, none) != value}


class MindSporeLayer:
    """A recurrent layer of mindspore.nn on the CPU, called in one of the execution modes."""

    def __init__(self, layer: Any, mode: int) -> None:
        self.layer, self.mode = layer, mode
        self.parameters = {parameter.name: parameter for parameter in layer.get_parameters()}
        self.derivatives: dict[Any, Any] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        # get_parameters() is ordered differently from torch: by name, never by position.
        require_parameters(weights, {name: p.shape for name, p in self.parameters.items()})
        for name, parameter in self.parameters.items():
            parameter.set_data(mindspore.Tensor(weights[name]))

    def read_weights(self) -> dict[str, Array]:
        return {name: parameter.asnumpy().copy() for name, parameter in self.parameters.items()}

    def forward(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return named_outputs(self.call(positional(inputs), {}))

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        tensors = [to_tensor(value) for value in inputs]
        keywords = {name: to_tensor(value) for name, value in named.items()}
        with execution(self.mode):
            # Errors of a call may surface only when its values are asked for: ask here.
            found = self.outputs_of(self.layer(*tensors, **keywords))
            return tuple(one.asnumpy() for one in found)

    def outputs_of(self, returned: Any) -> tuple[Any, ...]:
        """The output and the final states."""
        return _flat(returned)

    def gradients(
        self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> dict[str, Array]:
        given = [to_tensor(array) for name, array in inputs.items() if name != "lengths"]
        lengths = [to_tensor(array) for name, array in inputs.items() if name == "lengths"]
        names = [name for name, parameter in self.parameters.items() if parameter.requires_grad]
        of = [to_tensor(array) for array in cotangents.values()]
        derive = self._derivative(len(given), len(lengths), tuple(cotangents), names)
        with execution(self.mode):
            (_, *outputs), (of_inputs, of_weights) = derive(*given, *lengths, *of)
            wanted = [name for name in inputs if name != "lengths"] + names
            of_given = of_inputs if len(given) > 1 else (of_inputs,)
            found = dict(zip(wanted, [*of_given, *of_weights], strict=True))
            found |= named_outputs(outputs)
            return {name: tensor.asnumpy().copy() for name, tensor in found.items()}

    def _derivative(
        self, given: int, lengths: int, losses: tuple[str, ...], names: Sequence[str]
    ) -> Any:
        """Loss, outputs and gradients of one call; kept, for a graph is compiled from it.

        The loss is the sum of the products of outputs and cotangents, of those outputs alone that
        have one.
        """
        key = given, lengths, losses
        if key not in self.derivatives:
            places = [OUTPUTS.index(name) for name in losses]

            def loss(*arrays: Any) -> Any:
                states = arrays[1:given]
                hx = states if given > 2 else states[0] if given > 1 else None
                called = self.layer(arrays[0], hx, *arrays[given : given + lengths])
                outputs = self.outputs_of(called)
                of = arrays[given + lengths :]
                total = (outputs[places[0]] * of[0]).sum()
                for number in range(1, len(places)):
                    total = total + (outputs[places[number]] * of[number]).sum()
                return total, *outputs

            weights = mindspore.ParameterTuple([self.parameters[name] for name in names])
            self.derivatives[key] = mindspore.value_and_grad(
                loss, grad_position=tuple(range(given)), weights=weights, has_aux=True
            )
        return self.derivatives[key]

    def train(self, training: bool) -> None:
        self.layer.set_train(training)
        self.derivatives.clear()

    def save(self, directory: Path) -> None:
        mindspore.save_checkpoint(self.layer, str(directory / "rnn.ckpt"))

    def load(self, directory: Path) -> None:
        loaded = mindspore.load_checkpoint(str(directory / "rnn.ckpt"))
        left, _ = mindspore.load_param_into_net(self.layer, loaded, strict_load=True)
        if left:
            raise ValueError(f"parameters {left} are not in the checkpoint")


class MindSporeCell(MindSporeLayer):
    """A cell of mindspore.nn: its parameters are called as those of a first layer, without `_l0`.

    What it returns is the output and the final state in one.
    """

    def __init__(self, layer: Any, mode: int) -> None:
        super().__init__(layer, mode)
        self.parameters = {f"{name}_l0": one for name, one in self.parameters.items()}

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        output, *states = super().call(inputs, named)
        return output.copy(), *states

    def outputs_of(self, returned: Any) -> tuple[Any, ...]:
        states = returned if isinstance(returned, tuple) else (returned,)
        return states[0], *states


class MindSporeBackend:
    """Eager; or compiled, in graph mode, where every new layer and shape costs half a second."""

    name = "mindspore"
    variants = default_variants = ("graph",)

    def __init__(self, variant: str = "") -> None:
        self.sampled = variant == "graph"
        # Calls take longer and longer: memory is scattered, and of graphs all that is compiled
        # stays (tests/README.md has figures).
        self.max_requests = 100 if variant == "graph" else 150
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
        named = documented(options.keywords)
        ordered = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
        positional = [named.pop(name) for name in ordered if name in named]
        sizes = (options.input_size, options.hidden_size)
        layer = self.construct(options.layer, (*sizes, *positional), {**named, **dtype})
        layer.train(False)
        return layer

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> MindSporeLayer:
        _end_recording()
        named = dict(keywords) if literal else documented(keywords)
        if "bias" in named and not literal and self._takes(layer, "__init__", "has_bias"):
            named["has_bias"] = named.pop("bias")
        if layer in CELLS:
            return MindSporeCell(CELLS[layer](*positional, **named), self.mode)
        return MindSporeLayer(CLASSES[layer](*positional, **named), self.mode)

    def seed(self, value: int) -> None:
        mindspore.set_seed(value)

    def unsupported(self, config: Config) -> str | None:
        of_layer = {**CLASSES, **CELLS}.get(config.layer)
        if of_layer is None:
            return f"mindspore.nn has no layer {config.layer}"
        name = f"mindspore.nn.{of_layer.__name__}"
        if left := documented(config.options.keywords).keys() & ABSENT.keys():
            return f"{name} documents no {', '.join(left)}"
        if config.record.single_step and config.layout == "unbatched":
            return f"{name} documents 2-D x only, no (input_size,)"
        if config.record.single_step and not config.states:
            return f"{name} documents no default of hx"
        if config.layout == "unbatched":
            return f"{name} documents 3-D x only, no unbatched (seq_len, input_size)"
        if config.dtype == "bf16" or (config.dtype == "fp64" and config.states):
            return f"{name} documents float32 and float16 inputs only"
        if config.lengths != "nolengths" and not self._takes(
            config.layer, "construct", "seq_length"
        ):
            return f"this version of {name} has no seq_length input"
        return None

    def single_core(self, config: Config) -> bool:
        """Where all tensors are small, for each operation goes to another thread and back.

        Not in training mode, nor with several calls that may differ, nor with empty tensors: how
        many threads a kernel takes, it tries out there, and differences come of it.
        """
        widest = max(config.input_size, config.directions * config.hidden_size)
        small = config.steps * config.batch * widest <= SHARED_OUT >= widest**2
        drops = config.dropout > 0 and config.mode == "training"
        return (
            self.mode == EAGER and small and config.aspect in ("values", "gradient") and not drops
        )

    def stored_weights(self, path: Path) -> dict[str, Array]:
        loaded = mindspore.load_checkpoint(str(path))
        return {
            name: one.asnumpy()
            for name, one in loaded.items()
            if hasattr(one, "asnumpy") and one.dtype != mindspore.bfloat16
        }

    def versions(self) -> dict[str, str]:
        return {"mindspore": mindspore.__version__}

    @staticmethod
    def _takes(layer: str, method: str, name: str) -> bool:
        """Whether the layer, or the class that does its work, has an argument of this name."""
        classes = {**CLASSES, **CELLS}[layer].__mro__[:2]
        return any(
            name in inspect.signature(getattr(one, method)).parameters
            for one in classes
            if hasattr(one, method)
        )
