"""The check of gradients as a whole, on a right implementation and on one changed by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
from made_up import measured

from harness.case import make_case
from harness.checks import gradient
from harness.config import Config
from harness.evidence import Evidence
from harness.judging import gradients
from harness.observe import observe
from harness.oracle import Oracle
from harness.planted.right import CompleteBackend

CONFIG = Config(
    aspect="gradient", input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, seed=5,
    bidirectional=True, h_0=True, lengths="ragged", data="plain", scale=1,
)  # fmt: skip
INTS = dataclasses.replace(CONFIG, nonlinearity="relu", data="ints")


def observed(config: Config, own: Any = None, **moved: float) -> Evidence:
    """A right implementation; the first element of some gradients moved by an amount."""
    case = make_case(config)
    observation = observe(CompleteBackend(), case, repeat=False)
    derivatives = observation.derivatives
    assert derivatives is not None, observation.trouble
    clean = {name: array.copy() for name, array in derivatives.clean.items()}
    for name, amount in moved.items():
        clean[name].flat[0] += amount
    derivatives = msgspec.structs.replace(derivatives, clean=clean)
    observation = msgspec.structs.replace(observation, derivatives=derivatives)
    return Evidence(case, Oracle(case), observation, lambda: own)


def test_every_gradient_and_all_signs_are_judged() -> None:
    for config in (CONFIG, INTS):
        evidence = observed(config)
        found = list(gradient.gradient(evidence))
        assert [r.part for r in found] == [*evidence.observation.derivatives.clean, "signs"]
        assert len(found) == 19
        assert {(r.verdict, r.cause) for r in found} == {("pass", None)}
    nothing = msgspec.structs.replace(evidence.observation, derivatives=None)
    assert list(gradient.gradient(dataclasses.replace(evidence, observation=nothing))) == []


def test_one_wrong_gradient_fails_alone() -> None:
    found = list(gradient.gradient(observed(CONFIG, bias_hh_l1=0.25)))
    failed = [(r.part, r.cause, r.failing) for r in found if r.verdict == "fail"]
    assert failed == [("bias_hh_l1", "unexplained", 1)]
    (worst,) = (r.worst for r in found if r.part == "bias_hh_l1")
    assert (worst.output, worst.unit) == ("gradient of bias_hh_l1", 0)


def test_integers_must_be_equal_and_others_within_their_bound() -> None:
    amount = 2.0**-21  # an ulp or less of a gradient of some size
    for config, verdict in ((INTS, "fail"), (CONFIG, "pass")):
        evidence = observed(config)
        size = abs(evidence.observation.derivatives.clean["weight_hh_l1"].flat[0])
        move = max(size, 1.0) * amount if config is INTS else size * 2.0**-23
        (result,) = (
            r for r in gradient.gradient(observed(config, weight_hh_l1=move))
            if r.part == "weight_hh_l1"
        )  # fmt: skip
        assert result.verdict == verdict


def test_only_sums_of_integers_are_asked_to_be_exact(monkeypatch: Any) -> None:
    """Neither where a state is none, nor where those of other data happen to be some."""
    move = 2.0**-21
    for config, whole, verdict in ((INTS, True, "fail"), (INTS, False, "pass")):
        monkeypatch.setattr(gradient, "_whole", lambda _, whole=whole: whole)
        evidence = observed(config, weight_hh_l1=move)
        (result,) = (r for r in gradient.gradient(evidence) if r.part == "weight_hh_l1")
        assert result.verdict == verdict
    monkeypatch.setattr(gradient, "_whole", lambda _: True)
    assert {r.verdict for r in gradient.gradient(observed(CONFIG))} == {"pass"}
    monkeypatch.setattr(gradient, "magnitudes", lambda _: None)
    assert {r.verdict for r in gradient.gradient(observed(CONFIG))} == {"pass"}


def test_integers_too_large_to_be_exact_may_round(monkeypatch: Any) -> None:
    """At 2^24 a sum of magnitudes may round in float32, one below it may not."""
    evidence = observed(INTS, weight_hh_l1=2.0**-21)
    exact = gradients.magnitudes(evidence)

    def enlarged(size: float) -> Any:
        return {
            name: dataclasses.replace(terms, value=np.full(terms.value.shape, size))
            for name, terms in exact.items()
        }

    for size, failing in ((2.0**24 - 1, 1), (2.0**24, 0)):
        made = enlarged(size)
        monkeypatch.setattr(gradient, "magnitudes", lambda _, made=made: made)
        (result,) = (r for r in gradient.gradient(evidence) if r.part == "weight_hh_l1")
        assert result.failing == failing


def test_excuses_reach_the_gradients_and_the_signs() -> None:
    """Off by more than the slope's own bound, and within that of flushing in float16."""
    half = dataclasses.replace(CONFIG, dtype="fp16")
    plain = gradients.expected_gradients(observed(half), own=False)
    flushed = gradients.expected_gradients(observed(half), own=False, flushed=True)
    name = "bias_hh_l1"
    value, bound = (getattr(plain[name], field).flat[0] for field in ("value", "bound"))
    wide = flushed[name].bound.flat[0]
    assert wide > bound + 2.0**-8
    found = observed(half).observation.derivatives.clean[name].flat[0]
    move = float(value - found + (bound + wide) / 2)
    for own, cause in ((measured(flushes=True), "flush"), (None, "unexplained")):
        results = gradient.gradient(observed(half, own, **{name: move}))
        assert [r.cause for r in results if r.verdict == "fail"] == [cause]


def test_a_layer_that_was_not_seen_leaves_every_gradient_open(monkeypatch: Any) -> None:
    asked = []

    def same(evidence: Evidence, layer: int) -> bool:
        asked.append((evidence.config.num_layers, layer))
        return layer == 0

    monkeypatch.setattr(gradient, "same_states", same)
    found = list(gradient.gradient(observed(CONFIG, bias_hh_l1=0.25)))
    assert asked == [(2, 0), (2, 1)]
    assert {(r.verdict, r.cause) for r in found} == {("inconclusive", None)}
    said = "the stack's own hidden states were not seen: a shorter stack gives other bits"
    assert {r.message for r in found} == {said}
    assert len(found) == 19
    assert sum(r.failing for r in found) == 1


def test_a_flipped_sign_is_named_whatever_was_measured() -> None:
    name = "bias_hh_l1"
    value = float(observed(CONFIG).observation.derivatives.clean[name].flat[0])
    for own in (None, measured(errs=True)):
        *_, signs = gradient.gradient(observed(CONFIG, own, **{name: -2 * value}))
        assert (signs.verdict, signs.cause, signs.failing) == ("fail", "unexplained", 1)
        assert (signs.worst.output, signs.worst.unit) == (f"gradient of {name}", 0)


def test_the_slope_is_the_equations_and_not_that_of_the_own_states() -> None:
    """States off by 2^-8 of tanh's own: their slopes are not the right ones, and are not taken."""
    evidence = observed(CONFIG)
    output = evidence.forward.output + np.float32(2.0**-8) * (evidence.forward.output != 0)
    shifted = msgspec.structs.replace(evidence.forward, output=output)
    moved = msgspec.structs.replace(evidence.observation, forward=shifted)
    evidence = dataclasses.replace(evidence, observation=moved)
    own = gradients.expected_gradients(evidence, own=True)
    clean = {name: gradients.value.astype("f") for name, gradients in own.items()}
    derivatives = msgspec.structs.replace(moved.derivatives, clean=clean)
    evidence = dataclasses.replace(
        evidence, observation=msgspec.structs.replace(moved, derivatives=derivatives)
    )
    assert "fail" in {r.verdict for r in gradient.gradient(evidence)}
