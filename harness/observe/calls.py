"""A call as a user makes it: what was refused, where, what came back, and what came after."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from harness.backends.protocol import Backend, FullBackend, FullLayer
from harness.bits import same_bits
from harness.calls import Call, make_call
from harness.case import Case, make_case
from harness.config import Config
from harness.layout import states_to_layout, to_layout
from harness.observe.arrays import is_number, parameters, viewed
from harness.observe.forward import well_formed
from harness.observe.records import Forward, Observation, Reply
from harness.observe.wording import NotOffered, said
from reference.arrays import Array

__all__ = ["observe_call"]

_CANARY = Config(
    nonlinearity="relu",
    bidirectional=True,
    h_0=True,
    input_size=2,
    hidden_size=14,
    batch=23,
    steps=6,
    data="plain",
)
CANARIES = (_CANARY, dataclasses.replace(_CANARY, nonlinearity="tanh", bidirectional=False))
"""Ordinary calls, large enough for kernels to be tuned by them; the first that is taken serves."""

_CANARIES: dict[int, tuple[Backend, tuple[Any, Forward, Case]]] = {}
MOST_CANARIES = 8
"""By the identity of the backend, which need not be hashable, and is kept beside its canary."""

WARM_UP = 24
"""Ordinary calls before the first other one: users' programs have been running for a while."""


def observe_call(backend: Backend, case: Case) -> Observation:
    """Build and call; an exception is an answer here, and no trouble."""
    if not hasattr(backend, "construct"):
        raise NotOffered("has no method construct(positional, keywords)")
    call = make_call(case.config)
    if call is None:
        return Observation(backend.name)
    before = _canary(backend)
    # Where each new layer is compiled anew, the ordinary call of another layer has to do.
    ordinary = None if getattr(backend, "sampled", False) else _ordinary(case.config)
    reply = _attempt(cast(FullBackend, backend), call, ordinary)
    return Observation(backend.name, facts=_with_aftermath(reply, before))


def _ordinary(config: Config) -> tuple[Any, ...]:
    """x, h_0 and lengths, as far as there are any, of the call that everybody makes."""
    case = make_case(dataclasses.replace(config, aspect="forward"))
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, config)
    given = (to_layout(case.x, config), h_0)
    return given if case.lengths is None else (*given, case.lengths)


def _attempt(backend: FullBackend, call: Call, ordinary: tuple[Any, ...] | None) -> Reply:
    """Only the constructor and the call may refuse; other exceptions are faults of the backend."""

    def build() -> FullLayer:
        literal = {"literal": True} if call.literal else {}
        return cast(FullLayer, backend.construct(call.positional, call.keywords, **literal))

    try:
        layer = build()
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        return Reply("build", said(error), None, call.weights, None)
    if not hasattr(layer, "call"):
        raise NotOffered("has layers without a method call(inputs, named)")
    if hasattr(layer, "train"):
        layer.train(False)
    weights = _given_weights(layer, call.weights)
    try:
        returned = _pair(layer.call(call.inputs, call.named))
        trained = None
        if call.undropped and hasattr(layer, "train"):
            layer.train(True)
            trained = _pair(layer.call(call.inputs, call.named))
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        harmed = None if ordinary is None else _harmed(layer, build, weights, ordinary)
        return Reply("call", said(error), None, weights, harmed)
    return Reply("call", None, returned, weights, None, trained=trained)


def _harmed(
    layer: FullLayer,
    build: Callable[[], FullLayer],
    weights: Mapping[str, Array],
    ordinary: tuple[Any, ...],
) -> str | None:
    """What is wrong with an ordinary call of the very layer that refused one; None if nothing is.

    A new layer tells what is right; one that takes no ordinary call either says nothing.
    """
    other = build()
    if hasattr(other, "train"):
        other.train(False)
    other.load_weights({name: array.copy() for name, array in weights.items()})
    try:
        expected = other.call(_copied(ordinary), {})
    except Exception:
        return None
    try:
        answer = layer.call(_copied(ordinary), {})
    except Exception as error:
        return f"the layer itself refuses an ordinary call from then on: {said(error)}"
    if not all(same_bits(one, two) for one, two in zip(answer, expected, strict=True)):
        return "the layer itself answers an ordinary call otherwise than a new one"
    return None


def _copied(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if array is None else array.copy() for array in inputs)


def _pair(returned: Any) -> tuple[Any, Any]:
    """What came back as two values; what is no array of numbers, as the name of its type."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return _kept(returned[0]), _kept(returned[1])
    return type(returned).__name__, None


def _kept(value: Any) -> Any:
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


def _canary(backend: Backend) -> tuple[Any, Forward, Case]:
    """A layer that is known to work, and what it answers; made once for each backend."""
    kept = _CANARIES.get(id(backend))
    if kept is None or kept[0] is not backend:
        while len(_CANARIES) >= MOST_CANARIES:
            _CANARIES.pop(next(iter(_CANARIES)))
        kept = _CANARIES[id(backend)] = (backend, _made_canary(backend))
    return kept[1]


def _made_canary(backend: Backend) -> tuple[Any, Forward, Case]:
    for config in CANARIES:
        case = make_case(config)
        try:
            layer = backend.build(config.options)
            layer.load_weights(case.weights)
            for _ in range(WARM_UP):
                answer = well_formed(layer.forward(case.x, case.h_0, None), config)
        except Exception:
            if config is CANARIES[-1]:
                raise
            continue
        return layer, answer, case
    raise AssertionError("unreachable")


def _with_aftermath(reply: Reply, canary: tuple[Any, Forward, Case]) -> Reply:
    """The reply, with what was wrong with an ordinary call right behind it."""
    layer, expected, case = canary
    try:
        answer = well_formed(layer.forward(case.x, case.h_0, None), case.config)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        _CANARIES.clear()
        return _after(reply, f"the ordinary call behind it raised {said(error)}")
    if not (same_bits(answer.output, expected.output) and same_bits(answer.h_n, expected.h_n)):
        return _after(reply, "the ordinary call behind it gave other bits than before")
    return reply


def _after(reply: Reply, what: str) -> Reply:
    return msgspec.structs.replace(reply, afterwards=what)
