"""Simpler numbers: zeros, then ones, then short decimals, by delta debugging.

An array whose elements are all equal counts as one number, for it is written as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.case import Case
from harness.minimise.arrays import arrays_of, derived
from harness.minimise.ddmin import ddmin
from harness.minimise.failure import FailureTest
from reference.arrays import Array

__all__ = ["Entry", "entries", "filled", "is_uniform", "short_decimals", "simplified"]

ROUNDS = 3
DIGITS = 9
"""Significant digits that tell every two float32 numbers apart."""


@dataclass(frozen=True)
class Entry:
    """One number of a case: an element of an array, or all of one whose elements are equal."""

    name: str
    index: int | None

    def of(self, case: Case) -> float:
        return float(arrays_of(case)[self.name].flat[self.index or 0])


def is_uniform(array: Array) -> bool:
    """Whether all elements are one number, NaN among them, and there are more than one."""
    first = array.flat[0] if array.size else 0
    return array.size > 1 and bool(((array == first) | ((array != array) & (first != first))).all())


def entries(case: Case) -> list[Entry]:
    """All numbers of a case that are not 0."""
    found = []
    for name, array in arrays_of(case).items():
        if is_uniform(array):
            found += [Entry(name, None)] * bool(array.flat[0] != 0)
        else:
            found += [Entry(name, int(k)) for k in np.flatnonzero(array.ravel() != 0)]
    return found


def simplified(test: FailureTest, case: Case) -> Case:
    """The case with the simplest numbers that still show the finding."""
    for _ in range(ROUNDS):
        before = case
        for change in (_filled, _equal_calls, _zeros, _ones, _shorter):
            case = change(test, case)
        if case is before or test.out_of_time:
            break
    return case


def filled(test: FailureTest, case: Case) -> Case:
    """Every array of one number at once, which large cases are not otherwise brought to."""
    for choose in (_leading, lambda _: 0.1, lambda _: 0.3, lambda _: 0.7):
        arrays = {n: np.full_like(a, choose(a)) for n, a in arrays_of(case).items()}
        candidate = derived(case, arrays)
        if test.fails(candidate):
            return candidate
    return case


def _leading(array: Array) -> float:
    """The first digit of the largest number."""
    largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
    return (*short_decimals(largest), 0.0)[0]


def _filled(test: FailureTest, case: Case) -> Case:
    """Whole arrays of one number: cotangents of 1 (a plain sum) and 0, others of 0, 1, 0.1 ..."""
    choices: dict[str, Sequence[float]] = {
        name: (1, 0) if name == "output" else (0, 1) for name in case.given_cotangents
    }
    for name, array in arrays_of(case).items():
        if array.size == 1 and name not in choices:
            continue
        largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
        wanted = choices.get(name, (0, 1, 0.1, *short_decimals(largest)))
        for value in wanted:
            whole = np.full_like(array, value)
            if (array == whole).all():
                break
            candidate = derived(case, {name: whole})
            if test.fails(candidate):
                case = candidate
                break
    return case


def _equal_calls(test: FailureTest, case: Case) -> Case:
    """The second call with the x of the first, as far as that still fails."""
    if case.second_x is None:
        return case
    second, first = case.second_x.ravel(), case.x.ravel()
    differing = [
        int(k) for k in np.flatnonzero(second.view(_bits(second)) != first.view(_bits(first)))
    ]

    def made(kept: list[int]) -> Case:
        array = first.copy()
        array[kept] = second[kept]
        return derived(case, {"second_x": array.reshape(case.x.shape)})

    kept = ddmin(differing, lambda kept: test.fails(made(kept)), lambda: test.out_of_time)
    return case if len(kept) == len(differing) else made(kept)


def _bits(array: Array) -> str:
    return f"u{array.itemsize}"


def _zeros(test: FailureTest, case: Case) -> Case:
    """As many numbers as can be are 0."""
    fixed = {name for name, array in case.given_cotangents.items() if (array == 1).all()}
    if _passes_on(case):
        fixed |= {*case.weights}  # they are simple enough
    nonzero = [entry for entry in entries(case) if entry.name not in fixed]
    return _without(test, case, nonzero, 0.0)


def _passes_on(case: Case) -> bool:
    """Whether the case's one layer has the parameters of one that passes on its input."""
    config, passing = case.config, case.config.record.passes(case.config)
    if passing is None or config.num_layers * config.directions > 1:
        return False
    simple = {f"{name}_l0": array for name, array in passing.items()}
    return all(np.array_equal(array, case.weights[name]) for name, array in simple.items())


def _ones(test: FailureTest, case: Case) -> Case:
    """As many of the others as can be are 1."""
    return _without(test, case, [s for s in entries(case) if s.of(case) != 1], 1.0)


def _without(test: FailureTest, case: Case, given: list[Entry], value: float) -> Case:
    """Only those of the given numbers stay that must; the others become `value`."""

    def made(kept: list[Entry]) -> Case:
        stays = set(kept)
        return _with(case, {entry: value for entry in given if entry not in stays})

    if test.out_of_time or not given:
        return case
    kept = ddmin(given, lambda kept: test.fails(made(kept)), lambda: test.out_of_time)
    return case if len(kept) == len(given) else made(kept)


def _shorter(test: FailureTest, case: Case) -> Case:
    """Each number that is left with as few digits as can be, and without a sign if it can."""
    for entry in entries(case):
        if test.out_of_time:
            break
        value = entry.of(case)
        if not math.isfinite(value) or value == 1:
            continue
        for shorter in _decimals(value):
            candidate = _with(case, {entry: shorter})
            now = entry.of(candidate)
            if now == value:
                break
            if test.fails(candidate):
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


def _with(case: Case, values: dict[Entry, float]) -> Case:
    arrays = {name: array.copy() for name, array in arrays_of(case).items()}
    with np.errstate(all="ignore"):
        for entry, value in values.items():
            arrays[entry.name].flat[slice(None) if entry.index is None else entry.index] = value
    return derived(case, arrays)
