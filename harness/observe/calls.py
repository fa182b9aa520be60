"""A call as a user makes it: what was refused, where, what came back, and what came after."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
import numpy as np

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer, offers
from harness.bits import same_bits
from harness.calls import Call, calls_after, make_call, user_inputs
from harness.case import Case, make_case
from harness.config import Config
from harness.memory import laid_out
from harness.observe.arrays import is_number, parameters, viewed
from harness.observe.calling import call, same_outputs
from harness.observe.errors import NotOffered, headline, preparing
from harness.observe.records import CallOutcome, Observation, Outputs
from reference.arrays import Array

__all__ = ["observe_call"]

Canary = tuple[Layer, Outputs, Case]
"""A layer that is known to work, what it answers, and to what."""

_CANARIES: dict[tuple[int, str], tuple[Backend, Canary]] = {}
MOST_CANARIES = 8
"""By the identity of the backend, which need not be hashable and is kept beside, and the layer."""

WARM_UP = 24
"""Ordinary calls before the first other one: users' programs have been running for a while."""


def observe_call(backend: Backend, case: Case) -> Observation:
    """Build and call; an exception is an answer here, and no trouble."""
    if not offers(backend, "construct"):
        raise NotOffered("has no method construct(layer, positional, keywords)")
    made = make_call(case.config)
    if made is None:
        return Observation(backend.name)
    with preparing("an ordinary call of another layer before it"):
        canary = _canary(backend, case.config)
    ordinary = _ordinary(backend, case.config, made)
    outcome = _attempt(cast(FullBackend, backend), case.config.layer, made, ordinary)
    return Observation(backend.name, details=_with_aftermath(outcome, canary))


def _ordinary(backend: Backend, config: Config, made: Call) -> tuple[tuple[Any, ...], ...]:
    """The arguments of the calls after it; none where the layer takes others.

    Where each new layer is compiled anew, the ordinary call of another layer has to do.
    """
    usual, *_ = after = calls_after(config)
    if getattr(backend, "sampled", False) or unsupported_reason(backend, usual) is not None:
        return ()
    as_usual = ((usual.input_size, usual.hidden_size), usual.options.keywords)
    if repr(as_usual) != repr((made.positional, dict(made.keywords))):  # True is another than 1
        return ()
    taken = itertools.takewhile(lambda one: unsupported_reason(backend, one) is None, after)
    return tuple(user_inputs(make_case(one)) for one in taken)


def _attempt(
    backend: FullBackend, layer_name: str, made: Call, ordinary: tuple[tuple[Any, ...], ...]
) -> CallOutcome:
    """Only the constructor and the call may refuse; other exceptions are faults of the backend."""

    def build() -> FullLayer:
        literal = {"literal": True} if made.literal else {}
        built = backend.construct(layer_name, made.positional, made.keywords, **literal)
        return cast(FullLayer, built)

    try:
        layer = build()
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        return CallOutcome("build", headline(error), None, made.weights, None)
    if not offers(layer, "call"):
        raise NotOffered("has layers without a method call(inputs, named)")
    if offers(layer, "train"):
        layer.train(False)
    weights = _given_weights(layer, made.weights)
    try:
        returned = _kept(layer.call(made.inputs, made.named))
        trained = None
        if made.undropped and offers(layer, "train"):
            layer.train(True)
            trained = _kept(layer.call(made.inputs, made.named))
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        harmed, answers = _after_refusal(layer, build, weights, ordinary)
        return CallOutcome("call", headline(error), None, weights, harmed, ordinary=answers)
    harmed, taken = None, list[tuple[Any, ...]]()
    try:
        if trained is not None:
            layer.train(False)
        for arguments in ordinary:
            taken.append(_kept(layer.call(_copied(arguments), {})))
    except Exception as error:
        harmed = f"the layer itself refuses an ordinary call from then on: {headline(error)}"
    found = tuple(taken)
    return CallOutcome("call", None, returned, weights, harmed, trained=trained, ordinary=found)


def _after_refusal(
    layer: FullLayer,
    build: Callable[[], FullLayer],
    weights: Mapping[str, Array],
    ordinary: tuple[tuple[Any, ...], ...],
) -> tuple[str | None, tuple[tuple[Any, ...], ...]]:
    """What is wrong with ordinary calls of the very layer that refused one; None if nothing is.

    A new layer must take them too. Where its answers have other bits, those of both are for the
    oracle to judge: rounding may depend on how often a layer was called.
    """
    if not ordinary:
        return None, ()
    other = build()
    if offers(other, "train"):
        other.train(False)
    other.load_weights({name: array.copy() for name, array in weights.items()})
    answers: dict[str, list[tuple[Any, ...]]] = {"a new layer": [], "the layer itself": []}
    for arguments in ordinary:
        for name, one in zip(answers, (other, layer), strict=True):
            try:
                answers[name].append(_kept(one.call(_copied(arguments), {})))
            except Exception as error:
                return f"{name} refuses an ordinary call from then on: {headline(error)}", ()
    new, own = answers.values()
    return None, () if all(map(_same, own, new)) else (*own, *new)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_copied, value))
    return laid_out(value, "contiguous") if isinstance(value, np.ndarray) else value


def _kept(returned: Any) -> tuple[Any, ...]:
    """What came back, copied; what is no array of numbers, as the name of its type."""
    if not isinstance(returned, tuple):
        return (type(returned).__name__,)
    return tuple(map(_kept_array, returned))


def _same(one: tuple[Any, ...], two: tuple[Any, ...]) -> bool:
    """Whether what was kept of two calls are arrays of the same bits."""
    arrays = all(isinstance(value, np.ndarray) for value in (*one, *two))
    return arrays and len(one) == len(two) and all(map(same_bits, one, two))


def _kept_array(value: Any) -> Any:
    array = viewed(value)
    if isinstance(array, str):
        return type(value).__name__
    return array.copy() if is_number(array.dtype) else f"array of dtype {array.dtype}"


def _given_weights(layer: Any, weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """Load the weights where names and shapes fit; what the layer then has."""
    own = parameters(layer.read_weights())
    if {name: a.shape for name, a in own.items()} != {n: a.shape for n, a in weights.items()}:
        return own
    layer.load_weights(weights)
    return weights


def _canary(backend: Backend, config: Config) -> Canary:
    """Made once for each backend and layer."""
    key = (id(backend), config.layer)
    kept = _CANARIES.get(key)
    if kept is None or kept[0] is not backend:
        while len(_CANARIES) >= MOST_CANARIES:
            _CANARIES.pop(next(iter(_CANARIES)))
        kept = _CANARIES[key] = (backend, _made_canary(backend, config.layer))
    return kept[1]


@functools.cache
def _canary_configs(layer: str) -> tuple[Config, ...]:
    """Ordinary calls, large enough for kernels to be tuned by them; the first that is taken serves.

    The last values of the layer's own options, in both directions; then the defaults in one.
    """
    sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 14, "batch": 23, "steps": 6}
    plain = Config.of(layer, data="plain", states=True).adapted(**sizes)
    own = {option.name: list(option.words)[-1] for option in plain.record.options}
    return (plain.adapted(bidirectional=True, **own), plain)


def _made_canary(backend: Backend, layer_name: str) -> Canary:
    *others, last = _canary_configs(layer_name)
    for config in others:
        if unsupported_reason(backend, config) is None:
            return _warmed_up(backend, make_case(config))
    return _warmed_up(backend, make_case(last))


def _warmed_up(backend: Backend, case: Case) -> Canary:
    layer = backend.build(case.config.options)
    layer.load_weights(case.weights)
    for _ in range(WARM_UP):
        answer = call(layer, case, [])
    return layer, answer, case


def _with_aftermath(outcome: CallOutcome, canary: Canary) -> CallOutcome:
    """The outcome, with what was wrong with an ordinary call right after it."""
    layer, expected, case = canary
    try:
        answer = call(layer, case, [])
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        _CANARIES.clear()
        return _after(outcome, f"the ordinary call after it raised {headline(error)}")
    if not same_outputs(answer, expected):
        return _after(outcome, "the ordinary call after it gave other bits than before")
    return outcome


def _after(outcome: CallOutcome, what: str) -> CallOutcome:
    return msgspec.structs.replace(outcome, aftermath=what)
