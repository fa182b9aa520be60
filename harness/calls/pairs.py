"""Calls of layers with two states, which are given as a tuple."""

from __future__ import annotations

import numpy as np

from harness.calls.call import Calls
from harness.calls.calling import STATES
from harness.calls.cells import CELL_STATES
from harness.calls.makers import (
    stacked,
    state_of_zeros,
    states_exchanged,
    with_state,
    with_tuple,
)
from harness.calls.table import INVALID, OPEN, VALID, call_table

__all__ = ["tuple_calls"]


def tuple_calls(*, single_step: bool = False) -> Calls:
    """The calls of a layer with two states, h and c, that are given as a tuple; or of its cell."""
    changes = CELL_STATES if single_step else STATES
    return call_table(
        {
            "h-0-given": [
                (
                    "states.exchanged",
                    VALID,
                    "the tuple (h_0, c_0), each with the other's numbers",
                    states_exchanged,
                ),
                *(
                    (
                        f"states.zero{state}",
                        VALID,
                        f"{state}_0 of zeros",
                        state_of_zeros(f"{state}_0"),
                    )
                    for state in "hc"
                ),
                (
                    "states.list",
                    OPEN,
                    "the initial states as a list in place of a tuple",
                    with_tuple(list, means=True),
                ),
            ],
            "refused-h-0": [
                (f"c0.{name}", INVALID, says.replace("h_0", "c_0"), with_state(1, change))
                for name, says, change in changes
                if name != "list"
            ]
            + [
                (
                    "states.one",
                    INVALID,
                    "h_0 alone in place of the tuple",
                    with_tuple(lambda s: s[0]),
                ),
                ("states.single", INVALID, "a tuple of h_0 alone", with_tuple(lambda s: s[:1])),
                ("states.three", INVALID, "a tuple of three", with_tuple(lambda s: (*s, s[0]))),
                (
                    "states.stacked",
                    INVALID,
                    "both states in one array in place of the tuple",
                    with_tuple(stacked),
                ),
                ("states.none", INVALID, "None for c_0", with_tuple(lambda s: (s[0], None))),
            ],
            "mixed-dtypes": [
                (
                    "c0.half",
                    INVALID,
                    "float16 c_0 with float32 x",
                    with_state(1, lambda c: c.astype(np.float16)),
                ),
                (
                    "c0.double",
                    INVALID,
                    "float64 c_0 with float32 x",
                    with_state(1, lambda c: c.astype(np.float64)),
                ),
            ],
        }
    )
