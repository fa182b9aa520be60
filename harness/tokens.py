"""Tokens of config ids: how one field of a config is written, read back, and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DIGEST", "LETTERS", "Token", "name_of_arrays", "number", "words", "words_or_number"]

LETTERS = "bcdfghjkmpqrstvw"
"""Digits of a digest: no word of an id is made of these alone, and no number has none."""

DIGEST = re.compile(rf"[{LETTERS}]{{16}}")

MOST_DIGITS = 18
"""Of any number: what no machine will ever hold is no reason to convert thousands of digits."""


@dataclass(frozen=True)
class Token:
    """How one field is written in an id, read back, and checked.

    `word` is the token of a value; that of the `default` is left out of ids (None: no value is),
    and so is one that another field's token says already: `implied`.
    `read` gives None for a token that is not of this field. `understand` takes what people write
    too: defaults, and numbers without zeros before them. `words` are those of a field that has few.
    """

    word: Callable[[Any], str]
    read: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    expected: str
    default: Any
    implied: Any = None
    understand: Callable[[str], Any] = lambda token: None
    words: tuple[str, ...] = ()

    def write(self, value: Any) -> str | None:
        """The token as it stands in an id; None where it is left out."""
        return None if value in (self.default, self.implied) else self.word(value)


def words_or_number(named: Mapping[Any, str], default: Any, prefix: str) -> Token:
    """One of a few values, each with its word, or a larger number."""
    few, many = words(named, default), number(prefix, 5, max(named) + 1, None, None)
    return Token(
        word=lambda value: few.word(value) if value in named else many.word(value),
        read=lambda token: few.read(token) if many.read(token) is None else many.read(token),
        accepts=lambda value: few.accepts(value) or many.accepts(value),
        expected=f"{few.expected}, or {many.expected}",
        default=default,
        understand=lambda token: (
            many.understand(token) if few.understand(token) is None else few.understand(token)
        ),
        words=few.words,
    )


def words(words: Mapping[Any, str], default: Any, implied: Any = None) -> Token:
    """One of a few values, each with its word."""
    back = {w: value for value, w in words.items() if value not in (default, implied)}
    kind = type(default)
    return Token(
        word=words.__getitem__,
        read=back.get,
        accepts=lambda value: type(value) is kind and value in words,
        expected="one of " + ", ".join(repr(value) for value in words),
        default=default,
        implied=implied,
        understand={word: value for value, word in words.items()}.get,
        words=tuple(words.values()),
    )


def number(prefix: str, digits: int, low: int, high: int | None, default: int | None) -> Token:
    """A number from `low` on, padded with zeros, so that no token is part of another.

    More digits than that are counted in front: `t6.123456`.
    """
    padded = re.compile(rf"{prefix}([0-9]{{{digits}}})")
    plain = re.compile(rf"{prefix}([0-9]{{1,{MOST_DIGITS}}})")
    counted = re.compile(rf"{prefix}([0-9]{{1,2}})\.([1-9][0-9]{{0,{MOST_DIGITS - 1}}})")
    most = 10**MOST_DIGITS - 1 if high is None else high

    def word(value: int) -> str:
        if value < 10**digits:
            return f"{prefix}{value:0{digits}d}"
        return f"{prefix}{len(str(value))}.{value}"

    def read(token: str) -> int | None:
        if match := padded.fullmatch(token):
            return int(match[1])
        match = counted.fullmatch(token)
        if match and int(match[1]) == len(match[2]) > digits:
            return int(match[2])
        return None

    def understand(token: str) -> int | None:
        match = plain.fullmatch(token)
        return int(match[1]) if match else read(token)

    return Token(
        word=word,
        read=read,
        accepts=lambda value: type(value) is int and low <= value <= most,
        expected=(
            f"an integer from {low} on, of at most {MOST_DIGITS} digits"
            if high is None
            else f"an integer in {low}..{high}"
        ),
        default=default,
        understand=understand,
    )


def name_of_arrays() -> Token:
    """The digest of given arrays; left out where none are."""

    def read(token: str) -> str | None:
        kind, _, digest = token.partition(".")
        return digest if kind == "given" and DIGEST.fullmatch(digest) else None

    return Token(
        word=lambda digest: f"given.{digest}" if digest else "drawn",
        read=read,
        accepts=lambda value: (
            value == "" or (type(value) is str and DIGEST.fullmatch(value) is not None)
        ),
        expected=f"'' or a digest of 16 letters of {LETTERS}",
        default="",
        understand=read,
    )
