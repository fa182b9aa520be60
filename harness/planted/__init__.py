"""Wrong implementations, each with one realistic mistake: what the checks are there to see.

A file for each area. `CATALOGUE` has them all by name; names stay. `LEGAL` has right ones that
compute otherwise, which no check may accuse. `harness.selftest` runs both.
"""

from harness.planted import (
    activations,
    answers,
    calls,
    directions,
    dropout,
    gradients,
    layers,
    legal,
    lengths,
    parameters,
    precision,
    states,
    threads,
    weights,
)
from harness.planted.record import BASES, Fault

__all__ = ["BASES", "CATALOGUE", "LEGAL", "Fault"]

_AREAS = (
    weights,
    directions,
    lengths,
    states,
    layers,
    activations,
    precision,
    answers,
    dropout,
    gradients,
    calls,
    parameters,
    threads,
)

CATALOGUE: dict[str, Fault] = {fault.name: fault for area in _AREAS for fault in area.FAULTS}

LEGAL: dict[str, Fault] = {fault.name: fault for fault in legal.FAULTS}
