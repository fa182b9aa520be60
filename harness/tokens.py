"""Tokens of config ids: how one field of a config is written, read back, and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Token", "number", "words"]


@dataclass(frozen=True)
class Token:
    """How one field is written in an id, read back, and checked."""

    kind: type
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    expected: str
    example: str


def words(words: dict[Any, str]) -> Token:
    back = {word: value for value, word in words.items()}
    return Token(
        kind=type(next(iter(words))),
        write=lambda value: words.get(value, repr(value)),
        read=lambda token: back[token],
        accepts=lambda value: value in words,
        expected="one of " + ", ".join(repr(value) for value in words),
        example=" or ".join(words.values()),
    )


def number(letter: str, digits: int, low: int, high: int) -> Token:
    pattern = re.compile(rf"{letter}([0-9]{{{digits}}})")

    def read(token: str) -> int:
        match = pattern.fullmatch(token)
        if match is None:
            raise KeyError(token)
        return int(match[1])

    return Token(
        kind=int,
        write=lambda value: f"{letter}{value:0{digits}d}",
        read=read,
        accepts=lambda value: low <= value <= high,
        expected=f"an integer in {low}..{high}",
        example=f"{letter}{low:0{digits}d} to {letter}{high}",
    )
