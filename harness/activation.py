"""A backend's own activations, as measured through its layer: a table over the whole range."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.aspects import VALUES
from harness.case import make_case
from harness.layers import LAYERS
from harness.quantised import Grid
from harness.runners import Runner
from reference import FORMATS, Exact, Format, Rounded, allowance, exact_activation, saturation
from reference.arrays import Array, Float64Array, IntArray

__all__ = [
    "LOWER",
    "OwnActivation",
    "OwnActivations",
    "measure_activation",
    "rounded_to",
    "survives",
]


def measure_activation(
    runner: Runner, layer: str, activation: str, dtype: str, *, lengths: bool = False
) -> OwnActivation | None:
    """Measure an activation through a layer, as it computes it with lengths or without.

    None where the layer cannot be made to show it, or gives nothing usable there: all activations
    rise, so what stays, or falls, shows another mistake, as of exchanged gates.
    """
    sweep = LAYERS[layer].sweep
    if sweep is None:
        return None
    config = sweep(activation, dtype, VALUES)
    case = make_case(config.replace(lengths="fulllengths") if lengths else config)
    outputs = runner.observe(case.config, repeat=False).outputs
    if outputs is None:
        return None
    points = case.x.ravel().astype(np.float64)
    values = outputs["output"].ravel().astype(np.float64)
    # Subnormal points are left out: what flushes them is not the activation's shape.
    normal = np.isfinite(points) & ((np.abs(points) >= case.fmt.smallest_normal) | (points == 0))
    unique, index = np.unique(points[normal], return_index=True)
    measured = values[normal][index]
    if not np.isfinite(measured).any() or not rises(unique, measured):
        return None
    subnormal = ~normal & np.isfinite(points)
    zeroed = (values == 0) & (exact_activation(activation, points) != 0) & subnormal
    flushes = bool(zeroed.any()) and survives(activation, points, values, case.fmt)
    return OwnActivation(activation, unique, values[normal][index], case.fmt, flushes)


def rises(points: Float64Array, values: Float64Array) -> bool:
    """Whether values are larger far to the right of 0 than far to the left of it."""
    seen = ~np.isnan(values)
    left, right = values[seen & (points < -FAR)], values[seen & (points > FAR)]
    return not (len(left) and len(right)) or bool(np.median(left) < np.median(right))


FAR = 4.0
"""Where an activation differs clearly from what it is on the other side of 0."""

LOWER = (
    FORMATS["fp32"],
    Format("tf32", precision=11, emin=-126, emax=127),
    FORMATS["fp16"],
    FORMATS["bf16"],
)
"""Formats that a layer of a finer one may be computed in, the finest first."""


def rounded_to(values: Float64Array, fmt: Format, *, cut: bool = False) -> Float64Array:
    """To nearest, ties to even, or cut off; without the range of the format."""
    fraction, exponent = np.frexp(values)
    whole = (np.trunc if cut else np.rint)(np.ldexp(fraction, fmt.precision))
    found: Float64Array = np.ldexp(whole, exponent - fmt.precision)
    return found


JUST_ABOVE = 16.0
"""Numbers below this times the smallest normal one are just above the subnormal ones."""


def survives(name: str, points: Float64Array, values: Array, fmt: Format) -> bool:
    """Whether normal numbers just above the subnormal ones are kept, where any were seen.

    What gives 0 for these as well does not flush subnormal numbers: it is inaccurate near 0.
    """
    with np.errstate(invalid="ignore"):
        size = np.abs(points)
        near = (size >= 2 * fmt.smallest_normal) & (size < JUST_ABOVE * fmt.smallest_normal)
    near &= exact_activation(name, points) != 0
    return not bool((near & (np.asarray(values) == 0)).any())


SPARSE = 2.0**-12
"""Below this size the table has five points in every octave, above it thousands."""


BESIDE = 64
"""Points of the table at each end of a range that count as near: an error may saw from number to
number, faster than the table follows."""


class _Extremes:
    """The smallest and the largest of any range of values, in O(1)."""

    def __init__(self, values: Float64Array) -> None:
        """Level k holds the least and largest over 2^k neighbours."""
        self.lows, self.highs = [values], [values]
        while 2 ** len(self.lows) <= len(values):
            half = 2 ** (len(self.lows) - 1)
            self.lows.append(np.minimum(self.lows[-1][:-half], self.lows[-1][half:]))
            self.highs.append(np.maximum(self.highs[-1][:-half], self.highs[-1][half:]))

    def between(self, first: IntArray, last: IntArray) -> tuple[Float64Array, Float64Array]:
        """From `first` to `last`, both included."""
        level = np.frexp((last - first + 1).astype(np.float64))[1] - 1
        smallest, largest = np.empty(first.shape), np.empty(first.shape)
        for k in np.unique(level):
            at = level == k
            left, right = first[at], last[at] + 1 - 2**k
            smallest[at] = np.minimum(self.lows[k][left], self.lows[k][right])
            largest[at] = np.maximum(self.highs[k][left], self.highs[k][right])
        return smallest, largest


@dataclass(frozen=True, eq=False)
class OwnActivation:
    """What an activation gave (`values`) at sorted, distinct, normal `points`; float64.

    `flushes` says whether it was seen to give zero for a subnormal number.
    """

    name: str
    points: Float64Array
    values: Float64Array
    fmt: Format
    flushes: bool

    @functools.cached_property
    def error(self) -> Float64Array:
        """What was given minus what is exact, at every point."""
        return self.values - exact_activation(self.name, self.points)

    @functools.cached_property
    def saturates(self) -> bool:
        """Whether it gives to the bit what it should where that is -1, 0 or 1, far from 0."""
        far = np.abs(self.points) >= saturation(self.fmt)
        exact = np.rint(exact_activation(self.name, self.points[far]))
        return bool(far.any()) and bool((self.values[far] == exact).all())

    @functools.cached_property
    def _extremes(self) -> _Extremes:
        return _Extremes(self.error)

    @functools.cached_property
    def _jumps(self) -> _Extremes:
        """Half of how far the error moves from every point to the next."""
        return _Extremes(np.abs(np.diff(self.error, append=self.error[-1:])) / 2)

    @functools.cached_property
    def _near_zero(self) -> tuple[Float64Array, _Extremes]:
        """The sizes of arguments below twice `SPARSE`, sorted, and their relative errors."""
        exact = exact_activation(self.name, self.points)
        seen = (exact != 0) & (np.abs(self.points) < 2 * SPARSE)
        order = np.argsort(np.abs(self.points[seen]), kind="stable")
        relative = (self.error[seen] / exact[seen])[order]
        return np.abs(self.points[seen])[order], _Extremes(relative)

    def _relative_range(
        self, low: Float64Array, high: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Smallest and largest relative error of arguments of these sizes, and in the octaves near.

        Where the table is sparse, an error that saws between two of its points shows in others, to
        either side; one of a fixed size is relatively larger below.
        """
        sizes, extremes = self._near_zero
        if not sizes.size:
            nothing = np.zeros(np.shape(low))
            return nothing, nothing
        first = np.clip(np.searchsorted(sizes, low / 64, "left"), 0, len(sizes) - 1)
        last = np.clip(np.searchsorted(sizes, 2 * high, "right") - 1, first, len(sizes) - 1)
        largest = np.fmax(*np.abs(extremes.between(first, last)))
        return -largest, largest

    @functools.cached_property
    def errs(self) -> bool:
        """Whether it errs anywhere by more than it may; if not, it explains nothing."""
        exact = exact_activation(self.name, self.points)
        with np.errstate(invalid="ignore"):
            return not bool((np.abs(self.error) <= allowance(self.name, exact, self.fmt)).all())

    @functools.cached_property
    def precision(self) -> Format | None:
        """The lower format that it was computed in; None where nothing shows one.

        Evidence is that what it gave lies on that format's grid, or is what it gives, as
        accurately as it may, of arguments that were rounded to it, or cut off. Of two formats that
        explain it the finer one.
        """
        if not self.errs:
            return None
        return next((one for one in LOWER if self._computed_in(one)), None)

    def _computed_in(self, lower: Format) -> bool:
        fmt = self.fmt
        if lower.precision >= fmt.precision:
            return False
        seen = np.isfinite(self.values) & (np.abs(self.points) >= 2.0**-12)
        seen &= np.abs(self.points) < 2.0**4
        if not seen.any():
            return False
        points, values = self.points[seen], self.values[seen]
        op = Rounded(lower, cast=True)
        with np.errstate(all="ignore"):
            within = op.activation(self.name, op.given(points)).ratio(values) <= 1
            shown = bool((rounded_to(values, lower) == values).all())
            for cut in (False, True):
                read = exact_activation(self.name, rounded_to(points, lower, cut=cut))
                off = np.abs(values - read) > allowance(self.name, read, fmt) + fmt.ulp(read)
                shown |= not off.any()
        return bool(within.all()) and shown

    def error_range(
        self, low: Float64Array, high: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Smallest and largest error measured over [low, high] and `BESIDE` points at each end.

        Where it jumps from point to point it may go half as far beyond them, in between. NaN where
        the activation gave NaN nearby: that explains nothing.
        """
        end = len(self.points) - 1
        first = np.clip(np.searchsorted(self.points, low, "left") - BESIDE, 0, end)
        last = np.clip(np.searchsorted(self.points, high, "right") - 1 + BESIDE, first, end)
        smallest, largest = self._extremes.between(first, last)
        jump = self._jumps.between(first, np.maximum(last - 1, first))[1]
        smallest, largest = smallest - jump, largest + jump
        sizes = np.abs(low), np.abs(high)
        small = np.maximum(*sizes) < SPARSE
        if small.any():
            ends = exact_activation(self.name, np.stack([low[small], high[small]]))
            least = np.where((low > 0) | (high < 0), np.minimum(*sizes), 0.0)[small]
            relative = np.stack(self._relative_range(least, np.maximum(*sizes)[small]))
            errors = relative[:, None] * ends[None]
            smallest[small] = np.minimum(smallest[small], errors.min(axis=(0, 1)))
            largest[small] = np.maximum(largest[small], errors.max(axis=(0, 1)))
        return smallest, largest

    def emulate(self, a: Array) -> Float64Array:
        """The exact activation plus the measured error, interpolated between the points."""
        a = a.astype(np.float64)
        return exact_activation(self.name, a) + np.interp(a, self.points, self.error)

    def emulate_beside(self, a: Array) -> Float64Array:
        """As `emulate`, with the error read one table point further: how rough the table is.

        Where the table is sparse, with the largest relative error nearby.
        """
        a = a.astype(np.float64)
        index = np.clip(np.searchsorted(self.points, a, "right"), 0, len(self.error) - 1)
        exact = exact_activation(self.name, a)
        error, size = self.error[index], np.abs(a)
        small = size < SPARSE
        if small.any():
            least, most = self._relative_range(size[small], size[small])
            error[small] = exact[small] * np.where(-least > most, least, most)
        return exact + error


@dataclass(frozen=True, eq=False)
class OwnActivations:
    """All activations of a backend's cell, measured; and, when first asked for, the grid that its
    weights are rounded to.
    """

    by_name: Mapping[str, OwnActivation]
    measure_grid: Callable[[], Grid | None] = lambda: None

    @functools.cached_property
    def grid(self) -> Grid | None:
        return self.measure_grid()

    @property
    def flushes(self) -> bool:
        """Whether any was seen to give zero for a subnormal number."""
        return any(one.flushes for one in self.by_name.values())

    @property
    def precision(self) -> Format | None:
        """The lower format that any was computed in: the coarsest of all."""
        found = [one.precision for one in self.by_name.values() if one.precision is not None]
        return min(found, key=lambda fmt: fmt.precision, default=None)

    @property
    def errs(self) -> bool:
        """Whether any errs more than it may."""
        return any(one.errs for one in self.by_name.values())

    def error_range(
        self, name: str, low: Float64Array, high: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """As `reference.intervals.Rounded` takes it."""
        return self.by_name[name].error_range(low, high)

    @property
    def at_worst(self) -> tuple[Exact, Exact]:
        """Readings in values in which each activation errs as far down, or up, as it was measured
        to do nearby.
        """

        def erring(end: int) -> Exact:
            return Exact(
                lambda name, a: exact_activation(name, a) + self.error_range(name, a, a)[end]
            )

        return erring(0), erring(1)

    @property
    def emulated(self) -> Exact:
        """The reading in values with these activations."""
        return Exact(lambda name, a: self.by_name[name].emulate(a))

    @property
    def emulated_beside(self) -> Exact:
        """The same, read one table point further."""
        return Exact(lambda name, a: self.by_name[name].emulate_beside(a))
