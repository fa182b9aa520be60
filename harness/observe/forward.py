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

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, Layer, require_parameters
from harness.bits import same_bits
from harness.case import NUMPY_DTYPES, Case, make_case, perturb
from harness.config import Config, LayerOptions
from harness.layout import from_layout, states_from_layout, states_to_layout, to_layout
from harness.observe.arrays import parameters, viewed
from harness.observe.records import Forward, Observation, Repeat
from harness.observe.wording import Malformed, NotTransferred
from reference.arrays import Array

__all__ = ["call", "hidden_layers", "loaded", "observe_forward", "well_formed"]


def observe_forward(backend: Backend, case: Case, repeat: bool) -> Observation:
    """The stack, its shorter stacks, and, where asked for, a second call."""
    config = case.config
    layer = loaded(backend, config.options, case.weights, twice=repeat)
    if repeat:
        _given_more(backend, layer, config)
        _given_other_lengths(layer, case)
    modified: list[str] = []
    returned: list[Array] = []
    forward = call(layer, case, config, case.x, case.h_0, modified, returned)
    repeats = []
    if repeat:
        repeats.append(_repeat(layer, case, True, True, modified))
        if not _same_kept(forward, repeats[0]):
            # Which of the three was it? Only now is it worth three more calls.
            repeats = [_repeat(layer, case, *what, modified) for what in _ATTRIBUTIONS]
        kept = well_formed(tuple(returned), config)
        if kept.output.tobytes() != forward.output.tobytes():
            modified.append("output of the call before")
        if kept.h_n.tobytes() != forward.h_n.tobytes():
            modified.append("h_n of the call before")
    return Observation(
        backend.name,
        forward=forward,
        hidden=hidden_layers(backend, case, modified),
        repeats=tuple(repeats),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
    )


LONG = 64
"""Steps from which on one more call of as many is dear."""


def _given_more(backend: Backend, layer: Layer, config: Config) -> None:
    """One call with an h_0 and lengths where the case has none; where it has both, of more or fewer
    rows. With every second seed it has one step more than the case, with the others, and where the
    case is long, one step in all. It must leave no trace: no state, no lengths, no buffer or plan.

    Whether it is answered, and how, is asked by other configs.
    """
    if config.data in ("sweep", "page"):
        return
    larger = config.seed % 2 == 0
    steps = config.steps + 1 if larger and config.steps < LONG else 1
    more = dataclasses.replace(config, h_0=True, steps=steps)
    if config.layout != "unbatched":
        batch = config.batch
        if config.h_0 and config.lengths != "nolens":
            batch = batch + 1 if larger else max(1, batch // 2)
        lengths = "alllens" if steps == 1 else "ragged"
        more = dataclasses.replace(more, lengths=lengths, batch=batch)
    for asked in (more, dataclasses.replace(more, h_0=config.h_0)):
        if unsupported_reason(backend, asked) is None:
            case = make_case(asked)
            with contextlib.suppress(Exception):
                call(layer, case, asked, case.x, case.h_0, [])
            return


def _given_other_lengths(layer: Layer, case: Case) -> None:
    """One call of the same shape in which each row has the length of the row before it."""
    if case.lengths is not None and len({*case.lengths.tolist()}) > 1:
        other = dataclasses.replace(case, lengths=np.roll(case.lengths, 1))
        call(layer, other, case.config, case.x, case.h_0, [])


_ATTRIBUTIONS = ((False, False), (True, False), (False, True))


def loaded(
    backend: Backend, options: LayerOptions, weights: Mapping[str, Array], *, twice: bool = False
) -> Layer:
    """A layer with these weights.

    `twice` loads others first, and others yet into a second layer behind it: both must leave no
    trace.
    """
    layer = backend.build(options)
    if twice:
        layer.load_weights(_other(weights, 0.5))
    layer.load_weights({name: array.copy() for name, array in weights.items()})
    read_back = parameters(layer.read_weights())
    require_parameters(read_back, options.parameter_shapes())
    for name, array in weights.items():
        if read_back[name].dtype != array.dtype or read_back[name].tobytes() != array.tobytes():
            raise NotTransferred(f"{name} read back differs from what was loaded, bit for bit")
    if twice:
        backend.build(options).load_weights(_other(weights, 0.25))
    return layer


def _other(weights: Mapping[str, Array], offset: float) -> dict[str, Array]:
    return {name: array.dtype.type(offset) - array for name, array in weights.items()}


def call(
    layer: Layer,
    case: Case,
    config: Config,
    x: Array,
    h_0: Array | None,
    modified: list[str],
    kept: list[Array] | None = None,
) -> Forward:
    """Call once with fresh copies, check what came back, note inputs written to.

    `kept` receives the very arrays that were returned.
    """
    given: dict[str, Any] = {
        "x": to_layout(x, config),
        "h_0": None if h_0 is None else states_to_layout(h_0, config),
        "lengths": None if case.lengths is None else case.lengths.copy(),
    }
    before = {name: None if v is None else v.tobytes() for name, v in given.items()}
    returned = layer.forward(given["x"], given["h_0"], given["lengths"])
    modified += [n for n, v in given.items() if v is not None and v.tobytes() != before[n]]
    forward = well_formed(returned, config)
    if kept is not None:
        kept += returned
    return forward


def well_formed(returned: Any, config: Config) -> Forward:
    """The two arrays, copied, time first. Raises Malformed with what was expected."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        kind = type(returned).__name__
        size = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
        raise Malformed(f"forward returned a {kind}{size}, expected the tuple (output, h_n)")
    features, rows = config.directions * config.hidden_size, config.num_layers * config.directions
    shapes = {
        "output": to_layout(np.empty((config.steps, config.batch, features)), config).shape,
        "h_n": states_to_layout(np.empty((rows, config.batch, config.hidden_size)), config).shape,
    }
    problems, copies = [], []
    dtype = NUMPY_DTYPES[config.dtype]
    for value, (name, shape) in zip(returned, shapes.items(), strict=True):
        array = viewed(value)
        if isinstance(array, str):
            problems.append(f"{name} is {array}, expected a numpy.ndarray")
            continue
        if array.shape != shape:
            problems.append(f"{name}.shape = {array.shape}, expected {shape}")
        if array.dtype != dtype:
            problems.append(f"{name}.dtype = {array.dtype}, expected {dtype}")
        if not problems:
            copies.append(array.copy())
    if problems:
        raise Malformed("; ".join(problems))
    output, h_n = copies
    return Forward(from_layout(output, config), states_from_layout(h_n, config))


def _repeat(
    layer: Layer, case: Case, padding: bool, neighbours: bool, modified: list[str]
) -> Repeat:
    x, h_0, kept = perturb(case, padding=padding, neighbours=neighbours)
    return Repeat(padding, neighbours, kept, call(layer, case, case.config, x, h_0, modified))


def _same_kept(first: Forward, repeat: Repeat) -> bool:
    second, kept = repeat.forward, repeat.kept
    return same_bits(first.output[:, kept], second.output[:, kept]) and same_bits(
        first.h_n[:, kept], second.h_n[:, kept]
    )


def hidden_layers(backend: Backend, case: Case, modified: list[str]) -> tuple[Forward, ...]:
    """Every hidden layer, seen by cutting the stack off behind it (a prefix).

    Running single layers one by one would be cheaper from three layers on, but says nothing of
    a stack that keeps its states in a higher precision, or another memory layout, than it
    gives them out in.
    """
    return tuple(
        _prefix(backend, case, layers, modified) for layers in range(1, case.config.num_layers)
    )


def _prefix(backend: Backend, case: Case, layers: int, modified: list[str]) -> Forward:
    """The first `layers` layers of the case as a stack of their own."""
    config, rows = case.config, layers * case.config.directions
    cut = dataclasses.replace(config, aspect="forward", num_layers=layers, data="mixed")
    names = cut.options.parameter_shapes()
    weights = {name: array for name, array in case.weights.items() if name in names}
    h_0 = None if case.h_0 is None else case.h_0[:rows]
    return call(loaded(backend, cut.options, weights), case, cut, case.x, h_0, modified)
