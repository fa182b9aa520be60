"""Gradients of x, h_0 and every parameter, for cotangents drawn with the case."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from harness.backends.protocol import Backend, FullLayer
from harness.bits import beyond_flushing, same_bits
from harness.case import Case, cotangents
from harness.config import Config
from harness.layout import from_layout, states_from_layout, states_to_layout, to_layout
from harness.observe.arrays import viewed
from harness.observe.forward import call, hidden_layers, loaded
from harness.observe.records import Change, Derivatives, Observation
from harness.observe.wording import Malformed, NotOffered
from harness.text import shown, text_of, type_name
from reference.arrays import Array

__all__ = ["observe_gradients"]


def observe_gradients(backend: Backend, case: Case) -> Observation:
    """The forward call, all layers seen, and the gradients; again with zeros in the padding.

    Before them, both are asked of another x of the same shape, which must leave no trace.
    """
    config = case.config
    layer = loaded(backend, config.options, case.weights)
    if not hasattr(layer, "gradients"):
        raise NotOffered("has no method gradients(x, h_0, lengths, ...)")
    modified: list[str] = []
    forward = call(layer, case, config, case.x, case.h_0, modified)
    output, h_n = cotangents(case)
    full = cast(FullLayer, layer)
    other = case.x.dtype.type(0.5) - case.x
    _gradients(full, case, other, modified)
    call(layer, case, config, other, case.h_0, modified)
    found = _gradients(full, case, case.x, modified)
    clean = found
    if not case.valid.all():
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0))
        clean = _gradients(full, case, x, modified)
    finite = None
    if any((~np.isfinite(found[name]) & np.isfinite(clean[name])).any() for name in found):
        # Does only what is not finite come through, or do numbers too, hidden by it? Large ones
        # may overflow on the way, and are left out.
        kept = case.valid[:, :, None] | (np.abs(case.x) <= 64)
        x = np.where(kept, case.x, case.x.dtype.type(0.75))
        finite = _gradients(full, case, x, modified)
    again = _gradients(full, case, case.x, modified)
    changed: list[Change] = []
    for name in found:
        changed += _changed(True, again[name], found[name], case)
    differing = again if changed else None
    behind = call(layer, case, config, case.x, case.h_0, modified)
    changed += _changed(False, behind.output, forward.output, case)
    changed += _changed(False, behind.h_n, forward.h_n, case)
    return Observation(
        backend.name,
        forward=forward,
        hidden=hidden_layers(backend, case, modified),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
        changed=tuple(dict.fromkeys(changed)),
        derivatives=Derivatives(output, h_n, found, clean, differing, finite),
    )


def _changed(of_gradients: bool, one: Array, two: Array, case: Case) -> list[Change]:
    """The change of two arrays that should be the same bits; none if they are."""
    if same_bits(one, two):
        return []
    return [Change(of_gradients, not beyond_flushing(one, two, case.fmt).any())]


def _gradients(layer: FullLayer, case: Case, x: Array, modified: list[str]) -> Mapping[str, Array]:
    """Fresh copies of everything go in; what is written to is noted."""
    config = case.config
    output, h_n = cotangents(case)
    given = (
        to_layout(x, config),
        None if case.h_0 is None else states_to_layout(case.h_0, config),
        None if case.lengths is None else case.lengths.copy(),
        to_layout(output, config),
        states_to_layout(h_n, config),
    )
    before = [None if array is None else array.tobytes() for array in given]
    found = _well_formed(layer.gradients(*given), case, config)
    names = ("x", "h_0", "lengths", "output_cotangent", "h_n_cotangent")
    for name, array, bits in zip(names, given, before, strict=True):
        if array is not None and array.tobytes() != bits:
            modified.append(f"{name} of gradients")
    return found


def _well_formed(returned: Any, case: Case, config: Config) -> dict[str, Array]:
    """All gradients, time first. Raises Malformed with what was expected."""
    shapes = {"x": to_layout(case.x, config).shape, **config.options.parameter_shapes()}
    if case.h_0 is not None:
        shapes["h_0"] = states_to_layout(case.h_0, config).shape
    if not isinstance(returned, Mapping):
        raise Malformed(f"gradients: a {type_name(returned)}, expected of {sorted(shapes)}")
    names = list(itertools.islice(returned, len(shapes) + 1))
    if any(type(name) is not str for name in names) or set(names) != set(shapes):
        said = shown([text_of(name, 60) for name in names], 300)
        raise Malformed(f"gradients: of {said}, expected of {sorted(shapes)}")
    found: dict[str, Array] = {}
    for name, shape in shapes.items():
        array = viewed(returned[name])
        if isinstance(array, str) or array.shape != shape:
            what = array if isinstance(array, str) else array.shape
            raise Malformed(f"gradient of {name}: {what}, expected an array of shape {shape}")
        if array.dtype != case.x.dtype:
            dtype = text_of(array.dtype, 100)
            raise Malformed(f"gradient of {name}: dtype {dtype}, expected {case.x.dtype}")
        found[name] = array.copy()
    found["x"] = from_layout(found["x"], config)
    if "h_0" in found:
        found["h_0"] = states_from_layout(found["h_0"], config)
    return found
