"""How a mistake gets into a correct backend; two mistakes, one after the other, are both in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

from harness.backends.protocol import Backend
from harness.faults.correct import CorrectBackend, CorrectLayer, ForwardBackend, ForwardLayer
from harness.faults.wrapping import WrappedBackend, WrappedValues

__all__ = ["injecting"]


def injecting(made: Any) -> Callable[[Backend], Backend]:
    """How a backend is made from a layer or backend with the mistake, and a correct backend."""
    if issubclass(made, WrappedValues):
        return lambda base: WrappedBackend(base, made)
    if issubclass(made, ForwardLayer | CorrectBackend):
        return lambda base: _inside(made, base)
    return lambda base: cast(Backend, made(base))


def _inside(made: Any, base: Any) -> Any:
    """What changes the correct implementation itself goes below all that wraps it.

    Raises:
        ValueError: the base is another implementation, or has a mistake in the same place.
    """
    if isinstance(base, WrappedBackend):
        around = copy.copy(base)
        around.base = _inside(made, base.base)
        return around
    kind, layer = type(base), getattr(base, "layer", None)
    if issubclass(made, CorrectBackend) and isinstance(base, CorrectBackend):
        return _both(made, kind, CorrectBackend)(layer, base.name)
    if issubclass(made, CorrectLayer) and isinstance(base, CorrectBackend):
        return kind(_both(made, layer, CorrectLayer), base.name)
    if kind is CorrectBackend and layer is CorrectLayer:
        return ForwardBackend(made, base.name)
    raise ValueError(f"{made.__name__} replaces {_named(base)}: nothing of it would be left")


def _both(made: Any, other: Any, correct: type) -> Any:
    """A class with the changes of both; the same method cannot be changed twice."""
    if other is correct:
        return made
    changes = [_changes(one, correct) for one in (made, other)]
    if common := sorted(changes[0] & changes[1]):
        names = f"{made.__name__} and {other.__name__}"
        raise ValueError(f"{names} both change {', '.join(common)}: inject one of them")
    return type(f"{made.__name__} and {other.__name__}", (made, other), {})


def _changes(one: type, correct: type) -> set[str]:
    """Names of what a class has otherwise than the correct one."""
    between = one.__mro__[: one.__mro__.index(correct)]
    return {name for kind in between for name in vars(kind) if name in dir(correct)} - _OF_CLASSES


_OF_CLASSES = {"__doc__", "__module__", "__dict__", "__weakref__", "__annotations__", "__init__"}


def _named(base: Any) -> str:
    layer = getattr(base, "layer", None)
    return f"{type(base).__name__} of {layer.__name__}" if layer else type(base).__name__
