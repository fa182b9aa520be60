"""Verdicts about calls, from replies made up by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from made_up_calls import CONFIG, MEANING, SHAPES, WEIGHTS, call, evidence_of, reply, right, said

from harness.calls import Call
from harness.checks import call as call_check
from harness.observe import Reply


@pytest.fixture
def calls(monkeypatch: Any) -> Any:
    """Sets the call that is made, and whether it is documented as valid."""

    def made(documented: str, given: Call | None) -> None:
        aspect = SimpleNamespace(documented=documented, says="a call", requirement="x")
        monkeypatch.setattr(call_check, "CALLS", {"call.x.flat": aspect})
        monkeypatch.setattr(call_check, "make_call", {CONFIG: given}.__getitem__)

    return made


def judged(facts: Reply | None, **changes: Any) -> tuple[Any, ...]:
    (result,) = call_check.call(evidence_of(facts, **changes))
    return said(result)


def test_a_call_that_was_not_made(calls: Any) -> None:
    calls("valid", call())
    assert judged(None, trouble="no") == ("outcome", "error", 0, "no", None, None)
    message = "with these sizes nothing is changed: a call"
    nothing = ("outcome", "inconclusive", 0, message, None, None)
    assert judged(None) == nothing
    calls("valid", None)
    assert judged(reply()) == nothing


def test_a_call_that_ends_the_process(calls: Any) -> None:
    calls("open", call())
    found = judged(reply("SIGFPE", ended="crashed"))
    assert found == ("outcome", "fail", 1, "SIGFPE", "crashed", None)
    assert judged(reply(None, ended="hung"))[3:5] == ("", "hung")


def test_refusals(calls: Any) -> None:
    message = "refused in the build: ValueError: no"
    refused = reply("ValueError: no", stage="build")
    for documented in ("open", "invalid"):
        calls(documented, call())
        assert judged(refused) == ("outcome", "pass", 1, message, None, 0.0)
    calls("valid", call())
    assert judged(refused) == ("outcome", "fail", 1, message, "refused", None)


def test_invalid_calls_that_are_accepted(calls: Any) -> None:
    message = f"accepted silently, and returned {SHAPES}"
    output, h_n = right()
    for guess, returned, cause in (
        (None, (output, h_n), "accepted"),
        (MEANING, (output, h_n), "accepted"),
        (MEANING, (2 * output, h_n), "wrong"),
    ):
        calls("invalid", call(meaning=None, guess=guess))
        found = judged(reply(returned=returned))
        assert found == ("outcome", "fail", 1, message, cause, None)


def test_right_answers(calls: Any) -> None:
    for documented in ("valid", "open"):
        calls(documented, call())
        part, verdict, compared, message, cause, ratio = judged(reply())
        assert (part, verdict, compared) == ("outcome", "pass", 32)
        assert (message, cause) == ("accepted, with the right answer", None)
        assert 0 <= ratio < 0.5


@pytest.mark.parametrize("part", [0, 1])
def test_wrong_answers(calls: Any, part: int) -> None:
    calls("valid", call())
    pair = right()
    pair[part].flat[-1] += 0.5
    (result,) = call_check.call(evidence_of(reply(returned=pair)))
    message = "accepted, and the answer is not that of the call it stands for"
    assert said(result)[:5] == ("outcome", "fail", 32, message, "wrong")
    assert result.worst is not None
    assert result.worst.output == ("output", "h_n")[part]
    assert result.failing == 1


def wrong(message: str, cause: str = "wrong") -> tuple[Any, ...]:
    return "outcome", "fail", 1, message, cause, None


def test_answers_that_are_no_two_arrays(calls: Any) -> None:
    calls("valid", call())
    output, _ = right()
    start = "accepted, and returned "
    found = judged(reply(returned=(output, 3.5)))
    assert found == wrong(start + "output float32 (2, 3, 4) and h_n float, expected two arrays")
    found = judged(reply(returned=("Tensor", output)))
    assert found == wrong(start + "output Tensor and h_n float32 (2, 3, 4), expected two arrays")
    facts = msgspec.structs.replace(reply(), returned=None)
    assert judged(facts) == wrong(start + "nothing, expected two arrays")


def test_answers_of_other_shapes_parameters_and_dtypes(calls: Any) -> None:
    calls("valid", call())
    output, h_n = right()
    not_meant = ", which are not the shapes it means"
    for pair, shapes in (
        ((output[:, :2], h_n), "output float32 (2, 2, 4) and h_n float32 (1, 2, 4)"),
        ((output, h_n[:, :1]), "output float32 (2, 3, 4) and h_n float32 (1, 1, 4)"),
        ((output[0, 0, 0], h_n), None),
    ):
        found = judged(reply(returned=tuple(np.asarray(a) for a in pair)))
        shapes = shapes or f"output float32 () and {SHAPES.split(' and ')[1]}"
        assert found == wrong(f"accepted, and returned {shapes}{not_meant}")
    other = {**WEIGHTS, "bias_ih_l0": np.zeros(3, "f")}
    assert judged(reply(weights=other)) == wrong("accepted, with other parameters")
    wide = judged(reply(returned=(output.astype("d"), h_n.astype("d"))))
    shapes = SHAPES.replace("float32", "float64")
    assert wide == wrong(f"accepted, and returned {shapes}, expected float32")
    mixed = judged(reply(returned=(output, h_n.astype("d"))))
    shapes = "output float32 (2, 3, 4) and h_n float64 (1, 2, 4)"
    assert mixed == wrong(f"accepted, and returned {shapes}, expected float32")
    narrow = {name: array.astype("f2") for name, array in WEIGHTS.items()}
    calls("valid", call(weights=narrow))
    half = tuple(array.astype("f2") for array in (output, h_n))
    shapes = SHAPES.replace("float32", "float16")
    assert judged(reply(returned=half)) == wrong(
        f"accepted, and returned {shapes}, expected float32"
    )
    wider = {name: array.astype("d") for name, array in WEIGHTS.items()}
    calls("valid", call(weights=wider))
    assert judged(reply(returned=(output.astype("d"), h_n.astype("d"))))[1] == "pass"


def test_an_answer_is_that_of_the_weights_the_layer_had(calls: Any) -> None:
    other = {name: array + np.float32(0.25) for name, array in WEIGHTS.items()}
    calls("valid", call())
    assert judged(reply(weights=other))[1] == "fail"


def test_training_mode_gives_the_same_answer_where_it_must(calls: Any) -> None:
    calls("valid", call())
    output, h_n = right()
    assert judged(reply(trained=(output, h_n)))[1] == "pass"
    message = "in training mode the answer is another one: the layer drops"
    for pair in ((output, h_n + 1), (0 * output, h_n), (output, "h_n"), (output, h_n.astype("d"))):
        assert judged(reply(trained=pair)) == wrong(message)


def test_answers_without_elements(calls: Any) -> None:
    empty = np.zeros((2, 0, 4), "f"), np.ones((1, 2, 4), "f")
    calls("open", call(empty=empty))
    message = "accepted, and returned output float32 (2, 0, 4) and h_n float32 (1, 2, 4)"
    assert judged(reply(returned=empty)) == ("outcome", "pass", 1, message, None, 0.0)
    for other in (
        (empty[0], 2 * empty[1]),
        (np.zeros((2, 0, 3), "f"), empty[1]),
        (empty[0].astype("d"), empty[1]),
    ):
        found = judged(reply(returned=other))
        assert found[:2] == ("outcome", "fail")
        assert (found[2], found[4], found[5]) == (1, "wrong", None)
        assert found[3].endswith(", not what is empty")


def test_calls_that_mean_nothing(calls: Any) -> None:
    calls("open", call(meaning=None))
    found = judged(reply())
    message = f"accepted, though it means nothing, and returned {SHAPES}"
    assert found == wrong(message, "accepted")
