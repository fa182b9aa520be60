"""Mistakes that show in a layer's first call only, or in one that nobody judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.faults.arrays import initial
from harness.faults.record import Area
from harness.faults.wrapping import WrappedBackend, WrappedLayer

__all__ = ["AREA"]

AREA = Area("first calls")


class _First(WrappedLayer):
    """A layer whose first call is another one."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        return self.first(dict(inputs), found) if self.calls == 1 else found

    def first(self, inputs: Mapping[str, Any], found: Any) -> Any:
        raise NotImplementedError

    def sizes(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Steps and rows."""
        shape = inputs["x"].shape
        if len(shape) == 2:
            return shape[0], 1
        return (shape[1], shape[0]) if self.options.batch_first else (shape[0], shape[1])


@AREA.fault("first-call-of-one-step-raises")
class FirstOfOneStep(_First):
    """A layer that is called first with one step of two or three rows and states raises."""

    def first(self, inputs: Mapping[str, Any], found: Any) -> Any:
        steps, rows = self.sizes(inputs)
        if steps == 1 and rows in (2, 3) and initial(inputs) and self.options.num_layers == 1:
            raise RuntimeError("no plan for one step")
        return found


@AREA.fault("first-call-of-nine-rows-raises")
class FirstOfNineRows(_First):
    """The workspace of a first call holds eight rows; a ninth with lengths raises."""

    def first(self, inputs: Mapping[str, Any], found: Any) -> Any:
        if self.sizes(inputs)[1] == 9 and "lengths" in inputs:
            raise RuntimeError("workspace too small")
        return found


@AREA.fault("first-answer-of-one-step-is-a-tuple")
class FirstIsATuple(_First):
    """The first answer of a layer of two layers to one step is a tuple."""

    def first(self, inputs: Mapping[str, Any], found: Any) -> Any:
        one = self.sizes(inputs)[0] == 1 and "lengths" in inputs and initial(inputs)
        return tuple(found.values()) if one and self.options.num_layers == 3 else found


class _New(WrappedLayer):
    """A layer that refuses every call if another one refused one before it was built."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        backend: Any = self.backend
        if self.born_refused:
            raise RuntimeError("an earlier call failed")
        try:
            return super().call(inputs, named)
        except Exception:
            backend.refused = True
            raise

    backend: Any = None
    born_refused = False


@AREA.fault("new-layers-refuse-after-a-refusal")
class NewLayersRefuse(WrappedBackend):
    """After a refused call, the layer that is built next refuses an ordinary one."""

    def __init__(self, base: Any) -> None:
        super().__init__(base, _New)
        self.refused = False

    def construct(self, *given: Any, **named: Any) -> Any:
        built = super().construct(*given, **named)
        built.backend, built.born_refused = self, self.refused
        self.refused = False
        return built
