"""Wrong implementations, each with one realistic mistake: what the checks must see.

A file for each area. `FAULTS` has them all by name; names stay. `VARIANTS` has correct ones that
compute otherwise, which no check may accuse. `harness.selftest` runs both.
"""

from harness.faults import (
    absent,
    accepted,
    activations,
    answers,
    arrays_given,
    autograd,
    backwards,
    calls,
    cells,
    directions,
    dropout,
    fed_back,
    first_calls,
    gated,
    gradients,
    in_training,
    kept,
    kernels,
    layers,
    lengths,
    lives,
    masks,
    parameters,
    precision,
    refused_gradients,
    sizes,
    states,
    threads,
    variants,
    weights,
    x_given,
)
from harness.faults.record import BASES, Fault

__all__ = ["BASES", "FAULTS", "VARIANTS", "Fault"]

_AREAS = (
    weights,
    directions,
    lengths,
    states,
    layers,
    activations,
    precision,
    sizes,
    answers,
    dropout,
    gradients,
    autograd,
    backwards,
    calls,
    cells,
    parameters,
    threads,
    lives,
    in_training,
    kept,
    arrays_given,
    x_given,
    first_calls,
    fed_back,
    refused_gradients,
    accepted,
    masks,
    absent,
    gated,
    kernels,
)

FAULTS: dict[str, Fault] = {fault.name: fault for area in _AREAS for fault in area.AREA.faults}

VARIANTS: dict[str, Fault] = {fault.name: fault for fault in variants.AREA.faults}
