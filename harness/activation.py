"""A backend's own activation, as measured through its layer: a table over the whole range."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from harness.aspects import FORWARD
from harness.case import make_case
from harness.config import SWEEP_POINTS, Config
from harness.runners import Runner
from reference import Format, exact_activation
from reference.arrays import Array, Float64Array
from reference.rounding import TANH_ULPS

__all__ = ["OwnActivation", "measure_activation", "sweep_config"]


def sweep_config(nonlinearity: str, dtype: str, aspect: str = FORWARD) -> Config:
    """The config whose layer is nothing but its activation, on all sweep points at once."""
    return Config(
        aspect=aspect,
        nonlinearity=nonlinearity,
        dtype=dtype,
        bias=False,
        batch=SWEEP_POINTS,
        data="sweep",
    )


def measure_activation(runner: Runner, nonlinearity: str, dtype: str) -> OwnActivation | None:
    """Measure a backend's activation; None where it gives nothing usable there."""
    case = make_case(sweep_config(nonlinearity, dtype))
    forward = runner.observe(case.config, repeat=False).forward
    if forward is None:
        return None
    points = case.x.ravel().astype(np.float64)
    outputs = forward.output.ravel().astype(np.float64)
    # Subnormal points are left out: what flushes them is not the activation's shape.
    normal = np.isfinite(points) & ((np.abs(points) >= case.fmt.smallest_normal) | (points == 0))
    unique, index = np.unique(points[normal], return_index=True)
    subnormal = ~normal & np.isfinite(points)
    flushes = (outputs == 0) & (exact_activation(nonlinearity, points) != 0) & subnormal
    return OwnActivation(
        nonlinearity, unique, outputs[normal][index], case.fmt, bool(flushes.any())
    )


@dataclass(frozen=True, eq=False)
class OwnActivation:
    """What an activation gave (`values`) at sorted, distinct, normal `points`; float64.

    `flushes` says whether it was seen to give zero for a subnormal number.
    """

    nonlinearity: str
    points: Float64Array
    values: Float64Array
    fmt: Format
    flushes: bool

    @functools.cached_property
    def error(self) -> Float64Array:
        """What was given minus what is exact, at every point."""
        return self.values - exact_activation(self.nonlinearity, self.points)

    @functools.cached_property
    def _pyramids(self) -> tuple[list[Float64Array], list[Float64Array]]:
        """Level k holds the least and largest errors over 2^k neighbours: any range in O(1)."""
        lows, highs = [self.error], [self.error]
        while 2 ** len(lows) <= len(self.error):
            half = 2 ** (len(lows) - 1)
            lows.append(np.minimum(lows[-1][:-half], lows[-1][half:]))
            highs.append(np.maximum(highs[-1][:-half], highs[-1][half:]))
        return lows, highs

    @functools.cached_property
    def errs(self) -> bool:
        """Whether it errs anywhere by more than it may; if not, it explains nothing."""
        ulps = TANH_ULPS if self.nonlinearity == "tanh" else 0.0
        exact = exact_activation(self.nonlinearity, self.points)
        with np.errstate(invalid="ignore"):
            return not bool((np.abs(self.error) <= ulps * self.fmt.ulp(exact)).all())

    @functools.cached_property
    def largest(self) -> float:
        """The largest |value| seen."""
        return float(np.nanmax(np.abs(self.values)))

    def error_range(
        self, low: Float64Array, high: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Smallest and largest error measured over [low, high] and one point beyond each end.

        NaN where the activation gave NaN nearby: that explains nothing.
        """
        first = np.clip(np.searchsorted(self.points, low, "left") - 1, 0, len(self.points) - 1)
        last = np.clip(np.searchsorted(self.points, high, "right"), first, len(self.points) - 1)
        level = np.frexp((last - first + 1).astype(np.float64))[1] - 1
        lows, highs = self._pyramids
        smallest, largest = np.empty(first.shape), np.empty(first.shape)
        for k in np.unique(level):
            at = level == k
            left, right = first[at], last[at] + 1 - 2**k
            smallest[at] = np.minimum(lows[k][left], lows[k][right])
            largest[at] = np.maximum(highs[k][left], highs[k][right])
        return smallest, largest

    def emulate(self, a: Array) -> Float64Array:
        """The exact activation plus the measured error, interpolated between the points."""
        a = a.astype(np.float64)
        return exact_activation(self.nonlinearity, a) + np.interp(a, self.points, self.error)

    def emulate_beside(self, a: Array) -> Float64Array:
        """As `emulate`, with the error read one table point further: how rough the table is."""
        a = a.astype(np.float64)
        index = np.clip(np.searchsorted(self.points, a, "right"), 0, len(self.error) - 1)
        return exact_activation(self.nonlinearity, a) + self.error[index]
