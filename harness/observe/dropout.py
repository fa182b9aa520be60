"""Dropout seen from outside: all layers after the first pass on what they get.

The parameters of those layers are the record's `pass_through` (`harness.case.passing_on`), so what
dropout did to the first layer's output stands in the output of the stack.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import cast

from harness.axes import axes_of
from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer, offers
from harness.case import Case, passing_on
from harness.config import Config
from harness.observe.calling import call, loaded
from harness.observe.errors import NotOffered
from harness.observe.new_thread import in_a_new_thread
from harness.observe.records import DropoutCalls, Observation, Outputs

__all__ = ["CALLS", "observe_dropout"]

CALLS = 3
"""Calls in training mode that are judged one by one."""
LATER = 21
"""Calls after them: masks may come from a pool, and kernels may try on their first calls of a
shape how many threads are fastest."""

MANY = 297
"""Later calls of one step and few elements, which cost little: a pool of so many masks is seen."""

ELSEWHERE = 3
"""How many of the later calls come from a thread of their own each."""

EVALUATED = 6
"""Calls in evaluation mode after those in training mode and one in evaluation mode."""


def observe_dropout(backend: Backend, case: Case) -> Observation:
    """The stack in both modes, and the mode it comes in."""
    if not offers(backend, "construct"):
        raise NotOffered("has no method construct(layer, positional, keywords)")
    config, case = case.config, passing_on(case)
    if offers(backend, "seed"):  # so that a replay drops the same; a layer may take its when built
        cast(FullBackend, backend).seed(config.seed)
    stack = cast(FullLayer, loaded(backend, config, case.weights))
    if not offers(stack, "train"):
        raise NotOffered("has no method train(training)")
    one = _first_layer(case)
    first_layer = cast(FullLayer, loaded(backend, one.config, one.weights))
    first_layer.train(True)  # as the last layer of its stack it drops nothing
    alone = call(first_layer, one, [])
    without = loaded(backend, config.replace(dropout=0), case.weights)
    evaluated = call(stack, case, [])
    stack.train(True)
    trained = tuple(call(stack, case, []) for _ in range(CALLS))
    later = tuple(_later(stack, case))
    stack.train(False)
    evaluated_after = call(stack, case, [])
    evaluated_later = tuple(call(stack, case, []) for _ in range(EVALUATED))
    beside = () if getattr(backend, "sampled", False) else tuple(_beside(backend, case))
    as_built = None
    if config.dtype == "fp32":
        fresh = _as_built(cast(FullBackend, backend), config)
        fresh.load_weights(case.weights)
        first = call(fresh, case, [])
        cast(FullLayer, fresh).train(False)
        as_built = (first, call(fresh, case, []))
    calls = DropoutCalls(
        case.weights,
        alone,
        evaluated,
        call(without, case, []),
        trained,
        later,
        evaluated_after,
        as_built,
        evaluated_later,
        beside,
    )
    transferred = sum(array.size for array in case.weights.values())
    return Observation(backend.name, transferred=transferred, details=calls)


def _later(stack: FullLayer, case: Case) -> Iterator[Outputs]:
    """More calls in training mode, the last of them from other threads."""
    config = case.config
    elements = config.batch * config.directions * config.output_size
    count = MANY if config.steps == 1 and 100 <= elements <= 200 else LATER
    for number in range(count):
        if number < count - ELSEWHERE:
            yield call(stack, case, [])
        else:
            yield in_a_new_thread(lambda: call(stack, case, []))


def _beside(backend: Backend, case: Case) -> Iterator[Outputs]:
    """First calls of another layer, where anything is dropped."""
    if case.config.num_layers == 1 or case.config.dropout == 0:
        return
    other = cast(FullLayer, loaded(backend, case.config, case.weights))
    other.train(True)
    for _ in range(CALLS):
        yield call(other, case, [])


def _first_layer(case: Case) -> Case:
    """The first layer of the stack alone."""
    one = case.config.replace(num_layers=1)
    names = one.parameter_shapes()
    inputs = {
        name: array[: one.directions] if "stack" in axes_of(one, name) else array
        for name, array in case.inputs.items()
    }
    weights = {name: case.weights[name] for name in names}
    return dataclasses.replace(case, config=one, weights=weights, inputs=inputs)


def _as_built(backend: FullBackend, config: Config) -> Layer:
    """A layer whose mode was not touched, in the dtype that comes without asking."""
    options = config.options
    sizes = (options.input_size, options.hidden_size)
    return backend.construct(config.layer, sizes, options.keywords)
