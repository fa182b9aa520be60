"""Valid, borderline and invalid calls of a layer; a layer's record adds its own."""

from harness.calls.call import Call, Calls, Maker, calls_after, make_call, user_inputs
from harness.calls.calling import common_calls
from harness.calls.cells import cell_calls
from harness.calls.makers import left_out, with_keyword
from harness.calls.pairs import tuple_calls
from harness.calls.table import call_table

__all__ = [
    "Call",
    "Calls",
    "Maker",
    "call_table",
    "calls_after",
    "cell_calls",
    "common_calls",
    "left_out",
    "make_call",
    "tuple_calls",
    "user_inputs",
    "with_keyword",
]
