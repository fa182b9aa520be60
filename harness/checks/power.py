"""What a comparison could have seen: the effect of common faults against what is allowed.

For each probe the expected value is changed as a fault would change it; an element has power
against the fault if the changed value is beyond what the comparison allows. The share of such
elements stands in the result; where it is 0, passing proves nothing, and the verdict is
`inconclusive`. A probe whose fault cannot occur in a config is left out.

Tests of chance state a size in place of a share, under a name that begins with `smallest_`: the
effect that would have been noticed every second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.checks.steps import DirectionSteps
from harness.comparison import INCONCLUSIVE, PASS, Comparison
from harness.evidence import Evidence
from harness.faults import has_state
from reference import exact_activation
from reference.arrays import Array, BoolArray, Float64Array

__all__ = [
    "PROBES",
    "differs",
    "end_to_end_power",
    "is_size",
    "neighbours",
    "power_of",
    "share",
    "stated",
]

PROBES = {
    "bias": "b_hh dropped",
    "input": "W_ih x dropped",
    "state": "the state before last in place of the last one",
    "row": "the neighbouring row in place of the own one; of sums over rows: a row left out",
    "step": "a step left out of a sum over steps",
    "carry": "nothing carried over: from the later step (gradients), or from the call before",
    "zero": "0 in place of the value",
    "sign": "the other sign",
    "end": "the state at the last step of all in place of the last valid one",
    "held": "the last state held through the padding",
    "padding": "what stands in the padding counted",
    "neighbours": "what stands in the neighbouring rows counted",
    "layer": "the state of the next layer in place of the own one",
    "saturated": "tanh too large by what a state may legally err (5 ulp)",
    "error": "an error of twice what is allowed, 1 ulp where nothing is",
    "dip": "a fall by half more than what is allowed",
    "dropped": "an element dropped",
    "unscaled": "kept values not scaled by 1 / (1 - p)",
    "smallest_deviation": "size: of a probability, from what it should be",
    "smallest_distance": "size: between the distributions (Kolmogorov-Smirnov)",
}
"""What each name in `power` stands for; shares of the elements compared, or sizes."""


def is_size(probe: str) -> bool:
    """Whether a probe states the size of an effect, and not a share of elements."""
    return probe.startswith("smallest_")


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


def stated(result: Comparison, power: Mapping[str, float]) -> Comparison:
    """The comparison with its power; if a possible fault would have passed, so does nothing."""
    power = dict(sorted(power.items()))
    unseen = [name for name, value in power.items() if value == 0 and not is_size(name)]
    if unseen and result.verdict == PASS:
        message = f"no element would have shown: {', '.join(unseen)}"
        return replace(result, verdict=INCONCLUSIVE, message=message, power=power)
    return replace(result, power=power)


def power_of(
    evidence: Evidence, steps: DirectionSteps, *, exact: BoolArray | None = None
) -> dict[str, float]:
    """Share of a layer's states with power, by fault; faults that cannot occur are left out.

    Probes: `bias`, `input`, `state` (at the first step: h_0 dropped) and `row`.

    Args:
        exact: where equality is asked for and nothing else is compared; if None, the states
            are compared with the interval, where it is defined.
    """
    config, among = evidence.config, steps.defined if exact is None else exact
    if not evidence.case.valid.any():
        return {}
    with np.errstate(all="ignore"):
        changes: dict[str, Float64Array] = {"input": -steps.from_input}
        if config.bias:
            changes["bias"] = np.broadcast_to(-steps.b_hh, steps.a.shape)
        if has_state(evidence.case):
            changes["state"] = _state_before(steps) - steps.from_state
        if config.batch > 1:
            both = steps.from_input + steps.from_state
            changes["row"] = neighbours(both) - both
        power = {}
        for name, change in changes.items():
            possible = (change != 0) & np.isfinite(change)
            faulty = exact_activation(config.nonlinearity, steps.a + change)
            if exact is None:
                seen = (faulty < steps.interval.low) | (faulty > steps.interval.high)
            else:
                seen = faulty != steps.interval.expected
            power[name] = share(seen & possible, among)
    return power


def _state_before(steps: DirectionSteps) -> Float64Array:
    """W_hh times the state before last; zero where there is none."""
    earlier = np.zeros_like(steps.from_state)
    if steps.reverse:
        earlier[:-1] = steps.from_state[1:]
    else:
        earlier[1:] = steps.from_state[:-1]
    return earlier


def end_to_end_power(
    evidence: Evidence, part: str, allowed: Float64Array, among: BoolArray | None = None
) -> dict[str, float]:
    """Share of output or h_n (`part`) that the faults of `harness.faults` move beyond `allowed`."""
    exact = getattr(evidence.oracle.exact, part)
    with np.errstate(all="ignore"):
        return {
            name: share(~(np.abs(getattr(there, part) - exact) <= allowed), among)
            for name, there in evidence.oracle.faulty.items()
        }
