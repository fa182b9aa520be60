"""Foreign text made printable and short, before it stands in any message.

Names, messages and versions that come from outside may hold control characters, bidirectional
overrides, lone surrogates, or millions of characters. Nothing here raises, whatever is handed in.
"""

from __future__ import annotations

__all__ = ["LONGEST", "one_line", "printable", "shown", "text_of", "type_name"]

LONGEST = 1000
"""Characters of foreign text that are shown."""


def printable(text: str, longest: int = LONGEST) -> str:
    """Text in one line: what cannot be printed as an escape, what is too long cut off with '…'."""
    whole = str.__str__(text)  # of a subclass too: none of its methods is called
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole[:longest])
    if len(whole) <= longest and len(escaped) <= longest:
        return escaped
    return escaped[: longest - 1] + "…"


def text_of(value: object, longest: int = LONGEST) -> str:
    """What `str` says of any object, printable."""
    try:
        return printable(str(value), longest)
    except Exception:  # foreign code: even this may raise
        return "(no text: its __str__ raises)"


def shown(value: object, longest: int = 80) -> str:
    """A value as Python writes it, printable; also a number of a million digits."""
    if isinstance(value, str):
        return printable(repr(str.__str__(value)[: longest + 1]), longest)
    try:
        return printable(repr(value), longest)
    except Exception:  # foreign code, or a number that Python does not write
        return f"(a value of type {type_name(value)})"


def type_name(value: object) -> str:
    """The name of a value's type, whatever its metaclass says."""
    return printable(type.__dict__["__name__"].__get__(type(value)), 60)


def one_line(text: object, longest: int = 2000) -> str:
    """`str(text)` as one line for a table or a terminal: control characters as escapes, cut off."""
    whole = str(text)
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole[: longest + 1])
    return line if len(line) <= longest else line[: longest - 1] + "…"
