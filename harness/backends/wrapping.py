"""What wrapping a runtime takes: layouts, gate orders, directions and layers, a stack of cells.

A runtime that computes one direction of one layer, time first, is a backend in a few lines:

    class Cells:
        def build(self, options): return Stack(options, self.run)

        def run(self, options, weights, x, initial, lengths):
            h = initial["h_0"] ...
            return output, {"h_n": h}

Only operators and methods that NumPy, MLX, JAX and torch share are used on arrays, so what is put
together here can be differentiated by a framework too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.backends.protocol import require_parameters
from harness.config import LayerOptions
from reference import parameter_name
from reference.arrays import Array

__all__ = [
    "BATCH_FIRST",
    "Layout",
    "OneDirection",
    "Stack",
    "Weights",
    "directions_of",
    "in_gate_order",
    "layer_options",
    "run_stack",
    "turned",
    "weights_of",
]

OneDirection = Callable[
    [LayerOptions, Mapping[str, Any], Any, Mapping[str, Any], Any], tuple[Any, Mapping[str, Any]]
]
"""(options, weights, x, initial, lengths) -> (output, final): one layer in one direction.

`weights` are by torch's names without layer (weight_ih), `x` is (T, B, I), `initial` has states
(B, H) by name or nothing, lengths are (B,) or None. Returned are the output (T, B, H), zero in the
padding, and the states (B, H) after each row's last valid step, by name: "h_n".
"""


class Layout(NamedTuple):
    """How the arrays of one call lie: time first, batch first, or without a batch."""

    batch_first: bool = False
    unbatched: bool = False

    @classmethod
    def of(cls, options: LayerOptions, inputs: Mapping[str, Any]) -> Layout:
        """That of a call by its options and the rank of x."""
        unbatched = inputs["x"].ndim == 2
        return cls(options.batch_first and not unbatched, unbatched)

    def time_first(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs or outputs: x and output as (T, B, ...), states as (L * D, B, H)."""
        return {name: self._turn(name, array, inserting=True) for name, array in arrays.items()}

    def back(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """From time first to the layout of the call."""
        return {name: self._turn(name, array, inserting=False) for name, array in arrays.items()}

    def _turn(self, name: str, array: Any, *, inserting: bool) -> Any:
        if name == "lengths":
            return array
        if self.unbatched:
            return array[:, None] if inserting else array[:, 0]
        return array.swapaxes(0, 1) if self.batch_first and name in ("x", "output") else array


BATCH_FIRST = Layout(batch_first=True)
"""For a runtime that is batch first: `BATCH_FIRST.back` of what is time first."""


def weights_of(
    options: LayerOptions, weights: Mapping[str, Any], layer: int, direction: int
) -> dict[str, Any]:
    """The parameters of one layer and direction, by names without either: weight_ih, ..."""
    bases = dict.fromkeys(name.partition("_l")[0] for name in options.parameter_shapes())
    return {base: weights[parameter_name(base, layer, bool(direction))] for base in bases}


def directions_of(
    options: LayerOptions, weights: Mapping[str, Any], layer: int
) -> dict[str, Array]:
    """The parameters of both directions of a layer, one after the other along a new first axis."""
    each = [weights_of(options, weights, layer, side) for side in range(options.directions)]
    return {base: np.stack([one[base] for one in each]) for base in each[0]}


def layer_options(options: LayerOptions, layer: int) -> dict[str, int]:
    """`input_size` and `hidden_size` of one layer of the stack."""
    below = options.directions * options.hidden_size
    return {
        "input_size": below if layer else options.input_size,
        "hidden_size": options.hidden_size,
    }


def in_gate_order(array: Array, torch: Sequence[str], runtime: Sequence[str]) -> Array:
    """Rows of a weight or bias from torch's order of gates in a runtime's: "ifgo" and "iofg".

    Raises:
        ValueError: not the same gates, or rows that they cannot share.
    """
    if sorted(torch) != sorted(runtime) or len({*torch}) != len(torch):
        raise ValueError(f"gates {runtime!r}, expected those of {torch!r} in another order")
    blocks = dict(zip(torch, np.split(array, len(torch)), strict=True))
    return np.concatenate([blocks[gate] for gate in runtime])


def turned(array: Any, lengths: Any) -> Any:
    """(T, B, ...) in the reverse order of time; with lengths, of each row's valid steps only."""
    if lengths is None:
        return array[::-1]
    steps = np.arange(array.shape[0])[:, None]
    ends = np.asarray(lengths)[None, :]
    order = np.where(steps < ends, ends - 1 - steps, steps)
    return array[order, np.arange(array.shape[1])[None, :]]


def run_stack(
    options: LayerOptions,
    weights: Mapping[str, Any],
    inputs: Mapping[str, Any],
    one: OneDirection,
    arrays: Any = np,
) -> dict[str, Any]:
    """All layers and directions of a call, time first, each direction computed by `one`.

    Args:
        arrays: the module with `concatenate` and `stack` for the arrays given: numpy, mlx.core.
    """
    x, lengths = inputs["x"], inputs.get("lengths")
    states = {name: array for name, array in inputs.items() if name.endswith("_0")}
    final: dict[str, list[Any]] = {}
    for layer in range(options.num_layers):
        outputs = []
        for direction in range(options.directions):
            row = layer * options.directions + direction
            initial = {name: array[row] for name, array in states.items()}
            own = weights_of(options, weights, layer, direction)
            seen = turned(x, lengths) if direction else x
            output, ends = one(options, own, seen, initial, lengths)
            outputs.append(turned(output, lengths) if direction else output)
            for name, end in ends.items():
                final.setdefault(name, []).append(end)
        x = arrays.concatenate(outputs, -1) if len(outputs) > 1 else outputs[0]
    return {"output": x, **{name: arrays.stack(ends) for name, ends in final.items()}}


class Weights:
    """Keeps the weights that were loaded, for runtimes that take them with every call."""

    def __init__(self, options: LayerOptions) -> None:
        self.options = options
        self.weights: dict[str, Array] = {}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        require_parameters(weights, self.options.parameter_shapes())
        self.weights = {name: array.copy() for name, array in weights.items()}

    def read_weights(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.weights.items()}


class Stack(Weights):
    """A whole layer of a runtime that computes one direction of one layer."""

    def __init__(self, options: LayerOptions, one: OneDirection) -> None:
        super().__init__(options)
        self.one = one

    def forward(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        layout = Layout.of(self.options, inputs)
        found = run_stack(self.options, self.weights, layout.time_first(inputs), self.one)
        return {name: np.ascontiguousarray(a) for name, a in layout.back(found).items()}
