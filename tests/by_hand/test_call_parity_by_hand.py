"""Two implementations, or two modes of one, on the same call: outcomes written by hand."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.aspects import Documented
from harness.calls import Call, calls_after
from harness.case import Case, make_case
from harness.checks.call_contained import call_contained
from harness.checks.call_parity import call_parity
from harness.checks.modes import modes
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging.call_outcomes import judge_arrays
from harness.judging.last_step import LastStep
from harness.observe import CallOutcome, Observation
from harness.oracle import Oracle
from harness.probes import Probe
from reference.arrays import Array
from tests import synthetic
from tests.synthetic import wording
from tests.synthetic_calls import (
    CONFIG,
    MEANING,
    SHAPES,
    WEIGHTS,
    call,
    config_of,
    evidence_of,
    layer_with,
    outcome,
    right,
)

PART = "outcome against other"


def against(
    mine: CallOutcome | None, theirs: CallOutcome | None, config: Config = CONFIG
) -> list[Comparison]:
    return list(call_parity(evidence_of(mine, theirs, config)))


def against_as(
    made: Call | None, mine: CallOutcome | None, theirs: CallOutcome | None
) -> Comparison:
    """The two answered this call."""
    with layer_with("it", Documented.OPEN, lambda case: made):
        (result,) = against(mine, theirs, config_of("it"))
    return result


def largest_tolerance(case: Case) -> float:
    return max(float(array.max()) for array in Oracle(case).tolerance.values())


def test_two_refusals_and_one() -> None:
    no, never = outcome("ValueError: no"), outcome("TypeError: never")
    (result,) = against(no, never)
    message = "both refuse: ValueError: no; other: TypeError: never"
    assert wording(result) == (PART, "pass", 1, message, None, 0.0)
    for pair, message in (
        ((no, outcome()), f"mine refuses (ValueError: no); other accepts ({SHAPES})"),
        ((outcome(), no), f"mine accepts ({SHAPES}); other refuses (ValueError: no)"),
    ):
        (result,) = against(*pair)
        assert wording(result) == (PART, "fail", 1, message, "differs", None)
    assert against(None, no) == []
    assert against(no, None) == []
    evidence = dataclasses.replace(evidence_of(no), peer=Observation("other"))
    assert list(call_parity(evidence)) == []


def test_a_call_that_ends_one_of_two() -> None:
    ended, no = outcome("SIGFPE", ended="crashed"), outcome("ValueError: no")
    for pair, message in (
        ((ended, no), "mine ends (SIGFPE); other refuses (ValueError: no)"),
        ((no, ended), "mine refuses (ValueError: no); other ends (SIGFPE)"),
        ((ended, ended), "mine ends (SIGFPE); other ends (SIGFPE)"),
    ):
        (result,) = against(*pair)
        assert wording(result) == (PART, "fail", 1, message, "crashed", None)


def test_two_answers() -> None:
    (result,) = against(outcome(), outcome())
    assert wording(result) == (PART, "pass", 32, "both accept and agree", None, 0.0)
    output, h_n = right()
    for pair in ((output + 1, h_n), (output, h_n + 1)):
        (result,) = against(outcome(), outcome(returned=pair))
        message = "both accept, with different answers"
        assert wording(result)[1:5] == ("fail", 32, message, "disagrees")


def test_an_answer_with_an_array_more_is_another_one() -> None:
    more = outcome(returned=(*right(), right()[1]))
    for pair in ((outcome(), more), (more, outcome())):
        (result,) = against(*pair)
        assert (result.verdict, result.cause) == ("fail", "disagrees")
        assert result.message == f"{SHAPES}; {SHAPES}"


def test_two_answers_may_be_apart_by_twice_the_largest_tolerance() -> None:
    allowed = 2 * largest_tolerance(MEANING)
    output, h_n = (array.astype("d") for array in right())
    moved = output.copy()
    moved.flat[0] += allowed * 0.75
    pair = outcome(returned=(moved, h_n)), outcome(returned=(output, h_n))
    result = against_as(call(), *pair)
    assert result.verdict == "pass"
    assert result.ratio == pytest.approx(0.75, rel=1e-6, abs=0)
    assert result.worst is not None
    assert result.worst.bound == pytest.approx(allowed, rel=1e-6)
    assert result.worst == Worst(
        "output", actual=moved.flat[0], expected=output.flat[0], bound=result.worst.bound
    )


def test_two_answers_are_as_far_apart_as_the_call_they_answer_allows() -> None:
    """What it means; where it means nothing, or is none, the case of the config."""
    steep = make_case(MEANING.config.replace(data="mixed", scale=4))
    own = evidence_of(outcome()).case
    assert largest_tolerance(steep) > 1.4 * largest_tolerance(own)
    output, h_n = (array.astype("d") for array in right())
    moved = output + largest_tolerance(own)
    for made, meant in ((call(meaning=steep), steep), (call(meaning=None), own), (None, own)):
        pair = outcome(returned=(moved, h_n)), outcome(returned=(output, h_n))
        worst = against_as(made, *pair).worst
        assert worst is not None
        assert worst.bound == pytest.approx(2 * largest_tolerance(meant), rel=1e-6, abs=0)


def test_answers_that_cannot_be_compared() -> None:
    output, h_n = right()
    nothing = msgspec.structs.replace(outcome(), returned=None)
    (result,) = against(nothing, outcome())
    assert wording(result)[3:5] == (f"nothing; {SHAPES}", "disagrees")
    for other, shapes in (
        ((output, None), "output float32 (2, 3, 4) and h_n NoneType"),
        ((output, h_n[:, :1]), "output float32 (2, 3, 4) and h_n float32 (1, 1, 4)"),
    ):
        for mine, theirs in ((right(), other), (other, right())):
            (result,) = against(outcome(returned=mine), outcome(returned=theirs))
            message = "; ".join((shapes, SHAPES) if mine is other else (SHAPES, shapes))
            assert wording(result) == (PART, "fail", 1, message, "disagrees", None)


def test_answers_of_different_weights_are_not_compared() -> None:
    message = "both accept, each with weights of its own: not compared"
    moved = {**WEIGHTS, "bias_ih_l0": WEIGHTS["bias_ih_l0"] + 1}
    renamed = {name.upper(): array for name, array in WEIGHTS.items()}
    for weights in (moved, renamed):
        (result,) = against(outcome(), outcome(weights=weights))
        assert wording(result) == (PART, "inconclusive", 0, message, None, None)


def test_two_empty_answers_agree() -> None:
    empty = np.zeros((2, 0, 4), "f"), np.zeros((0, 2, 4), "f")
    (result,) = against(outcome(returned=empty), outcome(returned=empty))
    message = "both accept: output float32 (2, 0, 4) and h_n float32 (0, 2, 4)"
    assert wording(result) == (PART, "pass", 1, message, None, 0.0)


def test_the_call_after() -> None:
    (result,) = call_contained(evidence_of(outcome()))
    assert wording(result) == ("the call after", "pass", 1, "", None, 0.0)
    assert result.requirement == "contained-errors"
    (result,) = call_contained(evidence_of(outcome(aftermath="other bits")))
    assert wording(result) == ("the call after", "fail", 1, "other bits", "unexplained", None)
    assert list(call_contained(evidence_of(None))) == []


def test_the_call_after_of_the_layer_that_took_one() -> None:
    case = make_case(CONFIG.replace(aspect="values"))
    exact = Oracle(case).exact
    ordinary = tuple(exact[name].astype("f") for name in ("output", "h_n"))
    (result,) = call_contained(evidence_of(outcome(ordinary=(ordinary,))))
    assert wording(result) == ("the call after", "pass", 1, "", None, 0.0)
    for wrong, cause in (((ordinary[0] * 2, ordinary[1]), "wrong"), (ordinary[:1], "wrong")):
        (result,) = call_contained(evidence_of(outcome(ordinary=(wrong,))))
        assert (result.verdict, result.cause) == ("fail", cause)
        assert result.message.startswith("an ordinary call after it, of that layer or a new one: ")
        assert result.requirement == "contained-errors"


def test_the_call_after_with_what_was_left_out() -> None:
    usual, other = calls_after(CONFIG)
    assert (usual.states, usual.lengths) != (other.states, other.lengths)
    first, second = (
        tuple(Oracle(make_case(one)).exact[name].astype("f") for name in ("output", "h_n"))
        for one in (usual, other)
    )
    (result,) = call_contained(evidence_of(outcome(ordinary=(first, second))))
    assert wording(result) == ("the call after", "pass", 1, "", None, 0.0)
    (result,) = call_contained(evidence_of(outcome(ordinary=(first, first))))
    assert (result.verdict, result.cause) == ("fail", "wrong")


def test_the_calls_after_a_refused_one_of_the_layer_and_of_a_new_one() -> None:
    right = [
        tuple(Oracle(make_case(one)).exact[name].astype("f") for name in ("output", "h_n"))
        for one in calls_after(CONFIG)
    ]
    refused = functools.partial(outcome, error="ValueError: no")
    (result,) = call_contained(evidence_of(refused(ordinary=(*right, *right))))
    assert wording(result) == ("the call after", "pass", 1, "", None, 0.0)
    (result,) = call_contained(evidence_of(refused(ordinary=(*right, right[0], right[0]))))
    assert (result.verdict, result.cause) == ("fail", "wrong")
    # A layer that does not take the second one is asked the first one alone.
    (result,) = call_contained(evidence_of(refused(ordinary=(right[0], right[0]))))
    assert result.verdict == "pass"
    (result,) = call_contained(evidence_of(refused(ordinary=(right[0], right[1]))))
    assert (result.verdict, result.cause) == ("fail", "wrong")


def test_two_modes_of_one_framework() -> None:
    def found(mine: CallOutcome | None, theirs: CallOutcome | None) -> list[tuple[Any, ...]]:
        eager = Observation("eager", details=theirs)
        evidence = dataclasses.replace(evidence_of(mine), eager=eager)
        results = list(modes(evidence))
        assert all(result.against == "eager" for result in results)
        return [wording(result) for result in results]

    no, ended = outcome("ValueError: no"), outcome("SIGFPE", ended="crashed")
    part = "outcome against eager"
    same = [(part, "pass", 1, "", None, 0.0)]
    for pair in ((outcome(), outcome()), (no, outcome("TypeError: x")), (ended, ended)):
        assert found(*pair) == same
    message = "mine refuses (ValueError: no); eager accepts"
    assert found(no, outcome()) == [(part, "fail", 1, message, "differs", None)]
    message = "mine refuses (SIGFPE); eager refuses (ValueError: no)"
    assert found(ended, no) == [(part, "fail", 1, message, "differs", None)]
    assert found(None, no) == found(no, None) == []
    assert list(modes(evidence_of(no))) == []


def test_two_modes_agree_to_twice_the_tolerance() -> None:
    """1/4 and 1/8 by the oracle's samples, as much again by the last step, all of it twice.

    Without b_hh the exact 5 and 5 would be 7 and 5 1/2: 2 and 1/2 away, of 1 and 1/2 allowed.
    """

    def both(output: float, h_n: float) -> dict[str, Array]:
        return {"output": np.full((1, 1, 1), output), "h_n": np.full((1, 1, 1), h_n)}

    oracle = synthetic.oracle_of(
        both(5.0, 5.0), both(0.25, 0.125), faulty={Probe.BIAS: both(7.0, 5.5)}
    )
    eager = Observation("eager", outputs=both(2.0, 3.0))
    evidence = synthetic.evidence_of(Config.of(), both(3.0, 4.0), oracle=oracle, eager=eager)
    nowhere = {name: array.astype(bool) for name, array in both(0, 0).items()}
    evidence.made[LastStep] = LastStep(both(0.25, 0.125), nowhere)
    output, h_n = modes(evidence)
    assert (output.part, output.verdict, output.ratio) == ("output against eager", "pass", 1)
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n against eager", "fail", 2)
    assert h_n.cause == "unexplained"
    assert {output.against, h_n.against} == {"eager"}
    assert (output.power, h_n.power) == ({"bias": 1}, {"bias": 0})
    for changes in ({"eager": Observation("eager")}, {"observation": Observation("mine")}):
        other: Any = dataclasses.replace(evidence, **changes)  # type: ignore[arg-type]
        assert list(modes(other)) == []


ONE = Config.of(hidden_size=2)


def test_a_nan_is_an_answer_where_it_is_meant() -> None:
    meaning = synthetic.case_of(ONE)
    actual, expected = np.array([math.nan, math.inf, 3], "f"), np.array([math.nan, math.inf, 1.0])
    result = judge_arrays("part", actual, expected, np.array([0.0, 0.0, 1.0]), meaning)
    assert (result.verdict, result.failing, result.ratio) == ("fail", 1, 2)
    assert result.worst == Worst("h_n", actual=3.0, expected=1.0, bound=1.0)
    for one, other in ((math.nan, 1.0), (1.0, math.nan)):
        actual, expected = np.array([0, 0, one], "f"), np.array([0, 0, other])
        result = judge_arrays("part", actual, expected, np.ones(3), meaning)
        assert (result.verdict, result.failing, result.ratio) == ("fail", 1, math.inf)


@pytest.mark.parametrize(("index", "part"), [(7, "output"), (8, "h_n")])
def test_h_n_stands_after_the_output_of_both_directions(index: int, part: str) -> None:
    """Two steps of one row of two units in each direction are eight numbers."""
    meaning = synthetic.case_of(ONE.replace(steps=2, bidirectional=True))
    actual = np.zeros(12, "f")
    actual[index] = 1
    result = judge_arrays("part", actual, np.zeros(12), np.ones(12), meaning)
    assert result.worst is not None
    assert result.worst.output == part
