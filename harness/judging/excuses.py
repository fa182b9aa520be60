"""How far a known peculiarity would carry the oracle, end to end: the excuses, one by one.

An excuse moves the oracle as the peculiarity would, and widens the tolerance by how uncertain
that move is; nothing else is forgiven.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.activation import OwnActivations
from harness.causes import Cause
from harness.evidence import Evidence
from harness.judging.flushing import flushes, with_flushing
from harness.judging.precision import larger_bounds, lower_precision
from harness.judging.two_answers import Rows, within
from harness.observe import Outputs
from harness.oracle import Oracle
from reference import Exact, Format, exact_activation
from reference.arrays import Array

__all__ = ["Excuse", "against_peer", "by_own_activations", "excuses", "flush", "flushed_extra"]


@dataclass(frozen=True)
class Excuse:
    """A cause, how far it moves every output, and by how much that widens the tolerance."""

    cause: Cause
    shift: Mapping[str, Array]
    extra: Mapping[str, Array]


def excuses(evidence: Evidence) -> Iterator[Excuse]:
    """Flushed subnormals, a lower precision, or the activations as measured of the backend."""
    yield from with_flushing(evidence, _others(evidence), lambda: flush(evidence.oracle))


def _others(evidence: Evidence) -> Iterator[Excuse]:
    mine, lower = evidence.own_activations(), lower_precision(evidence)
    if lower is not None:
        yield _lower(evidence, lower)
    elif mine is not None and mine.errs:
        yield _activation(evidence.oracle, mine)


def _lower(evidence: Evidence, lower: Format) -> Excuse:
    """Everything rounded to a lower format: what tolerance allows grows with the unit roundoff."""
    oracle, larger = evidence.oracle, larger_bounds(evidence, lower)
    nothing = {name: np.zeros_like(exact) for name, exact in oracle.exact.items()}
    extra = {name: larger * tolerance for name, tolerance in oracle.tolerance.items()}
    return Excuse(Cause.PRECISION, nothing, extra)


def against_peer(evidence: Evidence) -> Iterator[Excuse]:
    """The same for the difference of two implementations: each has its own activations."""
    mine, theirs = evidence.own_activations(), evidence.peer_activations()
    if flushes(evidence) or (theirs is not None and theirs.flushes):
        yield flush(evidence.oracle)
    other = None if theirs is None else theirs.precision
    lower = [one for one in (lower_precision(evidence), other) if one is not None]
    if lower:
        yield _lower(evidence, min(lower, key=lambda fmt: fmt.precision))
    elif mine is not None and theirs is not None and (mine.errs or theirs.errs):
        one, two = _activation(evidence.oracle, mine), _activation(evidence.oracle, theirs)
        yield Excuse(
            Cause.ACTIVATION,
            {name: one.shift[name] - two.shift[name] for name in one.shift},
            {name: one.extra[name] + two.extra[name] for name in one.extra},
        )


@functools.lru_cache(maxsize=4)  # every output, against both, asks for the same in turn
def _activation(oracle: Oracle, own: OwnActivations) -> Excuse:
    """The oracle with activations as measured, and with the measurement read a point further.

    Between two points of the table the error is not known better than that; the uncertainty is
    2 sqrt(n) times the largest such difference in a row, as in `Oracle.tolerance`.
    """
    there = oracle.evaluate(arithmetic=own.emulated)
    beside = oracle.evaluate(arithmetic=own.emulated_beside)
    shift = {name: there[name] - exact for name, exact in oracle.exact.items()}
    return Excuse(Cause.ACTIVATION, shift, _spread(oracle, there, beside))


def flushed_extra(evidence: Evidence) -> Mapping[str, Array] | None:
    """How far flushing may move each output; None for a backend that was not seen to flush."""
    return flush(evidence.oracle).extra if flushes(evidence) else None


def by_own_activations(
    evidence: Evidence, one: Outputs, other: Outputs, rows: Rows | None = None
) -> bool:
    """Whether the answers of two calls, of some rows, are no further apart than the errors measured
    of the backend's own activations: it may compute them in one call otherwise than in the other.
    """
    own = evidence.own_activations()
    if own is None or not own.errs:
        return False
    return within(_errors_carried(evidence.oracle, own), one, other, rows)


@functools.lru_cache(maxsize=4)
def _errors_carried(oracle: Oracle, own: OwnActivations) -> Outputs:
    """How far the measured errors carry any element of a row, with what is uncertain of that.

    What is no number in a row says nothing of its other elements, which have errors of about
    sqrt(n) roundings beside.
    """
    there = oracle.evaluate(arithmetic=own.emulated)
    beside = oracle.evaluate(arithmetic=own.emulated_beside)
    factor, found = 2 * math.sqrt(oracle.terms), {}
    with np.errstate(all="ignore"):
        for name, exact in oracle.exact.items():
            carried = np.abs(there[name] - exact) + factor * np.abs(there[name] - beside[name])
            largest = np.nan_to_num(carried, posinf=0.0).max(axis=(0, 2), keepdims=True)
            tolerance, rounded = oracle.tolerance[name], factor * oracle.case.fmt.ulp(exact)
            found[name] = largest + 2 * np.where(np.isfinite(tolerance), tolerance, rounded)
    return found


@functools.lru_cache(maxsize=4)
def flush(oracle: Oracle) -> Excuse:
    """Subnormals flushed: every pre-activation moved by what flushing its n terms may do.

    Upwards and downwards: where a small state decides which way all later ones go, either side may
    be the one that goes the same way.
    """
    tiny = oracle.case.fmt.smallest_normal
    largest = max(float(np.abs(array).max()) for array in oracle.case.weights.values())
    amount = 2 * oracle.terms * tiny * (1.0 + largest)
    up, down = (
        _spread(
            oracle, oracle.exact, oracle.evaluate(arithmetic=_moved(side * amount, side * tiny))
        )
        for side in (1, -1)
    )
    nothing = {name: np.zeros_like(exact) for name, exact in oracle.exact.items()}
    return Excuse(Cause.FLUSH, nothing, {name: np.fmax(up[name], down[name]) for name in up})


def _moved(argument: float, value: float) -> Exact:
    return Exact(lambda name, a: exact_activation(name, a + argument) + value)


def _spread(oracle: Oracle, one: Outputs, two: Outputs) -> dict[str, Array]:
    """A row in which one of the two overflows gets no allowance: an infinite one says nothing."""
    factor, most = 2 * math.sqrt(oracle.terms), oracle.case.fmt.largest
    found = {}
    with np.errstate(all="ignore"):
        for name in one:
            largest = factor * np.abs(one[name] - two[name]).max(axis=(0, 2), keepdims=True)
            found[name] = np.where(largest > most, 0.0, largest)
    return found
