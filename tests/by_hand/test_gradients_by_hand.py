"""The check of gradients as a whole, on a right implementation and on one changed by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.checks.gradient import gradient
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.gradients import expected_gradients, gradients_at, tapes_of
from harness.observe import Derivatives
from reference import Interval
from reference.arrays import Array
from reference.reverse import Tape
from tests.synthetic import case_of, measured, right_evidence

CONFIG = Config.of(
    aspect="gradient", input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, seed=5,
    bidirectional=True, states=True, lengths="ragged", data="plain",
)  # fmt: skip
INTS = CONFIG.replace(nonlinearity="relu", data="ints")


def derivatives_of(evidence: Evidence) -> Derivatives:
    found = evidence.observation.derivatives
    assert found is not None
    return found


def observing(evidence: Evidence, **changes: Any) -> Evidence:
    """The same with something else observed."""
    observation = msgspec.structs.replace(evidence.observation, **changes)
    return dataclasses.replace(evidence, observation=observation, made={})


def of_part(evidence: Evidence, part: str) -> Comparison:
    (result,) = (r for r in gradient(evidence) if r.part == part)
    return result


def test_every_gradient_and_all_signs_are_judged() -> None:
    for config in (CONFIG, INTS):
        evidence = right_evidence(config)
        found = list(gradient(evidence))
        assert [r.part for r in found] == [*derivatives_of(evidence).clean, "signs"]
        assert len(found) == 19
        assert {(r.verdict, r.cause) for r in found} == {("pass", None)}
    assert list(gradient(observing(evidence, derivatives=None))) == []


def test_one_wrong_gradient_fails_alone() -> None:
    found = list(gradient(right_evidence(CONFIG, bias_hh_l1=0.25)))
    failed = [(r.part, r.cause, r.failing) for r in found if r.verdict == "fail"]
    assert failed == [("bias_hh_l1", "unexplained", 1)]
    (worst,) = (r.worst for r in found if r.part == "bias_hh_l1")
    assert worst is not None
    assert (worst.output, worst.unit) == ("gradient of bias_hh_l1", 0)


def test_where_a_state_is_no_integer_no_sum_is_asked_to_be_exact() -> None:
    """A last state, which starts no step: it moves no gradient of a relu."""
    evidence = right_evidence(INTS, weight_hh_l1=2.0**-21)
    assert of_part(evidence, "weight_hh_l1").verdict == "fail"
    outputs = {name: array.copy() for name, array in evidence.outputs.items()}
    ends = [(t, b, u) for t, b, u in np.argwhere(outputs["output"] > 0) if u < 2]
    place = next(at for at in ends if at[0] == evidence.case.last_step[at[1]])
    outputs["output"][tuple(place)] += 0.5
    assert of_part(observing(evidence, outputs=outputs), "weight_hh_l1").verdict == "pass"


@pytest.mark.parametrize(("second", "verdict"), [(1023.0, "fail"), (1024.0, "pass")])
def test_integers_too_large_to_be_exact_may_round(second: float, verdict: str) -> None:
    """From 2^11 on a sum of magnitudes may round in float16: 1024 + 1023 may not. Off by one."""
    config = Config.of(
        aspect="gradient", nonlinearity="relu", data="ints", dtype="fp16", batch=2, bias=True
    )
    case = case_of(config, weights={"weight_ih_l0": [[1]]}, x=[[[1], [1]]])
    given = {"output": np.array([[[1024], [second]]], "f2"), "h_n": np.zeros((1, 2, 1), "f2")}
    case = dataclasses.replace(case, given_cotangents=given)
    assert of_part(right_evidence(case, bias_ih_l0=-1.0), "bias_ih_l0").verdict == verdict


def test_excuses_reach_the_gradients_and_the_signs() -> None:
    """Off by more than the slope's own bound, and within that of flushing in float16; without
    outputs, within that of other states as well.
    """
    half = CONFIG.replace(dtype="fp16")
    plain = expected_gradients(right_evidence(half))
    flushed = expected_gradients(right_evidence(half), flushed=True)
    name = "bias_hh_l1"
    value, bound = (getattr(plain[name], field).flat[0] for field in ("value", "bound"))
    wide = flushed[name].bound.flat[0]
    assert wide > bound + 2.0**-8
    found = derivatives_of(right_evidence(half)).clean[name].flat[0]
    move = float(value - found + (bound + wide) / 2)
    for own, cause in ((measured(flushes=True), "flush"), (None, "unexplained")):
        moved = right_evidence(half, own, **{name: move})
        assert {r.verdict for r in gradient(moved)} <= {"pass", "inconclusive"}
        with_outputs = msgspec.structs.replace(derivatives_of(moved), outputs=moved.outputs)
        results = gradient(observing(moved, derivatives=with_outputs))
        assert [r.cause for r in results if r.verdict == "fail"] == [cause]


def test_a_layer_that_was_not_seen_leaves_every_gradient_open() -> None:
    evidence = right_evidence(CONFIG, bias_hh_l1=0.25)
    (hidden,) = evidence.observation.hidden
    final = np.nextafter(hidden["h_n"], np.float32(9))
    found = list(gradient(observing(evidence, hidden=(hidden | {"h_n": final},))))
    assert {(r.verdict, r.cause) for r in found} == {("inconclusive", None)}
    message = "the stack's own hidden states were not seen: a shorter stack gives other bits"
    assert {r.message for r in found} == {message}
    assert len(found) == 19
    assert sum(r.failing for r in found) == 1


def test_a_flipped_sign_is_named_whatever_was_measured() -> None:
    name = "bias_hh_l1"
    value = float(derivatives_of(right_evidence(CONFIG)).clean[name].flat[0])
    for own in (None, measured(error=0.5)):
        *_, signs = gradient(right_evidence(CONFIG, own, **{name: -2 * value}))
        assert (signs.verdict, signs.cause, signs.failing) == ("fail", "unexplained", 1)
        assert signs.worst is not None
        assert (signs.worst.output, signs.worst.unit) == (f"gradient of {name}", 0)


def with_slopes_of_its_own(own: Any) -> Evidence:
    """States off by 2^-8 of tanh's own, and gradients with the slopes of those."""
    evidence = right_evidence(CONFIG, own)
    output = evidence.outputs["output"]
    moved = output + np.float32(2.0**-8) * (output != 0)
    evidence = observing(evidence, outputs=evidence.outputs | {"output": moved})
    slopes = expected_gradients(evidence, own=True)
    clean = {name: one.value.astype("f") for name, one in slopes.items()}
    derivatives = msgspec.structs.replace(derivatives_of(evidence), clean=clean)
    return observing(evidence, derivatives=derivatives)


@pytest.mark.parametrize(("error", "cause"), [(None, "unexplained"), (2.0**-8, "activation")])
def test_the_slope_is_the_equations_and_not_that_of_the_own_states(
    error: float | None, cause: str
) -> None:
    """Those are an excuse where the activation was measured, and erred."""
    own = None if error is None else measured(error=error)
    found = list(gradient(with_slopes_of_its_own(own)))
    assert {r.cause for r in found if r.verdict == "fail"} == {cause}


def test_excuses_forgive_one_thing_each() -> None:
    """Flushing widens every bound; the own activation takes the slope from the own states."""
    evidence = right_evidence(CONFIG.replace(dtype="fp16"))
    plain = expected_gradients(evidence)
    flushed = expected_gradients(evidence, flushed=True)
    own = expected_gradients(evidence, own=True)
    for name, one in plain.items():
        valid: Any = evidence.case.valid if name == "x" else ...
        assert (flushed[name].bound[valid] > one.bound[valid]).all()
        assert (flushed[name].value == one.value).all()
        assert (own[name].value != one.value).any()
        assert (own[name].bound[valid] < one.bound[valid]).any()


def leaf(tape: Tape, name: str) -> tuple[Array, bool]:
    """Its numbers, and whether they are states of the implementation."""
    (node,) = (node for node in tape.nodes if node.leaf == name)
    assert isinstance(node.value, Interval)
    return node.value.expected, node.value.stored


@pytest.mark.parametrize("states", [True, False])
def test_tapes_hold_what_each_step_had(states: bool) -> None:
    """Input and state before; nothing in the padding, whatever stands there."""
    evidence = right_evidence(CONFIG.replace(states=states))
    case = evidence.case
    outputs = [evidence.observation.hidden[0]["output"], evidence.outputs["output"]]
    tapes = tapes_of(evidence)
    for layer, side, row in np.ndindex(2, 2, 4):
        (x, of_below), (h, of_own) = (leaf(tapes[layer][side], name) for name in ("x", "h"))
        assert (of_below, of_own) == (layer > 0, True)
        own = slice(2, 4) if side else slice(0, 2)
        for t in range(3):
            if not case.valid[t, row]:
                assert not x[t, row].any()
                assert not h[t, row].any()
                continue
            below = outputs[0] if layer else case.x
            assert (x[t, row] == below[t, row]).all()
            before = outputs[layer][min(t + 1, 2) if side else t - 1, row, own]
            if t == (case.last_step[row] if side else 0):
                before = case.start("h", 2 * layer + side)[row]
            assert (h[t, row] == before).all()


def magnitudes(evidence: Evidence) -> Mapping[str, Array]:
    """Sums of the magnitudes of all terms of each gradient."""
    found = gradients_at(evidence, tapes_of(evidence), absolute=True).by_name
    return {name: one.value for name, one in found.items()}


@pytest.mark.parametrize("signs", [(1, -1, -1, 1), (-1, -1, 1, -1)])
def test_magnitudes_of_all_terms_are_summed_up(signs: tuple[int, ...]) -> None:
    """One unit of relu, one step: with d = |g| + |g_n|, |W_ih| d, |W_hh| d, d |x|, d |h_0|, d."""
    of_g, of_g_n, of_x, of_h_0 = signs
    config = Config.of(aspect="gradient", nonlinearity="relu", data="ints", states=True)
    weights = {"weight_ih_l0": [[7 * of_x]], "weight_hh_l0": [[5 * of_h_0]]}
    case = case_of(config, weights=weights, x=[[[2 * of_x]]], h_0=[[[3 * of_h_0]]])
    given = {
        "output": np.full((1, 1, 1), 11 * of_g, "f"),
        "h_n": np.full((1, 1, 1), 13 * of_g_n, "f"),
    }
    found = magnitudes(right_evidence(dataclasses.replace(case, given_cotangents=given)))
    assert {name: array.item() for name, array in found.items()} == {
        "x": 7 * 24,
        "h_0": 5 * 24,
        "weight_ih_l0": 24 * 2,
        "weight_hh_l0": 24 * 3,
        "bias_ih_l0": 24,
        "bias_hh_l0": 24,
    }


def test_flushing_is_allowed_on_the_way_there_and_on_the_way_back() -> None:
    evidence = right_evidence(CONFIG.replace(dtype="fp16"))
    tapes, flushing = tapes_of(evidence), tapes_of(evidence, flushed=True)
    there, back = (gradients_at(evidence, flushing, flushed=f).by_name for f in (False, True))
    plain, both = gradients_at(evidence, tapes).by_name, expected_gradients(evidence, flushed=True)
    for name in plain:
        valid: Any = evidence.case.valid if name == "x" else ...
        bounds = [one[name].bound[valid] for one in (plain, there, back)]
        assert (bounds[0] < bounds[1]).any()
        assert (bounds[1] < bounds[2]).all()
        assert (both[name].bound[valid] == bounds[2]).all()


def test_measured_errors_of_an_activation_widen_what_its_slope_may_be() -> None:
    """tanh of 0, from -1/2 to 1/2: a slope from 3/4 to 1, times a cotangent of 4."""
    case = case_of(Config.of(aspect="gradient"))
    given = {"output": np.full((1, 1, 1), 4.0, "f"), "h_n": np.zeros((1, 1, 1), "f")}
    evidence = right_evidence(dataclasses.replace(case, given_cotangents=given))

    def error(name: str, low: Array, high: Array) -> tuple[Array, Array]:
        return np.full(low.shape, -0.5), np.full(high.shape, 0.5)

    found = expected_gradients(evidence, activation_error=error)["bias_ih_l0"]
    assert found.value.item() == 4
    assert found.bound.item() == pytest.approx(1, rel=1e-5)
