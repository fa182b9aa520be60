"""Gradients of x, initial states and every parameter, for the cotangents of the case."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from harness.axes import from_layout, output_names, to_layout
from harness.backends.protocol import Backend, FullBackend, FullLayer, offers
from harness.bits import beyond_flushing, same_bits
from harness.case import Case, cotangents, is_large, passes_on
from harness.config import Config
from harness.memory import all_laid_out, whole
from harness.observe.arrays import viewed
from harness.observe.calling import call, loaded, same_outputs, well_formed, written_to
from harness.observe.dropping import seeded, states_of
from harness.observe.errors import Malformed, NotOffered, preparing, require_prepared
from harness.observe.finite_padding import unspoiled, with_finite_padding
from harness.observe.records import Change, Derivatives, Observation, Outputs
from harness.observe.values import hidden_layers, shorter
from harness.observe.writing import overwritten
from reference.arrays import Array

__all__ = [
    "Answered",
    "asked_gradients",
    "giving_gradients",
    "hidden_under_autograd",
    "observe_gradients",
]


@dataclass(frozen=True)
class Answered:
    """Gradients, and the outputs of the same call where they come with them."""

    gradients: Mapping[str, Array]
    outputs: Outputs | None


class _Asked:
    """A layer of a case, in the mode of its config, and what its calls wrote to."""

    def __init__(self, backend: Backend, case: Case) -> None:
        self.backend, self.case, self.modified = backend, case, list[str]()
        self.training = case.config.mode == "training"
        self.layer = self.built(case)

    def built(self, case: Case) -> FullLayer:
        layer = cast(FullLayer, loaded(self.backend, case.config, case.weights))
        if not offers(layer, "gradients"):
            raise NotOffered("has no method gradients(inputs, cotangents)")
        if self.training:
            if not offers(layer, "train"):
                raise NotOffered("has no method train(training)")
            layer.train(True)
        return layer

    def forward(self, case: Case) -> Outputs:
        return call(self.layer, case, self.modified)

    def gradients(self, case: Case) -> Answered:
        return self.of(self.layer, case)

    def of(self, layer: FullLayer, case: Case) -> Answered:
        with giving_gradients(self.backend, layer, self.case.config, self.training):
            return asked_gradients(layer, case, self.modified)

    def hidden_layers(self, case: Case) -> tuple[Outputs, ...]:
        return hidden_layers(self.backend, case, self.modified, training=self.training)

    def hidden(self, case: Case) -> tuple[Outputs, ...]:
        return hidden_under_autograd(case, lambda cut: self.of(self.built(cut), cut))


@contextlib.contextmanager
def giving_gradients(
    backend: Backend, layer: FullLayer, config: Config, training: bool
) -> Iterator[None]:
    """In training mode meanwhile, where a backend says that it gives gradients in no other.

    Raises:
        NotOffered: there the layer drops, or its mode cannot be changed.
    """
    if training or not getattr(backend, "gradients_in_training_only", False):
        yield
        return
    if config.num_layers > 1 and config.dropout > 0:
        raise NotOffered("gives gradients in training mode only, where this layer drops")
    if not offers(layer, "train"):
        raise NotOffered("has no method train(training)")
    layer.train(True)
    try:
        yield
    finally:
        layer.train(False)


def hidden_under_autograd(case: Case, ask: Callable[[Case], Answered]) -> tuple[Outputs, ...]:
    """Of shorter stacks, the outputs that come with gradients; `ask` asks a new layer."""
    found = []
    for layers in range(1, case.config.num_layers):
        outputs = ask(shorter(case, layers)).outputs
        if outputs is None:
            raise Malformed("gradients: outputs come with those of some stacks only")
        found.append(outputs)
    return tuple(found)


def observe_gradients(backend: Backend, case: Case) -> Observation:
    """The forward call, all layers seen, and the gradients; once more with zeros in the padding.

    Every second seed, gradients are the first thing that a new layer is asked for. With the others,
    both are asked of another x of the same shape before, and of the same x gradients for another
    loss, which must leave no trace.
    """
    asked = _Asked(backend, case)
    if case.config.drops:
        return _dropping(asked)
    if is_large(case.config):
        return _once(asked)
    fresh = case.config.seed % 2 == 1
    found = asked.gradients(case) if fresh else None
    outputs = asked.forward(case)
    other = case.with_inputs(x=case.x.dtype.type(0.5) - case.x)
    notes: list[str] = []
    with preparing("gradients of another x or loss, or a call with it, before it", notes):
        asked.gradients(other)
        if not fresh:
            asked.gradients(_for_another_loss(case))
        asked.forward(other)
    found = found or asked.gradients(case)
    require_prepared(notes)
    unpadded = _unpadded(case)
    clean = found if unpadded is case else asked.gradients(unpadded)
    finite = _finite(asked, found, clean)
    second = asked.gradients(case)
    changes = _changes(True, second.gradients, found.gradients, case)
    differing = second.gradients if changes else None
    if found.outputs is not None and second.outputs is not None:
        changes += _changes(True, second.outputs, found.outputs, case)
    after = asked.forward(case)
    changes += _changes(False, after, outputs, case)
    hidden = asked.hidden_layers(case)
    return Observation(
        backend.name,
        outputs=outputs,
        hidden=hidden,
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(asked.modified),
        changed=tuple(dict.fromkeys(changes)),
        unspoiled=unspoiled(case, outputs, asked.forward, asked.hidden_layers),
        derivatives=Derivatives(
            cotangents(case),
            found.gradients,
            clean.gradients,
            differing,
            finite,
            clean.outputs,
            _hidden(asked, unpadded, clean, outputs, hidden),
            _padded(found, clean),
            _padded(second, found),
            None if same_outputs(after, outputs) else after,
        ),
    )


def _once(asked: _Asked) -> Observation:
    """Of a large case, whose every call is dear: the gradients, at the outputs of the same call.

    Whether they come the same a second time is not asked.
    """
    case = _unpadded(asked.case)
    clean = asked.gradients(case)
    found = clean if case is asked.case else asked.gradients(asked.case)
    outputs, hidden = clean.outputs, asked.hidden
    if outputs is None:
        outputs, hidden = asked.forward(case), asked.hidden_layers
    return Observation(
        asked.backend.name,
        outputs=outputs,
        hidden=(seen := hidden(case)),
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(asked.modified),
        derivatives=Derivatives(
            cotangents(case),
            found.gradients,
            clean.gradients,
            outputs=clean.outputs,
            hidden=seen,
            padded=_padded(found, clean),
        ),
    )


def _for_another_loss(case: Case) -> Case:
    """The case with other cotangents, of all outputs."""
    config = case.config.replace(cotangents="all", seed=case.config.seed + 1)
    return replace(case, given_cotangents=cotangents(replace(case, config=config)))


def _unpadded(case: Case) -> Case:
    """The case with zeros in the padding; the same where there is none."""
    if case.valid.all():
        return case
    return case.with_inputs(x=np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0)))


def _finite(asked: _Asked, found: Answered, clean: Answered) -> Mapping[str, Array] | None:
    """Does only what is not finite come through, or do numbers too, hidden by it?"""
    case, before = asked.case, clean.gradients
    if not any(
        (~np.isfinite(a) & np.isfinite(before[n])).any() for n, a in found.gradients.items()
    ):
        return None
    return asked.gradients(with_finite_padding(case)).gradients


def _hidden(
    asked: _Asked, case: Case, clean: Answered, outputs: Outputs, hidden: tuple[Outputs, ...]
) -> tuple[Outputs, ...]:
    """The hidden layers of the call that gave gradients: others only where its outputs are."""
    if clean.outputs is None or same_outputs(clean.outputs, outputs):
        return hidden
    return asked.hidden(case)


def _padded(found: Answered, clean: Answered) -> Outputs | None:
    if found.outputs is None or clean.outputs is None:
        return None
    return None if same_outputs(found.outputs, clean.outputs) else found.outputs


def _dropping(asked: _Asked) -> Observation:
    """Gradients of a layer that drops, and the outputs of a call that drops the same."""
    if not passes_on(asked.case):
        raise NotOffered("drops, and with these weights no output shows what")
    backend, case = asked.backend, _unpadded(asked.case)
    config = case.config
    if config.seed % 2 == 0:
        asked.gradients(case.with_inputs(x=case.x * case.x.dtype.type(0.5)))
        asked.forward(case)
    if offers(backend, "seed"):
        cast(FullBackend, backend).seed(config.seed)  # so that a replay drops the same elements
    found = asked.gradients(case)
    outputs, gradients = found.outputs, found.gradients
    if outputs is None:
        outputs, gradients = seeded(
            backend,
            config.seed,
            lambda: asked.forward(case),
            lambda: asked.gradients(case).gradients,
        )
    if config.steps == 1:
        hidden = states_of(config, outputs)
    elif found.outputs is None:
        hidden = hidden_layers(backend, case, asked.modified, training=True)
    else:
        hidden = asked.hidden(case)
    return Observation(
        backend.name,
        outputs=outputs,
        hidden=hidden,
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(asked.modified),
        derivatives=Derivatives(cotangents(case), gradients, gradients),
    )


def _changes(
    of_gradients: bool, one: Mapping[str, Array], two: Mapping[str, Array], case: Case
) -> list[Change]:
    """How arrays changed that should be the same bits."""
    return [
        Change(of_gradients, not beyond_flushing(array, two[name], case.fmt).any())
        for name, array in one.items()
        if not same_bits(array, two[name])
    ]


def asked_gradients(
    layer: FullLayer,
    case: Case,
    modified: list[str],
    lay: Callable[[str, Array], Array] | None = None,
    *,
    overwrite: bool = True,
) -> Answered:
    """Fresh copies of everything go in, or what `lay` makes of them by name.

    What is written to is noted; so is, with `overwrite`, what changes by writing to the answer.
    """
    config = case.config

    def fresh(given: Mapping[str, Array]) -> dict[str, Array]:
        if lay is not None:
            return {n: lay(n, array) for n, array in given.items()}
        arrays = {n: to_layout(config, n, array) for n, array in given.items()}
        return all_laid_out(arrays, config.memory, config.seed)

    inputs, of = (fresh(given) for given in (case.inputs, cotangents(case)))
    before = [{name: whole(array) for name, array in given.items()} for given in (inputs, of)]
    returned = layer.gradients(dict(inputs), dict(of))
    modified += [f"{name} of gradients" for name in written_to(inputs, before[0])]
    modified += [f"cotangent of {name}" for name in written_to(of, before[1])]
    answered = _answered(returned, case)
    if not overwrite:
        return answered
    modified += overwritten(
        {
            f"gradient of {name}" if name not in output_names(config) else name: a
            for name, a in returned.items()
        },
        {**inputs, **{f"cotangent of {name}": array for name, array in of.items()}},
    )
    return answered


def _answered(returned: Any, case: Case) -> Answered:
    """Copies of what came back, with the outputs of the same call where there are any."""
    config = case.config
    names = output_names(config)
    if not isinstance(returned, Mapping) or not set(names) & set(returned):
        return Answered(_well_formed(returned, case), None)
    gradients = {name: array for name, array in returned.items() if name not in names}
    outputs = {name: returned[name] for name in names if name in returned}
    return Answered(_well_formed(gradients, case), well_formed(outputs, config))


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
