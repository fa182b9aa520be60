"""Verdicts about calls, from outcomes written by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.aspects import Documented
from harness.calls import Call
from harness.checks.call import call as check
from harness.comparison import Comparison
from harness.observe import CallOutcome
from tests.synthetic import wording
from tests.synthetic_calls import (
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

Calls = Callable[[str, Call | None], None]


@pytest.fixture
def calls() -> Iterator[Calls]:
    """Sets the call that is made, and whether it is documented as valid."""
    with contextlib.ExitStack() as layers:

        def made(documented: str, given: Call | None) -> None:
            layers.pop_all().close()
            layers.enter_context(layer_with("it", Documented(documented), lambda case: given))

        yield made


def result_of(details: CallOutcome | None, **changes: Any) -> Comparison:
    (result,) = check(evidence_of(details, config=config_of("it"), **changes))
    return result


def judged(details: CallOutcome | None, **changes: Any) -> tuple[Any, ...]:
    return wording(result_of(details, **changes))


def test_a_call_that_was_not_made(calls: Calls) -> None:
    calls("valid", call())
    assert judged(None, trouble="no") == ("outcome", "error", 0, "no", None, None)
    message = "with these sizes nothing is changed: a call"
    nothing = ("outcome", "inconclusive", 0, message, None, None)
    assert judged(None) == nothing
    calls("valid", None)
    assert judged(outcome()) == nothing


def test_a_call_that_ends_the_process(calls: Calls) -> None:
    calls("open", call())
    found = judged(outcome("SIGFPE", ended="crashed"))
    assert found == ("outcome", "fail", 1, "SIGFPE", "crashed", None)
    assert judged(outcome(None, ended="hung"))[3:5] == ("", "hung")


def test_refusals(calls: Calls) -> None:
    message = "refused in the build: ValueError: no"
    refused = outcome("ValueError: no", stage="build")
    for documented in ("open", "invalid"):
        calls(documented, call())
        assert judged(refused) == ("outcome", "pass", 1, message, None, 0.0)
    calls("valid", call())
    assert judged(refused) == ("outcome", "fail", 1, message, "refused", None)


def test_invalid_calls_that_are_accepted(calls: Calls) -> None:
    message = f"accepted silently, and returned {SHAPES}"
    output, h_n = right()
    for guess, returned, cause in (
        (None, (output, h_n), "accepted"),
        (MEANING, (output, h_n), "accepted"),
        (MEANING, (2 * output, h_n), "wrong"),
    ):
        calls("invalid", call(meaning=None, guess=guess))
        found = judged(outcome(returned=returned))
        assert found == ("outcome", "fail", 1, message, cause, None)


def test_right_answers(calls: Calls) -> None:
    for documented in ("valid", "open"):
        calls(documented, call())
        part, verdict, compared, message, cause, ratio = judged(outcome())
        assert (part, verdict, compared) == ("outcome", "pass", 32)
        assert (message, cause) == ("accepted, with the right answer", None)
        assert 0 <= ratio < 0.5


@pytest.mark.parametrize("part", [0, 1])
def test_wrong_answers(calls: Calls, part: int) -> None:
    calls("valid", call())
    pair = right()
    pair[part].flat[-1] += 0.5
    result = result_of(outcome(returned=pair))
    message = "accepted, and the answer is not that of the call it stands for"
    assert wording(result)[:5] == ("outcome", "fail", 32, message, "wrong")
    assert result.worst is not None
    assert result.worst.output == ("output", "h_n")[part]
    assert result.failing == 1


def wrong(message: str, cause: str = "wrong") -> tuple[Any, ...]:
    return "outcome", "fail", 1, message, cause, None


def test_answers_that_are_no_two_arrays(calls: Calls) -> None:
    calls("valid", call())
    output, _ = right()
    start = "accepted, and returned "
    found = judged(outcome(returned=(output, 3.5)))
    assert found == wrong(start + "output float32 (2, 3, 4) and h_n float, expected 2 arrays")
    found = judged(outcome(returned=("Tensor", output)))
    assert found == wrong(start + "output Tensor and h_n float32 (2, 3, 4), expected 2 arrays")
    nothing = msgspec.structs.replace(outcome(), returned=None)
    assert judged(nothing) == wrong(start + "nothing, expected 2 arrays")


def test_answers_of_other_shapes_parameters_and_dtypes(calls: Calls) -> None:
    output, h_n = right()
    wide, half = ([a.astype(dtype) for a in (output, h_n)] for dtype in ("f8", "f2"))
    not_meant, not_single = ", which are not the shapes it means", ", expected float32"
    for weights, pair, ending in (
        ("f4", (output[:, :2], h_n), not_meant),
        ("f4", (output, h_n[:, :1]), not_meant),
        ("f4", (np.asarray(output[0, 0, 0]), h_n), not_meant),
        ("f4", wide, not_single),
        ("f4", (output, wide[1]), not_single),
        ("f2", half, not_single),
        ("f8", (wide[0], h_n), not_single),
    ):
        calls("valid", call(weights={n: a.astype(weights) for n, a in WEIGHTS.items()}))
        words = (f"{n} {a.dtype} {a.shape}" for n, a in zip(("output", "h_n"), pair, strict=True))
        message = f"accepted, and returned {' and '.join(words)}{ending}"
        assert judged(outcome(returned=tuple(pair))) == wrong(message)
    assert judged(outcome(returned=tuple(wide)))[1] == "pass"
    calls("valid", call())
    other = {**WEIGHTS, "bias_ih_l0": np.zeros(3, "f")}
    assert judged(outcome(weights=other)) == wrong("accepted, with other parameters")


def test_an_answer_is_that_of_the_weights_the_layer_had(calls: Calls) -> None:
    other = {name: array + np.float32(0.25) for name, array in WEIGHTS.items()}
    calls("valid", call())
    assert judged(outcome(weights=other))[1] == "fail"


def test_training_mode_gives_the_same_answer_where_it_must(calls: Calls) -> None:
    calls("valid", call())
    output, h_n = right()
    assert judged(outcome(trained=(output, h_n)))[1] == "pass"
    near = np.nextafter(output, np.float32(9)), h_n
    assert judged(outcome(trained=near))[1] == "pass"  # training may have a kernel of its own
    message = "in training mode the answer is another one: the layer drops"
    for pair in ((output, h_n + 1), (0 * output, h_n), (output, "h_n"), (output, h_n.astype("d"))):
        assert judged(outcome(trained=pair)) == wrong(message)


def test_answers_without_elements(calls: Calls) -> None:
    empty = np.zeros((2, 0, 4), "f"), np.ones((1, 2, 4), "f")
    calls("open", call(empty=dict(zip(("output", "h_n"), empty, strict=True))))
    message = "accepted, and returned output float32 (2, 0, 4) and h_n float32 (1, 2, 4)"
    assert judged(outcome(returned=empty)) == ("outcome", "pass", 1, message, None, 0.0)
    for other in (
        (empty[0], 2 * empty[1]),
        (np.zeros((2, 0, 3), "f"), empty[1]),
        (empty[0].astype("d"), empty[1]),
    ):
        found = judged(outcome(returned=other))
        assert found[:2] == ("outcome", "fail")
        assert (found[2], found[4], found[5]) == (1, "wrong", None)
        assert found[3].endswith(", not what is empty")


def test_calls_that_mean_nothing(calls: Calls) -> None:
    calls("open", call(meaning=None))
    found = judged(outcome())
    message = f"accepted, though it means nothing, and returned {SHAPES}"
    assert found == wrong(message, "accepted")
