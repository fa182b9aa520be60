"""Smaller cases from a case: parts of its rows, steps, units, features, layers and options.

Every function here gives another case and asks nothing; `reduced` tries them one after the other
and keeps what still shows the finding. The numbers stay what they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.case import NUMPY_DTYPES, Case
from harness.config import ConfigError
from harness.minimise.arrays import arrays_of, with_arrays
from harness.minimise.ddmin import ddmin
from harness.minimise.question import Answer, Question
from harness.minimise.stack import (
    activation_alone,
    first_layers,
    from_own_state,
    last_layers,
    one_direction,
)
from harness.results import Place
from reference.arrays import Array, IntArray

__all__ = ["reduced"]

ROUNDS = 4


def reduced(question: Question, case: Case) -> Case:
    """A case that still shows the finding, where none of the changes below leads any further."""
    for _ in range(ROUNDS):
        before = case
        for change in (_stack, _options, *_AXES):
            for candidate in change(question, case):
                case = candidate
        if case is before or question.late:
            break
    return case


def _kept(question: Question, make: Callable[[], Case]) -> Case | None:
    """The case that is made, if there is such a config and it shows the finding."""
    try:
        candidate = make()
    except ConfigError:
        return None
    return candidate if question.holds(candidate) else None


def _options(question: Question, case: Case) -> Iterator[Case]:
    """The commonest value of each option, and nothing that can be left away."""
    for simpler in (_plain, _fp32, _without_bias, _without_h_0, _without_lengths, _undropped):
        changed = _kept(question, lambda case=case, simpler=simpler: simpler(case))  # type: ignore[misc]
        if changed is not None and changed.config != case.config:
            case = changed
            yield case


def _plain(case: Case) -> Case:
    config = dataclasses.replace(case.config, data="plain", scale=1)
    return dataclasses.replace(case, config=config, twins=None)


def _undropped(case: Case) -> Case:
    config = dataclasses.replace(case.config, dropout=0, layout="timefirst")
    return dataclasses.replace(case, config=config)


def _fp32(case: Case) -> Case:
    config = dataclasses.replace(case.config, dtype="fp32")
    with np.errstate(all="ignore"):
        arrays = {k: a.astype(NUMPY_DTYPES["fp32"]) for k, a in arrays_of(case).items()}
    return with_arrays(dataclasses.replace(case, config=config), arrays)


def _without_bias(case: Case) -> Case:
    weights = {k: a for k, a in case.weights.items() if not k.startswith("bias")}
    config = dataclasses.replace(case.config, bias=False)
    return dataclasses.replace(case, config=config, weights=weights)


def _without_h_0(case: Case) -> Case:
    return dataclasses.replace(case, config=dataclasses.replace(case.config, h_0=False), h_0=None)


def _without_lengths(case: Case) -> Case:
    config = dataclasses.replace(case.config, lengths="nolens")
    return dataclasses.replace(case, config=config, lengths=None)


def _stack(question: Question, case: Case) -> Iterator[Case]:
    """Fewer layers, one direction, a later start, until none of these shows it any more."""
    while True:
        made = (_kept(question, make) for make in _stacks(question, case))
        changed = next((one for one in made if one is not None), None)
        if changed is None:
            return
        case = changed
        yield case


def _stacks(question: Question, case: Case) -> Iterator[Callable[[], Case]]:
    answer = question.answer(case)
    if answer is None:
        return
    for layers in range(1, case.config.num_layers):
        yield lambda layers=layers: first_layers(case, layers)  # type: ignore[misc]
    for below in range(case.config.num_layers - 1, 0, -1):
        yield lambda below=below: last_layers(case, below, answer.observation)  # type: ignore[misc]
    if case.config.bidirectional:
        yield lambda: one_direction(case, reverse=False)
        yield lambda: one_direction(case, reverse=True)
    yield lambda: activation_alone(case, answer.observation)
    step = None if answer.result.worst is None else answer.result.worst.step
    if step:
        yield lambda: from_own_state(case, step, answer.observation)


Subset = Callable[[Case, Sequence[int]], Case]


def rows(case: Case, keep: Sequence[int]) -> Case:
    """Only these rows of the batch."""
    at = list(keep)
    return _cut(
        case,
        {"batch": len(at)},
        {name: array[:, at] for name, array in _states(case).items()},
        None if case.lengths is None else case.lengths[at],
    )


def steps(case: Case, keep: Sequence[int]) -> Case:
    """Only these steps; lengths count those that were valid.

    Raises:
        ConfigError: nothing would be left of a row, which torch refuses.
    """
    at = list(keep)
    lengths = case.lengths
    if lengths is not None:
        lengths = (np.array(at)[:, None] < lengths).sum(axis=0).astype(lengths.dtype)
        if not lengths.all():
            raise ConfigError("a row without steps")
    changed = {n: a[at] for n, a in _states(case).items() if n not in ("h_0", "cotangent of h_n")}
    return _cut(case, {"steps": len(at)}, changed, lengths)


def features(case: Case, keep: Sequence[int]) -> Case:
    """Only these features of x, and the columns of W_ih that they meet."""
    at = list(keep)
    changed: dict[str, Array] = {
        n: a[..., at] for n, a in arrays_of(case).items() if n in ("x", "x of the second call")
    }
    changed |= {n: a[:, at] for n, a in case.weights.items() if n.startswith("weight_ih_l0")}
    return _cut(case, {"input_size": len(at)}, changed, case.lengths)


def units(case: Case, keep: Sequence[int]) -> Case:
    """Only these units, in every layer and direction."""
    at, size = list(keep), case.config.hidden_size
    sides = [unit + size * side for side in range(case.config.directions) for unit in at]
    changed: dict[str, Array] = {}
    for name, array in arrays_of(case).items():
        if name.startswith("weight_hh"):
            changed[name] = array[np.ix_(at, at)]
        elif name.startswith(("weight_ih_l0", "bias")):
            changed[name] = array[at]
        elif name.startswith("weight_ih"):
            changed[name] = array[np.ix_(at, sides)]
        elif name == "cotangent of output":
            changed[name] = array[..., sides]
        elif name in ("h_0", "cotangent of h_n"):
            changed[name] = array[..., at]
    return _cut(case, {"hidden_size": len(at)}, changed, case.lengths)


def _states(case: Case) -> dict[str, Array]:
    """The arrays (steps or layers, rows, features)."""
    return {n: a for n, a in arrays_of(case).items() if n not in case.weights}


def _cut(
    case: Case, sizes: dict[str, int], arrays: dict[str, Array], lengths: IntArray | None
) -> Case:
    config = dataclasses.replace(case.config, **sizes)  # type: ignore[arg-type]
    return with_arrays(dataclasses.replace(case, config=config, lengths=lengths), arrays)


def _along(size: str, subset: Subset, field: str) -> Callable[[Question, Case], Iterator[Case]]:
    """Delta debugging along one axis; first only where the failure is furthest off."""

    def change(question: Question, case: Case) -> Iterator[Case]:
        count: int = getattr(case.config, size)
        if count == 1:
            return

        def holds(keep: list[int]) -> bool:
            return bool(keep) and _kept(question, lambda: subset(case, keep)) is not None

        at = _at(question.answer(case), field, count)
        kept = (
            [at]
            if at is not None and holds([at])
            else ddmin(range(count), holds, lambda: question.late)
        )
        if len(kept) < count:
            yield subset(case, kept)

    return change


def _at(answer: Answer | None, field: str, count: int) -> int | None:
    place: Place | None = None if answer is None else answer.result.worst
    at: int | None = getattr(place, field) if place is not None and field else None
    return at if at is not None and at < count else None


_AXES = (
    _along("batch", rows, "batch"),
    _along("steps", steps, "step"),
    _along("hidden_size", units, "unit"),
    _along("input_size", features, ""),
)
