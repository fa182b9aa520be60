"""Parameters as a layer is built with them, and on their way through files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer
from harness.bits import same_bits
from harness.case import Case
from harness.config import LayerOptions
from harness.layout import states_to_layout, to_layout
from harness.observe.forward import loaded
from harness.observe.records import FreshWeights, Observation, Stored
from harness.observe.wording import NotOffered
from reference import FORMATS
from reference.arrays import Array

__all__ = ["observe_files", "observe_fresh"]

WANTED = 4000
MOST_LAYERS = 24


def observe_fresh(backend: Backend, case: Case) -> Observation:
    """Build until there are enough weights to judge a distribution by, and with seeds."""
    if not hasattr(backend, "seed"):
        raise NotOffered("has no method seed(value)")
    options = case.config.options
    count = sum(array.size for array in case.weights.values())
    layers = tuple(
        _read(backend.build(options)) for _ in range(min(MOST_LAYERS, max(2, -(-WANTED // count))))
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
    return _read(backend.build(options))


def _read(layer: Layer) -> dict[str, Array]:
    return {name: array.copy() for name, array in layer.read_weights().items()}


def observe_files(backend: Backend, case: Case, others: Sequence[Backend]) -> Observation:
    """Save and load; and to the first other backend and back, each time through its file."""
    options = case.config.options
    given = with_every_kind_of_number(case)
    layer = loaded(backend, options, given)
    if not (hasattr(layer, "save") and hasattr(layer, "load")):
        raise NotOffered("has no methods save(directory) and load(directory)")
    own = _through_file(backend, options, given)
    stored = Stored(given, own, computes=_computes_what_it_reads(backend, case))
    transferred = sum(array.size for array in given.values())
    able = [other for other in others if unsupported_reason(other, case.config) is None]
    peers = [other for other in able if hasattr(other.build(options), "save")]
    if not peers:
        return Observation(backend.name, transferred=transferred, facts=stored)
    try:
        there = _through_file(peers[0], options, own)
    except Exception:  # the peer's fault, and told of it where it is asked itself
        return Observation(backend.name, transferred=transferred, facts=stored)
    back = _through_file(backend, options, there)
    stored = replace(stored, peer=peers[0].name, there=there, back=back)
    return Observation(backend.name, transferred=transferred, facts=stored)


def _computes_what_it_reads(backend: Backend, case: Case) -> bool:
    """Whether a layer answers the same before saving, behind it, and loaded from the file."""
    options = case.config.options
    x = to_layout(case.x, case.config)
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, case.config)
    first, second = (cast(FullLayer, backend.build(options)) for _ in range(2))
    first.load_weights({name: array.copy() for name, array in case.weights.items()})
    before = first.forward(x, h_0, None)
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        first.save(Path(directory))
        second.load(Path(directory))
    answers = (first.forward(x, h_0, None), second.forward(x, h_0, None))
    return all(
        same_bits(one, two) for answer in answers for one, two in zip(before, answer, strict=True)
    )


def _through_file(
    backend: Backend, options: LayerOptions, weights: Mapping[str, Array]
) -> Mapping[str, Array]:
    """Load by name, save, load the file into another layer, read back."""
    layer, second = (cast(FullLayer, backend.build(options)) for _ in range(2))
    layer.load_weights({name: array.copy() for name, array in weights.items()})
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        layer.save(Path(directory))
        second.load(Path(directory))
    return _read(second)


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
