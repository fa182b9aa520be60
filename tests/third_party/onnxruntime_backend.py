"""The operator RNN of ONNX, as ONNX Runtime computes it on the CPU; layers are stacked here.

https://onnx.ai/onnx/operators/onnx__RNN.html has names, shapes and layouts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from harness.backends.wrapping import Layout, Weights, directions_of
from harness.config import Config, LayerOptions
from reference.arrays import Array

OPTIONAL = ("B", "sequence_lens", "initial_h")


@functools.cache
def session(
    nonlinearity: str, hidden: int, directions: int, given: tuple[str, ...]
) -> onnxruntime.InferenceSession:
    """One layer; `given` names the optional inputs that it takes."""
    node = helper.make_node(
        "RNN",
        ["X", "W", "R", *(name if name in given else "" for name in OPTIONAL)],
        ["Y", "Y_h"],
        hidden_size=hidden,
        direction="bidirectional" if directions == 2 else "forward",
        activations=[nonlinearity.title()] * directions,
    )
    types = {"sequence_lens": TensorProto.INT32}
    inputs, outputs = (
        [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in names]
        for names in (("X", "W", "R", *given), ("Y", "Y_h"))
    )
    graph = helper.make_graph([node], "layer", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


class OnnxLayer(Weights):
    def forward(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        layout = Layout.of(self.options, inputs)
        given = layout.time_first(inputs)
        x, final = given["x"], []
        for layer in range(self.options.num_layers):
            x, h_n = self._layer(layer, x, given)
            final.append(h_n)
        return layout.back({"output": x, "h_n": np.concatenate(final)})

    def _layer(self, layer: int, x: Array, inputs: Mapping[str, Array]) -> tuple[Array, Array]:
        options, own = self.options, directions_of(self.options, self.weights, layer)
        given = {"X": x, "W": own["weight_ih"], "R": own["weight_hh"]}
        if options.bias:
            given["B"] = np.concatenate([own["bias_ih"], own["bias_hh"]], axis=1)
        if "lengths" in inputs:
            given["sequence_lens"] = inputs["lengths"].astype(np.int32)
        if "h_0" in inputs:
            rows = slice(layer * options.directions, (layer + 1) * options.directions)
            given["initial_h"] = inputs["h_0"][rows]
        run = session(
            options.nonlinearity,
            options.hidden_size,
            options.directions,
            tuple(name for name in OPTIONAL if name in given),
        )
        states, final = run.run(None, given)
        steps, directions, rows, hidden = states.shape
        return states.transpose(0, 2, 1, 3).reshape(steps, rows, directions * hidden), final


class OnnxRuntimeBackend:
    name = "onnxruntime"

    def build(self, options: LayerOptions) -> OnnxLayer:
        return OnnxLayer(options)

    def unsupported(self, config: Config) -> str | None:
        if config.layer != "rnn":
            return f"no layer {config.layer} here"
        if config.dtype != "fp32":
            return "ONNX Runtime's operator RNN is implemented for float32 only"
        return None

    def versions(self) -> Mapping[str, str]:
        return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}


backend = OnnxRuntimeBackend()
