"""torch.nn.RNNCell: one step of an RNN."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.calls import cell_calls
from harness.config import Config
from harness.data import SWEEP_POINTS
from harness.layers import rnn
from harness.layers.stacked import NONLINEARITY_ROW, cell_page, cell_record, page_kind

__all__ = ["LAYER"]

_EXAMPLE = {"input_size": 2, "hidden_size": 3, "batch": 1}


def _sweep(activation: str, dtype: str, aspect: str) -> Config:
    return Config.of(
        "rnncell",
        aspect=aspect,
        nonlinearity=activation,
        dtype=dtype,
        bias=False,
        states=True,
        batch=SWEEP_POINTS,
        data="sweep",
    )


LAYER = dataclasses.replace(
    cell_record(
        rnn.LAYER,
        page_kind(np.array([[[3.0, 4.0]]]), {"h_0": np.array([[[1.0, 2.0, 3.0]]])}, _EXAMPLE),
    ),
    sweep=_sweep,
    calls={**cell_calls(), **rnn.OWN_CALLS},
    page=cell_page(
        "RNNCell", "Prints different numbers", "Implement the same functions", NONLINEARITY_ROW
    ),
    examples=({**_EXAMPLE, "bias": False, "nonlinearity": "relu", "states": True},) * 2,
)
