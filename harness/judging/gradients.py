"""Backpropagation through time from the implementation's own states: expected gradients, bounds.

The derivatives of activations are taken at the exact arguments of each step, and uncertain by what
a correct value may be off; that of relu is 1 where the own state is positive, and open where
rounding decides that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.axes import axes_of
from harness.bits import differing_bits
from harness.comparison import Worst
from harness.evidence import Evidence, locate
from harness.judging.flushing import flushes
from harness.judging.steps import DirectionSteps, direction_steps, multipliers, widened
from reference import Bounded, Rounded
from reference.arrays import Array, Float64Array
from reference.gradient import Gradients, backpropagate, previous_states
from reference.intervals import ErrorRange
from reference.reverse import Slopes, Tape, record

__all__ = [
    "by_activations",
    "by_flushing",
    "expected_gradients",
    "gradient_place",
    "gradient_ratio",
    "gradient_requirement",
    "gradients_at",
    "tapes_of",
]


def by_flushing(
    evidence: Evidence, found: Mapping[str, Array], before: Mapping[str, Array]
) -> bool:
    """Whether gradients are what flushing subnormals may make of them, if that was measured, where
    they are others than before.

    A relu state that is flushed to 0 takes the slope with it, so the change is not a small one.
    """
    if not flushes(evidence):
        return False
    flushed = expected_gradients(evidence, flushed=True)
    return all(
        bool(((gradient_ratio(a, flushed[name]) <= 1) | ~differing_bits(a, before[name])).all())
        for name, a in found.items()
    )


def by_activations(
    evidence: Evidence, found: Mapping[str, Array], before: Mapping[str, Array]
) -> bool:
    """Whether two answers, where they differ, both are what errors measured of the implementation's
    own activations may make of them: it may compute these otherwise in another call.
    """
    own = evidence.own_activations()
    if own is None or not own.errs:
        return False
    excused = expected_gradients(evidence, own=True, activation_error=own.error_range)
    return all(
        bool(
            (
                (
                    (gradient_ratio(a, excused[n]) <= 1)
                    & (gradient_ratio(before[n], excused[n]) <= 1)
                )
                | ~differing_bits(a, before[n])
            ).all()
        )
        for n, a in found.items()
    )


def gradient_ratio(actual: Array, gradient: Bounded) -> Float64Array:
    """Error over bound, elementwise; 0 for equal values."""
    with np.errstate(all="ignore"):
        error = np.abs(actual.astype(np.float64) - gradient.value)
        ratio: Float64Array = np.where(error == 0, 0.0, error / gradient.bound)
    return ratio


def gradient_requirement(name: str) -> str:
    """The requirement that a gradient, by the name of what it is of, speaks about."""
    if name == "x":
        return "gradient-x"
    return "gradient-h-0" if name.endswith("_0") else "gradient-parameters"


def gradient_place(evidence: Evidence, name: str) -> Callable[[tuple[int, ...]], Worst]:
    """From an index into a gradient, by the name of what it is of, to where that is."""
    config, title = evidence.config, f"gradient of {name}"
    if "rows" in axes_of(config, name):
        place = locate(config, name)

        def at(index: tuple[int, ...]) -> Worst:
            where = place(index)
            return Worst(title, where.layer, where.direction, where.step, where.batch, where.unit)

        return at
    layer = int(name.rpartition("_l")[2].partition("_")[0])
    direction = "reverse" if name.endswith("_reverse") else "forward"
    return lambda index: Worst(title, layer, direction, None, None, index[0])


def expected_gradients(
    evidence: Evidence,
    *,
    own: bool = False,
    activation_error: ErrorRange | None = None,
    flushed: bool = False,
) -> Mapping[str, Bounded]:
    """The gradients at the implementation's states, with something forgiven.

    Args:
        own: the slope of an activation that is a state is taken from that state.
        activation_error: of the other activations, their own errors.
        flushed: subnormal numbers may be taken as 0.
    """
    tapes = tapes_of(evidence, Slopes(own=own), activation_error=activation_error, flushed=flushed)
    return gradients_at(evidence, tapes, flushed=flushed).by_name


def tapes_of(
    evidence: Evidence,
    slopes: Slopes | None = None,
    *,
    activation_error: ErrorRange | None = None,
    flushed: bool = False,
    margins: Sequence[Float64Array] | None = None,
) -> list[list[Tape]]:
    """All steps recorded, by layer and direction; `slopes` without the states that were seen.

    Args:
        margins: of each layer, how far its output (T, B, D * H) may be from what was seen.
    """
    slopes = slopes or Slopes()

    def recorded(steps: DirectionSteps) -> Tape:
        seen = Rounded(steps.case.fmt, activation_error=activation_error, flushed=flushed)
        x = steps.given_x(seen)
        own = None
        if margins is not None:
            x = widened(x, margins[steps.layer - 1]) if steps.layer else x
            own = _before(steps, margins[steps.layer])
        before = steps.states_before(seen, x, own)
        return record(
            steps.cell,
            steps.parameters,
            x,
            before,
            steps.case.fmt,
            replace(slopes, seen={steps.state: steps.actual}),
            flushed=flushed,
            activation_error=activation_error,
        )

    directions = range(evidence.config.directions)
    return [
        [recorded(direction_steps(evidence, layer, d == 1)) for d in directions]
        for layer in range(evidence.config.num_layers)
    ]


def _before(steps: DirectionSteps, margin: Float64Array) -> Float64Array:
    """The margin of the state before each step; the initial state is known."""
    own = np.split(margin, steps.case.config.directions, axis=2)[steps.reverse]
    return previous_states(own, np.zeros(own.shape[1:]), steps.case.valid, steps.reverse)


def gradients_at(
    evidence: Evidence,
    tapes: list[list[Tape]],
    *,
    flushed: bool = False,
    carried: bool = True,
    absolute: bool = False,
) -> Gradients:
    """Backpropagated through these tapes, as `reference.gradient.backpropagate` does it."""
    derivatives = evidence.observation.derivatives
    assert derivatives is not None
    wide = {name: a.astype(np.float64) for name, a in derivatives.cotangents.items()}
    # What is no part of the loss has a cotangent of 0.
    every = {n: wide.get(n, np.zeros(a.shape)) for n, a in evidence.outputs.items()}
    states = evidence.config.cell.states
    return backpropagate(
        tapes,
        every["output"],
        {state: every[f"{state}_n"] for state in states},
        bias=evidence.config.bias,
        valid=evidence.case.valid,
        fmt=evidence.case.fmt,
        masks=multipliers(evidence),
        flushed=flushed,
        carried=carried,
        absolute=absolute,
    )
