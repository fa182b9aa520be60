"""Gradients that came without the outputs of their call: another kernel may have computed these.

Its states are correct ones, and no more is known of them. A correct state lies within the
calibrated tolerance of the exact one, and what its last step may err (`forward_error` fails any
other); so do those that were seen, and the two are twice as far apart at most. Gradients are
bounded again over all such states. The slope of relu is open wherever 0 is among its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.evidence import Evidence
from harness.judging.gradients import gradient_ratio, gradients_at, tapes_of
from harness.judging.steps import direction_steps
from harness.observe.values import shorter
from harness.oracle import Oracle
from reference import Bounded, Format
from reference.arrays import Array, BoolArray, Float64Array

__all__ = ["RETURN_OUTPUTS", "allowed", "at_any_states"]

RETURN_OUTPUTS = (
    "gradients came without the outputs of their call, whose states may be others by rounding: "
    "return the outputs with the gradients, and they are judged at these"
)


def at_any_states(evidence: Evidence) -> Mapping[str, Bounded] | None:
    """The gradients with their bounds over all correct states; None where the states are known."""
    derivatives = evidence.observation.derivatives
    if derivatives is None or derivatives.outputs is not None or evidence.config.drops:
        return None
    margins = [_margin(evidence, layer) for layer in range(evidence.config.num_layers)]
    return gradients_at(evidence, tapes_of(evidence, margins=margins)).by_name


def allowed(actual: Array, gradient: Bounded, fmt: Format) -> BoolArray:
    """What is not beyond its bound; all of what may overflow, or has no bound. NaN elsewhere is
    beyond every bound.
    """
    with np.errstate(all="ignore"):
        overflows = ~(gradient.magnitude < fmt.largest)
    found: BoolArray = (gradient_ratio(actual, gradient) <= 1) | overflows
    return found


def _margin(evidence: Evidence, layer: int) -> Float64Array:
    """(T, B, D * H): how far two correct outputs of a layer may be apart; 0 in the padding."""
    case, config = evidence.case, evidence.config
    last = layer == config.num_layers - 1
    oracle = evidence.oracle if last else Oracle(shorter(case, layer + 1))
    sides = [direction_steps(evidence, layer, d == 1) for d in range(config.directions)]
    with np.errstate(all="ignore"):
        here = np.concatenate([steps.interval.half_width for steps in sides], axis=2)
        found = 2 * (oracle.tolerance["output"] + here)
    found = np.where(np.isfinite(found), found, case.fmt.largest)
    return np.where(case.valid[:, :, None], found, 0.0)
