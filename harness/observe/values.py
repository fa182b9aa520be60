"""Values: the whole stack, the shorter stacks that show hidden layers, a second call.

One case costs one call of the whole stack, one call of each shorter stack for its hidden layers,
and, where asked for, one of other sizes with everything given before, and one more call with other
padding and other neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from harness.axes import axes_of
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, FullLayer, Layer
from harness.bits import same_bits
from harness.case import Case, changed, make_case
from harness.config import Config, ConfigError
from harness.observe.calling import Exchange, call, loaded, same_outputs
from harness.observe.errors import preparing, require_prepared
from harness.observe.finite_padding import unspoiled
from harness.observe.records import Observation, Outputs, Rerun
from harness.observe.writing import overwrite_parameters, overwritten
from reference.arrays import Array

__all__ = ["hidden_layers", "observe_values", "shorter"]


def observe_values(backend: Backend, case: Case, repeat: bool) -> Observation:
    """The stack, its shorter stacks, and, where asked for, a second call."""
    notes: list[str] = []
    layer = _prepared(backend, case, repeat, notes)
    modified: list[str] = []
    kept: list[Exchange] = []
    outputs = call(layer, case, modified, kept)
    require_prepared(notes)
    reruns = _reruns(backend, layer, case, outputs, kept[0], modified) if repeat else []
    hidden = hidden_layers(backend, case, modified)
    if repeat:
        modified += overwrite_parameters(layer)
    finite = unspoiled(
        case,
        outputs,
        lambda other: call(loaded(backend, other.config, other.weights), other, modified),
        lambda other: hidden_layers(backend, other, modified),
    )
    return Observation(
        backend.name,
        outputs=outputs,
        hidden=hidden,
        reruns=tuple(reruns),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
        unspoiled=finite,
    )


def _prepared(backend: Backend, case: Case, repeat: bool, notes: list[str]) -> Layer:
    """A layer with the case's weights; `repeat`: after other weights and other calls."""
    layer = loaded(backend, case.config, case.weights, twice=repeat)
    if repeat:
        with preparing("an ordinary call of other sizes before it", notes):
            _call_other_sizes(backend, layer, case.config)
        with preparing("an ordinary call of other lengths before it", notes):
            _call_other_lengths(layer, case)
    return layer


def _reruns(
    backend: Backend,
    layer: Layer,
    case: Case,
    outputs: Outputs,
    first: Exchange,
    modified: list[str],
) -> list[Rerun]:
    """The second call, after what the first one returned was written to."""
    modified += overwritten(first.returned, first.given)
    left = {name: array.tobytes() for name, array in first.returned.items()}
    reruns = [_rerun(layer, case, True, True, modified)]
    if not _same_kept(outputs, reruns[0]):
        unwritten = _as_unwritten(backend, case, outputs)
        if unwritten is not None:
            modified.append("later answers, by writing to what a call returned")
            return [unwritten]
        # Which of the three was it? Only now is it worth three more calls.
        reruns = [_rerun(layer, case, *what, modified) for what in _ATTRIBUTIONS]
    if case.config.seed % 2 == 0:
        with preparing("an ordinary call of other sizes after it"):
            _call_other_sizes(backend, layer, case.config)
    modified += [
        f"{name} of the call before"
        for name, array in first.returned.items()
        if array.tobytes() != left[name]
    ]
    return reruns


def _as_unwritten(backend: Backend, case: Case, outputs: Outputs) -> Rerun | None:
    """The second call of a layer with the same past, nothing of whose answers was written to.

    None where that gives other bits as well.
    """
    layer = _prepared(backend, case, True, [])
    if not same_outputs(call(layer, case, []), outputs):
        return None
    rerun = _rerun(layer, case, True, True, [])
    return rerun if _same_kept(outputs, rerun) else None


LONG = 64
"""Steps from which on one more call of as many is dear."""


def _call_other_sizes(backend: Backend, layer: Layer, config: Config) -> None:
    """One call with states and lengths where the case has none; where it has both, of more or fewer
    rows. With every second seed it has one step more than the case, with the others, and where the
    case is long, one step in all. It must leave no trace: no state, no lengths, no buffer or plan.

    How it is answered, is asked by other configs.
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
        try:
            asked = config.adapted(states=states, arrays="", **more)
        except ConfigError:  # too large to be drawn
            return
        if unsupported_reason(backend, asked) is None:
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


def hidden_layers(
    backend: Backend, case: Case, modified: list[str], *, training: bool = False
) -> tuple[Outputs, ...]:
    """Every hidden layer, seen by cutting the stack off after it (a prefix).

    Running single layers one by one would be cheaper from three layers on, but says nothing of
    a stack that keeps its states in a higher precision, or another memory layout, than it
    gives them out in.
    """
    found = []
    for layers in range(1, case.config.num_layers):
        cut = shorter(case, layers)
        layer = loaded(backend, cut.config, cut.weights)
        if training:
            cast(FullLayer, layer).train(True)
        found.append(call(layer, cut, modified))
    return tuple(found)


def shorter(case: Case, layers: int) -> Case:
    """The first `layers` layers of the case as a stack of their own."""
    config, rows = case.config, layers * case.config.directions
    values = {"aspect": "values", "mode": "evaluation", "cotangents": "all", "data": "mixed"}
    cut = config.replace(num_layers=layers, **values)
    names = cut.parameter_shapes()

    def of_layers(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {n: a[:rows] if "stack" in axes_of(config, n) else a for n, a in arrays.items()}

    return dataclasses.replace(
        case,
        config=cut,
        weights={name: array for name, array in case.weights.items() if name in names},
        inputs=of_layers(case.inputs),
        given_cotangents=of_layers(case.given_cotangents),
    )
