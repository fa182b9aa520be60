"""Fewer layers, one direction, a later start: cases in which the states stay what they were."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from harness.axes import take
from harness.case import Case
from harness.config import ConfigError
from harness.minimise.arrays import arrays_of, derived
from harness.observe import Observation
from reference import Cell
from reference.arrays import Array, Float64Array

__all__ = [
    "activation_alone",
    "first_layers",
    "from_own_state",
    "is_activation_of_sum",
    "last_layers",
    "one_direction",
]


def is_activation_of_sum(cell: Cell) -> bool:
    """Whether a step is one activation of one sum of products and biases."""
    plain = cell.gates == ("",) and cell.projection is None
    return plain and len(cell.activations) == len(cell.states) == 1


def first_layers(case: Case, layers: int) -> Case:
    """The stack without what lies above."""
    kept = range(layers * case.config.directions)
    return derived(case, _taken(case, stack=kept), num_layers=layers)


def last_layers(case: Case, below: int, observation: Observation) -> Case:
    """The stack without its first layers; x is what these gave.

    Raises:
        ConfigError: they were not seen.
    """
    config = case.config
    if len(observation.hidden) < below:
        raise ConfigError("hidden layers were not seen")
    left, width = config.num_layers - below, config.directions * config.output_size
    names = config.replace(num_layers=left, input_size=width).parameter_shapes()

    def above(name: str) -> str:
        return re.sub(r"_l(\d+)", lambda found: f"_l{int(found[1]) + below}", name)

    rows = range(below * config.directions, config.num_layers * config.directions)
    arrays = _taken(case, stack=rows) | {name: case.weights[above(name)] for name in names}
    arrays["x"] = observation.hidden[below - 1]["output"]
    once = dataclasses.replace(case, second_x=None)
    return derived(once, arrays, num_layers=left, input_size=width)


def one_direction(case: Case, *, reverse: bool) -> Case:
    """One side of a bidirectional stack; the reverse one reads x from its end.

    Raises:
        ConfigError: with lengths, each row has an end of its own.
    """
    config = case.config
    if reverse and case.lengths is not None:
        raise ConfigError("the reverse direction begins at each row's own end")
    hidden, side = config.output_size, int(reverse)
    own, steps = range(side * hidden, (side + 1) * hidden), range(config.steps)
    stack = range(side, 2 * config.num_layers, 2)
    order = steps[::-1] if reverse else steps
    arrays = _taken(case, stack=stack, outputs=own, inputs=own, steps=order)
    names = config.replace(bidirectional=False).parameter_shapes()
    arrays |= {name: arrays[f"{name}_reverse"] for name in names if reverse}
    return derived(case, arrays, bidirectional=False)


def from_own_state(case: Case, step: int, observation: Observation) -> Case:
    """The steps from this one on, from the state that the implementation had there.

    Raises:
        ConfigError: not all states are known there, or the case is more than that.
    """
    config, output = case.config, _own_states(case, observation)
    if len(config.cell.states) > 1:
        raise ConfigError("of several states the output shows one")
    if case.lengths is not None or case.given_cotangents:
        raise ConfigError("lengths and cotangents belong to the whole sequence")
    arrays = _taken(case, steps=range(step, config.steps))
    arrays[f"{config.cell.states[0]}_0"] = output[step - 1][None]
    return derived(case, arrays, steps=config.steps - step, states=True)


def activation_alone(case: Case, observation: Observation) -> Case:
    """The pre-activations as x, and a layer that computes nothing but its activation of them.

    Raises:
        ConfigError: there is no such case, or it is this already.
    """
    config = case.config
    if not is_activation_of_sum(config.cell):
        raise ConfigError("a step is more than an activation of a sum")
    output = _own_states(case, observation)
    first = case.start(config.cell.states[0], 0)[None]
    before = np.concatenate([first, output[:-1]]).astype(np.float64)
    alone = config.replace(input_size=config.hidden_size, bias=False, states=False)
    passing = config.record.passes(alone)
    if passing is None:
        raise ConfigError("it has no parameters that pass on its input")
    weights: dict[str, Array] = {
        f"{name}_l0": array.astype(case.x.dtype) for name, array in passing.items()
    }
    if all(np.array_equal(array, case.weights[name]) for name, array in weights.items()):
        raise ConfigError("it is alone already")
    inputs = {name: array for name, array in arrays_of(case).items() if name in ("x", "second_x")}
    arrays = {**weights, **{name: _sums(case, x, before) for name, x in inputs.items()}}
    return derived(case, arrays, input_size=config.hidden_size, bias=False, states=False)


def _sums(case: Case, x: Array, before: Float64Array) -> Array:
    """The pre-activations of one layer in one direction, in the dtype of x."""
    with np.errstate(all="ignore"):
        found = np.zeros(1)
        for parameter in case.config.cell.arrays(case.config.bias):
            array = case.weights[f"{parameter.name}_l0"].astype(np.float64)
            given = x.astype(np.float64) if "inputs" in parameter.axes else before
            found = found + (array if parameter.is_bias else given @ array.T)
        stored: Array = found.astype(x.dtype)
    return stored


def _own_states(case: Case, observation: Observation) -> Array:
    """The implementation's states of one layer in one direction. Raises ConfigError if unknown."""
    config = case.config
    if config.num_layers > 1 or config.bidirectional or observation.outputs is None:
        raise ConfigError("one layer in one direction is needed")
    return observation.outputs["output"]


def _taken(case: Case, **places: Sequence[int]) -> dict[str, Array]:
    return take(case.config, arrays_of(case), places)
