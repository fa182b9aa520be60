"""What a residual could have seen: the effect of common faults against the bound's width.

For each probe the pre-activation is changed as a fault would change it; an element has power
against the fault if the changed state lies outside the interval that the bound allows. The
share of such elements stands in the result; where it is 0, passing proves nothing.
"""

from __future__ import annotations

import numpy as np

from harness.checks.steps import DirectionSteps
from harness.evidence import Evidence
from reference import exact_activation
from reference.arrays import Float64Array

__all__ = ["power_of"]


def power_of(evidence: Evidence, steps: DirectionSteps) -> dict[str, float]:
    """Share of compared elements with power, by fault; faults that cannot occur are left out.

    Probes: `bias` (b_hh dropped), `input` (W_ih x dropped), `state` (the state before last
    taken; at the first step h_0 dropped), `row` (the neighbouring row's input and state).
    """
    total = int(steps.defined.sum())
    if total == 0:
        return {}
    config = evidence.config
    with np.errstate(all="ignore"):
        changes: dict[str, Float64Array] = {"input": -steps.from_input}
        if config.bias:
            changes["bias"] = np.broadcast_to(-steps.b_hh, steps.a.shape)
        if config.h_0 or config.steps > 1:
            changes["state"] = _state_before(steps) - steps.from_state
        if config.batch > 1:
            both = steps.from_input + steps.from_state
            changes["row"] = np.roll(both, 1, axis=1) - both
        power = {}
        for name, change in sorted(changes.items()):
            possible = steps.defined & (change != 0) & np.isfinite(change)
            faulty = exact_activation(config.nonlinearity, steps.a + change)
            seen = (faulty < steps.interval.low) | (faulty > steps.interval.high)
            if name != "state" or possible.any():
                power[name] = float((seen & possible).sum() / total)
    return power


def _state_before(steps: DirectionSteps) -> Float64Array:
    """W_hh times the state before last; zero where there is none."""
    earlier = np.zeros_like(steps.from_state)
    if steps.reverse:
        earlier[:-1] = steps.from_state[1:]
    else:
        earlier[1:] = steps.from_state[:-1]
    return earlier
