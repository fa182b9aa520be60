"""The axes of arrays by name, and what works on an axis whatever the array.

    steps      T, in the order of time          stack    L * D: layer 0 forward, layer 0 reverse,
    rows       B, the batch                              layer 1 forward, ...
    features   I, of x                          units    H
    projected  of the state that is the output, where a cell projects it
    outputs    D * H, one direction after the other; D * P, where it is a projection
    gates      G * H, one gate after the other  inputs   columns of W_ih: I, or outputs below

Inside the harness everything is time first and batched; a backend gets and gives the layout that
its config asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.config import Config
from reference.arrays import Array

__all__ = [
    "axes_of",
    "from_layout",
    "gates_of_units",
    "output_names",
    "outputs_of_units",
    "shape_of",
    "take",
    "to_layout",
]

_FIXED = {
    "x": ("steps", "rows", "features"),
    "second_x": ("steps", "rows", "features"),
    "lengths": ("rows",),
    "output": ("steps", "rows", "outputs"),
}
_STATE = ("stack", "rows", "units")


def axes_of(config: Config, name: str) -> tuple[str, ...]:
    """The axes of an array, by its name: x, lengths, output, h_0, h_n, weight_ih_l0, ...

    Raises:
        KeyError: the layer has no such array.
    """
    if name in _FIXED:
        return _FIXED[name]
    state, _, which = name.rpartition("_")
    own = "projected" if config.cell.projection else "units"
    if which in ("0", "n") and state in config.cell.states:
        return _STATE if state != config.cell.states[0] else (*_STATE[:2], own)
    base, _, place = name.rpartition("_l")
    for parameter in config.cell.parameters:
        if parameter.name == base:
            first = place.partition("_")[0] == "0"
            names = {"inputs": "features" if first else "inputs", "outputs": own}
            return tuple(names.get(axis, axis) for axis in parameter.axes)
    raise KeyError(f"{name!r}: a layer {config.layer} has no array of that name")


def output_names(config: Config) -> tuple[str, ...]:
    """What a call returns, in this order."""
    return ("output", *(f"{state}_n" for state in config.cell.states))


def shape_of(config: Config, name: str) -> tuple[int, ...]:
    """Its shape, time first and batched."""
    hidden = config.hidden_size
    sizes = {
        "steps": config.steps,
        "rows": config.batch,
        "features": config.input_size,
        "outputs": config.directions * config.output_size,
        "inputs": config.directions * config.output_size,
        "projected": config.output_size,
        "stack": config.num_layers * config.directions,
        "units": hidden,
        "gates": len(config.cell.gates) * hidden,
    }
    return tuple(sizes[axis] for axis in axes_of(config, name))


def take(
    config: Config, arrays: Mapping[str, Array], places: Mapping[str, Sequence[int]]
) -> dict[str, Array]:
    """All arrays, of some axes only these places; arrays without such an axis stay."""
    found = {}
    for name, array in arrays.items():
        for number, axis in enumerate(axes_of(config, name)):
            if axis in places:
                array = np.take(array, list(places[axis]), number)
        found[name] = array
    return found


def outputs_of_units(config: Config, units: Sequence[int]) -> list[int]:
    """Where these units stand along an axis of outputs."""
    if config.cell.projection is not None:  # each is of all units
        return list(range(config.directions * config.output_size))
    return [u + config.hidden_size * side for side in range(config.directions) for u in units]


def gates_of_units(config: Config, units: Sequence[int]) -> list[int]:
    """Where these units stand along an axis of gates."""
    return [u + config.hidden_size * gate for gate in range(len(config.cell.gates)) for u in units]


def _absent(config: Config, name: str) -> list[str]:
    """The axes, all of length 1, that an array does not have as a layer takes or returns it."""
    if name == "lengths" or name.startswith(("weight", "bias")):
        return []
    single = ("steps", "stack") if config.record.single_step else ()
    left_out = (*single, *(("rows",) if config.layout == "unbatched" else ()))
    return [axis for axis in axes_of(config, name) if axis in left_out]


def to_layout(config: Config, name: str, array: Array) -> Array:
    """An array as the config's layer takes or returns it; a fresh contiguous copy."""
    axes = axes_of(config, name)
    absent = _absent(config, name)
    if absent:
        flat: Array = np.squeeze(array, tuple(map(axes.index, absent))).copy()
        return flat
    if config.layout == "batchfirst" and axes[:2] == ("steps", "rows"):
        array = array.swapaxes(0, 1)
    return array.copy()


def from_layout(config: Config, name: str, array: Array) -> Array:
    """The other way round."""
    axes = axes_of(config, name)
    absent = _absent(config, name)
    if absent:
        return np.expand_dims(array, tuple(map(axes.index, absent)))
    if config.layout == "batchfirst" and axes[:2] == ("steps", "rows"):
        return array.swapaxes(0, 1)
    return array
