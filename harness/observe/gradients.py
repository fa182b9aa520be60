"""Gradients of x, initial states and every parameter, for cotangents drawn with the case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from harness.axes import from_layout, to_layout
from harness.backends.protocol import Backend, FullLayer, offers
from harness.bits import beyond_flushing, same_bits
from harness.case import Case, cotangents
from harness.observe.arrays import viewed
from harness.observe.calling import call, loaded, written_to
from harness.observe.errors import Malformed, NotOffered
from harness.observe.records import Change, Derivatives, Observation
from harness.observe.values import hidden_layers
from reference.arrays import Array

__all__ = ["asked_gradients", "observe_gradients"]


def observe_gradients(backend: Backend, case: Case) -> Observation:
    """The forward call, all layers seen, and the gradients; once more with zeros in the padding.

    Before them, both are asked of another x of the same shape, which must leave no trace.
    """
    layer = loaded(backend, case.config, case.weights)
    if not offers(layer, "gradients"):
        raise NotOffered("has no method gradients(inputs, cotangents)")
    modified: list[str] = []
    outputs = call(layer, case, modified)
    full = cast(FullLayer, layer)
    other = case.with_inputs(x=case.x.dtype.type(0.5) - case.x)
    asked_gradients(full, other, modified)
    call(layer, other, modified)
    found = asked_gradients(full, case, modified)
    clean = found
    if not case.valid.all():
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0))
        clean = asked_gradients(full, case.with_inputs(x=x), modified)
    finite = None
    if any((~np.isfinite(found[name]) & np.isfinite(clean[name])).any() for name in found):
        # Does only what is not finite come through, or do numbers too, hidden by it? Large ones
        # may overflow on the way, and are left out.
        kept = case.valid[:, :, None] | (np.abs(case.x) <= 64)
        x = np.where(kept, case.x, case.x.dtype.type(0.75))
        finite = asked_gradients(full, case.with_inputs(x=x), modified)
    second = asked_gradients(full, case, modified)
    changes: list[Change] = []
    for name in found:
        changes += _changes(True, second[name], found[name], case)
    differing = second if changes else None
    after = call(layer, case, modified)
    for name in outputs:
        changes += _changes(False, after[name], outputs[name], case)
    return Observation(
        backend.name,
        outputs=outputs,
        hidden=hidden_layers(backend, case, modified),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(modified),
        changed=tuple(dict.fromkeys(changes)),
        derivatives=Derivatives(cotangents(case), found, clean, differing, finite),
    )


def _changes(of_gradients: bool, one: Array, two: Array, case: Case) -> list[Change]:
    """The change of two arrays that should be the same bits; none if they are."""
    if same_bits(one, two):
        return []
    return [Change(of_gradients, not beyond_flushing(one, two, case.fmt).any())]


def asked_gradients(layer: FullLayer, case: Case, modified: list[str]) -> Mapping[str, Array]:
    """Fresh copies of everything go in; what is written to is noted."""
    config = case.config
    inputs = {name: to_layout(config, name, array) for name, array in case.inputs.items()}
    of = {name: to_layout(config, name, array) for name, array in cotangents(case).items()}
    before = [{name: array.tobytes() for name, array in given.items()} for given in (inputs, of)]
    found = _well_formed(layer.gradients(dict(inputs), dict(of)), case)
    modified += [f"{name} of gradients" for name in written_to(inputs, before[0])]
    modified += [f"cotangent of {name}" for name in written_to(of, before[1])]
    return found


def _well_formed(returned: Any, case: Case) -> dict[str, Array]:
    """All gradients, time first. Raises Malformed with what was expected."""
    config = case.config
    shapes = {
        name: to_layout(config, name, array).shape
        for name, array in case.inputs.items()
        if name != "lengths"
    }
    shapes |= config.parameter_shapes()
    if not isinstance(returned, Mapping) or set(returned) != set(shapes):
        names = sorted(returned) if isinstance(returned, Mapping) else type(returned).__name__
        raise Malformed(f"gradients: of {names}, expected of {sorted(shapes)}")
    found: dict[str, Array] = {}
    for name, shape in shapes.items():
        array = viewed(returned[name])
        if isinstance(array, str) or array.shape != shape:
            what = array if isinstance(array, str) else array.shape
            raise Malformed(f"gradient of {name}: {what}, expected an array of shape {shape}")
        if array.dtype != case.x.dtype:
            raise Malformed(f"gradient of {name}: dtype {array.dtype}, expected {case.x.dtype}")
        found[name] = from_layout(config, name, array.copy())
    return found
