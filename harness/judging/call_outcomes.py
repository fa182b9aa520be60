"""What came back from a call as users make it, against what the call means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from harness.axes import from_layout, output_names, shape_of
from harness.bits import same_bits
from harness.calls import Call
from harness.case import Case
from harness.causes import Cause
from harness.comparison import Comparison, Worst, compare
from harness.config import Config
from harness.judging.last_step import may_err_at_exact_states
from harness.observe import CallOutcome
from harness.oracle import Oracle
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = [
    "flat",
    "judge_answer",
    "judge_arrays",
    "malformed",
    "shapes_of",
]


def judge_answer(config: Config, outcome: CallOutcome, call: Call) -> Comparison:
    """An accepted call against what it means."""
    problem = malformed(config, outcome)
    if problem is not None:
        return _wrong(problem)
    assert outcome.returned is not None
    returned = f"accepted, and returned {shapes_of(config, outcome)}"
    if call.empty is not None:
        same = all(
            a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
            for a, b in zip(outcome.returned, call.empty.values(), strict=True)
        )
        if same:
            return Comparison("outcome", Verdict.PASS, 1, returned, ratio=0.0)
        return _wrong(f"{returned}, not what is empty")
    if call.meaning is None:
        message = returned.replace("accepted,", "accepted, though it means nothing,")
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.ACCEPTED)
    meaning = replace(call.meaning, weights=outcome.weights)
    if _shapes(outcome.weights) != _shapes(call.meaning.weights):
        return _wrong("accepted, with other parameters")
    oracle = Oracle(meaning)
    actual = _by_name(meaning.config, outcome.returned)
    if _shapes(actual) != _shapes(oracle.exact):
        return _wrong(f"{returned}, which are not the shapes it means")
    loaded = call.weights.values()
    dtypes = {meaning.x.dtype, *(np.result_type(meaning.x, w) for w in loaded)}
    found = {array.dtype for array in actual.values()}
    if len(found) > 1 or not found <= dtypes:
        return _wrong(f"{returned}, expected {meaning.x.dtype}")
    allowed = may_err_at_exact_states(oracle)
    if outcome.trained is not None and not _undropped(meaning, outcome, allowed):
        return _wrong("in training mode the answer is another one: the layer drops")
    return judge_arrays("outcome", flat(actual), flat(oracle.exact), flat(allowed), meaning)


def judge_arrays(
    part: str, actual: Array, expected: Array, allowed: Array, meaning: Case
) -> Comparison:
    """All outputs, flattened one after the other, against what a call means."""
    wanted = expected.astype(np.float64)
    with np.errstate(all="ignore"):
        ratio = np.abs(actual.astype(np.float64) - wanted) / allowed
        ratio = np.where((actual == wanted) | (np.isnan(actual) & np.isnan(wanted)), 0.0, ratio)
    names = output_names(meaning.config)
    ends = np.cumsum([math.prod(shape_of(meaning.config, name)) for name in names])

    def place(index: tuple[int, ...]) -> Worst:
        return Worst(names[int(np.searchsorted(ends[:-1], index[0], "right"))])

    result = compare(part, actual, wanted, ratio, meaning.fmt, place)
    if result.verdict == Verdict.FAIL:
        message = "accepted, and the answer is not that of the call it stands for"
        return replace(result, message=message, cause=Cause.WRONG)
    return replace(result, message="accepted, with the right answer")


def flat(outputs: Mapping[str, Array]) -> Array:
    """All outputs in one array."""
    return np.concatenate([array.ravel() for array in outputs.values()])


def malformed(config: Config, outcome: CallOutcome) -> str | None:
    """What is wrong with the kind of what came back, or None."""
    names = output_names(config)
    returned = outcome.returned or ()
    if len(returned) == len(names) and all(isinstance(a, np.ndarray) for a in returned):
        return None
    return f"accepted, and returned {shapes_of(config, outcome)}, expected {len(names)} arrays"


def shapes_of(config: Config, outcome: CallOutcome) -> str:
    """What came back, in words."""
    words = [
        f"{name} {a.dtype} {a.shape}" if isinstance(a, np.ndarray) else f"{name} {_kind(a)}"
        for name, a in zip(output_names(config), outcome.returned or (), strict=False)
    ]
    return " and ".join(words) or "nothing"


def _wrong(message: str) -> Comparison:
    return Comparison("outcome", Verdict.FAIL, 1, message, Cause.WRONG)


def _by_name(config: Config, returned: tuple[Any, ...]) -> dict[str, Any]:
    """Outputs by name, time first; as they came where their shapes allow no order."""
    names = output_names(config)
    try:
        pairs = zip(names, returned, strict=True)
        return {name: from_layout(config, name, array) for name, array in pairs}
    except (ValueError, IndexError):
        return dict(zip(names, returned, strict=False))


def _undropped(meaning: Case, outcome: CallOutcome, allowed: Mapping[str, Array]) -> bool:
    """Whether training mode gave the same answer, to rounding: it may have kernels of its own."""
    assert outcome.returned is not None
    assert outcome.trained is not None
    if _same(outcome.returned, outcome.trained):
        return True
    if malformed(meaning.config, msgspec.structs.replace(outcome, returned=outcome.trained)):
        return False
    actual, trained = (_by_name(meaning.config, a) for a in (outcome.returned, outcome.trained))
    alike = [(a.shape, a.dtype) for a in actual.values()]
    if alike != [(a.shape, a.dtype) for a in trained.values()]:
        return False
    return all(
        bool((np.abs(trained[name].astype(np.float64) - a) <= 2 * allowed[name]).all())
        for name, a in actual.items()
    )


def _same(one: tuple[Any, ...], two: tuple[Any, ...]) -> bool:
    return all(isinstance(b, np.ndarray) and same_bits(a, b) for a, b in zip(one, two, strict=True))


def _shapes(arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def _kind(value: object) -> str:
    """The type of something that is no array; from a worker its name came in its place."""
    return value if isinstance(value, str) else type(value).__name__
