"""torch.nn.LSTMCell: one step of an LSTM, without proj_size."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.calls import cell_calls, tuple_calls
from harness.layers import lstm
from harness.layers.stacked import CODE_EXAMPLE, cell_page, cell_record, page_kind
from reference import lstm as equation

__all__ = ["LAYER"]

_EXAMPLE = {"input_size": 10, "hidden_size": 16, "batch": 3}
_ONES = np.ones((1, 3, 16))

LAYER = dataclasses.replace(
    cell_record(
        dataclasses.replace(
            lstm.LAYER, options=(), output_size=lambda options: options.hidden_size
        ),
        page_kind(np.ones((1, 3, 10)), {"h_0": _ONES, "c_0": _ONES}, _EXAMPLE),
    ),
    cell=lambda options: equation(),
    sweep=lstm.sweep_of("lstmcell"),
    calls={**cell_calls(), **tuple_calls(single_step=True)},
    requirements=(CODE_EXAMPLE,),
    page=cell_page("LSTMCell", "Prints a shape only", "Basically the same function"),
    examples=tuple({**_EXAMPLE, "bias": bias, "states": True} for bias in (True, False)),
)
