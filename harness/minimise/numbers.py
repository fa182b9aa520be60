"""Simpler numbers: zeros, then ones, then short decimals, by delta debugging.

An array whose elements are all equal counts as one number, for it is written as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.case import Case
from harness.minimise.arrays import AGAIN, H_N, OUTPUT, arrays_of, with_arrays
from harness.minimise.ddmin import ddmin
from harness.minimise.question import Question
from reference.arrays import Array

__all__ = ["Spot", "filled", "is_uniform", "short_decimals", "simplified", "spots"]

ROUNDS = 3
DIGITS = 9
"""Significant digits that tell every two float32 numbers apart."""


@dataclass(frozen=True)
class Spot:
    """One number of a case: an element of an array, or all of one whose elements are equal."""

    name: str
    index: int | None

    def of(self, case: Case) -> float:
        return float(arrays_of(case)[self.name].flat[self.index or 0])


def is_uniform(array: Array) -> bool:
    """Whether all elements are one number, NaN among them, and there are more than one."""
    first = array.flat[0] if array.size else 0
    return array.size > 1 and bool(((array == first) | ((array != array) & (first != first))).all())


def spots(case: Case) -> list[Spot]:
    """All numbers of a case that are not 0."""
    found = []
    for name, array in arrays_of(case).items():
        if is_uniform(array):
            found += [Spot(name, None)] * bool(array.flat[0] != 0)
        else:
            found += [Spot(name, int(k)) for k in np.flatnonzero(array.ravel() != 0)]
    return found


def simplified(question: Question, case: Case) -> Case:
    """The case with the simplest numbers that still show the finding."""
    for _ in range(ROUNDS):
        before = case
        for change in (_filled, _joined, _zeros, _ones, _shorter):
            case = change(question, case)
        if case is before or question.late:
            break
    return case


def filled(question: Question, case: Case) -> Case:
    """Every array of one number at once, which large cases are not otherwise brought to."""
    for choose in (_leading, lambda _: 0.1, lambda _: 0.3, lambda _: 0.7):
        arrays = {n: np.full_like(a, choose(a)) for n, a in arrays_of(case).items()}
        candidate = with_arrays(case, arrays)
        if question.holds(candidate):
            return candidate
    return case


def _leading(array: Array) -> float:
    """The first digit of the largest number."""
    largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
    return (*short_decimals(largest), 0.0)[0]


def _filled(question: Question, case: Case) -> Case:
    """Whole arrays of one number: cotangents of 1 (a plain sum) and 0, others of 0, 1, 0.1 ..."""
    choices: dict[str, Sequence[float]] = {OUTPUT: (1, 0), H_N: (0, 1)}
    for name, array in arrays_of(case).items():
        if array.size == 1 and name not in choices:
            continue
        largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
        wanted = choices.get(name, (0, 1, 0.1, *short_decimals(largest)))
        for value in wanted:
            whole = np.full_like(array, value)
            if (array == whole).all():
                break
            candidate = with_arrays(case, {name: whole})
            if question.holds(candidate):
                case = candidate
                break
    return case


def _joined(question: Question, case: Case) -> Case:
    """The second call with the x of the first, as far as that still shows it."""
    if case.again is None:
        return case
    flat, first = case.again.ravel(), case.x.ravel()
    differing = [int(k) for k in np.flatnonzero(flat.view(_bits(flat)) != first.view(_bits(flat)))]

    def made(kept: list[int]) -> Case:
        array = first.copy()
        array[kept] = flat[kept]
        return with_arrays(case, {AGAIN: array.reshape(case.x.shape)})

    kept = ddmin(differing, lambda kept: question.holds(made(kept)), lambda: question.late)
    return case if len(kept) == len(differing) else made(kept)


def _bits(array: Array) -> str:
    return f"u{array.itemsize}"


def _zeros(question: Question, case: Case) -> Case:
    """As many numbers as can be are 0."""
    fixed = {OUTPUT, H_N} & {n for n, a in arrays_of(case).items() if (a == 1).all()}
    if _is_its_activation(case):
        fixed |= {"weight_ih_l0"}  # of a layer that computes act(x) the weights are simple enough
    nonzero = [spot for spot in spots(case) if spot.name not in fixed]
    return _without(question, case, nonzero, 0.0)


def _is_its_activation(case: Case) -> bool:
    """One unit that takes x as it is."""
    weights = {name: array.ravel().tolist() for name, array in case.weights.items()}
    return weights == {"weight_ih_l0": [1.0], "weight_hh_l0": [0.0]}


def _ones(question: Question, case: Case) -> Case:
    """As many of the others as can be are 1."""
    return _without(question, case, [s for s in spots(case) if s.of(case) != 1], 1.0)


def _without(question: Question, case: Case, given: list[Spot], value: float) -> Case:
    """Only those of the given numbers stay that must; the others become `value`."""

    def made(kept: list[Spot]) -> Case:
        stays = set(kept)
        return _with(case, {spot: value for spot in given if spot not in stays})

    if question.late or not given:
        return case
    kept = ddmin(given, lambda kept: question.holds(made(kept)), lambda: question.late)
    return case if len(kept) == len(given) else made(kept)


def _shorter(question: Question, case: Case) -> Case:
    """Each number that is left with as few digits as can be, and without a sign if it can."""
    for spot in spots(case):
        if question.late:
            break
        value = spot.of(case)
        if not math.isfinite(value) or value == 1:
            continue
        for shorter in _decimals(value):
            candidate = _with(case, {spot: shorter})
            now = spot.of(candidate)
            if now == value:
                break
            if question.holds(candidate):
                case = candidate
                break
    return case


def _decimals(value: float) -> Iterator[float]:
    """Short ones near it, without sign first; those of one digit more are tried later."""
    for digits in range(1, DIGITS + 1):
        near = short_decimals(value, digits)
        if value < 0:
            yield from (-number for number in near)
        yield from near


def short_decimals(value: float, digits: int = 1) -> tuple[float, ...]:
    """The decimals of so many significant digits around a number, the nearest first."""
    if value == 0 or not math.isfinite(value):
        return ()
    text = f"{value:.{digits - 1}e}"
    mantissa, _, exponent = text.partition("e")
    unit = 10.0 ** -(digits - 1)
    near = (float(mantissa), float(mantissa) + unit, float(mantissa) - unit)
    return tuple(float(f"{m:.{digits - 1}f}e{exponent}") for m in near if m != 0)


def _with(case: Case, values: dict[Spot, float]) -> Case:
    arrays = {name: array.copy() for name, array in arrays_of(case).items()}
    with np.errstate(all="ignore"):
        for spot, value in values.items():
            arrays[spot.name].flat[slice(None) if spot.index is None else spot.index] = value
    return with_arrays(case, arrays)
