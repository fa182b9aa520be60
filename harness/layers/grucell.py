"""torch.nn.GRUCell: one step of a GRU."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.calls import cell_calls
from harness.layers import gru
from harness.layers.stacked import cell_page, cell_record, page_kind

__all__ = ["LAYER"]

_EXAMPLE = {"input_size": 2, "hidden_size": 3, "batch": 1}

LAYER = dataclasses.replace(
    cell_record(
        gru.LAYER,
        page_kind(np.array([[[3.0, 4.0]]]), {"h_0": np.array([[[1.0, 2.0, 3.0]]])}, _EXAMPLE),
    ),
    sweep=gru.sweep_of("grucell", states=True),
    calls=cell_calls(),
    page=cell_page("GRUCell", "Prints different numbers", "Implement the same functions"),
    examples=({**_EXAMPLE, "bias": False, "states": True},) * 2,
)
