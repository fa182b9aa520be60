"""The error over steps and units of one batch row: against the bound, and in ulp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from harness.figures import ErrorMap
from harness.figures.records import Row
from harness.report.attempts import Picture
from harness.report.pictures.svg import HEAT, ON_HEAT, figure, inline, styled
from harness.report.wording import error_text, plural, ratio_text
from harness.results import Number, as_float
from reference.arrays import Float64Array

__all__ = ["map_picture"]

RATIO_STEPS = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
ULP_STEPS = (0.0, 0.5, 1.0, 10.0, 100.0, 1000.0)
"""Upper ends of the first six of the seven colours; the last one is for everything beyond."""

MOST_NUMBERS = 64
"""Cells of a map in which the numbers themselves are written."""

MIDDLE: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}


@styled
def map_picture(error_map: ErrorMap) -> Picture:
    rows = len(error_map.ratio)
    height = min(3.2, max(0.7, 0.22 * rows))
    drawn = figure(height + 1.1, bottom=0.8)
    left, right = drawn.subplots(1, 2, sharey=True)
    drawn.subplots_adjust(wspace=0.06)
    for axes, values, ends, title in (
        (left, error_map.ratio, RATIO_STEPS, "|actual − expected| / bound"),
        (right, error_map.ulps, ULP_STEPS, "error, ulp of expected"),
    ):
        levels = _levels(values, ends)
        _fill(axes, levels)
        if levels.size <= MOST_NUMBERS:
            _write(axes, values, levels)
        _frame(axes, error_map, rows, len(values[0]))
        axes.set_title(title)
        _key(axes, levels, ends, below=0.42 / height)
    left.set_ylabel("unit")
    caption = _caption(error_map)
    return Picture(inline(drawn, f"Heat map of errors. {caption}"), caption)


def _caption(error_map: ErrorMap) -> str:
    ratios = [one for row in error_map.ratio for one in row if one is not None]
    ulps = [one for row in error_map.ulps for one in row if one is not None]
    beyond = sum(not as_float(one) <= 1 for one in ratios)
    return (
        f"{'Each state from the own previous one' if error_map.local else 'From start to end'}: "
        f"layer {error_map.layer} {error_map.direction}, batch row {error_map.batch}, "
        f"{plural(error_map.steps, 'step')}, {plural(error_map.units, 'unit')}. "
        f"{beyond} of {plural(len(ratios), 'cell')} beyond the bound; largest ratio "
        f"{ratio_text(_largest(ratios))}, largest error {error_text(_largest(ulps))} ulp. "
        f"Blank: no step. Of {error_map.config_id}"
    )


def _largest(values: Sequence[Number]) -> Number | None:
    return max(values, key=as_float, default=None)


def _levels(rows: Sequence[Row], ends: Sequence[float]) -> Float64Array:
    """The colour of each cell, by unit, then by step; NaN for padding."""
    return np.array([[_level(value, ends) for value in row] for row in rows])


def _level(value: Number | None, ends: Sequence[float]) -> float:
    return math.nan if value is None else sum(not as_float(value) <= end for end in ends)


def _fill(axes: Axes, levels: Float64Array) -> None:
    rows, columns = levels.shape
    axes.imshow(
        levels,
        ListedColormap(HEAT),
        vmin=-0.5,
        vmax=len(HEAT) - 0.5,
        extent=(0, columns, rows, 0),
        aspect="auto",
        interpolation="none",
    )


def _write(axes: Axes, values: Sequence[Row], levels: Float64Array) -> None:
    """The numbers themselves, each in its cell."""
    for unit, row in enumerate(values):
        for step, value in enumerate(row):
            if value is not None:
                colour = ON_HEAT[int(levels[unit, step])]
                axes.text(step + 0.5, unit + 0.5, _brief(value), color=colour, **MIDDLE)


def _brief(value: Number) -> str:
    """What fits into a cell: two digits."""
    size = as_float(value)
    if 0 < size < 1e-3:
        return "<.001"
    if 100 <= size < 1e4:
        return f"{float(f'{size:.2g}'):.0f}"
    return f"{float(f'{size:.2g}'):.3g}".replace("e+0", "e") if size < math.inf else "∞"


def _frame(axes: Axes, error_map: ErrorMap, rows: int, columns: int) -> None:
    """Ticks at the middle of cells, named by the first step or unit in them."""
    axes.set(xlim=(0, columns), ylim=(rows, 0), xlabel="step")
    for axis, cells, count in (
        (axes.xaxis, columns, error_map.steps),
        (axes.yaxis, rows, error_map.units),
    ):
        at = range(0, cells, max(1, math.ceil(cells / 10)))
        shared = math.ceil(count / cells)
        axis.set_ticks([n + 0.5 for n in at], [str(n * shared) for n in at])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _key(axes: Axes, levels: Float64Array, ends: Sequence[float], *, below: float) -> None:
    present = np.unique(levels[~np.isnan(levels)]).astype(int)
    names = ["0", *(f"≤ {end:g}" for end in ends[1:]), f"> {ends[-1]:g}"]
    axes.legend(
        handles=[Patch(facecolor=HEAT[level], label=names[level]) for level in present],
        loc="upper center",
        bbox_to_anchor=(0.5, -below),
        ncols=len(names),
        handlelength=0.8,
        columnspacing=0.6,
        fontsize=7,
        handletextpad=0.3,
    )
