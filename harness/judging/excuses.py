"""How far a known peculiarity would carry the oracle, end to end: the excuses, one by one.

An excuse moves the oracle as the peculiarity would, and widens the tolerance by how uncertain
that move is; nothing else is forgiven.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.activation import OwnActivation
from harness.causes import Cause
from harness.evidence import Evidence
from harness.observe import Forward
from harness.oracle import Oracle
from reference import exact_activation
from reference.arrays import Array

__all__ = ["Excuse", "against_peer", "excuses", "flush", "flushed_extra"]


@dataclass(frozen=True)
class Excuse:
    """A cause, how far it moves output and h_n, and by how much that widens the tolerance."""

    cause: Cause
    shift: Forward
    extra: Forward


def excuses(evidence: Evidence) -> Iterator[Excuse]:
    """Flushed subnormals; then the activation as measured of the backend."""
    mine = evidence.own_activation()
    if mine is not None and mine.flushes:
        yield flush(evidence.oracle)
    if mine is not None and mine.errs:
        yield _activation(evidence.oracle, mine)


def against_peer(evidence: Evidence) -> Iterator[Excuse]:
    """The same for the difference of two implementations: each has its own activation."""
    mine, theirs = evidence.own_activation(), evidence.peer_activation()
    if mine is None or theirs is None:
        return
    if mine.flushes or theirs.flushes:
        yield flush(evidence.oracle)
    if mine.errs or theirs.errs:
        one, two = _activation(evidence.oracle, mine), _activation(evidence.oracle, theirs)
        yield Excuse(
            Cause.ACTIVATION,
            Forward(one.shift.output - two.shift.output, one.shift.h_n - two.shift.h_n),
            Forward(one.extra.output + two.extra.output, one.extra.h_n + two.extra.h_n),
        )


@functools.lru_cache(maxsize=4)  # output and h_n, against both, ask for the same in turn
def _activation(oracle: Oracle, own: OwnActivation) -> Excuse:
    """The oracle with the activation as measured, and with the measurement read a point further.

    Between two points of the table the error is not known better than that; the uncertainty is
    2 sqrt(n) times the largest such difference in a row, as in `Oracle.tolerance`.
    """
    there = oracle.evaluate(activation=own.emulate)
    beside = oracle.evaluate(activation=own.emulate_beside)
    exact = oracle.exact
    return Excuse(
        Cause.ACTIVATION,
        Forward(there.output - exact.output, there.h_n - exact.h_n),
        _spread(oracle, there, beside),
    )


def flushed_extra(evidence: Evidence) -> Forward | None:
    """How far flushing may move output and h_n; None for a backend that was not seen to flush."""
    own = evidence.own_activation()
    return flush(evidence.oracle).extra if own is not None and own.flushes else None


@functools.lru_cache(maxsize=4)
def flush(oracle: Oracle) -> Excuse:
    """Subnormals flushed: every pre-activation moved by what flushing its n terms may do."""
    config, tiny = oracle.case.config, oracle.case.fmt.smallest_normal
    largest = max(float(np.abs(array).max()) for array in oracle.case.weights.values())
    amount = 2 * _terms(oracle) * tiny * (1.0 + largest)
    moved = oracle.evaluate(
        activation=lambda a: exact_activation(config.nonlinearity, a + amount) + tiny
    )
    nothing = Forward(np.zeros_like(oracle.exact.output), np.zeros_like(oracle.exact.h_n))
    return Excuse(Cause.FLUSH, nothing, _spread(oracle, oracle.exact, moved))


def _terms(oracle: Oracle) -> int:
    config = oracle.case.config
    return config.hidden_size + 2 + max(config.input_size, config.directions * config.hidden_size)


def _spread(oracle: Oracle, one: Forward, two: Forward) -> Forward:
    factor = 2 * math.sqrt(_terms(oracle))

    def largest(a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            distance: Array = factor * np.abs(a - b).max(axis=(0, 2), keepdims=True)
        return distance

    return Forward(largest(one.output, two.output), largest(one.h_n, two.h_n))
