"""What end to end comparisons owe to single steps: where sums may overflow, what a last step errs.

Both are taken from the steps at the implementation's own states (`harness.judging.steps`), or at
the exact ones where those were not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps, FinalState, States, direction_steps
from harness.observe import Observation
from harness.observe.values import shorter
from harness.oracle import Oracle
from reference.arrays import Array, BoolArray, Float64Array

__all__ = ["LastStep", "last_step_of", "may_err", "may_err_at_exact_states"]


@dataclass(frozen=True)
class LastStep:
    """`error` is how far the last step alone may carry each output from the equation's
    value at its own previous state. `overflow` says, in those shapes, which elements may be
    infinite, or what follows from that, though the exact value is not: some order of
    summation overflows in a step that they depend on.
    """

    error: Mapping[str, Array]
    overflow: Mapping[str, BoolArray]


def last_step_of(evidence: Evidence) -> LastStep:
    """Of all layers and directions; made once for each piece of evidence."""
    if LastStep not in evidence.made:
        evidence.made[LastStep] = _last_step_of(evidence)
    made: LastStep = evidence.made[LastStep]
    return made


def may_err(evidence: Evidence) -> dict[str, Float64Array]:
    """How far each output of a correct implementation may be from the exact one: as calibrated,
    and what the last step alone errs, which no calibration by samples covers for sure.
    """
    if len(evidence.observation.hidden) < evidence.config.num_layers - 1:
        return may_err_at_exact_states(evidence.oracle)
    last = last_step_of(evidence).error
    return {name: one + last[name] for name, one in evidence.oracle.tolerance.items()}


def may_err_at_exact_states(oracle: Oracle) -> dict[str, Float64Array]:
    """The same where only some outputs were seen, or in an order of their own."""
    case = oracle.case
    every = [*(Oracle(shorter(case, n)) for n in range(1, case.config.num_layers)), oracle]
    with np.errstate(over="ignore"):
        *hidden, outputs = (
            {name: array.astype(case.x.dtype) for name, array in one.exact.items()} for one in every
        )
    seen = Observation("exact", outputs=outputs, hidden=tuple(hidden))
    return may_err(Evidence(case, oracle, seen, lambda: None))


def _last_step_of(evidence: Evidence) -> LastStep:
    config, case = evidence.config, evidence.case
    layers = [
        [direction_steps(evidence, layer, d == 1) for d in range(config.directions)]
        for layer in range(config.num_layers)
    ]
    sides = [steps for layer in layers for steps in layer]
    overflow = _overflow(evidence, sides)
    output = np.concatenate([_width(steps) for steps in layers[-1]], axis=2)
    error = {"output": np.where(case.valid[:, :, None], output, 0.0)}
    for state in config.cell.states:
        ends = (_width_at_end(FinalState(steps, state)) for steps in sides)
        error[f"{state}_n"] = np.stack(list(ends))
    anywhere = overflow.any(axis=0)[None, :, None]
    return LastStep(
        error,
        {
            name: np.broadcast_to(overflow[:, :, None] if name == "output" else anywhere, one.shape)
            for name, one in error.items()
        },
    )


def _width(states: States) -> Float64Array:
    """The larger of the two sides of each interval; 0 where there is none."""
    with np.errstate(all="ignore"):
        return np.where(states.defined, states.interval.half_width, 0.0)


def _width_at_end(state: FinalState) -> Float64Array:
    """(B, n); 0 for a row without steps."""
    width: Float64Array = _width(state)[0]
    return width


def _overflow(evidence: Evidence, steps: list[DirectionSteps]) -> BoolArray:
    """(T, B). It stays from a step to all later ones; with two directions there is no later."""
    with np.errstate(all="ignore"):
        # From finite operands; what comes of infinite ones is a question of its own.
        here = [(s.factors_finite & s.overflows).any(axis=2) for s in steps]
    found: BoolArray = np.any(here, axis=0) & evidence.case.valid
    if evidence.config.bidirectional:
        return np.broadcast_to(found.any(axis=0), found.shape)
    later: BoolArray = np.maximum.accumulate(found, axis=0)
    return later
