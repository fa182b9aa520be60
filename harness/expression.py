"""Expressions over the words of a config, as `pytest -k` has them: "tanh and not (bidir or l02)".

A word holds where it is part of one of the names, in upper or lower case; other than in pytest, not
where a name denies it ("life" in "nolife"). `not` binds closest, then `and`, then `or`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.config import Config, ConfigError
from harness.layers import LAYERS
from harness.text import did_you_mean

__all__ = ["Expression", "selected", "words_of"]

_TOKEN = re.compile(r"\s*([()]|[\w.:+\-]+)")

Holds = Callable[[Collection[str]], bool]


@dataclass(frozen=True)
class Expression:
    """A parsed expression: what it says of names in lower case, and the words in it."""

    text: str
    holds: Holds
    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Raises ConfigError where it is none."""
        reader = _Reader(text)
        holds = reader.alternatives()
        if reader.left:
            reader.refuse(f"{reader.left[0]!r}, expected `and`, `or` or the end")
        return cls(text, holds, tuple(reader.words))


class _Reader:
    """What is left of a text, as tokens; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = []
        self.left = _TOKEN.findall(text)
        if "".join(self.left) != re.sub(r"\s", "", text):
            self.refuse("a sign that stands in no word")

    def refuse(self, what: str) -> None:
        raise ConfigError(
            f"--select {self.text!r}: {what}; for example 'tanh and not (bidir or l02)'"
        )

    def alternatives(self) -> Holds:
        parts = [self.conditions()]
        while self.left[:1] == ["or"]:
            self.left.pop(0)
            parts.append(self.conditions())
        return lambda names: any(part(names) for part in parts)

    def conditions(self) -> Holds:
        parts = [self.condition()]
        while self.left[:1] == ["and"]:
            self.left.pop(0)
            parts.append(self.condition())
        return lambda names: all(part(names) for part in parts)

    def condition(self) -> Holds:
        token = self.left.pop(0) if self.left else ""
        if token == "not":
            negated = self.condition()
            return lambda names: not negated(names)
        if token == "(":
            inner = self.alternatives()
            if self.left[:1] != [")"]:
                self.refuse("a bracket is not closed")
            self.left.pop(0)
            return inner
        if token in ("", ")", "and", "or"):
            self.refuse(f"{token or 'the end'!r}, expected a word")
        word = token.lower()
        self.words.append(word)
        return lambda names: any(_in(word, name) for name in names)


def _in(word: str, name: str) -> bool:
    """Whether it stands there otherwise than negated: "states" is not in "nostates"."""
    return word in name.replace(f"no{word}", "")


def words_of(config: Config) -> frozenset[str]:
    """The words of all its fields, also those that ids leave out as defaults; and the id."""
    return frozenset((config.id, *(word for word, _ in config.words.values())))


def selected(
    text: str, configs: Iterable[Config], backends: Iterable[str], *, drawn: bool = False
) -> Callable[[Config], bool]:
    """Whether a config is selected, of those that could be.

    `drawn`: others are still to be drawn, whose words have other numbers in them.

    Raises:
        ConfigError: no expression, a word of no config, or nothing is selected.
    """
    expression = Expression.parse(text)
    every = [words_of(config) for config in configs]
    names = frozenset().union(*every)
    for word in expression.words:
        if (word.isalpha() or not drawn) and not any(word in name for name in names):
            near = "; --backend says who is judged" if word in backends else ""
            raise ConfigError(
                f"--select {text!r}: {word!r} is in no config that could be judged"
                f"{near or did_you_mean(word, names)}"
            )
    if not any(map(expression.holds, every)):
        strange = _strange(expression.words, every)
        if strange or not drawn:
            why = strange or "ask for fewer words"
            raise ConfigError(
                f"--select {text!r}: none of {len(every):,} configs is like that; {why}"
            )
    return lambda config: expression.holds(words_of(config))


def _strange(words: Sequence[str], every: Sequence[Collection[str]]) -> str:
    """Which word is none of a layer that another one names: 'relu' of 'lstm'."""
    for layer in filter(LAYERS.__contains__, words):
        own = frozenset().union(*(names for names in every if layer in names))
        for word in words:
            if own and word.isalpha() and not any(word in name for name in own):
                return f"{word!r} is no word of {layer}"
    return ""
