"""NaN and infinities: where exact arithmetic has none left, IEEE 754 says what comes out.

A sum with a NaN term is NaN; with infinities of one sign it is that infinity, with both it is
NaN; 0 times infinity is NaN; in any order (IEEE 754-2019, sections 6.1 and 6.2). tanh of an
infinity is 1 with its sign, relu of it infinity or 0, and both of NaN are NaN: relu is
documented as max(0, x), and since 2019 the standard's maximum passes NaN on. Each step is judged
from the implementation's own states, so one wrong step is one failure. A row in which a finite sum
came out as infinity is left open from that layer on: the state may have been kept finite, in a
higher precision, and be infinite only as it is given out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence
from harness.judging.applies import SPECIAL, VALUES
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import share, stated
from harness.judging.steps import DirectionSteps, direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import exact_activation, layer_names
from reference.arrays import BoolArray, Float64Array

__all__ = ["special_values"]


@check(
    requirement="nan",
    also=("infinity",),
    difference="NaN or an infinity does not come out as the equation and IEEE 754 say",
    applies=VALUES & SPECIAL,
    needs=(Need.FORWARD,),
    probes=(Probe.ZERO,),
)
def special_values(evidence: Evidence) -> Iterator[Comparison]:
    """For each direction of each layer: the steps that must give NaN, and those from infinities."""
    config, case = evidence.config, evidence.case
    stored = np.zeros(config.batch, bool)
    for layer in range(config.num_layers):
        seen = same_states(evidence, layer)
        sides = [direction_steps(evidence, layer, d == 1) for d in range(config.directions)]
        stored |= np.any([_overflowed(steps) for steps in sides], axis=0)
        for direction, steps in enumerate(sides):
            with np.errstate(all="ignore"):
                expected = exact_activation(config.nonlinearity, steps.a)
                actual = steps.actual.astype(np.float64)
                same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
            judged = (case.valid & ~stored)[:, :, None] & ~np.isfinite(steps.a)
            infinite = judged & np.isinf(steps.a) & ~_overflows(evidence, layer, direction == 1)
            for kind, elements in (("nan", judged & np.isnan(steps.a)), ("infinity", infinite)):
                if not elements.any():
                    continue
                result = compare(
                    f"{steps.part}, {kind}",
                    steps.actual,
                    expected,
                    np.where(same, 0.0, np.inf),
                    case.fmt,
                    steps.locate,
                    defined=elements,
                )
                result = replace(result, requirement=kind)
                if result.verdict == Verdict.FAIL:
                    message = f"{result.failing} of {result.compared} states must be " + (
                        "NaN" if kind == "nan" else "what the activation gives of an infinity"
                    )
                    zeroed = (actual == 0) | same | ~elements
                    cause = Cause.NAN if kind == "nan" and zeroed.all() else Cause.UNEXPLAINED
                    result = replace(result, message=message, cause=cause)
                if not seen:
                    result = unseen(result)
                yield stated(result, {Probe.ZERO: share(expected != 0, elements)})


def _overflowed(steps: DirectionSteps) -> BoolArray:
    """(B,): rows with an infinite state whose pre-activation is finite."""
    found: BoolArray = (np.isinf(steps.actual) & np.isfinite(steps.a)).any(axis=(0, 2))
    return found


def _overflows(evidence: Evidence, layer: int, reverse: bool) -> BoolArray:
    """Where the finite terms alone may overflow: then an infinity may legally meet another."""
    config, case = evidence.config, evidence.case
    outputs = [*(one.output for one in evidence.observation.hidden), evidence.forward.output]
    w_ih, w_hh, *biases = (case.weights[n] for n in layer_names(layer, reverse, config.bias))
    x = case.x if layer == 0 else outputs[layer - 1]
    states = outputs[layer][
        ..., slice(config.hidden_size, None) if reverse else slice(config.hidden_size)
    ]
    largest = np.max(_finite(states), initial=0.0)
    if case.h_0 is not None:
        largest = max(largest, np.max(_finite(case.h_0), initial=0.0))
    with np.errstate(all="ignore"):
        magnitude = _finite(x) @ _finite(w_ih).T + largest * _finite(w_hh).sum(axis=1)
        magnitude = magnitude + sum(_finite(b) for b in biases)
    overflows: BoolArray = magnitude >= case.fmt.largest / 2
    return overflows


def _finite(array: Float64Array) -> Float64Array:
    """Magnitudes, with 0 where there is none."""
    exact = array.astype(np.float64)
    return np.where(np.isfinite(exact), np.abs(exact), 0.0)
