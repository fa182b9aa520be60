"""Calls as users make them: accepted or refused as documented, with the right answer.

`call` judges one implementation by torch's documentation, which the mapping page claims for
both: what it calls valid must be accepted and answered rightly, what it calls invalid must be
refused. Where it says nothing both may happen, but an answer must be right. `call_parity` compares
two implementations: both refuse, or both accept and agree. `call_contained` asks that an
ordinary call right behind is unharmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from harness.aspects import CALLS, INVALID, VALID
from harness.bits import same_bits
from harness.calls import Call, make_call
from harness.case import Case
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison, Worst, compare
from harness.evidence import Evidence
from harness.layout import from_layout, states_from_layout
from harness.observe import Reply
from harness.oracle import Oracle
from reference.arrays import Array, Float64Array

__all__ = ["contained", "parity", "reply"]

REFUSED, ACCEPTED, WRONG, DIFFERS = "refused", "accepted", "wrong", "differs"
DISAGREES = "disagrees"


def reply(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison: what was made of the call."""
    aspect = CALLS[evidence.config.aspect]
    facts, call = evidence.observation.facts, make_call(evidence.config)
    if evidence.observation.trouble is not None:
        yield Comparison("outcome", "error", 0, evidence.observation.trouble)
    elif not isinstance(facts, Reply) or call is None:
        message = f"with these sizes nothing is changed: {aspect.says}"
        yield Comparison("outcome", INCONCLUSIVE, 0, message)
    elif facts.ended:
        yield Comparison("outcome", FAIL, 1, facts.error or "", facts.ended)
    elif facts.error is not None:
        yield _refusal(facts, aspect.documented)
    elif aspect.documented == INVALID:
        message = f"accepted silently, and returned {_shapes(facts)}"
        cause = ACCEPTED if call.guess is None or _as_guessed(facts, call.guess) else WRONG
        yield Comparison("outcome", FAIL, 1, message, cause)
    else:
        yield _answer(facts, call)


def _as_guessed(facts: Reply, guess: Case) -> bool:
    """Whether an invalid call was answered as if it were this one."""
    answer = _answer(facts, Call((), {}, (), guess.weights, meaning=guess))
    return answer.verdict == PASS


def _refusal(facts: Reply, documented: str) -> Comparison:
    message = f"refused in the {facts.stage}: {facts.error}"
    if documented == VALID:
        return Comparison("outcome", FAIL, 1, message, REFUSED)
    return Comparison("outcome", PASS, 1, message, ratio=0.0)


def _answer(facts: Reply, call: Call) -> Comparison:
    """An accepted call against what it means."""
    problem = _malformed(facts)
    if problem is not None:
        return Comparison("outcome", FAIL, 1, problem, WRONG)
    assert facts.returned is not None
    if call.empty is not None:
        same = all(
            a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
            for a, b in zip(facts.returned, call.empty, strict=True)
        )
        message = f"accepted, and returned {_shapes(facts)}"
        if same:
            return Comparison("outcome", PASS, 1, message, ratio=0.0)
        return Comparison("outcome", FAIL, 1, f"{message}, not what is empty", WRONG)
    if call.meaning is None:
        message = f"accepted, though it means nothing, and returned {_shapes(facts)}"
        return Comparison("outcome", FAIL, 1, message, ACCEPTED)
    meaning = replace(call.meaning, weights=facts.weights)
    if {n: a.shape for n, a in facts.weights.items()} != {
        n: a.shape for n, a in call.meaning.weights.items()
    }:
        return Comparison("outcome", FAIL, 1, "accepted, with other parameters", WRONG)
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
        message = f"accepted, and returned {_shapes(facts)}, which are not the shapes it means"
        return Comparison("outcome", FAIL, 1, message, WRONG)
    allowed_dtypes = {meaning.x.dtype, *(np.result_type(meaning.x, w) for w in _loaded(call))}
    if actual[0].dtype not in allowed_dtypes or actual[1].dtype != actual[0].dtype:
        message = f"accepted, and returned {_shapes(facts)}, expected {meaning.x.dtype}"
        return Comparison("outcome", FAIL, 1, message, WRONG)
    if facts.trained is not None and not _same_pair(facts.returned, facts.trained):
        message = "in training mode the answer is another one: the layer drops"
        return Comparison("outcome", FAIL, 1, message, WRONG)
    return _judged(
        "outcome", np.concatenate([a.ravel() for a in actual]), expected, allowed, meaning
    )


def _judged(
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
    if result.verdict == FAIL:
        message = "accepted, and the answer is not that of the call it stands for"
        return replace(result, message=message, cause=WRONG)
    return replace(result, message="accepted, with the right answer")


def _loaded(call: Call) -> list[Array]:
    return list(call.weights.values())


def _same_pair(one: tuple[Any, Any], two: tuple[Any, Any]) -> bool:
    return all(isinstance(b, np.ndarray) and same_bits(a, b) for a, b in zip(one, two, strict=True))


def _malformed(facts: Reply) -> str | None:
    if facts.returned is None or not all(isinstance(a, np.ndarray) for a in facts.returned):
        return f"accepted, and returned {_shapes(facts)}, expected two arrays"
    return None


def _shape(array: Array) -> tuple[int, ...]:
    return tuple(array.shape)


def _shapes(facts: Reply) -> str:
    words = [
        f"{name} {a.dtype} {a.shape}" if isinstance(a, np.ndarray) else f"{name} {_kind(a)}"
        for name, a in zip(("output", "h_n"), facts.returned or (), strict=False)
    ]
    return " and ".join(words) or "nothing"


def _kind(value: object) -> str:
    """The type of something that is no array; from a worker its name came in its place."""
    return value if isinstance(value, str) else type(value).__name__


def parity(evidence: Evidence) -> Iterator[Comparison]:
    """Two implementations on the same call."""
    peer = evidence.peer
    if peer is None:
        return
    mine, theirs = evidence.observation.facts, peer.facts
    if not isinstance(mine, Reply) or not isinstance(theirs, Reply):
        return
    part = f"outcome against {peer.backend}"
    ended = mine.ended or theirs.ended
    if (mine.error is None) == (theirs.error is None) and not ended:
        if mine.error is None:
            yield _agreement(part, evidence, mine, theirs)
            return
        message = f"both refuse: {mine.error}; {peer.backend}: {theirs.error}"
        yield Comparison(part, PASS, 1, message, ratio=0.0)
        return
    yield Comparison(
        part,
        FAIL,
        1,
        f"{evidence.observation.backend} {_outcome(mine)}; {peer.backend} {_outcome(theirs)}",
        ended or DIFFERS,
    )


def _outcome(facts: Reply) -> str:
    if facts.error is not None:
        return f"{'ends' if facts.ended else 'refuses'} ({facts.error})"
    return f"accepts ({_shapes(facts)})"


def _agreement(part: str, evidence: Evidence, mine: Reply, theirs: Reply) -> Comparison:
    """Both accept: the same answer, to twice the tolerance of what the call means."""
    if _malformed(mine) or _malformed(theirs):
        return Comparison(part, FAIL, 1, f"{_shapes(mine)}; {_shapes(theirs)}", DISAGREES)
    assert mine.returned is not None
    assert theirs.returned is not None
    if _shapes(mine) != _shapes(theirs):
        return Comparison(part, FAIL, 1, f"{_shapes(mine)}; {_shapes(theirs)}", DISAGREES)
    if (
        any(
            a.tobytes() != b.tobytes()
            for a, b in zip(mine.weights.values(), theirs.weights.values(), strict=True)
        )
        if mine.weights.keys() == theirs.weights.keys()
        else True
    ):
        message = "both accept, each with weights of its own: not compared"
        return Comparison(part, INCONCLUSIVE, 0, message)
    actual = np.concatenate([a.ravel() for a in mine.returned])
    expected = np.concatenate([a.ravel() for a in theirs.returned]).astype(np.float64)
    if actual.size == 0:
        return Comparison(part, PASS, 1, f"both accept: {_shapes(mine)}", ratio=0.0)
    call = make_call(evidence.config)
    meaning = evidence.case if call is None or call.meaning is None else call.meaning
    tolerance = Oracle(meaning).tolerance
    allowed: Float64Array = np.full(
        actual.shape, 2 * max(tolerance.output.max(), tolerance.h_n.max())
    )
    result = _judged(part, actual, expected, allowed, meaning)
    if result.verdict == FAIL:
        return replace(result, message="both accept, with different answers", cause=DISAGREES)
    return replace(result, message="both accept and agree")


def contained(evidence: Evidence) -> Iterator[Comparison]:
    """The call behind it: an error of one call belongs to that call."""
    facts = evidence.observation.facts
    if not isinstance(facts, Reply):
        return
    verdict = PASS if facts.afterwards is None else FAIL
    yield Comparison(
        "the call behind",
        verdict,
        1,
        facts.afterwards or "",
        "unexplained" if verdict == FAIL else None,
        ratio=0.0 if verdict == PASS else None,
        requirement="contained-errors",
    )
