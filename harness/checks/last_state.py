"""h_n is the last valid output of each direction, bit for bit; h_0 where a row is empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.comparison import FAIL, Comparison, compare_bits
from harness.evidence import Evidence, locate_states
from harness.observe import Forward

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    """Of the stack, and of each shorter stack that shows a hidden layer."""
    stacks = (*evidence.observation.hidden, evidence.forward)
    for layer, forward in enumerate(stacks):
        yield _last_layer(evidence, forward, layer)


def _last_layer(evidence: Evidence, forward: Forward, layer: int) -> Comparison:
    config, case = evidence.config, evidence.case
    hidden, directions = config.hidden_size, config.directions
    rows = np.arange(config.batch)
    first_row = layer * directions
    expected = np.empty_like(forward.h_n[first_row:])
    for direction in range(directions):
        own = forward.output[:, :, direction * hidden : (direction + 1) * hidden]
        expected[direction] = own[0] if direction else own[case.last_step, rows]
        empty = case.last_step < 0
        start = 0 if case.h_0 is None else case.h_0[first_row + direction][empty]
        expected[direction][empty] = start
    locate = locate_states(config)
    result = compare_bits(
        f"h_n of layer {layer}",
        forward.h_n[first_row:],
        expected,
        case.fmt,
        lambda index: locate((index[0] + first_row, *index[1:])),
        "h_n is not the output at the last valid step",
    )
    return replace(result, cause="unexplained" if result.verdict == FAIL else None)
