"""h_n in training mode is made of the states, which are not dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.bits import same_bits
from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.dropout_calls import (
    correct_distance,
    dropout_calls,
    each_call,
    kept_values,
)
from harness.judging.power import share, stated
from harness.observe import DropoutCalls, Outputs
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array, Float64Array

__all__ = ["dropout_states"]


@check(
    requirement="dropout-h-n",
    difference="h_n in training mode is not made of the states",
    applies=DROPPING,
    probes=(Probe.DROPPED,),
    consequence="dropped otherwise than documented",
)
def dropout_states(evidence: Evidence) -> Iterator[Comparison]:
    """h_n: of the first layer what it is without dropout; of the last its last output; of those
    between, what comes through the dropouts below: 0 or kept by all, and 0 where one below is.
    c_n: of the first layer what it is without, of those after it 0 where h_n is.
    """
    calls, config = dropout_calls(evidence), evidence.config
    if calls is None or config.num_layers == 1 or config.dropout == 0:
        return
    state = calls.first["output"].astype(np.float64)
    between = [kept_values(evidence, state, layer)[1:] for layer in range(1, config.num_layers - 1)]
    name = f"{config.cell.states[0]}_n"
    within = correct_distance(evidence)
    yield from each_call(
        calls, name, lambda part, call: _states(evidence, calls, part, call, between, within)
    )


def _states(
    evidence: Evidence,
    calls: DropoutCalls,
    part: str,
    call: Outputs,
    between: Sequence[tuple[Float64Array, Float64Array]],
    within: Callable[[], Outputs],
) -> Comparison:
    """The same of one call; `between` bounds the states of the layers between first and last."""
    config = evidence.config
    sides, name = config.directions, f"{config.cell.states[0]}_n"
    final = call[name]
    names = [one for one in call if one != "output"]
    first = all(_close(call[one][:sides], calls.first[one], one, within) for one in names)
    ends = _ends(evidence.case, call["output"])
    last = all(same_bits(own, end) for own, end in zip(final[-sides:], ends, strict=True))
    ranges = [(_ends(evidence.case, low), _ends(evidence.case, high)) for low, high in between]
    alike = all(_alike(final[sides:], call[one][sides:]) for one in names)
    if first and last and alike and _possible(config, final, ranges):
        result = Comparison(part, Verdict.PASS, final.size, ratio=0.0)
        return stated(result, {Probe.DROPPED: share(calls.evaluated[name] != 0)})
    what = "last output" if first else "first layer's state"
    if first and last:
        what = "state of a layer between"
    message = f"{name if alike else 'a final state'} is not the {what}"
    return Comparison(
        part, Verdict.FAIL, final.size, message, Cause.UNEXPLAINED, ratio=float("inf")
    )


def _close(own: Array, alone: Array, name: str, within: Callable[[], Outputs]) -> bool:
    """Whether the first layer's state is what it is where it is alone, to rounding."""
    if same_bits(own, alone):
        return True
    allowed = within()[name][: len(own)]
    return bool((np.abs(own.astype(np.float64) - alone) <= allowed).all())


def _alike(shown: Array, other: Array) -> bool:
    """Whether a state that no output shows is 0 for the same units as the one that is shown: layers
    that pass on what they get make both of it.
    """
    own = other[:, :, : shown.shape[2]]
    return bool(((own == 0) == (shown == 0)).all() and not np.isnan(own).any())


def _ends(case: Case, output: Array) -> list[Array]:
    """What each direction ends with, (B, H): at each row's last step, or the first one."""
    rows = np.arange(output.shape[1])
    return [
        own[0 if side else case.last_step, rows]
        for side, own in enumerate(np.split(output, case.config.directions, axis=2))
    ]


def _possible(
    config: Config, final: Array, between: Sequence[tuple[list[Array], list[Array]]]
) -> bool:
    """Whether the states of the layers after the first are what the dropouts below let through."""
    for side in range(config.directions):
        below = np.ones(final.shape[1:], bool)
        for layer in range(1, config.num_layers):
            own = final[layer * config.directions + side].astype(np.float64)
            allowed = below
            if layer < config.num_layers - 1:  # the last one's are outputs: `dropout_values`
                low, high = (ends[side] for ends in between[layer - 1])
                allowed = below & (own >= low) & (own <= high)
            if not ((own == 0) | allowed).all():
                return False
            below = own != 0
    return True
