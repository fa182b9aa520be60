"""Stacks of a cell over sequences, in numbers: the oracle.

Written from the documentation of torch.nn.RNN, LSTM and GRU, and of
torch.nn.utils.rnn.pack_padded_sequence, never from an implementation's output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference.arithmetic import Arithmetic, Exact, Parameters
from reference.arrays import Array, BoolArray
from reference.cells import Cell, parameter_name, split

__all__ = ["Outputs", "Sizes", "evaluate", "expected_parameters", "scan", "valid_steps"]

Outputs = dict[str, Array]


@dataclass(frozen=True)
class Sizes:
    """Hidden units, and units of the output: fewer where a cell projects it."""

    hidden: int
    outputs: int

    @classmethod
    def of(cls, cell: Cell, weights: Mapping[str, npt.ArrayLike]) -> Sizes:
        """From the first array whose rows are gates, and from the projection if there is one."""
        name = parameter_name(cell.parameters[0].name, 0, False)
        if name not in weights:
            raise ValueError(f"weights: missing {name!r}, among {sorted(weights)}")
        shape = np.shape(weights[name])
        if len(shape) != 2 or shape[0] % len(cell.gates):
            raise ValueError(
                f"{name}.shape = {shape}, expected ({len(cell.gates)} * hidden_size, input_size)"
            )
        hidden = shape[0] // len(cell.gates)
        if cell.projection is None:
            return cls(hidden, hidden)
        name = parameter_name(cell.projection.name, 0, False)
        shape = np.shape(weights.get(name, 0.0))
        if len(shape) != 2:
            raise ValueError(f"{name}.shape = {shape}, expected (proj_size, {hidden})")
        return cls(hidden, shape[0])

    def states(self, cell: Cell, *leading: int) -> dict[str, tuple[int, ...]]:
        """The shape of each state, after some leading axes."""
        return {
            name: (*leading, self.hidden if number else self.outputs)
            for number, name in enumerate(cell.states)
        }


def evaluate(
    cell: Cell,
    x: npt.ArrayLike,
    initial: Mapping[str, npt.ArrayLike | None],
    weights: Mapping[str, npt.ArrayLike],
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    lengths: npt.ArrayLike | None = None,
    dropout_masks: Sequence[npt.ArrayLike] | None = None,
    dtype: npt.DTypeLike = np.float64,
    arithmetic: Arithmetic[Any] | None = None,
    stale: bool = False,
) -> Outputs:
    """Evaluate a stack of recurrent layers.

    Args:
        cell: the equation of one step.
        x: (T, B, input_size); (B, T, input_size) with `batch_first`; or (T, input_size),
            unbatched, whatever `batch_first` says.
        initial: by name of state ("h") the states before the first step, (num_layers * D, B,
            hidden_size), D = 2 if bidirectional else 1, order layer 0 forward, layer 0 reverse,
            layer 1 forward, ...; (num_layers * D, hidden_size) for unbatched x. Zeros where absent
            or None. Where a cell projects its output, that state has proj_size units, as have
            the outputs and masks.
        weights: by `parameter_name`; exactly the arrays that the cell and the options imply.
        lengths: (B,) integers in 0..T. Steps at or after a row's length are padding: the
            output is zero there, the reverse direction starts at the row's last valid step,
            and the final state is the one after the last valid step in each direction (the
            initial one for length 0). The padding of x may hold anything.
        dropout_masks: num_layers - 1 arrays (T, B, D * hidden_size), time first whatever
            `batch_first` says, multiplied onto the outputs of all layers but the last. They
            carry the scale 1 / (1 - p) already.
        dtype: floating type in which everything is evaluated (float64 unless asked).
        arithmetic: another reading in numbers, such as one with other activations.
        stale: every step starts from the state before last, the first one from 0: a fault, for
            those who ask whether they would see it.

    Returns:
        `output` (T, B, D * hidden_size), in the layout of x; the final states as `h_n` and so
        on, shaped as the initial ones.

    Raises:
        ValueError: an argument is inconsistent with the others; names it, its value and what
            was expected.
    """
    dtype = np.dtype(dtype)
    if not np.issubdtype(dtype, np.floating):
        raise ValueError(f"dtype = {dtype}, expected a floating type such as float64")
    if num_layers < 1:
        raise ValueError(f"num_layers = {num_layers}, expected at least 1")
    directions = 2 if bidirectional else 1
    x_tbi, unbatched = _time_first(np.asarray(x), batch_first)
    steps, batch, input_size = x_tbi.shape
    sizes = Sizes.of(cell, weights)
    arrays = _parameters(cell, weights, num_layers, directions, bias, input_size, sizes, dtype)
    states = {
        name: _initial(name, initial, shape, unbatched, dtype)
        for name, shape in sizes.states(cell, num_layers * directions, batch).items()
    }
    valid = valid_steps(lengths, steps, batch, unbatched)
    masks = _masks(dropout_masks, num_layers, (steps, batch, directions * sizes.outputs), dtype)

    op = Exact() if arithmetic is None else arithmetic
    y = np.where(valid[:, :, None], x_tbi.astype(dtype), dtype.type(0))
    final = {name: np.empty_like(array) for name, array in states.items()}
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            row = layer * directions + direction
            start = {name: array[row] for name, array in states.items()}
            own = arrays[layer, direction]
            every, end = scan(cell, op, own, y, start, valid, direction == 1, stale=stale)
            for name, array in end.items():
                final[name][row] = array
            outputs.append(every[cell.states[0]])
        y = np.concatenate(outputs, axis=2)
        if layer < num_layers - 1 and masks is not None:
            y = y * masks[layer]
    if unbatched:
        return {"output": y[:, 0], **{f"{name}_n": array[:, 0] for name, array in final.items()}}
    output = y.swapaxes(0, 1) if batch_first else y
    return {"output": output, **{f"{name}_n": array for name, array in final.items()}}


def scan(
    cell: Cell,
    op: Arithmetic[Any],
    parameters: Parameters,
    x: Array,
    start: Mapping[str, Array],
    valid: BoolArray,
    reverse: bool,
    *,
    stale: bool = False,
) -> tuple[Outputs, Outputs]:
    """One direction of one layer over (T, B, I): all states (T, B, H), 0 in the padding, and the
    final ones (B, H), by name.

    Going backwards, a row's state stays the initial one until its last valid step comes up: that
    is the packed-sequence meaning of the reverse direction.
    """
    states = dict(start)
    older = {name: np.zeros_like(array) for name, array in start.items()}
    every = {name: np.zeros((len(x), *array.shape), array.dtype) for name, array in start.items()}
    padded = not valid.all()
    with np.errstate(all="ignore"):
        for t in reversed(range(len(x))) if reverse else range(len(x)):
            found = cell.equation(op, parameters, x[t], older if stale else states)
            if padded:
                keep = valid[t][:, None]
                kept = {name: np.where(keep, found[name], states[name]) for name in found}
                older = {name: np.where(keep, states[name], older[name]) for name in found}
                states = kept
                found = {name: np.where(keep, array, 0) for name, array in found.items()}
            else:
                states, older = found, states
            for name, array in found.items():
                every[name][t] = array
    return every, states


def valid_steps(
    lengths: npt.ArrayLike | None, steps: int, batch: int, unbatched: bool = False
) -> BoolArray:
    """(T, B): which steps are not padding. Raises ValueError for lengths that are none."""
    if lengths is None:
        return np.ones((steps, batch), bool)
    given = np.asarray(lengths)
    if unbatched:
        raise ValueError(f"lengths = {given.tolist()}, expected None for unbatched (2-D) x")
    if given.shape != (batch,) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(
            f"lengths of shape {given.shape} and dtype {given.dtype}, expected {batch} integers"
        )
    if given.size and (given.min() < 0 or given.max() > steps):
        raise ValueError(f"lengths = {given.tolist()}, expected each in 0..{steps}")
    return np.arange(steps)[:, None] < given[None, :]


def expected_parameters(
    cell: Cell,
    num_layers: int,
    directions: int,
    bias: bool,
    input_size: int,
    hidden: int,
    outputs: int | None = None,
) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of a stack, in torch's order; `outputs` where projected."""
    outputs = hidden if outputs is None else outputs
    shapes = {}
    for layer in range(num_layers):
        columns = input_size if layer == 0 else directions * outputs
        for direction in range(directions):
            for one in cell.arrays(bias):
                name = parameter_name(one.name, layer, direction == 1)
                shapes[name] = cell.shape(one, columns, hidden, outputs)
    return shapes


def _parameters(
    cell: Cell,
    weights: Mapping[str, npt.ArrayLike],
    num_layers: int,
    directions: int,
    bias: bool,
    input_size: int,
    sizes: Sizes,
    dtype: np.dtype[Any],
) -> dict[tuple[int, int], Parameters]:
    """By layer and direction, split by gate."""
    shapes = expected_parameters(
        cell, num_layers, directions, bias, input_size, sizes.hidden, sizes.outputs
    )
    if set(weights) != set(shapes):
        missing, extra = sorted(set(shapes) - set(weights)), sorted(set(weights) - set(shapes))
        raise ValueError(f"weights: missing {missing}, not expected {extra}")
    arrays = {name: np.asarray(weights[name], dtype) for name in shapes}
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name}.shape = {array.shape}, expected {shapes[name]}")
    return {
        (layer, direction): split(
            cell,
            {
                one.name: arrays[parameter_name(one.name, layer, direction == 1)]
                for one in cell.arrays(bias)
            },
        )
        for layer in range(num_layers)
        for direction in range(directions)
    }


def _time_first(x: Array, batch_first: bool) -> tuple[Array, bool]:
    if x.ndim == 2:
        return x[:, None], True
    if x.ndim != 3:
        raise ValueError(
            f"x.shape = {x.shape}, expected (T, B, input_size), (B, T, input_size) with "
            "batch_first, or (T, input_size)"
        )
    return (x.swapaxes(0, 1) if batch_first else x), False


def _initial(
    name: str,
    given: Mapping[str, npt.ArrayLike | None],
    shape: tuple[int, ...],
    unbatched: bool,
    dtype: np.dtype[Any],
) -> Array:
    state = given.get(name)
    if state is None:
        return np.zeros(shape, dtype)
    array = np.asarray(state, dtype)
    expected = (shape[0], shape[2]) if unbatched else shape
    if array.shape != expected:
        raise ValueError(f"{name}_0.shape = {array.shape}, expected {expected}")
    return array.reshape(shape)


def _masks(
    masks: Sequence[npt.ArrayLike] | None,
    num_layers: int,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
) -> list[Array] | None:
    if masks is None:
        return None
    if len(masks) != num_layers - 1:
        raise ValueError(f"dropout_masks: {len(masks)} given, expected num_layers - 1 of them")
    arrays = [np.asarray(mask, dtype) for mask in masks]
    for mask in arrays:
        if mask.shape != shape:
            raise ValueError(f"dropout_masks: shape {mask.shape}, expected {shape}")
    return arrays
