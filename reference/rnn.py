"""The Elman RNN of the documented equation, in NumPy: the oracle.

    h_t = act(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh),   act = tanh or relu

Written from the documentation of torch.nn.RNN and of
torch.nn.utils.rnn.pack_padded_sequence, never from an implementation's output.
J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reference.arrays import Array, BoolArray
from reference.rounding import exact_activation

__all__ = ["layer_names", "rnn"]

Activation = Callable[[Array], Array]


def layer_names(layer: int, reverse: bool, bias: bool) -> tuple[str, ...]:
    """Parameter names of one direction of one layer, in torch's spelling and order."""
    suffix = f"_l{layer}" + ("_reverse" if reverse else "")
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if bias else ("weight_ih", "weight_hh")
    return tuple(kind + suffix for kind in kinds)


def rnn(
    x: npt.ArrayLike,
    h_0: npt.ArrayLike | None,
    weights: Mapping[str, npt.ArrayLike],
    *,
    num_layers: int = 1,
    nonlinearity: str | Activation = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    lengths: npt.ArrayLike | None = None,
    dropout_masks: Sequence[npt.ArrayLike] | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> tuple[Array, Array]:
    """Evaluate a stacked Elman RNN.

    Args:
        x: (T, B, input_size); (B, T, input_size) with `batch_first`; or (T, input_size),
            unbatched, whatever `batch_first` says.
        h_0: (num_layers * D, B, hidden_size), D = 2 if bidirectional else 1, order layer 0
            forward, layer 0 reverse, layer 1 forward, ...; (num_layers * D, hidden_size) for
            unbatched x; None means zeros.
        weights: `weight_ih_l{k}[_reverse]` (hidden_size, input_size or D * hidden_size),
            `weight_hh_...` (hidden_size, hidden_size), `bias_ih_...`, `bias_hh_...`
            (hidden_size,); exactly the names that the options imply.
        nonlinearity: "tanh", "relu", or a function applied elementwise to pre-activations (to
            ask what the layer would give with some other activation).
        lengths: (B,) integers in 0..T. Steps at or after a row's length are padding: the
            output is zero there, the reverse direction starts at the row's last valid step,
            and h_n is the state after the last valid step in each direction (h_0 for length
            0). The padding of x may hold anything.
        dropout_masks: num_layers - 1 arrays (T, B, D * hidden_size), time first whatever
            `batch_first` says, multiplied onto the outputs of all layers but the last. They
            carry the scale 1 / (1 - p) already.
        dtype: floating type in which everything is evaluated (float64 unless asked).

    Returns:
        output: (T, B, D * hidden_size), in the layout of x; h_n: shaped as h_0.

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
    activation = _activation(nonlinearity)
    x_tbi, unbatched = _time_first(np.asarray(x), batch_first)
    steps, batch, input_size = x_tbi.shape
    params = _parameters(weights, num_layers, directions, bias, input_size, dtype)
    hidden_size = params[layer_names(0, False, bias)[1]].shape[0]
    states = _initial_states(h_0, (num_layers * directions, batch, hidden_size), unbatched, dtype)
    valid = _valid_steps(lengths, steps, batch, unbatched)
    masks = _masks(dropout_masks, num_layers, (steps, batch, directions * hidden_size), dtype)

    y = np.where(valid[:, :, None], x_tbi.astype(dtype), dtype.type(0))
    h_n = np.empty_like(states)
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            names = layer_names(layer, direction == 1, bias)
            row = layer * directions + direction
            out, h_n[row] = _scan(
                y, states[row], [params[n] for n in names], valid, activation, direction == 1
            )
            outputs.append(out)
        y = np.concatenate(outputs, axis=2)
        if layer < num_layers - 1 and masks is not None:
            y = y * masks[layer]
    if unbatched:
        return y[:, 0], h_n[:, 0]
    return (y.swapaxes(0, 1) if batch_first else y), h_n


def _scan(
    x: Array,
    h: Array,
    parameters: Sequence[Array],
    valid: BoolArray,
    activation: Activation,
    reverse: bool,
) -> tuple[Array, Array]:
    """One direction of one layer over (T, B, I): output (T, B, H) and final state (B, H).

    Going backwards, a row's state stays h_0 until its last valid step comes up: that is the
    packed-sequence meaning of the reverse direction.
    """
    w_ih, w_hh, *biases = parameters
    b_ih, b_hh = biases if biases else (0.0, 0.0)
    output = np.zeros((*x.shape[:2], h.shape[1]), x.dtype)
    steps = range(x.shape[0])
    padded = not valid.all()
    with np.errstate(all="ignore"):
        from_input = x @ w_ih.T + b_ih
        for t in reversed(steps) if reverse else steps:
            h_t = activation(from_input[t] + (h @ w_hh.T + b_hh))
            if padded:
                keep = valid[t][:, None]
                h = np.where(keep, h_t, h)
                output[t] = np.where(keep, h_t, 0)
            else:
                h = output[t] = h_t
    return output, h


def _activation(nonlinearity: str | Activation) -> Activation:
    if callable(nonlinearity):
        return nonlinearity
    exact_activation(nonlinearity, np.zeros(1))
    return lambda a: exact_activation(nonlinearity, a)


def _time_first(x: Array, batch_first: bool) -> tuple[Array, bool]:
    if x.ndim == 2:
        return x[:, None], True
    if x.ndim != 3:
        raise ValueError(
            f"x.shape = {x.shape}, expected (T, B, input_size), (B, T, input_size) with "
            "batch_first, or (T, input_size)"
        )
    return (x.swapaxes(0, 1) if batch_first else x), False


def _parameters(
    weights: Mapping[str, npt.ArrayLike],
    num_layers: int,
    directions: int,
    bias: bool,
    input_size: int,
    dtype: np.dtype[Any],
) -> dict[str, Array]:
    expected = [
        name
        for layer in range(num_layers)
        for direction in range(directions)
        for name in layer_names(layer, direction == 1, bias)
    ]
    if set(weights) != set(expected):
        missing, extra = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
        raise ValueError(f"weights: missing {missing}, not expected {extra}")
    params = {name: np.asarray(weights[name], dtype) for name in expected}
    first = params[expected[0]]
    if first.ndim != 2:
        raise ValueError(
            f"{expected[0]}.shape = {first.shape}, expected (hidden_size, {input_size})"
        )
    hidden_size = first.shape[0]
    for name, array in params.items():
        layer = int(name.split("_l")[1].split("_")[0])
        columns = input_size if layer == 0 else directions * hidden_size
        shape: tuple[int, ...] = (hidden_size,)
        if name.startswith("weight"):
            shape = (hidden_size, columns if name.startswith("weight_ih") else hidden_size)
        if array.shape != shape:
            raise ValueError(f"{name}.shape = {array.shape}, expected {shape}")
    return params


def _initial_states(
    h_0: npt.ArrayLike | None, shape: tuple[int, int, int], unbatched: bool, dtype: np.dtype[Any]
) -> Array:
    if h_0 is None:
        return np.zeros(shape, dtype)
    states = np.asarray(h_0, dtype)
    expected = (shape[0], shape[2]) if unbatched else shape
    if states.shape != expected:
        raise ValueError(f"h_0.shape = {states.shape}, expected {expected}")
    return states.reshape(shape)


def _valid_steps(
    lengths: npt.ArrayLike | None, steps: int, batch: int, unbatched: bool
) -> BoolArray:
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
