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
