"""What a comparison could have seen: the effect of common faults against what is allowed.

For each probe the expected value is changed as a fault would change it; an element has power
against the fault if the changed value is beyond what the comparison allows. The share of such
elements stands in the result; where it is 0, passing proves nothing, and the verdict is
`inconclusive`. A probe whose fault cannot occur in a config is left out.

Tests of chance state a size in place of a share: the effect that would have been noticed every
second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps, States
from harness.oracle import has_state
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Parameters
from reference.arrays import Array, BoolArray, Float64Array

__all__ = [
    "differs",
    "end_to_end_power",
    "neighbours",
    "power_of",
    "share",
    "stated",
]


def share(seen: BoolArray, among: BoolArray | None = None) -> float:
    """How many of the elements compared are in `seen`: 0 to 1; 0 if there are none."""
    if among is None:
        return int(np.count_nonzero(seen)) / seen.size if seen.size else 0.0
    total = int(np.count_nonzero(among))
    return int(np.count_nonzero(seen & among)) / total if total else 0.0


def differs(a: Array, b: Array) -> BoolArray:
    """Where two arrays hold other numbers; a NaN is no other number than another NaN."""
    other: BoolArray = (a != b) & ((a == a) | (b == b))
    return other


def neighbours(states: Array) -> Array:
    """(n, B, m): in every batch row what stands in the row before it."""
    return np.concatenate([states[:, -1:], states[:, :-1]], axis=1)


def stated(result: Comparison, power: Mapping[Probe, float]) -> Comparison:
    """The comparison with its power; if a possible fault would have passed, so does nothing."""
    power = dict(sorted(power.items()))
    unseen = [str(name) for name, value in power.items() if value == 0 and not name.is_size]
    if unseen and result.verdict == Verdict.PASS:
        message = f"no element would have shown: {', '.join(unseen)}"
        return replace(result, verdict=Verdict.INCONCLUSIVE, message=message, power=power)
    return replace(result, power=power)


def power_of(
    evidence: Evidence, states: States, *, exact: BoolArray | None = None
) -> dict[Probe, float]:
    """Share of a layer's states with power, by fault; faults that cannot occur are left out.

    Probes: bias, input, state (at the first step: h_0 dropped) and row.

    Args:
        exact: where equality is asked for and nothing else is compared; if None, the states
            are compared with the interval, where it is defined.
    """
    config, among = evidence.config, states.defined if exact is None else exact
    if not evidence.case.valid.any():
        return {}
    steps = states if isinstance(states, DirectionSteps) else states.steps
    faulty = {Probe.INPUT: states.exact(x=np.zeros_like(steps.x))}
    if config.bias:
        faulty[Probe.BIAS] = states.exact(parameters=_without_recurrent_biases(steps.parameters))
    if has_state(evidence.case):
        earlier = {name: _shifted(array, steps.reverse) for name, array in steps.before.items()}
        faulty[Probe.STATE] = states.exact(before=earlier)
    if evidence.case.rows_differ:
        before = {name: neighbours(array) for name, array in steps.before.items()}
        faulty[Probe.ROW] = states.exact(x=neighbours(steps.x), before=before)
    power = {}
    with np.errstate(invalid="ignore"):
        for name, value in faulty.items():
            if exact is None:
                seen = (value < states.interval.low) | (value > states.interval.high)
            else:
                dtype = states.actual.dtype
                seen = value.astype(dtype) != states.interval.expected.astype(dtype)
            power[name] = share(seen & np.isfinite(value), among)
    return power


def _shifted(before: Array, reverse: bool) -> Array:
    """The states from which the steps before started; zero where there is none."""
    earlier = np.zeros_like(before)
    if reverse:
        earlier[:-1] = before[1:]
    else:
        earlier[1:] = before[:-1]
    return earlier


def _without_recurrent_biases(parameters: Parameters) -> Parameters:
    return Parameters(
        {
            (kind, gate): replace(block, bias=None) if kind == "hh" else block
            for (kind, gate), block in parameters.blocks.items()
        }
    )


def end_to_end_power(
    evidence: Evidence, part: str, allowed: Float64Array, among: BoolArray | None = None
) -> dict[Probe, float]:
    """Share of an output (`part`) that the faults of `Oracle.faulty` move beyond `allowed`."""
    exact = evidence.oracle.exact[part]
    with np.errstate(all="ignore"):
        return {
            name: share(~(np.abs(there[part] - exact) <= allowed), among)
            for name, there in evidence.oracle.faulty.items()
        }
