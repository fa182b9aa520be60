"""The arrays of a case by name, and a case with other arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from harness.case import Case
from reference.arrays import Array

__all__ = ["AGAIN", "H_N", "OUTPUT", "arrays_of", "with_arrays"]

OUTPUT, H_N, AGAIN = "cotangent of output", "cotangent of h_n", "x of the second call"


def arrays_of(case: Case) -> dict[str, Array]:
    """Everything that holds numbers: x, h_0, parameters, cotangents, x of a second call."""
    found: dict[str, Array] = {"x": case.x}
    if case.h_0 is not None:
        found["h_0"] = case.h_0
    found |= case.weights
    if case.given_cotangents is not None:
        found[OUTPUT], found[H_N] = case.given_cotangents
    if case.again is not None:
        found[AGAIN] = case.again
    return found


def with_arrays(case: Case, arrays: Mapping[str, Array]) -> Case:
    """The case with some of its arrays replaced, of the same shapes."""
    every = {**arrays_of(case), **arrays}
    return dataclasses.replace(
        case,
        x=every["x"],
        h_0=every.get("h_0"),
        weights={name: every[name] for name in case.weights},
        given_cotangents=None if case.given_cotangents is None else (every[OUTPUT], every[H_N]),
        again=every.get(AGAIN),
        twins=None,
    )
