"""One call of a layer: fresh copies go in, what comes back is checked and copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from harness.axes import from_layout, output_names, shape_of, to_layout
from harness.backends.protocol import Backend, Layer, require_parameters
from harness.bits import same_bits
from harness.case import Case
from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.memory import all_laid_out, whole
from harness.observe.arrays import parameters, viewed
from harness.observe.errors import Malformed, NotTransferred
from harness.observe.records import Outputs
from reference.arrays import Array

__all__ = [
    "Exchange",
    "call",
    "differing",
    "distance",
    "loaded",
    "same_outputs",
    "well_formed",
    "written_to",
]


class Exchange(NamedTuple):
    """The very arrays that a call was given, and those that it returned."""

    given: Mapping[str, Array]
    returned: Mapping[str, Any]


def loaded(
    backend: Backend, config: Config, weights: Mapping[str, Array], *, twice: bool = False
) -> Layer:
    """A layer with these weights.

    `twice` loads others first, and others yet into a second layer after it: both must leave no
    trace.
    """
    layer = backend.build(config.options)
    if twice:
        layer.load_weights(_other(weights, 0.5))
    layer.load_weights(all_laid_out(weights, config.memory, config.seed))
    read_back = parameters(layer.read_weights())
    require_parameters(read_back, config.parameter_shapes())
    for name in differing(backend, weights, read_back):
        raise NotTransferred(f"{name} read back differs from what was loaded, bit for bit")
    if twice:
        backend.build(config.options).load_weights(_other(weights, 0.25))
    return layer


def differing(
    backend: Backend, given: Mapping[str, Array], found: Mapping[str, Array]
) -> tuple[str, ...]:
    """The names of parameters that were read back otherwise than they were given, or not at all.

    Where the backend merges its biases, the sum of each two of them, rounded once.
    """
    merges = bool(getattr(backend, "merges_biases", False))
    wanted, got = (_merged(given), _merged(found)) if merges else (given, found)
    return tuple(
        name
        for name, array in wanted.items()
        if name not in got
        or got[name].dtype != array.dtype
        or not (same_bits(got[name], array) if merges else got[name].tobytes() == array.tobytes())
    )


def _merged(weights: Mapping[str, Array]) -> dict[str, Array]:
    """With bias_ih + bias_hh in place of both."""
    found = {}
    for name, array in weights.items():
        other = name.replace("bias_ih", "bias_hh")
        if name.startswith("bias_ih") and other in weights:
            found[f"{name} + {other}"] = array + weights[other]
        elif not name.startswith("bias_hh"):
            found[name] = array
    return found


def _other(weights: Mapping[str, Array], offset: float) -> dict[str, Array]:
    return {name: array.dtype.type(offset) - array for name, array in weights.items()}


def call(
    layer: Layer, case: Case, modified: list[str], kept: list[Exchange] | None = None
) -> Outputs:
    """Call once with fresh copies, check what came back, note inputs written to.

    `kept` receives the very arrays.
    """
    config = case.config
    arrays = {name: to_layout(config, name, array) for name, array in case.inputs.items()}
    given = all_laid_out(arrays, config.memory, config.seed)
    before = {name: whole(array) for name, array in given.items()}
    returned = layer.forward(dict(given))
    modified += written_to(given, before)
    outputs = well_formed(returned, config)
    if kept is not None:
        kept.append(Exchange(given, returned))
    return outputs


def written_to(given: Mapping[str, Array], before: Mapping[str, bytes]) -> list[str]:
    """The names of arrays that hold, or lie between, other bytes than before."""
    return [name for name, array in given.items() if whole(array) != before[name]]


def well_formed(returned: Any, config: Config) -> Outputs:
    """The outputs, copied, time first. Raises Malformed with what was expected."""
    names = output_names(config)
    if not isinstance(returned, Mapping) or set(returned) != set(names):
        what = sorted(returned) if isinstance(returned, Mapping) else type(returned).__name__
        raise Malformed(f"forward returned {what}, expected arrays by name: {', '.join(names)}")
    problems, copies = [], {}
    dtype = NUMPY_DTYPES[config.dtype]
    for name in names:
        array = viewed(returned[name])
        if isinstance(array, str):
            problems.append(f"{name} is {array}, expected a numpy.ndarray")
            continue
        shape = to_layout(config, name, np.empty(shape_of(config, name), bool)).shape
        if array.shape != shape:
            problems.append(f"{name}.shape = {array.shape}, expected {shape}")
        if array.dtype != dtype:
            problems.append(f"{name}.dtype = {array.dtype}, expected {dtype}")
        if not problems:
            copies[name] = from_layout(config, name, array.copy())
    if problems:
        raise Malformed("; ".join(problems))
    return copies


def same_outputs(one: Outputs, other: Outputs) -> bool:
    """Whether two calls gave the same bits."""
    return all(same_bits(array, other[name]) for name, array in one.items())


def distance(one: Outputs, other: Outputs) -> float:
    """The largest difference; infinite where only one of two is a number, or finite."""
    with np.errstate(all="ignore"):
        found = [
            np.where(
                (a == b) | (np.isnan(a) & np.isnan(b)),
                0.0,
                np.nan_to_num(np.abs(a.astype(np.float64) - b.astype(np.float64)), nan=np.inf),
            )
            for a, b in ((array, other[name]) for name, array in one.items())
        ]
    return max((float(array.max(initial=0.0)) for array in found), default=np.inf)
