"""Smaller cases from a case: parts of its rows, steps, units, features, layers and options.

The numbers stay what they are. `reduced` tries one change after the other and keeps what still
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.axes import gates_of_units, outputs_of_units, take
from harness.case import Case
from harness.config import ConfigError
from harness.minimise.arrays import arrays_of, derived
from harness.minimise.ddmin import ddmin
from harness.minimise.failure import FailureTest
from harness.minimise.stack import (
    activation_alone,
    first_layers,
    from_own_state,
    last_layers,
    one_direction,
)
from reference.arrays import Array

__all__ = ["cut", "reduced"]

ROUNDS = 4

SIMPLER: tuple[Mapping[str, Any], ...] = (
    {"data": "plain", "scale": 1},
    {"dtype": "fp32"},
    {"bias": False},
    {"states": False},
    {"lengths": "nolengths"},
    {"dropout": 0, "layout": "timefirst"},
)
"""The commonest value of each option, and nothing that can be left away."""


@dataclass(frozen=True)
class _Axis:
    """An axis, the config's size of it, and the field of a place that says where on it."""

    name: str
    size: str
    place: str | None


AXES = {
    axis.name: axis
    for axis in (
        _Axis("rows", "batch", "batch"),
        _Axis("steps", "steps", "step"),
        _Axis("units", "hidden_size", "unit"),
        _Axis("features", "input_size", None),
    )
}


def reduced(test: FailureTest, case: Case) -> Case:
    """A case that still fails, where none of the changes below leads any further."""
    for _ in range(ROUNDS):
        before = case
        case = _options(test, _stack(test, case))
        for axis in AXES.values():
            case = _along(test, case, axis)
        if case is before or test.out_of_time:
            break
    return case


def cut(case: Case, axis: str, keep: Sequence[int]) -> Case:
    """Of one axis ("rows", "steps", "units" or "features") only these places, in every array.

    Lengths count the steps that were valid.

    Raises:
        ConfigError: nothing would be left of a row, which torch refuses.
    """
    config, places = case.config, {axis: keep}
    if axis == "units":
        outputs = outputs_of_units(config, keep)
        places |= {"outputs": outputs, "inputs": outputs, "gates": gates_of_units(config, keep)}
    lengths: dict[str, Array] = {n: a for n, a in case.inputs.items() if n == "lengths"}
    arrays = take(config, {**arrays_of(case), **lengths}, places)
    if axis == "steps" and lengths:
        left = case.valid[list(keep)].sum(axis=0)
        if not left.all():
            raise ConfigError("a row without steps")
        arrays["lengths"] = left.astype(lengths["lengths"].dtype)
    return derived(case, arrays, **{AXES[axis].size: len(keep)})


def _if_failing(test: FailureTest, make: Callable[[], Case]) -> Case | None:
    """The case that is made, if there is such a config and it fails."""
    try:
        candidate = make()
    except ConfigError:
        return None
    return candidate if test.fails(candidate) else None


def _options(test: FailureTest, case: Case) -> Case:
    for changes in SIMPLER:
        if any(getattr(case.config, name) != value for name, value in changes.items()):
            case = _if_failing(test, partial(derived, case, **changes)) or case
    return case


def _stack(test: FailureTest, case: Case) -> Case:
    """Fewer layers, one direction, a later start, until none of these fails any more."""
    while True:
        made = (_if_failing(test, make) for make in _stacks(test, case))
        smaller = next((one for one in made if one is not None), None)
        if smaller is None:
            return case
        case = smaller


def _stacks(test: FailureTest, case: Case) -> Iterator[Callable[[], Case]]:
    failure = test.failure(case)
    if failure is None:
        return
    seen, worst = failure.observation, failure.result.worst
    for layers in range(1, case.config.num_layers):
        yield partial(first_layers, case, layers)
    for below in range(case.config.num_layers - 1, 0, -1):
        yield partial(last_layers, case, below, seen)
    if case.config.bidirectional:
        yield partial(one_direction, case, reverse=False)
        yield partial(one_direction, case, reverse=True)
    yield partial(activation_alone, case, seen)
    if worst is not None and worst.step:
        yield partial(from_own_state, case, worst.step, seen)


def _along(test: FailureTest, case: Case, axis: _Axis) -> Case:
    """Delta debugging along one axis; first only where the failure is furthest off."""
    count: int = getattr(case.config, axis.size)
    if count == 1:
        return case

    def fails(keep: list[int]) -> bool:
        return bool(keep) and _if_failing(test, partial(cut, case, axis.name, keep)) is not None

    at = _worst(test, case, axis)
    alone = at is not None and at < count and fails([at])
    kept = (
        [at] if at is not None and alone else ddmin(range(count), fails, lambda: test.out_of_time)
    )
    return cut(case, axis.name, kept) if len(kept) < count else case


def _worst(test: FailureTest, case: Case, axis: _Axis) -> int | None:
    failure = test.failure(case)
    place = None if failure is None else failure.result.worst
    at: int | None = getattr(place, axis.place) if place is not None and axis.place else None
    return at
