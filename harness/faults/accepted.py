"""Mistakes that an accepted call leaves in the layer that took it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer

__all__ = ["AREA"]

AREA = Area("calls")


class _Leaves(WrappedLayer):
    """A layer that answers otherwise once it took a call of some kind."""

    taken = False

    def leaves(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> bool:
        raise NotImplementedError

    def after(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        raise NotImplementedError

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        found = super().call(inputs, named)
        if self.taken:
            found = self.after(found)
        self.taken |= self.leaves(inputs, named)
        return found


@AREA.fault("a-single-sequence-stays", bases=("torch", "oracle"))
class SingleStays(_Leaves):
    """After an unbatched x the layer answers with its first row for all rows."""

    def leaves(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> bool:
        return bool(inputs) and getattr(inputs[0], "ndim", 3) == 2

    def after(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        output, *states = found
        first = output[:1] if self.options.batch_first else output[:, :1]
        return (np.broadcast_to(first, output.shape).copy(), *states)


@AREA.fault("a-call-by-names-stays")
class NamesStay(_Leaves):
    """After a call by keyword the layer gives h_n as the keyword's call left it: doubled."""

    def leaves(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> bool:
        return bool(named)

    def after(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        return (found[0], *(state * state.dtype.type(2) for state in found[1:]))


class _Absent(WrappedLayer):
    """A layer that leaves out what calls give it at one place."""

    place = 1
    first: bool | None = None
    absent = False

    def leaves_out(self) -> bool:
        """By what the calls before gave; `first` is whether the first one had it."""
        return self.absent

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        given = bool(named) or (len(inputs) > self.place and inputs[self.place] is not None)
        if given and not named and self.leaves_out():
            rest = inputs[self.place + 1 :]
            inputs = (*inputs[: self.place], None, *rest) if rest else inputs[: self.place]
        found = super().call(inputs, named)
        self.first = given if self.first is None else self.first
        self.absent |= not given
        return found


@AREA.fault("a-call-without-states-stays")
class NoStatesStay(_Absent):
    """A layer that took a call without h_0 reads none in the calls after it."""


@AREA.fault("no-states-at-the-first-call")
class NoStatesAtFirst(_Absent):
    """A layer is traced at its first call: if that had no h_0, zeros are part of the graph."""

    def leaves_out(self) -> bool:
        return self.first is False


@AREA.fault("no-lengths-at-the-first-call")
class NoLengthsAtFirst(_Absent):
    """A layer is traced at its first call: if that had no lengths, later ones are ignored."""

    place = 2

    def leaves_out(self) -> bool:
        return self.first is False
