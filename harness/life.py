"""A layer's life: what happens to one layer, step by step, as ids write it and people say it.

A life is a sequence of codes, `("w1", "f0", "t", "g2")`. The layer is new at its beginning: its
case's own weights are loaded, and it is in evaluation mode. What a number selects is drawn from
the config's seed and that number (`harness.moments`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from harness.tokens import Token

__all__ = ["ANSWERS", "CODES", "INPUTS", "Life", "life_token", "possible", "said", "wrong_life"]

Life = tuple[str, ...]

MOST_STEPS = 60

INPUTS = (
    "the case's own inputs",
    "other numbers of the same shape",
    "one step more",
    "one step fewer",
    "one row more",
    "one row fewer",
    "the initial states left out, or given",
    "the lengths left out, or given",
    "other lengths of the same x",
    "more steps and rows, states and lengths",
)
"""What number of inputs a call or gradients have."""

_WEIGHTS = (
    "the first weights are loaded again",
    *(f"weights {number} are loaded" for number in range(1, 8)),
    "weights are loaded of which only the last array is another",
    "weights are loaded of which only the first array is another",
)

_SAYS: Mapping[str, tuple[str, ...]] = {
    "w": _WEIGHTS,
    "f": tuple(f"a call with {what}" for what in INPUTS),
    "g": tuple(f"gradients for {what}" for what in INPUTS),
    "s": tuple(f"the seed is set to number {number}" for number in range(10)),
    "n": ("10 identical calls", "60 identical calls", "gradients asked 12 times"),
    "b": ("another layer is called", "another layer's gradients are asked"),
    "x": (
        "a call with too many features",
        "a call with a misshapen h_0",
        "a call with too many lengths",
        "loading weights of which one is missing",
        "loading weights of which one is misshapen",
        "gradients for a misshapen loss",
        "gradients for too many features",
    ),
    "a": ("the last answer is written to", "the last call's inputs are written to"),
    "c": ("it is copied, and the copy used", "it is pickled, and the copy used"),
    "h": (
        "calls of which each has the h_n before as h_0",
        "calls of one step with the h_n before as h_0",
        "a call with the output before as x, where it fits",
        "gradients with the h_n before as h_0",
    ),
    "o": (
        "a call of one step with h_0",
        "a call of one row",
        "a call with lengths of 1 and 2",
        "gradients of one step",
        "gradients of one row",
    ),
    "d": ("a call from another thread", "gradients from another thread"),
}
"""Steps with a number."""

_ALONE = {
    "t": "training mode",
    "e": "evaluation mode",
    "r": "the weights are read",
    "k": "it is saved",
    "l": "the saved file is loaded",
}

CODES: Mapping[str, str] = {
    **{f"{letter}{n}": says for letter, all_ in _SAYS.items() for n, says in enumerate(all_)},
    **_ALONE,
}
"""Every step, and how people say it."""

ANSWERS = "fgnbhod"
"""The letters of steps that give an answer."""


def said(steps: Iterable[str]) -> str:
    """Steps in words."""
    return ", ".join(CODES[code] for code in steps)


def possible(codes: Iterable[str]) -> Life:
    """A life of these steps without those that cannot be: files and answers that are not there."""
    found: list[str] = []
    for code, why in _judged(codes):
        if not why:
            found.append(code)
    return tuple(found[:MOST_STEPS])


def wrong_life(life: Life) -> str | None:
    """What is wrong with a sequence, or None."""
    if len(life) > MOST_STEPS:
        return f"a life of {len(life)} steps, expected at most {MOST_STEPS}"
    return next((f"life step {code!r}: {why}" for code, why in _judged(life) if why), None)


def _judged(codes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each step, and why it cannot be."""
    saved = answered = False
    for code in codes:
        why = ""
        if code not in CODES:
            why = f"expected one of {', '.join(CODES)}"
        elif code == "l" and not saved:
            why = "expected only after 'k'"
        elif code[0] == "a" and not answered:
            why = "expected only after a call"
        saved, answered = saved or code == "k", answered or code[0] in "fnh"
        yield code, why


_WRITTEN = re.compile(r"life((?:\.[a-z][0-9]?)+)\.end")


def _read(token: str) -> Life | None:
    match = _WRITTEN.fullmatch(token)
    return tuple(match[1][1:].split(".")) if match else None


def life_token() -> Token:
    """`life.w1.f0.end`; the end keeps one life's token from standing in another's."""
    return Token(
        word=lambda life: ".".join(("life", *life, "end")) if life else "nolife",
        read=_read,
        accepts=lambda life: isinstance(life, tuple) and all(isinstance(one, str) for one in life),
        expected="a tuple of steps, such as ('w1', 'f0')",
        default=(),
        understand=_read,
    )
