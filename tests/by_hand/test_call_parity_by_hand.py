"""Two implementations, or two modes of one, on the same call: replies made up by hand."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import made_up
import msgspec
import numpy as np
import pytest
from made_up_calls import MEANING, SHAPES, WEIGHTS, call, evidence_of, reply, right, said

from harness.case import make_case
from harness.checks import call_contained, call_parity, modes
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging import replies
from harness.judging.last_step import LastStep
from harness.observe import Forward, Observation, Reply
from harness.oracle import Oracle
from harness.probes import Probe


def against(mine: Reply | None, theirs: Reply | None) -> list[Comparison]:
    return list(call_parity.call_parity(evidence_of(mine, peer=theirs)))


def test_two_refusals_and_one() -> None:
    no, never = reply("ValueError: no"), reply("TypeError: never")
    (result,) = against(no, never)
    message = "both refuse: ValueError: no; other: TypeError: never"
    assert said(result) == ("outcome against other", "pass", 1, message, None, 0.0)
    for pair, message in (
        ((no, reply()), f"mine refuses (ValueError: no); other accepts ({SHAPES})"),
        ((reply(), no), f"mine accepts ({SHAPES}); other refuses (ValueError: no)"),
    ):
        (result,) = against(*pair)
        assert said(result) == ("outcome against other", "fail", 1, message, "differs", None)
    assert against(None, no) == []
    assert against(no, None) == []
    evidence = dataclasses.replace(evidence_of(no), peer=Observation("other"))
    assert list(call_parity.call_parity(evidence)) == []


def test_a_call_that_ends_one_of_two() -> None:
    ended, no = reply("SIGFPE", ended="crashed"), reply("ValueError: no")
    for pair, message in (
        ((ended, no), "mine ends (SIGFPE); other refuses (ValueError: no)"),
        ((no, ended), "mine refuses (ValueError: no); other ends (SIGFPE)"),
        ((ended, ended), "mine ends (SIGFPE); other ends (SIGFPE)"),
    ):
        (result,) = against(*pair)
        assert said(result) == ("outcome against other", "fail", 1, message, "crashed", None)


def test_two_answers() -> None:
    (result,) = against(reply(), reply())
    assert said(result) == ("outcome against other", "pass", 32, "both accept and agree", None, 0.0)
    output, h_n = right()
    for pair in ((output + 1, h_n), (output, h_n + 1)):
        (result,) = against(reply(), reply(returned=pair))
        assert result.verdict == "fail"
        assert (result.cause, result.message) == (
            "disagrees",
            "both accept, with different answers",
        )


def test_two_answers_may_be_apart_by_twice_the_largest_tolerance(monkeypatch: Any) -> None:
    tolerance = Oracle(MEANING).tolerance
    made = call()
    monkeypatch.setattr(call_parity, "make_call", lambda config: made)
    allowed = 2 * max(tolerance.output.max(), tolerance.h_n.max())
    output, h_n = (array.astype("d") for array in right())
    moved = output.copy()
    moved.flat[0] += allowed * 0.75
    (result,) = against(reply(returned=(moved, h_n)), reply(returned=(output, h_n)))
    assert (result.verdict, result.ratio) == ("pass", pytest.approx(0.75, rel=1e-6, abs=0))
    assert result.worst == Worst(
        "output",
        actual=moved.flat[0],
        expected=output.flat[0],
        bound=pytest.approx(allowed, rel=1e-6),
    )


def test_two_answers_are_as_far_apart_as_the_call_they_answer_allows(monkeypatch: Any) -> None:
    """What it means; where it means nothing, or is none, the case of the config."""
    steep = make_case(dataclasses.replace(MEANING.config, data="mixed", scale=4))
    own = evidence_of(reply()).case

    def twice_the_largest(case: Any) -> float:
        tolerance = Oracle(case).tolerance
        return 2 * float(max(tolerance.output.max(), tolerance.h_n.max()))

    assert twice_the_largest(steep) > 1.5 * twice_the_largest(own)
    output, h_n = (array.astype("d") for array in right())
    moved = output + twice_the_largest(own) / 2
    for made, meant in ((call(meaning=steep), steep), (call(meaning=None), own), (None, own)):
        monkeypatch.setattr(call_parity, "make_call", {own.config: made}.__getitem__)
        (result,) = against(reply(returned=(moved, h_n)), reply(returned=(output, h_n)))
        assert result.worst.bound == pytest.approx(twice_the_largest(meant), rel=1e-6, abs=0)


def test_answers_that_cannot_be_compared() -> None:
    output, h_n = right()
    nothing = msgspec.structs.replace(reply(), returned=None)
    (result,) = against(nothing, reply())
    assert said(result)[3:5] == (f"nothing; {SHAPES}", "disagrees")
    for other, shapes in (
        ((output, None), "output float32 (2, 3, 4) and h_n NoneType"),
        ((output, h_n[:, :1]), "output float32 (2, 3, 4) and h_n float32 (1, 1, 4)"),
    ):
        for mine, theirs in ((right(), other), (other, right())):
            (result,) = against(reply(returned=mine), reply(returned=theirs))
            words = (shapes, SHAPES) if mine is other else (SHAPES, shapes)
            message = "; ".join(words)
            assert said(result) == (
                "outcome against other", "fail", 1, message, "disagrees", None,
            )  # fmt: skip


def test_answers_of_different_weights_are_not_compared() -> None:
    message = "both accept, each with weights of its own: not compared"
    moved = {**WEIGHTS, "bias_ih_l0": WEIGHTS["bias_ih_l0"] + 1}
    renamed = {name.upper(): array for name, array in WEIGHTS.items()}
    for weights in (moved, renamed):
        (result,) = against(reply(), reply(weights=weights))
        assert said(result) == ("outcome against other", "inconclusive", 0, message, None, None)


def test_two_empty_answers_agree() -> None:
    empty = np.zeros((2, 0, 4), "f"), np.zeros((0, 2, 4), "f")
    (result,) = against(reply(returned=empty), reply(returned=empty))
    message = "both accept: output float32 (2, 0, 4) and h_n float32 (0, 2, 4)"
    assert said(result) == ("outcome against other", "pass", 1, message, None, 0.0)


def test_the_call_behind() -> None:
    (result,) = call_contained.call_contained(evidence_of(reply()))
    assert said(result) == ("the call behind", "pass", 1, "", None, 0.0)
    assert result.requirement == "contained-errors"
    (result,) = call_contained.call_contained(evidence_of(reply(afterwards="other bits")))
    assert said(result) == ("the call behind", "fail", 1, "other bits", "unexplained", None)
    assert list(call_contained.call_contained(evidence_of(None))) == []


def test_two_modes_of_one_framework() -> None:
    def found(mine: Reply | None, theirs: Reply | None) -> list[tuple[Any, ...]]:
        eager = Observation("eager", facts=theirs)
        evidence = dataclasses.replace(evidence_of(mine), eager=eager)
        return [said(result) for result in modes.modes(evidence)]

    no, ended = reply("ValueError: no"), reply("SIGFPE", ended="crashed")
    part = "outcome against eager"
    same = [(part, "pass", 1, "", None, 0.0)]
    assert (
        found(reply(), reply()) == found(no, reply("TypeError: x")) == found(ended, ended) == same
    )
    message = "mine refuses (ValueError: no); eager accepts"
    assert found(no, reply()) == [(part, "fail", 1, message, "differs", None)]
    message = "mine refuses (SIGFPE); eager refuses (ValueError: no)"
    assert found(ended, no) == [(part, "fail", 1, message, "differs", None)]
    assert found(None, no) == found(no, None) == []
    assert list(modes.modes(evidence_of(no))) == []


def test_two_modes_agree_to_twice_the_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    """1/4 and 1/8 by the oracle's samples, as much again by the last step, all of it twice.

    Without b_hh the exact 5 and 5 would be 7 and 5 1/2: 2 and 1/2 away, of 1 and 1/2 allowed.
    """
    allowed = Forward(np.full((1, 1, 1), 0.25), np.full((1, 1, 1), 0.125))
    exact = Forward(np.full((1, 1, 1), 5.0), np.full((1, 1, 1), 5.0))
    bias = Forward(np.full((1, 1, 1), 7.0), np.full((1, 1, 1), 5.5))
    oracle = SimpleNamespace(tolerance=allowed, exact=exact, faulty={Probe.BIAS: bias})
    nowhere = Forward(np.zeros((1, 1, 1), bool), np.zeros((1, 1, 1), bool))
    monkeypatch.setattr(
        modes, "last_step_of", lambda of: {id(evidence): LastStep(allowed, nowhere)}[id(of)]
    )
    answers = [Forward(np.full((1, 1, 1), v), np.full((1, 1, 1), v + 1)) for v in (3.0, 2.0)]
    mine, eager = (
        Observation(n, forward=f) for n, f in zip(("mine", "eager"), answers, strict=True)
    )
    evidence = made_up.evidence_of(
        Config(), oracle=oracle, observation=mine, eager=eager, forward=answers[0]
    )
    output, h_n = modes.modes(evidence)
    assert (output.part, output.verdict, output.ratio) == ("output against eager", "pass", 1)
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n against eager", "fail", 2)
    assert h_n.cause == "unexplained"
    assert (output.power, h_n.power) == ({"bias": 1}, {"bias": 0})
    for changes in ({"eager": Observation("eager")}, {"observation": Observation("mine")}):
        vars(evidence).update(changes)
        assert list(modes.modes(evidence)) == []
        vars(evidence).update(eager=eager, observation=mine)


def test_a_nan_is_an_answer_where_it_is_meant() -> None:
    config = SimpleNamespace(steps=1, batch=1, directions=1, hidden_size=2)
    meaning = SimpleNamespace(config=config, fmt=MEANING.fmt)
    actual, expected = np.array([math.nan, math.inf, 3], "f"), np.array([math.nan, math.inf, 1.0])
    result = replies.judge_arrays("part", actual, expected, np.array([0.0, 0.0, 1.0]), meaning)
    assert (result.verdict, result.failing, result.ratio) == ("fail", 1, 2)
    assert result.worst == Worst("h_n", actual=3.0, expected=1.0, bound=1.0)
    for one, other in ((math.nan, 1.0), (1.0, math.nan)):
        actual, expected = np.array([0, 0, one], "f"), np.array([0, 0, other])
        result = replies.judge_arrays("part", actual, expected, np.ones(3), meaning)
        assert (result.verdict, result.failing, result.ratio) == ("fail", 1, math.inf)


@pytest.mark.parametrize(("index", "part"), [(7, "output"), (8, "h_n")])
def test_h_n_stands_behind_the_output_of_both_directions(index: int, part: str) -> None:
    """Two steps of one row of two units in each direction are eight numbers."""
    config = SimpleNamespace(steps=2, batch=1, directions=2, hidden_size=2)
    meaning = SimpleNamespace(config=config, fmt=MEANING.fmt)
    actual = np.zeros(12, "f")
    actual[index] = 1
    result = replies.judge_arrays("part", actual, np.zeros(12), np.ones(12), meaning)
    assert result.worst.output == part
