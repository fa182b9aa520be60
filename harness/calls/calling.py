"""Ways to call a layer: shapes and types of x, of initial states and of lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.calls.building import building_rows
from harness.calls.call import Calls
from harness.calls.makers import (
    first_length,
    other_dtype,
    states_batched,
    unbatched,
    unbatched_with,
    wider_alone,
    with_h_0,
    with_lengths,
    with_x,
    without,
)
from harness.calls.table import INVALID, OPEN, VALID, Row, call_table
from reference.arrays import Array, IntArray

__all__ = ["STATES", "Change", "calling_rows", "common_calls", "of_other_types"]


def common_calls() -> Calls:
    """The calls of every stacked layer."""
    return call_table({**building_rows(), **calling_rows()})


def calling_rows() -> dict[str, list[Row]]:
    """Ways to call the layer."""
    return {
        "unbatched": [
            ("x.flat", VALID, "2-D x (T, input_size), states left out or 2-D", unbatched),
        ],
        "refused-lengths": _of_lengths(),
        "refused-h-0": [
            *((f"h0.{name}", INVALID, says, with_h_0(change)) for name, says, change in STATES),
            ("h0.singlerank3", INVALID, "3-D states with 2-D x", unbatched_with(states_batched)),
        ],
        "refused-x": [
            *((f"x.{name}", INVALID, says, with_x(change)) for name, says, change in _XS),
            (
                "x.singlewider",
                INVALID,
                "2-D x with one feature too many",
                unbatched_with(wider_alone),
            ),
        ],
        "empty": [
            ("x.nosteps", OPEN, "x without steps, T = 0", without("steps")),
            ("x.norows", OPEN, "x without batch rows, B = 0", without("rows")),
        ],
        "mixed-dtypes": of_other_types(),
    }


def of_other_types() -> list[Row]:
    return [
        ("x.half", OPEN, "float16 x in a float32 layer", other_dtype("fp16")),
        ("x.double", OPEN, "float64 x in a float32 layer", other_dtype("fp64")),
        *((f"x.{name}", INVALID, f"{says} x", with_x(change)) for name, says, change in _TYPES),
        (
            "h0.half",
            INVALID,
            "float16 h_0 with float32 x",
            with_h_0(lambda h: h.astype(np.float16)),
        ),
        (
            "h0.double",
            INVALID,
            "float64 h_0 with float32 x",
            with_h_0(lambda h: h.astype(np.float64)),
        ),
    ]


def _of_lengths() -> list[Row]:
    return [
        (
            "lengths.negative",
            INVALID,
            "a negative length",
            with_lengths(first_length(lambda _: -1)),
        ),
        (
            "lengths.zero",
            OPEN,
            "a length of 0",
            with_lengths(first_length(lambda _: 0), means=True),
        ),
        (
            "lengths.beyond",
            INVALID,
            "a length beyond T",
            with_lengths(first_length(lambda steps: steps + 1)),
        ),
        *(
            (f"lengths.{name}", INVALID, says, with_lengths(change))
            for name, says, change in _LENGTHS_CHANGED
        ),
    ]


_LENGTHS_CHANGED: list[tuple[str, str, Callable[[IntArray, int], Any]]] = [
    ("few", "fewer lengths than batch rows", lambda n, _: n[:-1]),
    ("many", "more lengths than batch rows", lambda n, _: np.append(n, n[0])),
    ("float", "lengths as float32", lambda n, _: n.astype(np.float32)),
    ("bool", "lengths as bool", lambda n, _: np.ones(len(n), bool)),
    ("column", "lengths of shape (B, 1)", lambda n, _: n[:, None].copy()),
    ("row", "lengths of shape (1, B)", lambda n, _: n[None].copy()),
    ("scalar", "lengths of shape ()", lambda n, _: np.array(n[0])),
]

Change = list[tuple[str, str, Callable[[Array], Any]]]

STATES: Change = [
    ("rows", "h_0 with one batch row too many", lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    ("onerow", "h_0 with one batch row for all", lambda h: h[:, :1]),
    ("units", "h_0 with one unit too many", lambda h: np.concatenate([h, h[..., :1]], axis=2)),
    ("oneunit", "h_0 with one unit for all", lambda h: h[..., :1]),
    ("layers", "h_0 with one layer too many", lambda h: np.concatenate([h, h[:1]])),
    ("fewer", "h_0 with one layer too few", lambda h: h[:-1]),
    ("rank2", "2-D h_0 with 3-D x", lambda h: h[:, 0]),
    ("rank4", "4-D h_0", lambda h: h[None]),
    (
        "swapped",
        "h_0 with layers and batch swapped, as many elements",
        lambda h: h.swapaxes(0, 1),
    ),
    (
        "transposed",
        "h_0 with batch and units swapped, as many elements",
        lambda h: h.swapaxes(1, 2),
    ),
    ("list", "h_0 as nested lists", lambda h: h.tolist()),
]

_XS: Change = [
    ("rank1", "1-D x", lambda x: x[0, 0]),
    ("rank4", "4-D x", lambda x: x[None]),
    ("wider", "x with one feature too many", lambda x: np.concatenate([x, x[..., :1]], axis=2)),
    ("narrower", "x with one feature for all", lambda x: x[..., :1].copy()),
    ("list", "x as nested lists", lambda x: x.tolist()),
    ("none", "x = None", lambda x: None),
]


def _whole(x: Array) -> Array:
    """Small whole numbers, in the padding too."""
    found: Array = np.rint(4 * np.nan_to_num(x, posinf=1, neginf=-1))
    return found


_TYPES: Change = [
    ("int32", "int32", lambda x: _whole(x).astype(np.int32)),
    ("int64", "int64", lambda x: _whole(x).astype(np.int64)),
    ("truth", "bool", lambda x: x > 0),
    ("complex", "complex64", lambda x: x.astype(np.complex64)),
]
