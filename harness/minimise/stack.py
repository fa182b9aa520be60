"""Fewer layers, one direction, a later start: cases in which the states stay what they were."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from harness.case import Case
from harness.config import ConfigError
from harness.observe import Observation
from reference.arrays import Array

__all__ = ["activation_alone", "first_layers", "from_own_state", "last_layers", "one_direction"]


def first_layers(case: Case, layers: int) -> Case:
    """The stack without what lies above."""
    config = dataclasses.replace(case.config, num_layers=layers)
    rows = layers * config.directions
    return dataclasses.replace(
        case,
        config=config,
        weights={name: case.weights[name] for name in config.options.parameter_shapes()},
        h_0=None if case.h_0 is None else case.h_0[:rows],
        given_cotangents=_cotangents(case, slice(rows)),
        again=None if case.again is None else case.again,
    )


def last_layers(case: Case, below: int, observation: Observation) -> Case:
    """The stack without its first layers; x is what these gave.

    Raises:
        ConfigError: they were not seen.
    """
    if len(observation.hidden) < below:
        raise ConfigError("hidden layers were not seen")
    left = case.config.num_layers - below
    size = case.config.directions * case.config.hidden_size
    config = dataclasses.replace(case.config, num_layers=left, input_size=size)

    def above(name: str) -> str:
        return re.sub(r"_l(\d)", lambda found: f"_l{int(found[1]) + below}", name)

    rows = below * config.directions
    return dataclasses.replace(
        case,
        config=config,
        x=observation.hidden[below - 1].output,
        weights={n: case.weights[above(n)] for n in config.options.parameter_shapes()},
        h_0=None if case.h_0 is None else case.h_0[rows:],
        given_cotangents=_cotangents(case, slice(rows, None)),
        again=None,
    )


def one_direction(case: Case, *, reverse: bool) -> Case:
    """One side of a bidirectional stack; the reverse one reads x from its end.

    Raises:
        ConfigError: with lengths, each row has an end of its own.
    """
    if reverse and case.lengths is not None:
        raise ConfigError("the reverse direction begins at each row's own end")
    config = dataclasses.replace(case.config, bidirectional=False)
    size = config.hidden_size
    own = slice(size, 2 * size) if reverse else slice(size)
    order = slice(None, None, -1 if reverse else 1)
    weights: dict[str, Array] = {}
    for name in config.options.parameter_shapes():
        array = case.weights[name + "_reverse" * reverse]
        deep = name.startswith("weight_ih") and not name.startswith("weight_ih_l0")
        weights[name] = array[:, own] if deep else array
    given = case.given_cotangents
    return dataclasses.replace(
        case,
        config=config,
        x=np.ascontiguousarray(case.x[order]),
        weights=weights,
        h_0=None if case.h_0 is None else case.h_0[int(reverse) :: 2],
        given_cotangents=None
        if given is None
        else (given[0][order][..., own], given[1][int(reverse) :: 2]),
        again=None if case.again is None else case.again[order],
    )


def from_own_state(case: Case, step: int, observation: Observation) -> Case:
    """The steps from this one on, from the state that the implementation had there.

    Raises:
        ConfigError: states are not known there, or are not those of one direction of one layer.
    """
    config = case.config
    if config.num_layers > 1 or config.bidirectional or observation.forward is None:
        raise ConfigError("one layer in one direction is needed")
    if case.lengths is not None or case.given_cotangents is not None:
        raise ConfigError("lengths and cotangents belong to the whole sequence")
    return dataclasses.replace(
        case,
        config=dataclasses.replace(config, steps=config.steps - step, h_0=True),
        x=case.x[step:],
        h_0=observation.forward.output[step - 1][None],
        again=None if case.again is None else case.again[step:],
    )


def activation_alone(case: Case, observation: Observation) -> Case:
    """The pre-activations as x, W_ih the identity, and nothing else: no state, no bias.

    Raises:
        ConfigError: states are not known, are not those of one direction of one layer, or it is
            this already.
    """
    config, forward = case.config, observation.forward
    if config.num_layers > 1 or config.bidirectional or forward is None:
        raise ConfigError("one layer in one direction is needed")
    identity, nothing = np.eye(config.hidden_size), np.zeros((config.hidden_size,) * 2)
    w_ih, w_hh = case.weights["weight_ih_l0"], case.weights["weight_hh_l0"]
    if np.array_equal(w_ih, identity) and not w_hh.any():
        raise ConfigError("it is alone already")
    start = np.zeros_like(forward.output[:1]) if case.h_0 is None else case.h_0
    previous = np.concatenate([start, forward.output[:-1]]).astype(np.float64)
    biases = sum(b.astype(np.float64) for n, b in case.weights.items() if n.startswith("bias"))

    def a(x: Array) -> Array:
        with np.errstate(all="ignore"):
            exact = x.astype(np.float64) @ w_ih.astype(np.float64).T
            exact += previous @ w_hh.astype(np.float64).T + biases
            stored: Array = exact.astype(x.dtype)
        return stored

    dtype = w_ih.dtype
    return dataclasses.replace(
        case,
        config=dataclasses.replace(config, input_size=config.hidden_size, bias=False, h_0=False),
        x=a(case.x),
        h_0=None,
        weights={"weight_ih_l0": identity.astype(dtype), "weight_hh_l0": nothing.astype(dtype)},
        again=None if case.again is None else a(case.again),
    )


def _cotangents(case: Case, rows: slice) -> tuple[Array, Array] | None:
    if case.given_cotangents is None:
        return None
    output, h_n = case.given_cotangents
    return output, h_n[rows]
