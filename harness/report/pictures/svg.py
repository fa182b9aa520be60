"""A matplotlib figure as SVG that belongs to its page: the page's fonts, and colours by name.

A figure is drawn in the colours of `INK`, `HEAT` and so on, which stand for CSS variables and are
replaced by them, so that one drawing serves a light and a dark page, and paper.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

__all__ = [
    *("ACCENT", "BAND", "BARS", "HEAT", "INK", "LINE", "ON_HEAT"),
    *("Picture", "figure", "inline", "styled"),
]


class Picture(NamedTuple):
    """A drawing, and its caption, which says the same in words."""

    drawing: Markup
    caption: str


VARIABLES = ("ink", "soft", "line", "fail", "band", "bars")
INK, SOFT, LINE, ACCENT, BAND, BARS = (f"#0000{n:02x}" for n in range(0x11, 0x17))
HEAT = tuple(f"#0000{n:02x}" for n in range(0x21, 0x28))
ON_HEAT = tuple(f"#0000{n:02x}" for n in range(0x31, 0x38))
"""Seven steps from nothing to far beyond the bound, and what can be read on each."""

_COLOURS = {
    **dict(zip((INK, SOFT, LINE, ACCENT, BAND, BARS), VARIABLES, strict=True)),
    **{colour: f"heat-{n}" for n, colour in enumerate(HEAT)},
    **{colour: f"on-heat-{n}" for n, colour in enumerate(ON_HEAT)},
}

WIDTH = 7.2

DECIMALS = re.compile(r"(\d\.\d)\d+")
"""More of them are smaller than what can be seen."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
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
    """Draws in the style of the page."""

    @functools.wraps(draw)
    def in_style(*given: Any, **named: Any) -> Picture:
        with mpl.rc_context(STYLE):
            return draw(*given, **named)

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


def inline(drawn: Figure, said: str) -> Markup:
    """The drawing as an element of a page; `said` is what it says to who cannot see it."""
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": "rnn-parity"}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    text = buffer.getvalue()
    size = re.search(r'viewBox="([0-9. ]+)"', text)
    if size is None:
        raise ValueError("a drawing without viewBox, expected matplotlib's SVG")
    width = float(size[1].split()[2])
    body = text[text.index("</metadata>") + 11 if "</metadata>" in text else text.index("<g ") :]
    body = _own_names(body, hashlib.sha256(text.encode()).hexdigest()[:8])
    for colour, name in _COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    label = escape(said, quote=True)
    return Markup(
        f'<svg role="img" aria-label="{label}" viewBox="{size[1]}" width="{width:.0f}">{body}'
    )


def _own_names(body: str, prefix: str) -> str:
    """Without ids that nothing refers to; the others unique in a page with many drawings."""
    used = set(re.findall(r"#([A-Za-z][\w-]*)\b(?=[\")])", body))

    def named(match: re.Match[str]) -> str:
        return f' id="{prefix}{match[1]}"' if match[1] in used else ""

    body = re.sub(r' id="([^"]*)"', named, body)
    body = re.sub(r"(href=\"|url\()#([A-Za-z][\w-]*)", rf"\1#{prefix}\2", body)
    body = re.sub(r"font: (?:[a-z]+ )*([0-9.]+px) [^;\"]*", r"font-size: \1", body)
    body = re.sub(r" font-family: [^;\"]*;?", "", body)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r' d="[^"]*"', lambda path: DECIMALS.sub(r"\1", path[0]), body)
    return re.sub(r"\s*\n\s*", "\n", body)
