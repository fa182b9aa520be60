"""Cells: the equation of one step, written once as its documentation writes it.

An equation is a function of an arithmetic (`reference.arithmetic.Arithmetic`), the parameters of
one direction of one layer, the input of the step and the states before it; it returns the states
after it. What the values are is the arithmetic's business: numbers, intervals, or a record for
reverse mode. A new cell is its own few lines here, and nothing else in this package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.arithmetic import Arithmetic, Block, Parameters
from reference.arrays import Array

__all__ = [
    "GRU",
    "Cell",
    "Equation",
    "Parameter",
    "elman",
    "lstm",
    "parameter_name",
    "parameters_of",
    "split",
]

Equation = Callable[[Arithmetic[Any], Parameters, Any, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """An array of one direction of one layer.

    `axes` names its axes: "gates" (all gates' units, gate by gate), "inputs", "units", or
    "outputs": the units of the output, which are fewer where the output is a projection.
    """

    name: str
    axes: tuple[str, ...]

    @property
    def is_bias(self) -> bool:
        return len(self.axes) == 1


@dataclass(frozen=True, eq=False)
class Cell:
    """One step of a recurrent layer.

    `states` are carried from step to step; the first of them is the output. `gates` names the
    blocks of rows that the parameters are made of, in their order. `activations` are those that
    the equation applies. The output has as many units as the other states, unless a parameter has
    "outputs" as its first axis: the projection that makes it.
    """

    name: str
    equation: Equation
    activations: tuple[str, ...]
    states: tuple[str, ...] = ("h",)
    gates: tuple[str, ...] = ("",)
    parameters: tuple[Parameter, ...] = (
        Parameter("weight_ih", ("gates", "inputs")),
        Parameter("weight_hh", ("gates", "outputs")),
        Parameter("bias_ih", ("gates",)),
        Parameter("bias_hh", ("gates",)),
    )

    def arrays(self, bias: bool) -> tuple[Parameter, ...]:
        """The parameters of one direction of one layer, in torch's order."""
        return tuple(one for one in self.parameters if bias or not one.is_bias)

    def shape(
        self, parameter: Parameter, inputs: int, hidden: int, outputs: int
    ) -> tuple[int, ...]:
        """The shape of a parameter of a layer with so many inputs, hidden units and outputs."""
        sizes = {
            "gates": len(self.gates) * hidden,
            "inputs": inputs,
            "units": hidden,
            "outputs": outputs,
        }
        return tuple(sizes[axis] for axis in parameter.axes)

    @property
    def projection(self) -> Parameter | None:
        """The parameter that makes the output of the hidden units, if there is one."""
        return next((one for one in self.parameters if one.axes[0] == "outputs"), None)


@functools.cache
def elman(nonlinearity: str) -> Cell:
    """h' = act(W_ih x + b_ih + W_hh h + b_hh), act = tanh or relu.

    Source: documentation of torch.nn.RNN. J. L. Elman, "Finding structure in time", Cognitive
    Science 14 (1990).

    Raises:
        ValueError: another nonlinearity.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity = {nonlinearity!r}, expected 'tanh' or 'relu'")

    def equation(
        op: Arithmetic[Any], w: Parameters, x: Any, s: Mapping[str, Any]
    ) -> dict[str, Any]:
        a = op.add(op.linear(w("ih"), x), op.linear(w("hh"), s["h"]))
        return {"h": op.activation(nonlinearity, a)}

    return Cell("elman", equation, (nonlinearity,))


def _gru(op: Arithmetic[Any], w: Parameters, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
    ih = {gate: op.linear(w("ih", gate), x) for gate in "rzn"}
    hh = {gate: op.linear(w("hh", gate), s["h"]) for gate in "rzn"}
    r, z = (op.activation("sigmoid", op.add(ih[gate], hh[gate])) for gate in "rz")
    n = op.activation("tanh", op.add(ih["n"], op.multiply(r, hh["n"])))
    return {"h": op.blend(z, n, s["h"])}


GRU = Cell("gru", _gru, ("sigmoid", "tanh"), gates=("r", "z", "n"))
"""n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h, r and z sigmoids of sums.

The reset gate acts after the product with W_hn. Source: documentation of torch.nn.GRU. K. Cho et
al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, in which it acts
before.
"""


@functools.cache
def lstm(projected: bool = False) -> Cell:
    """i, f, o = sigmoid(W x + b + W h + b), g = tanh(...); c' = f c + i g; h' = o tanh(c').

    With a projection, h' = W_hr (o tanh(c')), which has fewer units than c'.

    Source: documentation of torch.nn.LSTM. S. Hochreiter and J. Schmidhuber, "Long short-term
    memory", Neural Computation 9 (1997); F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to
    forget", Neural Computation 12 (2000); H. Sak, A. Senior and F. Beaufays, "Long short-term
    memory based recurrent neural network architectures", arXiv:1402.1128 (2014).
    """

    def equation(
        op: Arithmetic[Any], w: Parameters, x: Any, s: Mapping[str, Any]
    ) -> dict[str, Any]:
        def gate(name: str, activation: str) -> Any:
            a = op.add(op.linear(w("ih", name), x), op.linear(w("hh", name), s["h"]))
            return op.activation(activation, a)

        i, f, o = (gate(name, "sigmoid") for name in "ifo")
        g = gate("g", "tanh")
        c = op.add(op.multiply(f, s["c"]), op.multiply(i, g))
        h = op.multiply(o, op.activation("tanh", c))
        return {"h": op.linear(w("hr"), h) if projected else h, "c": c}

    projection = (Parameter("weight_hr", ("outputs", "units")),) if projected else ()
    return Cell(
        "lstm",
        equation,
        ("sigmoid", "tanh"),
        states=("h", "c"),
        gates=("i", "f", "g", "o"),
        parameters=Cell.parameters + projection,
    )


def parameter_name(parameter: str, layer: int, reverse: bool) -> str:
    """torch's name of an array: weight_ih_l0, weight_ih_l0_reverse."""
    return f"{parameter}_l{layer}" + ("_reverse" if reverse else "")


def parameters_of(
    cell: Cell, weights: Mapping[str, Array], layer: int, reverse: bool, bias: bool
) -> Parameters:
    """The arrays of one direction of one layer in float64, split by gate."""
    arrays = {
        one.name: np.asarray(weights[parameter_name(one.name, layer, reverse)], np.float64)
        for one in cell.arrays(bias)
    }
    return split(cell, arrays)


def split(cell: Cell, arrays: Mapping[str, Array]) -> Parameters:
    """Blocks of rows, one for each gate; a parameter without gates is one block, of gate "".

    `arrays` by the names of `cell.parameters`.
    """
    blocks = {}
    for parameter in cell.parameters:
        if parameter.is_bias:
            continue
        weight = arrays[parameter.name]
        kind = parameter.name.removeprefix("weight_")
        bias = arrays.get(f"bias_{kind}")
        gates = cell.gates if parameter.axes[0] == "gates" else ("",)
        size = len(weight) // len(gates)
        for number, gate in enumerate(gates):
            rows = slice(number * size, (number + 1) * size)
            blocks[kind, gate] = Block(
                kind, number, weight[rows], None if bias is None else bias[rows]
            )
    return Parameters(blocks)
