"""Second calls, made up by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, forward, measured, seen

from harness.checks import (
    determinism,
    padding_ignored,
)
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging import second_call as judging
from harness.observe import Change, Forward, Repeat
from harness.probes import Probe


def second_call(
    monkeypatch: Any,
    changes: dict[str, Any],
    extra: Any = None,
    probe: Probe = Probe.CARRY,
    others: Any = (),
    **case: Any,
) -> Comparison:
    """Two layers, both directions, one unit; rows 0 and 2 of three were kept, of two steps.

    Output and h_n number their elements from 0 on; NaN came where row 1 was.
    """
    config = Config(num_layers=2, bidirectional=True, steps=2, batch=3)
    output, h_n = np.arange(12.0).reshape(2, 3, 2), np.arange(12.0).reshape(4, 3, 1)
    first = forward(output, h_n)
    arrays = {"output": first.output.copy(), "h_n": first.h_n.copy()}
    arrays["output"][:, 1] = arrays["h_n"][:, 1] = math.nan
    for name, moves in changes.items():
        for index, amount in moves.items():
            arrays[name][index] += amount
    repeat = Repeat(False, True, np.array([True, False, True]), Forward(**arrays))
    evidence = evidence_of(config, forward=first, observation=SimpleNamespace(repeats=others))
    vars(evidence.case).update(case)
    monkeypatch.setattr(judging, "flushed_extra", lambda given: extra if given is evidence else 0)
    return judging.same_rows(evidence, repeat, "moved", probe)


def test_rows_that_were_not_kept_are_not_compared(monkeypatch: Any) -> None:
    result = second_call(monkeypatch, {})
    assert (result.part, *seen(result)) == ("second call", "pass", None, 16, 0)


def test_states_carried_over_show_where_a_call_left_others_than_it_found(monkeypatch: Any) -> None:
    """Of 8 kept states of 0, 2, 3, 5, ... seven are not 0; six are not an h_0 of 0, 0, 3, 3, ..."""
    assert second_call(monkeypatch, {}).power == {"carry": 7 / 8}
    h_0 = np.repeat([[[0.0]], [[3.0]], [[99.0]], [[99.0]]], 3, axis=1)
    assert second_call(monkeypatch, {}, h_0=h_0).power == {"carry": 6 / 8}
    same = np.arange(12.0).reshape(4, 3, 1)
    result = second_call(monkeypatch, {}, h_0=same)
    assert (result.verdict, result.message) == (
        "inconclusive", "no element would have shown: carry",
    )  # fmt: skip


def test_neighbours_show_where_they_are_others(monkeypatch: Any) -> None:
    """Row 0 stands behind row 2, which was kept, and row 2 behind row 1, which was not."""
    result = second_call(monkeypatch, {}, probe=Probe.NEIGHBOURS)
    assert (result.verdict, result.power) == ("pass", {"neighbours": 0.5})


def test_padding_shows_in_rows_whose_padding_was_another(monkeypatch: Any) -> None:
    """Padded are row 0 and 2 at step 1; x is another one there in row 2, and where it is valid."""
    x = np.zeros((2, 3, 2), "f")
    other = x.copy()
    other[0], other[1, 1], other[1, 2, 1] = 9, 9, 9
    asked = []

    def perturbed(case: Any, *, padding: bool, neighbours: bool) -> Any:
        asked.append((case.x is x, padding, neighbours))
        return other, None, None

    monkeypatch.setattr(judging, "perturb", perturbed)
    valid = np.array([[True, True, True], [False, True, False]])
    result = second_call(monkeypatch, {}, probe=Probe.PADDING, x=x, valid=valid)
    assert (result.verdict, result.power) == ("pass", {"padding": 0.5})
    assert asked == [(True, True, False)]


def test_what_moves_by_itself_says_nothing_about_neighbours(monkeypatch: Any) -> None:
    """A call with nothing changed that gives other bits, unless flushing explains those."""
    other = np.arange(12.0, dtype="f").reshape(2, 3, 2)
    other[1, 2, 1] += 0.5
    h_n = np.arange(12.0, dtype="f").reshape(4, 3, 1)
    every = np.ones(3, bool)
    moved = Repeat(False, False, every, Forward(other, h_n))
    still = Repeat(False, False, every, Forward(np.arange(12.0, dtype="f").reshape(2, 3, 2), h_n))
    padded = Repeat(True, False, every, Forward(other, h_n))
    change = {"output": {(0, 0, 0): 1}}
    result = second_call(monkeypatch, change, others=[still, moved])
    assert seen(result) == ("inconclusive", None, 16, 1)
    assert result.message == "the same input gives other bits, too"
    for others in ([still], [padded], []):
        result = second_call(monkeypatch, change, others=others)
        assert (*seen(result), result.message) == ("fail", "unexplained", 16, 1, "moved")
    result = second_call(monkeypatch, {}, others=[moved])
    assert (*seen(result), result.message) == ("pass", None, 16, 0, "")
    half = Forward(np.full((1, 3, 1), 0.5), np.zeros((1, 3, 1)))
    result = second_call(monkeypatch, change, half, others=[moved])
    assert (result.verdict, result.cause) == ("fail", "unexplained")


def test_a_second_call_names_the_place(monkeypatch: Any) -> None:
    result = second_call(monkeypatch, {"output": {(1, 2, 1): 1}})
    assert (*seen(result), result.message) == ("fail", "unexplained", 16, 1, "moved")
    place = Worst("output", 1, "reverse", 1, 2, 0, actual=12.0, expected=11.0)
    assert result.worst == place
    for row, layer, direction in ((0, 0, "forward"), (1, 0, "reverse"), (2, 1, "forward")):
        result = second_call(monkeypatch, {"h_n": {(row, 2, 0): 1}})
        value = 3.0 * row + 2
        place = Worst("h_n", layer, direction, None, 2, 0, actual=value + 1, expected=value)
        assert result.worst == place


@pytest.mark.parametrize("part", ["output", "h_n"])
def test_a_second_call_may_move_by_what_flushing_moves(monkeypatch: Any, part: str) -> None:
    """By 1 in row 0 and by 1/4 in row 2."""
    amounts = np.array([1.0, 9.0, 0.25])[None, :, None]
    extra = {"output": np.zeros((1, 3, 1)), "h_n": np.zeros((1, 3, 1)), part: amounts}
    for row, amount, cause in ((0, 1, "flush"), (0, 2, "unexplained"), (2, 1, "unexplained")):
        moves = {part: {(1, row, 0): amount}}
        assert second_call(monkeypatch, moves, Forward(**extra)).cause == cause


def test_determinism_asks_of_a_call_of_its_own_or_of_the_only_one(monkeypatch: Any) -> None:
    asked = []

    def same_rows(of: Any, repeat: Any, said: str, probe: str) -> None:
        assert of is evidence
        assert (said, probe) == ("the same input gave other bits", "carry")
        asked.append(repeat)

    monkeypatch.setattr(determinism, "same_rows", same_rows)
    kinds = [SimpleNamespace(padding=p, neighbours=n) for p in (0, 1) for n in (0, 1)]
    for given in ([kinds[0]], [kinds[3]], kinds, kinds[1:], []):
        asked.clear()
        observation = SimpleNamespace(repeats=given, changed=None, derivatives=None)
        evidence = SimpleNamespace(observation=observation)
        list(determinism.determinism(evidence))
        assert asked == (given if len(given) == 1 else [k for k in given if k is kinds[0]])


GRADIENTS, ANSWER = (Change(of_gradients=g, subnormal=False) for g in (True, False))


def again(changed: Any, own: Any = None, **found: Any) -> list[Comparison]:
    """A second call for gradients of 6 and 2 elements."""
    gradients = {"x": np.zeros((3, 1, 2)), "h_0": np.zeros(2)}
    derivatives = SimpleNamespace(found=gradients, again=None)
    given = {"repeats": (), "changed": changed, "derivatives": derivatives, **found}
    evidence = evidence_of(Config(), own, observation=SimpleNamespace(**given))
    return list(determinism.determinism(evidence))


def test_gradients_are_the_same_again() -> None:
    (result,) = again(())
    assert (result.part, *seen(result), result.ratio) == (
        "gradients again", "pass", None, 8, 0, 0,
    )  # fmt: skip
    (result,) = again((GRADIENTS, ANSWER))
    assert (result.part, *seen(result)) == ("gradients again", "fail", "unexplained", 8, 0)
    assert result.message == f"other bits: {GRADIENTS}, {ANSWER}"
    assert again(None) == again((GRADIENTS,), derivatives=None) == []


def test_gradients_may_change_by_flushing_where_it_was_measured() -> None:
    small = Change(of_gradients=True, subnormal=True)
    assert str(small) == f"{GRADIENTS}, by no more than subnormal numbers"
    flushes = measured(flushes=True)
    assert again((small, Change(of_gradients=False, subnormal=True)), flushes)[0].cause == "flush"
    assert again((small, ANSWER), flushes)[0].cause == "unexplained"
    for own in (None, measured(errs=True)):
        assert again((small,), own)[0].cause == "unexplained"


def test_a_slope_that_flushing_took_changes_gradients_by_more_than_subnormals(
    monkeypatch: Any,
) -> None:
    """A relu state near 0 has a slope of 1, or of 0 where it was flushed."""

    def by_flushing(evidence: Any, found: Any) -> bool:
        return evidence.config == Config() and found == {"x": 5}

    monkeypatch.setattr(determinism, "by_flushing", by_flushing)
    second = {"derivatives": SimpleNamespace(found={}, again={"x": 5})}
    other = {"derivatives": SimpleNamespace(found={}, again={"x": 6})}
    flushes = measured(flushes=True)
    assert (
        again((GRADIENTS, Change(of_gradients=False, subnormal=True)), flushes, **second)[0].cause
        == "flush"
    )
    assert again((GRADIENTS,), flushes, **other)[0].cause == "unexplained"
    assert again((GRADIENTS, ANSWER), flushes, **second)[0].cause == "unexplained"
    assert again((GRADIENTS,), measured(errs=True), **second)[0].cause == "unexplained"


def test_padding_is_asked_where_it_was_changed(monkeypatch: Any) -> None:
    monkeypatch.setattr(padding_ignored, "same_rows", lambda *given: given)
    kinds = [SimpleNamespace(padding=p) for p in (False, True)]
    evidence = evidence_of(Config(steps=2), observation=SimpleNamespace(repeats=kinds))
    assert list(padding_ignored.padding_ignored(evidence)) == []
    evidence.case.valid[1] = False
    said = "other numbers in the padding of x gave other bits"
    assert list(padding_ignored.padding_ignored(evidence)) == [
        (evidence, kinds[1], said, "padding")
    ]
