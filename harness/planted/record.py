"""What a planted fault is, and how an area of the catalogue collects its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from harness.backends.protocol import Backend
from harness.config import Config
from harness.planted.right import CompleteBackend, CompleteLayer
from harness.planted.wrapping import Values, WrappedBackend

__all__ = ["BASES", "Area", "Fault"]

BASES = ("torch", "mindspore", "oracle")
"""What a fault may be built on: two real frameworks, and the right implementation here."""

Shows = Callable[[Config], bool]
Plant = Callable[[Backend], Backend]
Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Fault:
    """One realistic mistake, and how it is made.

    `plant` takes a right backend and gives one with the mistake, under the same name. `peers`
    gives the right backends that stand before it in the session, for mistakes that only a
    comparison with certain others shows; else the right implementation alone. `shows` says of a
    mistake that few configs can show which they are, so that they come first.
    """

    name: str
    mistake: str
    area: str
    bases: tuple[str, ...]
    plant: Plant
    peers: Callable[[], tuple[Backend, ...]] | None = None
    shows: Shows | None = None


class Area:
    """Faults of one kind; the docstring of the decorated class says the mistake."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []

    def wrapping(
        self, name: str, *, bases: tuple[str, ...] = BASES, shows: Shows | None = None
    ) -> Callable[[Class], Class]:
        """For a layer that wraps a right one: it can be built on real frameworks too."""

        def register(layer: Class) -> Class:
            wraps = cast(type[Values], layer)
            self._add(name, layer, bases, lambda base: WrappedBackend(base, wraps), shows=shows)
            return layer

        return register

    def on_oracle(
        self, name: str, peers: Callable[[], tuple[Backend, ...]] | None = None
    ) -> Callable[[Class], Class]:
        """For a layer, or a backend, that is the right implementation but for one thing."""

        def register(made: Class) -> Class:
            def plant(base: Backend) -> Backend:
                if issubclass(made, CompleteBackend):
                    return cast(Backend, cast(Any, made)(name=base.name))
                layer = cast(type[CompleteLayer], made)
                return cast(Backend, CompleteBackend(layer, base.name))

            self._add(name, made, ("oracle",), plant, peers)
            return made

        return register

    def on_backend(
        self, name: str, *, bases: tuple[str, ...] = BASES, shows: Shows | None = None
    ) -> Callable[[Class], Class]:
        """For a backend that wraps a right one."""

        def register(made: Class) -> Class:
            def plant(base: Backend) -> Backend:
                return cast(Backend, cast(Any, made)(base))

            self._add(name, made, bases, plant, shows=shows)
            return made

        return register

    def _add(
        self,
        name: str,
        made: type,
        bases: tuple[str, ...],
        plant: Plant,
        peers: Callable[[], tuple[Backend, ...]] | None = None,
        shows: Shows | None = None,
    ) -> None:
        mistake = " ".join((made.__doc__ or "").split())
        if not mistake:
            raise ValueError(f"fault {name}: no docstring, expected the mistake in one sentence")
        self.faults.append(Fault(name, mistake, self.name, bases, plant, peers, shows))
