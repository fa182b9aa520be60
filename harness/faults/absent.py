"""Mistakes with what an earlier call did not have: it stays absent once it is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, initial, with_initial
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer

__all__ = ["AREA"]

AREA = Area("lives")


def _without_states(given: Arrays) -> Arrays:
    return with_initial(given, np.zeros_like)


@AREA.inputs("h-0-after-a-call-without-is-not-read")
def not_read_after(layer: Any, given: Arrays) -> Arrays:
    """A call without initial states frees their buffer; the next call's are not copied into it."""
    absent, layer.absent = getattr(layer, "absent", False), not initial(given)
    return _without_states(given) if absent else given


@AREA.inputs("no-h-0-at-the-first-call-of-a-shape")
def planned_without(layer: Any, given: Arrays) -> Arrays:
    """Whether there are initial states is part of the plan of a shape, made at its first call."""
    plans: dict[Any, bool] = layer.__dict__.setdefault("plans", {})
    return (
        given
        if plans.setdefault(given["x"].shape, bool(initial(given)))
        else _without_states(given)
    )


@AREA.inputs("no-lengths-in-the-plan-of-the-first-call")
def first_without_lengths(layer: Any, given: Arrays) -> Arrays:
    """A layer whose first call had no lengths is compiled without them, for shapes that fit."""
    layer.first = getattr(layer, "first", (given["x"].shape, "lengths" in given))
    shape, lengths = layer.first
    if lengths or given["x"].shape != shape:
        return given
    return {name: array for name, array in given.items() if name != "lengths"}


@AREA.fault("h-0-of-gradients-after-a-call-without")
class GradientsWithout(WrappedLayer):
    """Gradients after a call without initial states are those of zeros, and so are they for h_0."""

    absent = False

    def answer(self, given: Arrays) -> Arrays:
        self.absent = not initial(given)
        return self.run(given)

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        return self.run_gradients(_without_states(given) if self.absent else given, cotangents)
