"""What an injected fault is, and how an area collects its own.

A fault is a function that changes one thing of a correct layer, or a class that is a layer or a
backend with the mistake. Its docstring says the mistake in one sentence; in a table of one-line
functions the sentence stands beside the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from harness.backends.protocol import Backend
from harness.config import Config
from harness.faults.arrays import with_final, with_initial
from harness.faults.correct import CorrectBackend, CorrectLayer, ForwardLayer
from harness.faults.injecting import injecting
from harness.faults.wrapping import WrappedLayer
from harness.layers import LAYERS, LayerRecord

__all__ = [
    "BASES",
    "Area",
    "Fault",
    "has_activation",
    "has_gates",
    "has_gates_and_steps",
    "has_option",
    "has_steps",
]

BASES = ("torch", "mindspore", "oracle")
"""What a fault may be injected into: two real frameworks, and the correct implementation here."""

F = TypeVar("F", bound=Callable[..., Any])
Change = Callable[..., Any]
Hook = Callable[..., Callable[[Change], Change]]
Table = Mapping[str, tuple[str, Change]]


@dataclass(frozen=True)
class Fault:
    """One realistic mistake, and how it is made.

    `inject` takes a correct backend and gives one with the mistake, under the same name. `peers`
    gives the correct backends that stand before it in the session, for mistakes that only a
    comparison with certain others shows; else the correct implementation alone. `visible` says of
    a mistake that few configs can show which they are, so that they come first. `needs` says
    which layers can have the mistake at all; all can without it.
    """

    name: str
    mistake: str
    area: str
    inject: Callable[[Backend], Backend]
    bases: tuple[str, ...] = BASES
    peers: Callable[[], tuple[Backend, ...]] | None = None
    visible: Callable[[Config], bool] | None = None
    needs: Callable[[LayerRecord], bool] | None = None

    def concerns(self, config: Config) -> bool:
        """Whether the config's layer can have the mistake."""
        return self.needs is None or self.needs(LAYERS[config.layer])


def has_activation(name: str) -> Callable[[LayerRecord], bool]:
    """For faults of one activation."""
    return lambda record: name in record.activations


def has_option(name: str) -> Callable[[LayerRecord], bool]:
    """For faults of an option that not every layer has."""
    return lambda record: any(option.name == name for option in record.options)


def has_gates(record: LayerRecord) -> bool:
    """For faults of layers with gates; of others there are enough."""
    return "sigmoid" in record.activations


def has_steps(record: LayerRecord) -> bool:
    """For faults of what a cell, of a single step and layer, cannot have."""
    return not record.single_step


def has_gates_and_steps(record: LayerRecord) -> bool:
    return has_gates(record) and has_steps(record)


class Area:
    """Faults of one kind. Keywords of all methods are fields of `Fault`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []

    def fault(self, name: str, **fields: Any) -> Callable[[F], F]:
        """A class: a wrapped layer, a correct layer but for one thing, or a backend of either."""

        def register(made: F) -> F:
            on_oracle = isinstance(made, type) and issubclass(made, ForwardLayer | CorrectBackend)
            bases = {"bases": ("oracle",)} if on_oracle else {}
            self._add(name, made.__doc__, injecting(cast(Any, made)), {**bases, **fields})
            return made

        return register

    def table(self, hook: Hook, faults: Table, **fields: Any) -> None:
        """Name -> (mistake, function) for one of the hooks below."""
        for name, (mistake, change) in faults.items():
            hook(name, mistake=mistake, **fields)(change)

    def inputs(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, given) -> other inputs, time first."""
        return self._hook(
            name, "answer", lambda change: lambda layer, a: layer.run(change(layer, a)), fields
        )

    def initial(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, array) -> other array, for every initial state that is given."""

        def made(change: Change) -> Change:
            return lambda layer, given: layer.run(
                with_initial(given, lambda array: change(layer, array))
            )

        return self._hook(name, "answer", made, fields)

    def outputs(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, given, found) -> other outputs, time first."""
        return self._hook(
            name, "answer", lambda change: lambda layer, a: change(layer, a, layer.run(a)), fields
        )

    def output(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, given, array) -> other output (T, B, D * H)."""

        def made(change: Change) -> Change:
            def answer(layer: Any, given: Any) -> Any:
                found = layer.run(given)
                return {**found, "output": change(layer, given, found["output"])}

            return answer

        return self._hook(name, "answer", made, fields)

    def final(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, given, array) -> other array, for every final state (L * D, B, H)."""

        def made(change: Change) -> Change:
            return lambda layer, given: with_final(
                layer.run(given), lambda array: change(layer, given, array)
            )

        return self._hook(name, "answer", made, fields)

    def returned(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, inputs, found) -> what `forward` returns, all in the layout of the call."""

        def made(change: Change) -> Change:
            return lambda layer, a: change(layer, a, WrappedLayer.forward(layer, a))

        return self._hook(name, "forward", made, fields)

    def weights(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, weights) -> what is computed with in their place."""
        return self._hook(name, "used_weights", lambda change: change, fields)

    def gradients(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, given, found) -> other gradients, time first."""

        def made(change: Change) -> Change:
            return lambda layer, given, cotangents: change(
                layer, given, layer.run_gradients(given, cotangents)
            )

        return self._hook(name, "derive", made, fields)

    def activation(self, name: str, of: str, **fields: Any) -> Callable[[F], F]:
        """(layer, a, exact) -> another value of the activation `of`."""

        def made(change: Change) -> Change:
            def activation(layer: Any, name: str, a: Any) -> Any:
                exact = CorrectLayer.activation(layer, name, a)
                return change(layer, a, exact) if name == of else exact

            return activation

        fields = {"needs": has_activation(of), **fields}
        return self._hook(name, "activation", made, fields, CorrectLayer)

    def masks(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, masks) -> other dropout masks (T, B, D * H)."""

        def made(change: Change) -> Change:
            return lambda layer, shape: change(layer, CorrectLayer.masks(layer, shape))

        return self._hook(name, "masks", made, fields, CorrectLayer)

    def drawn(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, limit, shape) -> an array of a newly built layer."""
        return self._hook(name, "drawn", lambda change: change, fields, CorrectLayer)

    def initial_weights(self, name: str, **fields: Any) -> Callable[[F], F]:
        """(layer, weights) -> others for a newly built layer."""
        return self._hook(name, "initial_weights", lambda change: change, fields, CorrectLayer)

    def _hook(
        self,
        name: str,
        method: str,
        made: Callable[[Change], Change],
        fields: dict[str, Any],
        base: type = WrappedLayer,
    ) -> Callable[[F], F]:
        """For a layer in which one method is made from a function."""

        def register(change: F) -> F:
            layer = type(name, (base,), {method: made(change), "__doc__": change.__doc__})
            mistake = fields.pop("mistake", change.__doc__)
            bases = {"bases": ("oracle",)} if base is CorrectLayer else {}
            self._add(name, mistake, injecting(layer), {**bases, **fields})
            return change

        return register

    def _add(
        self,
        name: str,
        mistake: str | None,
        inject: Callable[[Backend], Backend],
        fields: dict[str, Any],
    ) -> None:
        sentence = " ".join((mistake or "").split())
        if not sentence:
            raise ValueError(f"fault {name}: no docstring, expected the mistake in one sentence")
        self.faults.append(Fault(name, sentence, self.name, inject, **fields))
