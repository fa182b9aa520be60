"""Calling a backend: everything that is measured of one case, and nothing judged.

One case costs one call of the whole stack, one single-layer call for every hidden layer, and,
where asked for, one more call with other padding and other neighbours. No exception of a
backend leaves this file: it becomes an `Observation` that says what happened.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, Layer, require_parameters
from harness.case import NUMPY_DTYPES, Case, perturb
from harness.config import Config, LayerOptions
from harness.layout import from_layout, states_from_layout, states_to_layout, to_layout
from reference.arrays import Array, BoolArray

__all__ = ["Forward", "Observation", "Repeat", "observe"]


@dataclass(frozen=True)
class Forward:
    """What one call returned, time first: output (T, B, D * H), h_n (L * D, B, H)."""

    output: Array
    h_n: Array


@dataclass(frozen=True)
class Repeat:
    """A second call: what was changed, what came back, and which rows must not have moved."""

    padding: bool
    neighbours: bool
    kept: BoolArray
    forward: Forward


@dataclass(frozen=True)
class Observation:
    """One backend on one case.

    `trouble` says why there is no (usable) forward: an exception, or a return value that is
    not two arrays of the right shapes and dtype; `malformed` tells the second from the first.
    `hidden[k]` is what layer k gave, for all layers but the last (see `_hidden_layers`).
    `transferred` counts the weights that were read back and found equal, bit for bit.
    `modified` names the inputs that a call wrote to.
    """

    backend: str
    unsupported: str | None = None
    trouble: str | None = None
    malformed: bool = False
    forward: Forward | None = None
    hidden: tuple[Forward, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    transferred: int = 0
    modified: tuple[str, ...] = ()


class _Malformed(Exception):
    """A backend returned something that is not two arrays of the right shapes and dtype."""


class _NotTransferred(Exception):
    """The weights read back are not the weights that were loaded."""


def observe(backend: Backend, case: Case, *, repeat: bool) -> Observation:
    """Run one backend on one case; `repeat` asks for the second call."""
    name = backend.name
    try:
        reason = unsupported_reason(backend, case.config)
        if reason is not None:
            return Observation(name, unsupported=printable(reason))
        return _observe(backend, case, repeat)
    except _Malformed as error:
        return Observation(name, trouble=str(error), malformed=True)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # a backend may raise SystemExit, or anything
        return Observation(name, trouble=f"{type(error).__name__.lstrip('_')}: {_one_line(error)}")


def _observe(backend: Backend, case: Case, repeat: bool) -> Observation:
    config = case.config
    layer = _loaded(backend, config.options, case.weights)
    modified: list[str] = []
    forward = _call(layer, case, config, case.x, case.h_0, modified)
    repeats = []
    if repeat:
        repeats.append(_repeat(layer, case, True, True))
        if not _same_kept(forward, repeats[0]):
            # Which of the three was it? Only now is it worth three more calls.
            repeats = [_repeat(layer, case, *what) for what in _ATTRIBUTIONS]
    return Observation(
        backend.name,
        forward=forward,
        hidden=_hidden_layers(backend, case, forward, modified),
        repeats=tuple(repeats),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
    )


_ATTRIBUTIONS = ((False, False), (True, False), (False, True))


def _loaded(backend: Backend, options: LayerOptions, weights: Mapping[str, Array]) -> Layer:
    layer = backend.build(options)
    layer.load_weights({name: array.copy() for name, array in weights.items()})
    read_back = layer.read_weights()
    require_parameters(read_back, options.parameter_shapes())
    for name, array in weights.items():
        if read_back[name].dtype != array.dtype or read_back[name].tobytes() != array.tobytes():
            raise _NotTransferred(f"{name} read back differs from what was loaded, bit for bit")
    return layer


def _call(
    layer: Layer,
    case: Case,
    config: Config,
    x: Array,
    h_0: Array | None,
    modified: list[str] | None = None,
) -> Forward:
    """Call once with fresh copies, check what came back, note inputs written to."""
    given: dict[str, Any] = {
        "x": to_layout(x, config),
        "h_0": None if h_0 is None else states_to_layout(h_0, config),
        "lengths": None if case.lengths is None else case.lengths.copy(),
    }
    before = {name: None if v is None else v.tobytes() for name, v in given.items()}
    returned = layer.forward(given["x"], given["h_0"], given["lengths"])
    if modified is not None:
        modified += [n for n, v in given.items() if v is not None and v.tobytes() != before[n]]
    return _well_formed(returned, config)


def _well_formed(returned: Any, config: Config) -> Forward:
    """The two arrays, copied, time first. Raises _Malformed with what was expected."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        kind = type(returned).__name__
        size = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
        raise _Malformed(f"forward returned a {kind}{size}, expected the tuple (output, h_n)")
    features, rows = config.directions * config.hidden_size, config.num_layers * config.directions
    shapes = {
        "output": to_layout(np.empty((config.steps, config.batch, features)), config).shape,
        "h_n": states_to_layout(np.empty((rows, config.batch, config.hidden_size)), config).shape,
    }
    problems = []
    for value, (name, shape) in zip(returned, shapes.items(), strict=True):
        if not isinstance(value, np.ndarray):
            problems.append(f"{name} is a {type(value).__name__}, expected a numpy.ndarray")
            continue
        if value.shape != shape:
            problems.append(f"{name}.shape = {value.shape}, expected {shape}")
        if value.dtype != NUMPY_DTYPES[config.dtype]:
            problems.append(f"{name}.dtype = {value.dtype}, expected {NUMPY_DTYPES[config.dtype]}")
    if problems:
        raise _Malformed("; ".join(problems))
    output, h_n = returned
    return Forward(from_layout(output.copy(), config), states_from_layout(h_n.copy(), config))


def _repeat(layer: Layer, case: Case, padding: bool, neighbours: bool) -> Repeat:
    x, h_0, kept = perturb(case, padding=padding, neighbours=neighbours)
    return Repeat(padding, neighbours, kept, _call(layer, case, case.config, x, h_0))


def _same_kept(first: Forward, repeat: Repeat) -> bool:
    second, kept = repeat.forward, repeat.kept
    return (
        first.output[:, kept].tobytes() == second.output[:, kept].tobytes()
        and first.h_n[:, kept].tobytes() == second.h_n[:, kept].tobytes()
    )


def _hidden_layers(
    backend: Backend, case: Case, stack: Forward, modified: list[str]
) -> tuple[Forward, ...]:
    """The hidden layers of a stack, each with the h_n that must be the stack's own.

    First each layer alone, fed with the previous one's output: the cheapest way to see them.
    A stack may hold its intermediate results in another memory layout than it takes them in,
    and round differently; where h_n tells so, the same stack cut off after k layers is run
    instead.
    """
    directions = case.config.directions
    layers: list[Forward] = []
    for k in range(case.config.num_layers - 1):
        x = case.x if k == 0 else layers[-1].output
        layers.append(_layers(backend, case, k, k + 1, x, modified))
    rows = stack.h_n[: len(layers) * directions]
    if layers and np.concatenate([one.h_n for one in layers]).tobytes() != rows.tobytes():
        cut = [_layers(backend, case, 0, k + 1, case.x, modified) for k in range(len(layers))]
        layers = [Forward(one.output, one.h_n[-directions:]) for one in cut]
    return tuple(layers)


def _layers(
    backend: Backend, case: Case, first: int, stop: int, x: Array, modified: list[str]
) -> Forward:
    """Layers first..stop - 1 of the case as a layer of their own."""
    config, directions = case.config, case.config.directions
    columns = config.input_size if first == 0 else directions * config.hidden_size
    part = dataclasses.replace(
        config, num_layers=stop - first, input_size=columns, data="mixed", scale=1
    )
    weights = {
        name.replace(f"_l{layer}", f"_l{layer - first}"): array
        for layer in range(first, stop)
        for name, array in case.weights.items()
        if name.removesuffix("_reverse").endswith(f"_l{layer}")
    }
    h_0 = None if case.h_0 is None else case.h_0[first * directions : stop * directions]
    return _call(_loaded(backend, part.options, weights), case, part, x, h_0, modified)


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[0] if lines else "(no message)")[:300]


def printable(text: str) -> str:
    """Foreign text with every control character and lone surrogate written as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
