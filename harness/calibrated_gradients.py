"""Gradients from start to end, with a tolerance calibrated by the case itself.

The bound of `reference.gradient` holds for every order of evaluation, and grows with each step: of
gated layers of real size it soon is larger than the gradient. So gradients are moved as outputs are
(`harness.oracle.Oracle.tolerance`): evaluated with every input, weight and cotangent moved by one
ulp (random signs) and every activation, of states and of slopes, by what it may err. D is the
largest distance from the exact gradient seen at a batch row of x or of an initial state, or at a
gate of a parameter; FEWEST unit roundoffs of the largest element at least, since few elements may
move little by chance. Of sums of n terms the tolerance is 2 sqrt(n) D, and the last rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.axes import axes_of
from harness.case import Case
from reference import Bounded, Exact, Moved
from reference.arrays import Array, BoolArray, Float64Array
from reference.gradient import gradients

__all__ = ["Calibrated"]

EXPERIMENTS = 3
FEWEST = 4


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The gradients of a case for these cotangents (by name of output), each evaluated once."""

    case: Case
    cotangents: Mapping[str, Array]

    @functools.cached_property
    def by_name(self) -> dict[str, Bounded]:
        """Exact values, and the tolerance of each element."""
        exact, factor = self.exact, 2 * math.sqrt(self.terms)
        far = {name: np.zeros(array.shape) for name, array in exact.items()}
        for number in range(EXPERIMENTS):
            for name, array in self._moved(number).items():
                with np.errstate(invalid="ignore"):
                    off = np.abs(array - exact[name])
                far[name] = np.fmax(far[name], np.where(np.isnan(off), np.inf, off))
        fmt, found = self.case.fmt, {}
        for name, array in exact.items():
            least = FEWEST * fmt.unit_roundoff * self.largest(name, np.abs(array))
            with np.errstate(all="ignore"):
                tolerance = factor * np.maximum(self.largest(name, far[name]), least)
                found[name] = Bounded(array, tolerance + fmt.ulp(array))
        return found

    @functools.cached_property
    def exact(self) -> dict[str, Float64Array]:
        """In float64."""
        return self._derived(self.case, self.cotangents, None)

    @property
    def terms(self) -> int:
        """The largest number of terms of a sum: over units and directions, or steps and rows."""
        config = self.case.config
        units = len(config.cell.gates) * config.hidden_size * config.directions
        return max(units, config.input_size, int(self.case.valid.sum()))

    def compared(self, name: str) -> BoolArray:
        """Where a tolerance says anything: what is to be there is a number of the format, neither
        near its largest ones nor made of its smallest ones; and larger than the tolerance.
        """
        gradient, fmt = self.by_name[name], self.case.fmt
        with np.errstate(all="ignore"):
            largest = self.largest(name, np.abs(gradient.value))
            most = max(float(np.abs(array).max(initial=0.0)) for array in self.exact.values())
            sensible: BoolArray = (
                np.isfinite(gradient.bound)
                & (gradient.bound < largest)
                & (largest > fmt.smallest_normal / fmt.unit_roundoff**2)
                & (most < math.sqrt(fmt.largest))
            )
        if name == "x":
            sensible &= self.case.valid[:, :, None]
        elif "rows" in axes_of(self.case.config, name):
            sensible &= (self.case.last_step >= 0)[None, :, None]
        return sensible

    def carried(self, *emulated: Exact) -> dict[str, Float64Array]:
        """How far errors measured of an implementation's activations may carry each element: as D,
        of readings that emulate them.
        """
        readings = [self._derived(self.case, self.cotangents, one) for one in emulated]
        factor, found = 2 * math.sqrt(self.terms), {}
        with np.errstate(all="ignore"):
            for name, exact in self.exact.items():
                far = np.max([np.abs(one[name] - exact) for one in readings], axis=0)
                found[name] = factor * self.largest(name, far)
        return found

    def largest(self, name: str, array: Float64Array) -> Float64Array:
        """The largest element at each batch row, or at each gate, broadcast."""
        if "rows" in axes_of(self.case.config, name):
            return np.broadcast_to(array.max(axis=(0, 2), keepdims=True, initial=0), array.shape)
        config = self.case.config
        gated = axes_of(config, name)[0] == "gates"
        gates = array.reshape(len(config.cell.gates) if gated else 1, -1)
        most = gates.max(axis=1, keepdims=True, initial=0)
        return np.broadcast_to(most, gates.shape).reshape(array.shape)

    def _moved(self, experiment: int) -> dict[str, Float64Array]:
        case, config = self.case, self.case.config
        reading = Moved(case.fmt, np.random.PCG64([config.seed, experiment]))
        x = reading.moved(case.x)
        weights = {name: reading.moved(array) for name, array in case.weights.items()}
        initial = {f"{name}_0": reading.moved(array) for name, array in case.initial.items()}
        of = {name: reading.moved(array) for name, array in self.cotangents.items()}
        moved = Case(config, weights, {**case.inputs, "x": x, **initial})
        return self._derived(moved, of, reading)

    def _derived(
        self, case: Case, of: Mapping[str, Array], arithmetic: Exact | None
    ) -> dict[str, Float64Array]:
        config = case.config
        with np.errstate(all="ignore"):
            return gradients(
                config.cell,
                case.x,
                case.initial,
                case.weights,
                of.get("output"),
                {s: of[f"{s}_n"] for s in config.cell.states if f"{s}_n" in of},
                num_layers=config.num_layers,
                bias=config.bias,
                bidirectional=config.bidirectional,
                lengths=case.lengths,
                arithmetic=arithmetic,
            )
