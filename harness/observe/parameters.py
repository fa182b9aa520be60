"""Parameters as a layer is built with them, and on their way through files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer
from harness.bits import same_bits
from harness.case import Case
from harness.config import LayerOptions
from harness.layout import states_to_layout, to_layout
from harness.observe.arrays import parameters
from harness.observe.forward import loaded, well_formed
from harness.observe.records import Forward, FreshWeights, Observation, Stored
from harness.observe.wording import NotOffered
from reference import FORMATS
from reference.arrays import Array

__all__ = ["carried", "observe_files", "observe_fresh"]

WANTED = 4000
MOST_LAYERS = 24


def observe_fresh(backend: Backend, case: Case) -> Observation:
    """Build until there are enough weights to judge a distribution by, and with seeds."""
    if not hasattr(backend, "seed"):
        raise NotOffered("has no method seed(value)")
    options = case.config.options
    count = sum(array.size for array in case.weights.values())
    layers = tuple(
        parameters(backend.build(options).read_weights())
        for _ in range(min(MOST_LAYERS, max(2, -(-WANTED // count))))
    )
    full = cast(FullBackend, backend)
    state = np.random.get_state()
    try:
        seeded = (
            _seeded(full, options, 7),
            _seeded(full, options, 7),
            _seeded(full, options, 8),
        )
        before = _position()
        backend.build(options)
        advanced = _position() != before
    finally:
        np.random.set_state(state)
    return Observation(backend.name, facts=FreshWeights(layers, seeded, advanced))


def _position() -> tuple[bytes, int]:
    """Where NumPy's global generator is."""
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    return state["state"]["key"].tobytes(), state["state"]["pos"]


def _seeded(backend: FullBackend, options: LayerOptions, seed: int) -> Mapping[str, Array]:
    backend.seed(seed)
    return parameters(backend.build(options).read_weights())


def observe_files(backend: Backend, case: Case) -> Observation:
    """Save and load weights of every kind, and ask whether they are computed with."""
    given = with_every_kind_of_number(case)
    loaded(backend, case.config.options, given)
    return carried(backend, case, given, computes=_computes_what_it_reads)


def carried(
    backend: Backend,
    case: Case,
    weights: Mapping[str, Array],
    computes: Callable[[Backend, Case], bool] = lambda *_: True,
) -> Observation:
    """These weights through the backend's own file format."""
    options = case.config.options
    layer = backend.build(options)
    if not (hasattr(layer, "save") and hasattr(layer, "load")):
        raise NotOffered("has no methods save(directory) and load(directory)")
    own = _through_file(backend, options, weights)
    stored = Stored(weights, own, computes=computes(backend, case))
    transferred = sum(array.size for array in weights.values())
    return Observation(backend.name, transferred=transferred, facts=stored)


def _computes_what_it_reads(backend: Backend, case: Case) -> bool:
    """Whether a layer answers the same before saving, behind it, and loaded from the file."""
    options = case.config.options
    x = to_layout(case.x, case.config)
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, case.config)
    first, second = (cast(FullLayer, backend.build(options)) for _ in range(2))
    first.load_weights({name: array.copy() for name, array in case.weights.items()})
    before = _answer(first, x, h_0, case)
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        first.save(Path(directory))
        second.load(Path(directory))
    answers = (_answer(first, x, h_0, case), _answer(second, x, h_0, case))
    return all(
        same_bits(before.output, answer.output) and same_bits(before.h_n, answer.h_n)
        for answer in answers
    )


def _answer(layer: Layer, x: Array, h_0: Array | None, case: Case) -> Forward:
    return well_formed(layer.forward(x, h_0, None), case.config)


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
