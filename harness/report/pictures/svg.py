"""A matplotlib figure as an image of its page, drawn for a light one.

It is embedded as SVG in an address of its own, so that nothing of it mixes with the page; on a
dark page a filter of the style sheet inverts its lightness and keeps its hues.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from harness.report.attempts import Picture, attempted, no_picture

__all__ = [
    *("ACCENT", "BAND", "BARS", "HEAT", "INK", "LINE", "ON_HEAT"),
    *("figure", "inline", "styled"),
]


INK, SOFT, LINE, ACCENT, BAND, BARS = (
    *("#1a1c1e", "#5a6068", "#dddbd4"),
    *("#a8231a", "#dcebe0", "#b9bec3"),
)
HEAT = ("#f0f1ed", "#dbe5e2", "#bcd0cf", "#93b4b7", "#f2c49d", "#de7a4f", "#a3271d")
ON_HEAT = (*(INK,) * 6, "#ffffff")
"""Seven steps from nothing to far beyond the bound, and what can be read on each."""

WIDTH = 7.2

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rnn-parity",
    "font.sans-serif": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "path.simplify": True,
    "path.simplify_threshold": 0.4,
}


def styled(draw: Callable[..., Picture]) -> Callable[..., Picture]:
    """Draws in the style of the page; of what cannot be drawn a sentence says so."""

    @functools.wraps(draw)
    def in_style(*given: Any, **named: Any) -> Picture:
        with mpl.rc_context(STYLE):
            return attempted("The picture", lambda: draw(*given, **named), no_picture)

    return in_style


def figure(height: float, *, left: float = 0.6, top: float = 0.3, bottom: float = 0.5) -> Figure:
    """An empty one, as wide as the page's text, with margins; all in inches.

    Fixed margins, for looking for the best ones takes most of the time that a drawing takes.
    """
    drawn = Figure(figsize=(WIDTH, height), facecolor="none")
    drawn.subplots_adjust(
        left=left / WIDTH, right=1 - 0.1 / WIDTH, top=1 - top / height, bottom=bottom / height
    )
    return drawn


def inline(drawn: Figure, description: str) -> Markup:
    """The drawing as an element of a page; the description is for who cannot see it."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        drawn.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    address = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img alt="{}" src="{}">').format(description, address)
