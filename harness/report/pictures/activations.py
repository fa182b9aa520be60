"""One activation of all backends, each distinct curve once: its error in ulp over its range."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import ActivationError
from harness.layers import LAYERS
from harness.report.attempts import Picture
from harness.report.pictures.svg import ACCENT, BAND, LINE, figure, inline, styled
from harness.results import as_float
from reference import FORMATS, allowance, exact_activation
from reference.arrays import Float64Array

__all__ = ["activation_picture"]

LARGEST = 1e100
"""Errors that are drawn; larger ones, and infinite ones, are drawn as large as this."""

IN_A_ROW = 3
"""Curves that stand side by side, and can still be read."""

WRAPPED = 96
"""Characters of a title that are as wide as the picture."""

MOST_ZEROS = 7
"""Of a number on the axis that is written in full."""


@dataclass(frozen=True)
class _Curve:
    """What several backends and layers have in common: one measurement, and who gave it."""

    one: ActivationError
    layers: Mapping[str, tuple[str, ...]]

    @property
    def label(self) -> str:
        """'torch (RNN, GRU)', 'mindspore, mindspore:graph (LSTM)'."""
        backends: dict[tuple[str, ...], list[str]] = {}
        for backend, layers in self.layers.items():
            backends.setdefault(layers, []).append(backend)
        return "; ".join(
            ", ".join(names) + (f" ({', '.join(layers)})" if any(layers) else "")
            for layers, names in backends.items()
        )

    @property
    def largest(self) -> float:
        """NaN where nothing was measured."""
        values = (abs(as_float(v)) for v in (*self.one.least, *self.one.most) if v is not None)
        return max(values, default=math.nan)


def _curves(measured: Sequence[ActivationError]) -> list[_Curve]:
    """Each distinct one once: layers mostly share one function of their framework."""
    found: dict[tuple[object, ...], list[ActivationError]] = {}
    for one in measured:
        found.setdefault((one.low, one.high, *one.least, *one.most), []).append(one)
    curves = []
    for same in found.values():
        layers: dict[str, list[str]] = {}
        for one in same:
            title = LAYERS[one.layer].title if one.layer in LAYERS else one.layer
            layers.setdefault(one.backend, []).append(title)
        curves.append(_Curve(same[0], {name: tuple(of) for name, of in layers.items()}))
    return curves


@styled
def activation_picture(name: str, measured: Sequence[ActivationError]) -> Picture:
    """The least and the largest error in each bin, on a scale that is linear up to 1 ulp.

    No drawing where nobody errs: there is nothing to see.
    """
    curves = _curves(measured)
    errors = [
        f"{one.label}: {f'at most {_ulps(one.largest)} ulp' if one.largest else 'exact'}"
        for one in curves
    ]
    over = f"{name} over [{measured[0].low:g}, {measured[0].high:g}], in calls without lengths"
    caption = f"{over}: {'; '.join(errors)}. "
    caption += _allowed_in_words(name, measured[0])
    if not any(one.largest for one in curves):
        return Picture(Markup(""), caption)
    return Picture(inline(_drawn(name, curves), f"Error of the activation. {caption}"), caption)


def _drawn(name: str, curves: Sequence[_Curve]) -> Figure:
    """As many in a row as can be read."""
    columns = min(len(curves), IN_A_ROW)
    rows = math.ceil(len(curves) / columns)
    drawn = figure(2.5 * rows, left=0.7, top=0.55)
    every = drawn.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    drawn.subplots_adjust(wspace=0.08, hspace=0.75)
    for axes, curve in zip(every, curves, strict=False):
        _draw(axes, curve, name, WRAPPED // columns)
    for axes in every[len(curves) :]:
        axes.remove()
    finite = [one.largest for one in curves if math.isfinite(one.largest)]
    _scale(every[0], max(finite, default=10.0))
    for axes in every[: len(curves) : columns]:
        axes.set_ylabel("error, ulp (float32)")
    return drawn


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


def _draw(axes: Axes, curve: _Curve, name: str, width: int) -> None:
    one = curve.one
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
    axes.set(xlabel="x", xlim=(one.low, one.high))
    axes.set_title("\n".join(textwrap.wrap(curve.label, width)), fontsize=8)
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
