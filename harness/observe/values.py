"""Values: the whole stack, the shorter stacks that show hidden layers, a second call.

One case costs one call of the whole stack, one call of each shorter stack for its hidden layers,
and, where asked for, one of other sizes with everything given before, and one more call with other
padding and other neighbours.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.axes import axes_of
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, Layer
from harness.bits import same_bits
from harness.case import Case, changed, make_case
from harness.config import Config, ConfigError
from harness.observe.calling import call, loaded, well_formed
from harness.observe.records import Observation, Outputs, Rerun

__all__ = ["hidden_layers", "observe_values"]


def observe_values(backend: Backend, case: Case, repeat: bool) -> Observation:
    """The stack, its shorter stacks, and, where asked for, a second call."""
    config = case.config
    layer = loaded(backend, config, case.weights, twice=repeat)
    if repeat:
        _call_other_sizes(backend, layer, config)
        _call_other_lengths(layer, case)
    modified: list[str] = []
    returned: list[Mapping[str, Any]] = []
    outputs = call(layer, case, modified, returned)
    reruns = []
    if repeat:
        reruns.append(_rerun(layer, case, True, True, modified))
        if not _same_kept(outputs, reruns[0]):
            # Which of the three was it? Only now is it worth three more calls.
            reruns = [_rerun(layer, case, *what, modified) for what in _ATTRIBUTIONS]
        kept = well_formed(returned[0], config)
        modified += [
            f"{name} of the call before"
            for name, array in kept.items()
            if array.tobytes() != outputs[name].tobytes()
        ]
    return Observation(
        backend.name,
        outputs=outputs,
        hidden=hidden_layers(backend, case, modified),
        reruns=tuple(reruns),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
    )


LONG = 64
"""Steps from which on one more call of as many is dear."""


def _call_other_sizes(backend: Backend, layer: Layer, config: Config) -> None:
    """One call with states and lengths where the case has none; where it has both, of more or fewer
    rows. With every second seed it has one step more than the case, with the others, and where the
    case is long, one step in all. It must leave no trace: no state, no lengths, no buffer or plan.

    Whether it is answered, and how, is asked by other configs.
    """
    if config.data in ("sweep", "page"):
        return
    larger = config.seed % 2 == 0
    steps = config.steps + 1 if larger and _can_be_longer(config) else 1
    more: dict[str, Any] = {"steps": steps}
    if config.layout != "unbatched":
        batch = config.batch
        if config.states and config.lengths != "nolengths":
            batch = batch + 1 if larger else max(1, batch // 2)
        more |= {"lengths": "fulllengths" if steps == 1 else "ragged", "batch": batch}
    for states in (True, config.states):
        asked = config.replace(states=states, **more)
        if unsupported_reason(backend, asked) is None:
            with contextlib.suppress(Exception):
                call(layer, make_case(asked), [])
            return


def _can_be_longer(config: Config) -> bool:
    """Not where it is long already, or as long as its kind of data allows."""
    try:
        return config.replace(steps=config.steps + 1).steps <= LONG
    except ConfigError:
        return False


def _call_other_lengths(layer: Layer, case: Case) -> None:
    """One call of the same shape in which each row has the length of the row before it."""
    if case.lengths is not None and len({*case.lengths.tolist()}) > 1:
        call(layer, case.with_inputs(lengths=np.roll(case.lengths, 1)), [])


_ATTRIBUTIONS = ((False, False), (True, False), (False, True))


def _rerun(layer: Layer, case: Case, padding: bool, neighbours: bool, modified: list[str]) -> Rerun:
    other, kept = changed(case, padding=padding, neighbours=neighbours)
    return Rerun(padding, neighbours, kept, call(layer, other, modified))


def _same_kept(first: Outputs, rerun: Rerun) -> bool:
    kept = rerun.kept
    return all(
        same_bits(array[:, kept], rerun.outputs[name][:, kept]) for name, array in first.items()
    )


def hidden_layers(backend: Backend, case: Case, modified: list[str]) -> tuple[Outputs, ...]:
    """Every hidden layer, seen by cutting the stack off after it (a prefix).

    Running single layers one by one would be cheaper from three layers on, but says nothing of
    a stack that keeps its states in a higher precision, or another memory layout, than it
    gives them out in.
    """
    return tuple(
        _prefix(backend, case, layers, modified) for layers in range(1, case.config.num_layers)
    )


def _prefix(backend: Backend, case: Case, layers: int, modified: list[str]) -> Outputs:
    """The first `layers` layers of the case as a stack of their own."""
    config, rows = case.config, layers * case.config.directions
    cut = config.replace(aspect="values", num_layers=layers, data="mixed")
    names = cut.parameter_shapes()
    weights = {name: array for name, array in case.weights.items() if name in names}
    inputs = {
        name: array[:rows] if "stack" in axes_of(config, name) else array
        for name, array in case.inputs.items()
    }
    shorter = dataclasses.replace(case, config=cut, weights=weights, inputs=inputs)
    return call(loaded(backend, cut, weights), shorter, modified)
