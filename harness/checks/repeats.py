"""What a second call is compared with: the first one's rows that must not have moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.comparison import FAIL, Comparison, compare_bits
from harness.evidence import Evidence, locate_output
from harness.observe import Repeat

__all__ = ["same_rows"]


def same_rows(evidence: Evidence, repeat: Repeat, part: str, message: str) -> Comparison:
    """The kept rows of output and h_n, bit for bit; located in the output."""
    first, second, kept = evidence.forward, repeat.forward, repeat.kept
    config, rows = evidence.config, np.flatnonzero(repeat.kept)

    def both(output: np.ndarray, h_n: np.ndarray) -> np.ndarray:
        hidden, directions = config.hidden_size, config.directions
        folded = np.concatenate(
            [h_n[d::directions][:, kept] for d in range(directions)], axis=2
        )
        assert folded.shape[2] == hidden * directions
        return np.concatenate([output[:, kept], folded])

    locate = locate_output(config)
    result = compare_bits(
        part,
        both(second.output, second.h_n),
        both(first.output, first.h_n),
        evidence.case.fmt,
        lambda index: replace(
            locate((index[0], int(rows[index[1]]), index[2])),
            output="output" if index[0] < config.steps else "h_n",
            step=index[0] if index[0] < config.steps else None,
            layer=config.num_layers - 1
            if index[0] < config.steps
            else index[0] - config.steps,
        ),
        message,
    )
    return replace(result, cause="unexplained" if result.verdict == FAIL else None)
