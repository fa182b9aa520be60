"""Delta debugging: the part of a list that a failure needs.

A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE Transactions
on Software Engineering 28 (2002), algorithm ddmin.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["ddmin"]

T = TypeVar("T")


def ddmin(
    items: Sequence[T],
    fails: Callable[[list[T]], bool],
    out_of_time: Callable[[], bool] = lambda: False,
) -> list[T]:
    """A sublist that fails and is 1-minimal: without any one of its items it does not fail.

    Args:
        items: a list that fails; it is not tested itself.
        fails: tests sublists, in their order; must give the same answer each time.
        out_of_time: whether to end with what is there; asked before each sublist is made.
    """
    kept = list(items)
    if kept and not out_of_time() and fails([]):
        return []
    parts = 2
    while len(kept) > 1:
        chunks = _split(kept, parts)
        smaller = next((chunk for chunk in chunks if not out_of_time() and fails(chunk)), None)
        if smaller is not None:
            kept, parts = smaller, 2
            continue
        if out_of_time():
            break
        complements = (
            [one for chunk in (*chunks[:k], *chunks[k + 1 :]) for one in chunk]
            for k in range(len(chunks) if parts > 2 else 0)
            if not out_of_time()
        )
        smaller = next((rest for rest in complements if fails(rest)), None)
        if smaller is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif parts < len(kept):
            parts = min(len(kept), 2 * parts)
        else:
            break
    return kept


def _split(items: list[T], parts: int) -> list[list[T]]:
    """As many parts, as equal as can be; none is empty while there are as many items."""
    ends = [len(items) * k // parts for k in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(ends)]
