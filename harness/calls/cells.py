"""Calls of cells, which take one step."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.calls.building import building_rows
from harness.calls.call import Call, Calls, again, ordinary_call
from harness.calls.calling import Change, of_other_types
from harness.calls.makers import (
    states_batched,
    unbatched,
    unbatched_with,
    wider_alone,
    with_h_0,
    with_x,
    without,
)
from harness.calls.table import INVALID, OPEN, VALID, Row, call_table
from harness.case import Case

__all__ = ["CELL_STATES", "cell_calls"]


_OF_STACKS = ("layers.", "layout.", "directions.", "dropout.", "lengths.", "keyword.input")
_DEFAULTS_OF_STACKS = ("layers", "layout", "dropout", "directions")


def cell_calls() -> Calls:
    """The calls of every cell, which takes one step."""
    left_out = (*_OF_STACKS, *(f"default.{name}" for name in _DEFAULTS_OF_STACKS))
    building = {
        requirement: rows
        for requirement, every in building_rows().items()
        if (rows := [row for row in every if not row[0].startswith(left_out)])
    }
    calling = _calling_cells()
    return call_table(
        {k: [*building.get(k, []), *calling.get(k, [])] for k in {**building, **calling}}
    )


def _calling_cells() -> dict[str, list[Row]]:
    """Ways to call a cell."""
    return {
        "unbatched": [("x.flat", VALID, "1-D x (input_size,) and state", unbatched)],
        "h-0-absent": [
            ("h0.absent", VALID, "the state left out", _without_state),
        ],
        "keyword-names": [
            ("keyword.input", VALID, "the call's keywords input and hx", _named_step),
        ],
        "refused-h-0": [
            *(
                (f"h0.{name}", INVALID, says, with_h_0(change))
                for name, says, change in CELL_STATES
            ),
            ("h0.singlerank2", INVALID, "2-D states with 1-D x", unbatched_with(states_batched)),
        ],
        "refused-x": [
            ("x.rank1", INVALID, "1-D x with 2-D h_0", with_x(lambda x: x[0], states=True)),
            *((f"x.{name}", INVALID, says, with_x(change)) for name, says, change in _CELL_XS),
            (
                "x.singlewider",
                INVALID,
                "1-D x with one feature too many",
                unbatched_with(wider_alone),
            ),
        ],
        "empty": [("x.norows", OPEN, "x without batch rows, B = 0", without("rows"))],
        "mixed-dtypes": of_other_types(),
    }


def _without_state(case: Case) -> Call:
    absent = ordinary_call(again(case, states=False))
    return dataclasses.replace(absent, ordinary=again(case, states=True).config)


def _named_step(case: Case) -> Call:
    """x and the state by keywords."""
    call = ordinary_call(again(case, states=True))
    named = dict(zip(("input", "hx"), call.inputs, strict=True))
    return dataclasses.replace(call, inputs=(), named=named)


CELL_STATES: Change = [
    ("rows", "h_0 with one batch row too many", lambda h: np.concatenate([h, h[:1]])),
    ("onerow", "h_0 with one batch row for all", lambda h: h[:1]),
    ("units", "h_0 with one unit too many", lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    ("oneunit", "h_0 with one unit for all", lambda h: h[:, :1]),
    ("rank1", "1-D h_0 with 2-D x", lambda h: h[0]),
    ("rank3", "3-D h_0", lambda h: h[None]),
    (
        "transposed",
        "h_0 with batch and units swapped, as many elements",
        lambda h: h.T,
    ),
    ("list", "h_0 as nested lists", lambda h: h.tolist()),
]

_CELL_XS: Change = [
    ("rank3", "3-D x", lambda x: x[None]),
    ("wider", "x with one feature too many", lambda x: np.concatenate([x, x[:, :1]], axis=1)),
    ("narrower", "x with one feature for all", lambda x: x[:, :1].copy()),
    ("list", "x as nested lists", lambda x: x.tolist()),
    ("none", "x = None", lambda x: None),
]
