"""What the comparison of a gradient could have seen: how far common faults would move it.

    carry: nothing comes back from the later step (truncated backpropagation through time).
    row: of x and initial states the neighbouring row's gradient; of a parameter's sum any one row
        left out.
    step: any one step left out of a parameter's sum.

All are exact differences at the implementation's own states, in float64; an element has power where
one is beyond the bound of the comparison. For what is left out there is a difference for each row
or step, along an axis in front.
"""

from __future__ import annotations

import numpy as np

from harness.evidence import Evidence
from harness.judging.gradients import gradients_at
from harness.judging.power import neighbours
from harness.probes import Probe
from reference import parameter_name
from reference.arrays import Float64Array
from reference.gradient import Gradients
from reference.reverse import Tape

__all__ = ["differences"]


def differences(
    evidence: Evidence, tapes: list[list[Tape]], expected: Gradients
) -> dict[str, dict[Probe, Float64Array]]:
    """Gradient -> fault -> by how much it would be off; without faults that cannot occur."""
    config, several = evidence.config, bool((evidence.case.last_step >= 1).any())
    with np.errstate(all="ignore"):
        off: dict[str, dict[Probe, Float64Array]] = {name: {} for name in expected.by_name}
        if several:
            truncated = gradients_at(evidence, tapes, carried=False).by_name
            for name, gradient in truncated.items():
                if _carried(evidence, name):
                    off[name][Probe.CARRY] = gradient.value - expected.by_name[name].value
        if config.batch > 1:
            for name in ("x", *(f"{state}_0" for state in config.cell.states)):
                value = expected.by_name[name].value
                off[name][Probe.ROW] = neighbours(value) - value
            for name, value in _sums(evidence, tapes, expected, "tbi,tbj->bij").items():
                off[name][Probe.ROW] = value
        if several:
            for name, value in _sums(evidence, tapes, expected, "tbi,tbj->tij").items():
                off[name][Probe.STEP] = value
    return off


def _carried(evidence: Evidence, name: str) -> bool:
    """Whether a later step's delta reaches a gradient: that of W_hh not by the first step's h."""
    longest = int(evidence.case.last_step.max()) + 1
    return longest > 2 or evidence.config.states or not name.startswith("weight_hh")


def _sums(
    evidence: Evidence, tapes: list[list[Tape]], expected: Gradients, axes: str
) -> dict[str, Float64Array]:
    """What each row, or step, adds to the gradients of the parameters; `axes` says which."""
    found: dict[str, Float64Array] = {}
    for layer, sides in enumerate(tapes):
        for direction, tape in enumerate(sides):
            for kind, nodes in tape.linear.items():
                deltas = np.split(expected.deltas[layer][direction][kind], len(nodes), axis=2)
                weight = parameter_name(f"weight_{kind}", layer, direction == 1)
                rows = []
                for node, delta in zip(nodes, deltas, strict=True):
                    (operand,) = node.factors
                    assert operand is not None
                    rows.append(np.einsum(axes, delta, operand.value))
                found[weight] = np.concatenate(rows, axis=1)
                if any(node.block and node.block.bias is not None for node in nodes):
                    bias = parameter_name(f"bias_{kind}", layer, direction == 1)
                    ones = np.ones((*deltas[0].shape[:2], 1))
                    found[bias] = np.einsum(axes, np.concatenate(deltas, axis=2), ones)[..., 0]
    return found
