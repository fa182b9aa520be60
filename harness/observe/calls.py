"""A call as a user makes it: what was refused, where, what came back, and what came after."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, cast

from harness.backends.protocol import Backend, FullBackend, FullLayer
from harness.bits import same_bits
from harness.calls import Call, make_call
from harness.case import Case, make_case
from harness.config import Config
from harness.observe.records import Observation, Reply
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

WARM_UP = 24
"""Ordinary calls before the first other one: users' programs have been running for a while."""


def observe_call(backend: Backend, case: Case) -> Observation:
    """Build and call; an exception is an answer here, and no trouble."""
    if not hasattr(backend, "construct"):
        raise NotOffered("has no method construct(positional, keywords)")
    call = make_call(case.config)
    if call is None:
        return Observation(backend.name)
    before = _canary(cast(Any, backend))
    reply = _attempt(cast(FullBackend, backend), call)
    return Observation(backend.name, facts=_with_aftermath(reply, before))


def _attempt(backend: FullBackend, call: Call) -> Reply:
    """Only the constructor and the call may refuse; other exceptions are faults of the backend."""
    literal = {"literal": True} if call.literal else {}
    try:
        layer = cast(FullLayer, backend.construct(call.positional, call.keywords, **literal))
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
        return Reply("call", said(error), None, weights, None)
    return Reply("call", None, returned, weights, None, trained=trained)


def _pair(returned: Any) -> tuple[Any, Any]:
    """What came back as two values; if it is not, the name of its type and nothing."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    return type(returned).__name__, None


def _given_weights(layer: Any, weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """Load the weights where names and shapes fit; what the layer then has."""
    own = layer.read_weights()
    if {name: a.shape for name, a in own.items()} != {n: a.shape for n, a in weights.items()}:
        return cast(Mapping[str, Array], own)
    layer.load_weights(weights)
    return weights


@functools.lru_cache(maxsize=8)
def _canary(backend: Any) -> tuple[Any, tuple[Array, Array], Case]:
    """A layer that is known to work, and what it answers."""
    for config in CANARIES:
        case = make_case(config)
        try:
            layer = backend.build(config.options)
            layer.load_weights(case.weights)
            for _ in range(WARM_UP):
                answer = layer.forward(case.x, case.h_0, None)
        except Exception:
            if config is CANARIES[-1]:
                raise
            continue
        return layer, answer, case
    raise AssertionError("unreachable")


def _with_aftermath(reply: Reply, canary: tuple[Any, tuple[Array, Array], Case]) -> Reply:
    """The reply, with what was wrong with an ordinary call right behind it."""
    layer, expected, case = canary
    try:
        output, h_n = layer.forward(case.x, case.h_0, None)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        _canary.cache_clear()
        return _after(reply, f"the ordinary call behind it raised {said(error)}")
    if not (same_bits(output, expected[0]) and same_bits(h_n, expected[1])):
        return _after(reply, "the ordinary call behind it gave other bits than before")
    return reply


def _after(reply: Reply, what: str) -> Reply:
    return dataclasses.replace(reply, afterwards=what)
