"""Whether an implementation computes in a lower precision than it gives its answers in, and which.

What fails is then judged again with that format's bound. A bound alone proves nothing, for a coarse
one explains any small error; evidence is what the activation alone shows, or states that all lie on
the grid of a lower format where correct ones do not. Weights in eight bits: `quantised_weights`.
"""

from __future__ import annotations

import numpy as np

from harness.activation import LOWER, rounded_to
from harness.evidence import Evidence
from harness.judging.steps import States, direction_steps
from reference import Format
from reference.arrays import BoolArray, Float64Array

__all__ = ["larger_bounds", "lower_precision"]

ENOUGH = 58
"""Bits in which states on a coarser grid are no coincidence: one in 2^13 of float32 is one of
float16, one in 2^29 of float64 one of float32."""


FEW = 4


def lower_precision(evidence: Evidence) -> Format | None:
    """The format, or None; made once for each piece of evidence."""
    if lower_precision not in evidence.made:
        own = evidence.own_activations()
        measured = None if own is None else own.precision
        evidence.made[lower_precision] = measured or _of_states(evidence)
    found: Format | None = evidence.made[lower_precision]
    return found


def larger_bounds(evidence: Evidence, lower: Format) -> float:
    """How many times a bound that grows with the unit roundoff is larger in that format.

    Operands are rounded as well, which is at most three more roundings of each term.
    """
    return 4 * lower.unit_roundoff / evidence.case.fmt.unit_roundoff


def _of_states(evidence: Evidence) -> Format | None:
    """The coarsest format that all states lie on the grid of."""
    if evidence.observation.outputs is None:
        return None
    config, fmt = evidence.config, evidence.case.fmt
    sides = [
        direction_steps(evidence, layer, d == 1)
        for layer in range(config.num_layers)
        for d in range(config.directions)
    ]
    every: list[States] = [*sides, *(final for s in sides for final in s.finals)]
    actual = np.concatenate([s.actual[s.defined] for s in every]).astype(np.float64)
    expected = np.concatenate([s.interval.expected[s.defined] for s in every])
    found = None
    for lower in LOWER:
        if lower.precision < fmt.precision and np.isfinite(actual).all():
            between = rounded_to(expected, lower) != expected
            on_grid = rounded_to(actual, lower) == actual
            telling = np.unique(actual[between & ~_of_few_bits(actual)])
            bits = len(telling) * (fmt.precision - lower.precision)
            if bits >= ENOUGH and bool(on_grid.all()):
                found = lower
    return found


def _of_few_bits(values: Float64Array) -> BoolArray:
    """Numbers such as 0 and 1, of gates that are shut or open, are on the grid of every format."""
    scaled = np.ldexp(np.frexp(values)[0], FEW)
    few: BoolArray = scaled == np.rint(scaled)
    return few
