"""A part of a report that cannot be made costs that part: a sentence stands in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from markupsafe import Markup

from harness.observe import headline

__all__ = ["Picture", "attempted", "no_picture"]

T = TypeVar("T")


class Picture(NamedTuple):
    """A drawing, and its caption, which says the same in words; one without a drawing is words."""

    drawing: Markup
    caption: str


def attempted(what: str, make: Callable[[], T], instead: Callable[[str], T]) -> T:
    """What `make` gives; where it raises, `instead` of a sentence that says so of `what`."""
    try:
        return make()
    except Exception as error:  # whatever it is: what was measured must reach the reader
        return instead(f"{what} could not be made ({headline(error)}).")


def no_picture(sentence: str) -> Picture:
    """The sentence alone."""
    return Picture(Markup(""), sentence)
