"""Parameters on their way through files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from harness.axes import take
from harness.backends.protocol import Backend, FullLayer, offers
from harness.case import Case, is_large
from harness.config import LayerOptions
from harness.observe.arrays import parameters
from harness.observe.calling import call, loaded, same_outputs
from harness.observe.errors import NotOffered
from harness.observe.records import Checkpoint, Observation
from reference import FORMATS
from reference.arrays import Array

__all__ = ["observe_checkpoint", "round_trip"]


def observe_checkpoint(backend: Backend, case: Case) -> Observation:
    """Save and load weights of every kind, and ask whether they are computed with."""
    given = with_every_kind_of_number(case)
    if getattr(backend, "merges_biases", False):
        given = _already_merged(given)
    loaded(backend, case.config, given)
    return round_trip(backend, case, given, computes=_computes_what_it_reads)


def _already_merged(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Biases of which no bit is lost when they are merged: the second is 0, the first no -0."""
    found = dict(weights)
    for name, array in weights.items():
        if name.startswith("bias_ih"):
            found[name] = array + array.dtype.type(0)
        elif name.startswith("bias_hh"):
            found[name] = np.zeros_like(array)
    return found


def round_trip(
    backend: Backend,
    case: Case,
    weights: Mapping[str, Array],
    computes: Callable[[Backend, Case], bool] = lambda *_: True,
) -> Observation:
    """These weights through the backend's own file format."""
    options = case.config.options
    layer = backend.build(options)
    if not offers(layer, "save", "load"):
        raise NotOffered("has no methods save(directory) and load(directory)")
    own = _through_file(backend, options, weights)
    stored = Checkpoint(weights, own, computes=computes(backend, case))
    transferred = sum(array.size for array in weights.values())
    return Observation(backend.name, transferred=transferred, details=stored)


def _computes_what_it_reads(backend: Backend, case: Case) -> bool:
    """Whether a layer answers the same before saving, after it, and loaded from the file."""
    options = case.config.options
    first, second = (cast(FullLayer, backend.build(options)) for _ in range(2))
    first.load_weights({name: array.copy() for name, array in case.weights.items()})
    case = _brief(case.with_inputs(lengths=None))
    before = call(first, case, [])
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        first.save(Path(directory))
        second.load(Path(directory))
    return all(same_outputs(before, call(layer, case, [])) for layer in (first, second))


def _brief(case: Case) -> Case:
    """Of a large case one row of two steps, which the weights are computed with just as well."""
    steps = range(min(2, case.config.steps))
    if not is_large(case.config):
        return case
    config = case.config.replace(batch=1, steps=len(steps), lengths="nolengths")
    inputs = take(case.config, case.inputs, {"rows": [0], "steps": steps})
    return replace(case, config=config, inputs=inputs)


def _through_file(
    backend: Backend, options: LayerOptions, weights: Mapping[str, Array]
) -> Mapping[str, Array]:
    """Load by name, save, load the file into another layer, read back."""
    layer, second = (cast(FullLayer, backend.build(options)) for _ in range(2))
    layer.load_weights({name: array.copy() for name, array in weights.items()})
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        layer.save(Path(directory))
        second.load(Path(directory))
    return parameters(second.read_weights())


def with_every_kind_of_number(case: Case) -> dict[str, Array]:
    """The case's weights with special values in front: zeros, subnormals, infinities, NaN."""
    fmt = FORMATS[case.config.dtype]
    special = [-0.0, fmt.smallest_subnormal, -fmt.largest, np.inf, -np.inf, np.nan, -np.nan]
    weights = {}
    for number, (name, array) in enumerate(case.weights.items()):
        changed = array.copy()
        rolled = np.roll(special, -number)[: array.size]
        changed.reshape(-1)[: len(rolled)] = rolled.astype(array.dtype)
        weights[name] = changed
    return weights
