"""Dropout seen from outside: behind the first layer all layers hand on what they get.

Weights W_ih of those layers are the identity, W_hh and biases zero, so what dropout did to the
first layer's output stands in the output of the stack. All numbers are positive and so small
that even scaled by 1 / (1 - p) for each layer they stay below 2: no activation saturates.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np

from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer
from harness.case import Case
from harness.config import Config
from harness.layout import states_to_layout, to_layout
from harness.observe.forward import loaded, well_formed
from harness.observe.records import Dropping, Forward, Observation
from harness.observe.wording import NotOffered

__all__ = ["observe_dropping"]

CALLS = 3
"""Calls in training mode that are judged one by one."""
LATER = 21
"""Calls after them: masks may come from a pool, and kernels may try on their first calls of a
shape how many threads are fastest."""


def observe_dropping(backend: Backend, case: Case) -> Observation:
    """The stack in both modes, and the mode it comes in."""
    if not hasattr(backend, "construct"):
        raise NotOffered("has no method construct(positional, keywords)")
    config = case.config
    case = handing_on(case)
    stack = cast(FullLayer, loaded(backend, config.options, case.weights))
    if not hasattr(stack, "train"):
        raise NotOffered("has no method train(training)")
    one = dataclasses.replace(config, num_layers=1)
    names = one.options.parameter_shapes()
    first = loaded(backend, one.options, {name: case.weights[name] for name in names})
    rows = config.directions
    h_0 = None if case.h_0 is None else case.h_0[:rows]
    alone = _call(first, dataclasses.replace(case, config=one, h_0=h_0))
    without = loaded(backend, dataclasses.replace(config, dropout=0).options, case.weights)
    evaluated = _call(stack, case)
    if hasattr(backend, "seed"):
        backend.seed(config.seed)  # so that a replay drops the same elements
    stack.train(True)
    trained = tuple(_call(stack, case) for _ in range(CALLS))
    later = tuple(_call(stack, case) for _ in range(LATER))
    stack.train(False)
    again = _call(stack, case)
    as_built = None
    if config.dtype == "fp32":
        fresh = _as_built(cast(FullBackend, backend), config)
        fresh.load_weights(case.weights)
        comes = _call(fresh, case)
        cast(FullLayer, fresh).train(False)
        as_built = (comes, _call(fresh, case))
    facts = Dropping(
        case.weights,
        alone,
        evaluated,
        _call(without, case),
        trained,
        later,
        again,
        as_built,
    )
    transferred = sum(array.size for array in case.weights.values())
    return Observation(backend.name, transferred=transferred, facts=facts)


def _as_built(backend: FullBackend, config: Config) -> Layer:
    """A layer whose mode was not touched, in the dtype that comes without asking."""
    options = config.options
    keywords = {
        "num_layers": options.num_layers,
        "nonlinearity": options.nonlinearity,
        "bias": options.bias,
        "batch_first": options.batch_first,
        "dropout": options.dropout,
        "bidirectional": options.bidirectional,
    }
    return backend.construct((options.input_size, options.hidden_size), keywords)


def handing_on(case: Case) -> Case:
    """The case with a positive first layer and identities behind it."""
    config, dtype = case.config, case.x.dtype
    kept = (1 - config.dropout / 100) ** (config.num_layers - 1)
    weights = {}
    for name, array in case.weights.items():
        part = np.abs(array.astype(np.float64)) * np.sqrt(config.hidden_size)  # within 1
        if not name.endswith(("_l0", "_l0_reverse")):
            weights[name] = np.zeros_like(array)
            if name.startswith("weight_ih"):
                side = config.hidden_size * name.endswith("_reverse")
                weights[name][:, side : side + config.hidden_size] = np.eye(config.hidden_size)
            continue
        scale = {"weight_ih": config.input_size, "weight_hh": 2 * config.hidden_size}
        weights[name] = ((0.25 + part / 2) * kept / scale.get(name[:9], 4)).astype(dtype)
    h_0 = None if case.h_0 is None else np.abs(case.h_0) * dtype.type(kept)
    return dataclasses.replace(case, x=dtype.type(0.5) + np.abs(case.x), h_0=h_0, weights=weights)


def _call(layer: Layer, case: Case) -> Forward:
    config = case.config
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, config)
    lengths = None if case.lengths is None else case.lengths.copy()
    return well_formed(layer.forward(to_layout(case.x, config), h_0, lengths), config)
