"""One activation of every backend, side by side on one axis: its error in ulp over its range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from harness.figures import ActivationError
from harness.report.attempts import Picture
from harness.report.pictures.svg import ACCENT, BAND, LINE, figure, inline, styled
from harness.results import as_float
from reference import FORMATS, allowance, exact_activation
from reference.arrays import Float64Array

__all__ = ["activation_picture"]

LARGEST = 1e100
"""Errors that are drawn; larger ones, and infinite ones, are drawn as large as this."""

MOST_ZEROS = 7
"""Of a number on the axis that is written in full."""


@styled
def activation_picture(name: str, measured: Sequence[ActivationError]) -> Picture:
    """The least and the largest error in each bin, on a scale that is linear up to 1 ulp.

    No drawing where nobody errs: there is nothing to see.
    """
    largest = [_largest(one) for one in measured]
    errors = [
        f"{one.backend} {f'errs by at most {_ulps(most)} ulp' if most else 'is exact'}"
        for one, most in zip(measured, largest, strict=True)
    ]
    caption = f"{name} over [{measured[0].low:g}, {measured[0].high:g}]: {', '.join(errors)}. "
    caption += _allowed_in_words(name, measured[0])
    if not any(largest):
        return Picture(Markup(""), caption)
    drawn = figure(2.3, left=0.7)
    every = drawn.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    drawn.subplots_adjust(wspace=0.08)
    for axes, one in zip(every, measured, strict=True):
        _draw(axes, one, name)
    _scale(every[0], max((one for one in largest if math.isfinite(one)), default=10.0))
    every[0].set_ylabel("error, ulp (float32)")
    return Picture(inline(drawn, f"Error of the activation. {caption}"), caption)


def _largest(one: ActivationError) -> float:
    """NaN where nothing was measured."""
    return max(
        (abs(as_float(v)) for v in (*one.least, *one.most) if v is not None), default=math.nan
    )


def _ulps(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _allowed(name: str, one: ActivationError) -> tuple[Float64Array, Float64Array]:
    """Over the range of a measurement: x, and what is allowed there, in ulp."""
    x = np.linspace(one.low, one.high, 401)
    exact, fmt = exact_activation(name, x), FORMATS["fp32"]
    return x, allowance(name, exact, fmt) / fmt.ulp(exact)


def _allowed_in_words(name: str, one: ActivationError) -> str:
    _, allowed = _allowed(name, one)
    least, most = float(allowed.min()), float(allowed.max())
    if not most:
        return "Nothing is allowed."
    size = f"{_ulps(least)} to {_ulps(most)}" if most > 1.2 * least else _ulps(least)
    return f"The band is what is allowed, {size} ulp."


def _draw(axes: Axes, one: ActivationError, name: str) -> None:
    least, most = (
        np.clip([as_float(value) for value in row], -LARGEST, LARGEST)
        for row in (one.least, one.most)
    )
    edges = np.linspace(one.low, one.high, len(least) + 1)
    x, allowed = _allowed(name, one)
    if allowed.any():
        axes.fill_between(x, -allowed, allowed, facecolor=BAND, edgecolor="none")
    axes.axhline(0, color=LINE, linewidth=0.6)
    line = {"facecolor": ACCENT, "edgecolor": ACCENT, "linewidth": 0.8}
    axes.stairs(most, edges, baseline=least, fill=True, **line)  # type: ignore[arg-type]
    axes.set_yscale("symlog", linthresh=1, linscale=0.6)
    axes.set(title=one.backend, xlabel="x", xlim=(one.low, one.high))
    axes.set_xticks([one.low + (one.high - one.low) * n / 10 for n in (1, 3, 5, 7, 9)])
    axes.spines["bottom"].set_visible(False)


def _scale(axes: Axes, largest: float) -> None:
    """Symmetric; 0, 1, and the powers of ten that it takes."""
    top = math.ceil(math.log10(min(max(largest, 10.0), LARGEST)))
    powers = range(1, top + 1)[:: 1 if top < 4 else max(2, top // 4)]
    sizes = [1.0, *(10.0**n for n in powers)]
    names = ["1", *(f"{10**n:,}" if n <= MOST_ZEROS else f"1e{n}" for n in powers)]
    axes.set_ylim(-(10.0**top), 10.0**top)
    axes.set_yticks(
        [*(-size for size in reversed(sizes)), 0.0, *sizes],
        [*(f"−{name}" for name in reversed(names)), "0", *names],
    )
    axes.minorticks_off()
