"""Classes of sizes: where implementations change what they do.

Kernels are written for vectors, blocks and threads, so what matters of a size is what it is a
multiple of, whether it is just beside such a multiple, and how large it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

__all__ = ["KINDS", "LARGEST", "MAGNITUDES", "kind_of", "magnitude_of", "sizes_of_kind"]

LARGEST: Mapping[str, int] = {"input_size": 1025, "hidden_size": 1025, "batch": 257, "steps": 257}
"""Up to which size of each dimension classes are made use of, and beyond any block's."""


def _prime(size: int) -> bool:
    return all(size % n for n in range(2, int(size**0.5) + 1))


_KINDS: tuple[tuple[str, Callable[[int], bool]], ...] = (
    ("1", lambda n: n == 1),
    ("2 to 9", lambda n: n < 10),
    ("128 n", lambda n: n % 128 == 0),
    ("32 n", lambda n: n % 32 == 0),
    ("8 n", lambda n: n % 8 == 0),
    ("4 n", lambda n: n % 4 == 0),
    ("32 n - 1", lambda n: n % 32 == 31),
    ("32 n + 1", lambda n: n % 32 == 1),
    ("prime", _prime),
    ("other", lambda n: True),
)
KINDS = tuple(name for name, _ in _KINDS)
"""Classes by what a size is a multiple of: the first that holds."""

MAGNITUDES = ("1", "2 to 9", "10 to 63", "64 and more")


def kind_of(size: int) -> str:
    return next(name for name, holds in _KINDS if holds(size))


def magnitude_of(size: int) -> str:
    return MAGNITUDES[(size > 1) + (size > 9) + (size > 63)]


@functools.cache
def sizes_of_kind(dimension: str, kind: str) -> tuple[int, ...]:
    """Sizes to choose from, small and large ones alike."""
    return tuple(size for size in _SIZES[kind] if size <= LARGEST[dimension])


_SIZES: Mapping[str, tuple[int, ...]] = {
    "1": (1,),
    "2 to 9": tuple(range(2, 10)),
    "128 n": (128, 256, 512, 768, 1024),
    "32 n": (32, 64, 96, 160, 192, 320, 608),
    "8 n": (16, 24, 40, 48, 72, 80, 104, 200, 400, 1000),
    "4 n": (12, 20, 28, 36, 44, 60, 68, 100, 132, 300, 516),
    "32 n - 1": (31, 63, 95, 127, 159, 255, 511, 1023),
    "32 n + 1": (33, 65, 97, 129, 161, 257, 513, 1025),
    "prime": (
        11,
        13,
        17,
        19,
        23,
        29,
        37,
        43,
        53,
        61,
        67,
        73,
        89,
        101,
        131,
        151,
        199,
        251,
        509,
        997,
    ),
    "other": (
        10,
        14,
        18,
        21,
        25,
        27,
        30,
        39,
        50,
        57,
        66,
        75,
        90,
        105,
        110,
        150,
        210,
        250,
        495,
        750,
    ),
}
