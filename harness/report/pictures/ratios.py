"""How near the comparisons of a check came to their bound: a histogram on a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from harness.report.attempts import Picture
from harness.report.pictures.svg import ACCENT, BARS, INK, figure, inline, styled
from harness.report.wording import plural
from harness.results import Number, as_float
from reference.arrays import Float64Array

__all__ = ["ratio_picture"]

LOWEST, HIGHEST = -5, 9
"""Powers of ten that the axis may show; what lies beyond is with 0 and with infinity."""

BIN = 0.25


@styled
def ratio_picture(every: Sequence[Number], own: Sequence[Number]) -> Picture:
    """All comparisons of a check by one backend, and those of a finding among them."""
    drawn = figure(2.1, top=0.3)
    axes = drawn.subplots()
    powers = _powers(every)
    largest = max(powers[np.isfinite(powers)], default=0.0)
    high = min(HIGHEST, max(2, math.ceil(largest)))
    edges = np.arange(LOWEST, high + BIN / 2, BIN)
    counts = _counts(powers, edges)
    _bars(axes, edges, counts, BARS, "all comparisons of this check")
    _bars(axes, edges, _counts(_powers(own), edges), ACCENT, "those of this finding")
    axes.axvline(0, color=INK, linewidth=1.1)
    at_top = axes.get_xaxis_transform()
    axes.text(-0.08, 0.97, "bound", transform=at_top, va="top", ha="right", fontsize=8)
    _frame(axes, high, max(counts))
    above = (1, 1)
    if any(counts):
        axes.legend(
            loc="lower right", bbox_to_anchor=above, ncols=2, handlelength=0.9, borderaxespad=0
        )
    beyond = int((~(powers <= 0)).sum())
    caption = (
        f"Of {plural(len(every), 'comparison')} of this check with a ratio, "
        f"{len(every) - beyond:,} are within their bound and {beyond:,} beyond it, "
        f"{len(own):,} of them this finding's."
    )
    return Picture(inline(drawn, f"Histogram of ratios on a log axis. {caption}"), caption)


def _powers(ratios: Sequence[Number]) -> Float64Array:
    """Decimal logarithms; NaN is beyond any bound."""
    values = np.array([as_float(ratio) for ratio in ratios])
    with np.errstate(divide="ignore"):
        logarithms: Float64Array = np.log10(np.where(np.isnan(values), np.inf, values))
    return logarithms


def _counts(powers: Float64Array, edges: Float64Array) -> list[int]:
    """Zero and less than the axis shows; each bin; what is infinite, or beyond it."""
    inside, _ = np.histogram(powers, edges)
    return [int((powers < edges[0]).sum()), *inside.tolist(), int((powers > edges[-1]).sum())]


def _bars(axes: Axes, edges: Float64Array, counts: Sequence[int], colour: str, name: str) -> None:
    """One path for all bars; those for 0 and for infinity stand apart."""
    lefts = [edges[0] - 0.75, *edges[:-1], edges[-1] + 0.5]
    bars = [_bar(x, count) for x, count in zip(lefts, counts, strict=True) if count]
    if bars:
        whole = Path.make_compound_path(*bars)
        axes.add_patch(PathPatch(whole, facecolor=colour, edgecolor="none", label=name))


def _bar(left: float, height: float) -> Path:
    right = left + BIN - 0.02
    corners = [(left, 0.5), (right, 0.5), (right, height), (left, height), (left, 0.5)]
    return Path(corners, closed=True)


def _frame(axes: Axes, high: int, most: int) -> None:
    """0, powers of ten, infinity; counts on a log axis, so that one in thousands is seen."""
    powers = range(LOWEST, high + 1, max(1, (high - LOWEST) // 8))
    names = [{0: "1", 1: "10", -1: "0.1"}.get(n, f"1e{n}") for n in powers]
    axes.set_yscale("log")
    axes.set(xlim=(LOWEST - 0.9, high + 0.9), ylim=(0.7, 2.5 * max(1, most)))
    axes.set_xticks([LOWEST - 0.625, *powers, high + 0.625], ["0", *names, "∞"])
    counts = [10**n for n in range(7) if 10**n < 2.5 * max(1, most)]
    axes.set_yticks(counts, [f"{n:,}" for n in counts])
    axes.minorticks_off()
    axes.set(xlabel="largest |actual − expected| / bound of a comparison", ylabel="comparisons")
