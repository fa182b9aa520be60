"""What came back from a call as users make it, against what the call means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.bits import same_bits
from harness.calls import Call
from harness.case import Case
from harness.causes import Cause
from harness.comparison import Comparison, Worst, compare
from harness.layout import from_layout, states_from_layout
from harness.observe import Reply
from harness.oracle import Oracle
from harness.verdicts import Verdict
from reference.arrays import Array, Float64Array

__all__ = ["judge_answer", "judge_arrays", "malformed", "shapes_of"]


def judge_answer(facts: Reply, call: Call) -> Comparison:
    """An accepted call against what it means."""
    problem = malformed(facts)
    if problem is not None:
        return Comparison("outcome", Verdict.FAIL, 1, problem, Cause.WRONG)
    assert facts.returned is not None
    if call.empty is not None:
        same = all(
            a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
            for a, b in zip(facts.returned, call.empty, strict=True)
        )
        message = f"accepted, and returned {shapes_of(facts)}"
        if same:
            return Comparison("outcome", Verdict.PASS, 1, message, ratio=0.0)
        return Comparison("outcome", Verdict.FAIL, 1, f"{message}, not what is empty", Cause.WRONG)
    if call.meaning is None:
        message = f"accepted, though it means nothing, and returned {shapes_of(facts)}"
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.ACCEPTED)
    meaning = replace(call.meaning, weights=facts.weights)
    if {n: a.shape for n, a in facts.weights.items()} != {
        n: a.shape for n, a in call.meaning.weights.items()
    }:
        return Comparison(
            "outcome", Verdict.FAIL, 1, "accepted, with other parameters", Cause.WRONG
        )
    oracle = Oracle(meaning)
    expected = np.concatenate([oracle.exact.output.ravel(), oracle.exact.h_n.ravel()])
    allowed = np.concatenate([oracle.tolerance.output.ravel(), oracle.tolerance.h_n.ravel()])
    config = meaning.config
    output, h_n = facts.returned
    shapes = (_shape(oracle.exact.output), _shape(oracle.exact.h_n))
    try:
        actual = (from_layout(output, config), states_from_layout(h_n, config))
    except (ValueError, IndexError):
        actual = (output, h_n)
    if (_shape(actual[0]), _shape(actual[1])) != shapes:
        message = f"accepted, and returned {shapes_of(facts)}, which are not the shapes it means"
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.WRONG)
    allowed_dtypes = {meaning.x.dtype, *(np.result_type(meaning.x, w) for w in _loaded(call))}
    if actual[0].dtype not in allowed_dtypes or actual[1].dtype != actual[0].dtype:
        message = f"accepted, and returned {shapes_of(facts)}, expected {meaning.x.dtype}"
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.WRONG)
    if facts.trained is not None and not _same_pair(facts.returned, facts.trained):
        message = "in training mode the answer is another one: the layer drops"
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.WRONG)
    return judge_arrays(
        "outcome", np.concatenate([a.ravel() for a in actual]), expected, allowed, meaning
    )


def judge_arrays(
    part: str, actual: Array, expected: Float64Array, allowed: Float64Array, meaning: Case
) -> Comparison:
    """Output and h_n, flattened behind each other, against what a call means."""
    with np.errstate(all="ignore"):
        ratio = np.abs(actual.astype(np.float64) - expected) / allowed
        ratio = np.where((actual == expected) | (np.isnan(actual) & np.isnan(expected)), 0.0, ratio)
    size = meaning.config.steps * meaning.config.batch * meaning.config.directions
    split = size * meaning.config.hidden_size

    def locate(index: tuple[int, ...]) -> Worst:
        return Worst("output" if index[0] < split else "h_n")

    result = compare(part, actual, expected, ratio, meaning.fmt, locate)
    if result.verdict == Verdict.FAIL:
        message = "accepted, and the answer is not that of the call it stands for"
        return replace(result, message=message, cause=Cause.WRONG)
    return replace(result, message="accepted, with the right answer")


def _loaded(call: Call) -> list[Array]:
    return list(call.weights.values())


def _same_pair(one: tuple[Any, Any], two: tuple[Any, Any]) -> bool:
    return all(isinstance(b, np.ndarray) and same_bits(a, b) for a, b in zip(one, two, strict=True))


def malformed(facts: Reply) -> str | None:
    if facts.returned is None or not all(isinstance(a, np.ndarray) for a in facts.returned):
        return f"accepted, and returned {shapes_of(facts)}, expected two arrays"
    return None


def _shape(array: Array) -> tuple[int, ...]:
    return tuple(array.shape)


def shapes_of(facts: Reply) -> str:
    words = [
        f"{name} {a.dtype} {a.shape}" if isinstance(a, np.ndarray) else f"{name} {_kind(a)}"
        for name, a in zip(("output", "h_n"), facts.returned or (), strict=False)
    ]
    return " and ".join(words) or "nothing"


def _kind(value: object) -> str:
    """The type of something that is no array; from a worker its name came in its place."""
    return value if isinstance(value, str) else type(value).__name__
