"""What end to end comparisons owe to single steps: where sums may overflow, what a last step errs.

Both are taken from the steps at the implementation's own states (`harness.judging.steps`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps, direction_steps
from harness.observe import Forward
from reference.arrays import BoolArray, Float64Array

__all__ = ["LastStep", "last_step_of"]


@dataclass(frozen=True)
class LastStep:
    """`error` is how far the last step alone may legally carry output and h_n from the equation's
    value at its own previous state. `overflow` says, in those shapes, which elements may be
    infinite, or what follows from that, though the exact value is not: some order of
    summation overflows in a step that they depend on.
    """

    error: Forward
    overflow: Forward


def last_step_of(evidence: Evidence) -> LastStep:
    """Of all layers and directions."""
    config, case = evidence.config, evidence.case
    layers = [
        [direction_steps(evidence, layer, d == 1) for d in range(config.directions)]
        for layer in range(config.num_layers)
    ]
    overflow = _overflow(evidence, [steps for layer in layers for steps in layer])
    widths = [[_width(steps) for steps in layer] for layer in layers]
    rows = np.arange(config.batch)
    ends = [
        np.where(
            (case.last_step < 0)[:, None],
            0.0,
            width[0, rows] if d == 1 else width[case.last_step, rows],
        )
        for layer in widths
        for d, width in enumerate(layer)
    ]
    output = np.concatenate(widths[-1], axis=2)
    h_n = np.stack(ends)
    return LastStep(
        Forward(np.where(case.valid[:, :, None], output, 0.0), h_n),
        Forward(
            np.broadcast_to(overflow[:, :, None], output.shape),
            np.broadcast_to(overflow.any(axis=0)[None, :, None], h_n.shape),
        ),
    )


def _width(steps: DirectionSteps) -> Float64Array:
    """The larger of the two sides of each interval; 0 where there is none."""
    interval = steps.interval
    with np.errstate(all="ignore"):
        width = np.maximum(interval.high - interval.expected, interval.expected - interval.low)
    return np.where(steps.defined, width, 0.0)


def _overflow(evidence: Evidence, steps: list[DirectionSteps]) -> BoolArray:
    """(T, B). It stays from a step to all later ones; with two directions there is no later."""
    largest = evidence.case.fmt.largest
    with np.errstate(all="ignore"):
        # From finite operands; what comes of infinite ones is a question of its own.
        here = [np.isfinite(s.factors) & ~(s.magnitude + s.error < largest) for s in steps]
    found: BoolArray = np.any([h.any(axis=2) for h in here], axis=0) & evidence.case.valid
    if evidence.config.bidirectional:
        return np.broadcast_to(found.any(axis=0), found.shape)
    later: BoolArray = np.maximum.accumulate(found, axis=0)
    return later
