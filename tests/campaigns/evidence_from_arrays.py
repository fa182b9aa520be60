"""Evidence as the checks want it, from states that something other than a backend left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.case import Case
from harness.evidence import Evidence
from harness.observe import Derivatives, Observation
from harness.oracle import Oracle
from reference.arrays import Array


def evidence_of(
    case: Case,
    outputs: Sequence[Array],
    finals: Mapping[str, Array],
    gradients: Mapping[str, Array] | None = None,
    cotangents: Mapping[str, Array] | None = None,
) -> Evidence:
    """An evaluation of a case, its hidden layers all seen.

    Args:
        outputs: (T, B, D * H) for each layer.
        finals: by name (h_n), (L * D, B, n).
        gradients: time first, for these cotangents by output.
    """
    hidden = tuple(
        {"output": output}
        | {name: array[: (k + 1) * case.config.directions] for name, array in finals.items()}
        for k, output in enumerate(outputs[:-1])
    )
    derivatives = None
    if gradients is not None and cotangents is not None:
        derivatives = Derivatives(cotangents, gradients, gradients)
    observation = Observation(
        "given",
        outputs={"output": outputs[-1], **finals},
        hidden=hidden,
        derivatives=derivatives,
    )
    return Evidence(case, Oracle(case), observation, lambda: None)
