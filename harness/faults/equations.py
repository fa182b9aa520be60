"""Correct layers but for the equation of a step: of values and gradients, or of gradients alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.correct import CorrectLayer
from reference import Bounded, Cell

__all__ = ["OtherDerivative", "OtherEquation", "ended", "known", "with_equation"]


def with_equation(cell: Cell, equation: Any) -> Cell:
    """The same cell but for its equation."""
    return replace(cell, equation=equation)


class OtherEquation(CorrectLayer):
    """Values and gradients are those of the equation `step`."""

    step: Any

    @property
    def cell(self) -> Cell:
        return with_equation(super().cell, self.step)


class OtherDerivative(CorrectLayer):
    """Values are right; gradients are those of the equation `step`."""

    step: Any
    deriving = False

    @property
    def cell(self) -> Cell:
        right = super().cell
        return with_equation(right, self.step) if self.deriving else right

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.deriving = True
        try:
            return super().derive(given, cotangents)
        finally:
            self.deriving = False


def ended(gate: Any, at: float) -> Any:
    """A sigmoid that is 0 where its argument is below `at`; derivatives are left as they are."""
    if not isinstance(gate, np.ndarray):
        return gate
    return np.where(gate < 1 / (1 + np.exp(-at)), gate.dtype.type(0), gate)


def known(op: Any, value: Any) -> Any:
    """A value that nothing is handed back through, where derivatives are recorded."""
    if not hasattr(op, "rounded"):
        return value
    nothing = Bounded.exact(np.zeros(op.rounded.close(value.value).expected.shape))
    return op._node(value.value, (value,), (nothing,))
