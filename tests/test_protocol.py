"""What a backend need not offer, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.deferred import building_late
from harness.backends.protocol import offers
from harness.config import Config
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.verdicts import FAILED, Verdict
from tests.wrapping_backends import LateBackend, MergedLayer, MergedOutOfPlace, Merging

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6}
ASPECTS = {
    "gradient": Config.of(aspect="gradient", states=True, **SIZES),
    "train": Config.of(aspect="training", data="plain", num_layers=2, dropout=50, **SIZES),
    "save": Config.of(aspect="checkpoint", data="plain", **SIZES),
    "call": Config.of(aspect="call.x.wider", data="plain", **SIZES),
    "seed": Config.of(aspect="initial", data="plain", **SIZES),
    "construct": Config.of(aspect="call.x.wider", data="plain", **SIZES),
}


def verdicts(backend: Any, config: Config) -> set[Verdict]:
    with Session({"mine": backend}) as session:
        return {result.verdict for result in session.judge(config)}


class WithoutMethods(CorrectLayer):
    """Written down by name, so that a reader sees what is left out."""

    gradients = train = save = load = call = None  # type: ignore[assignment]


class WithoutMost(CorrectBackend):
    seed = threads = construct = versions = unsupported = None  # type: ignore[assignment]

    def build(self, options: Any) -> Any:
        layer = WithoutMethods(options, self.rng)
        layer.training = False
        return layer


@pytest.mark.parametrize("config", ASPECTS.values(), ids=list(ASPECTS))
def test_a_member_that_is_none_is_not_offered(config: Config) -> None:
    assert Verdict.UNSUPPORTED in verdicts(WithoutMost(), config)
    assert not verdicts(WithoutMost(), config) & {*FAILED}


def test_values_are_judged_without_the_others() -> None:
    assert verdicts(WithoutMost(), Config.of(**SIZES)) >= {Verdict.PASS}
    assert not offers(WithoutMost(), "build", "seed")


@pytest.mark.parametrize("answer", [None, False, ""])
def test_no_reason_means_supported(answer: Any) -> None:
    backend = CorrectBackend()
    backend.unsupported = lambda config: answer  # type: ignore[method-assign]
    assert verdicts(backend, Config.of(**SIZES)) >= {Verdict.PASS}


@pytest.mark.parametrize("answer", [True, "no kernel"])
def test_a_reason_means_unsupported(answer: Any) -> None:
    backend = CorrectBackend()
    backend.unsupported = lambda config: answer  # type: ignore[method-assign]
    assert verdicts(backend, Config.of(**SIZES)) == {Verdict.UNSUPPORTED}


MERGED = [
    Config.of(num_layers=2, bidirectional=True, states=True, **SIZES),
    Config.of(aspect="gradient", bidirectional=True, **SIZES),
    Config.of(aspect="checkpoint", data="plain", bidirectional=True, **SIZES),
    Config.of(aspect="training", data="plain", num_layers=3, dropout=50, **SIZES),
    Config.of(aspect="call.x.wider", data="plain", **SIZES),
    Config.of(aspect="repeated", data="plain", **SIZES),
    Config.parse(
        "rnn-life.f0.g0.w2.g0.w3.f0.r.end-nobias-batchfirst-ragged-plain-i00003-h00004-b00003-t00003-s060003"
    ).replace(bias=True),
]


@pytest.mark.parametrize("config", MERGED, ids=lambda config: config.id)
def test_merged_biases_are_judged_by_their_sum(config: Config) -> None:
    found = verdicts(Merging(MergedLayer, "merged"), config)
    assert Verdict.PASS in found
    assert not found & {*FAILED}


def test_merged_biases_have_no_initial_weights() -> None:
    config = Config.of(aspect="initial", data="plain", **SIZES)
    assert verdicts(Merging(MergedLayer, "merged"), config) == {Verdict.UNSUPPORTED}
    assert Verdict.PASS in verdicts(Merging(MergedLayer, "merged"), config.replace(bias=False))


def test_a_wrong_sum_is_not_excused_nor_a_sum_that_is_not_announced() -> None:
    wrong = verdicts(Merging(MergedOutOfPlace, "merged"), MERGED[0])
    unsaid = verdicts(CorrectBackend(MergedLayer, "merged"), MERGED[0])
    assert Verdict.ERROR in wrong & unsaid


@pytest.mark.parametrize(
    "config", [*MERGED[:2], MERGED[3], MERGED[-1]], ids=lambda config: config.id
)
def test_a_layer_that_is_built_with_its_weights_is_judged(config: Config) -> None:
    found = verdicts(building_late(LateBackend()), config)
    assert not found & {*FAILED}
    assert found & {Verdict.PASS, Verdict.UNSUPPORTED}


def test_a_layer_without_weights_has_no_initial_ones() -> None:
    backend = LateBackend()
    backend.seed = lambda value: None  # type: ignore[attr-defined]
    config = Config.of(aspect="initial", data="plain", **SIZES)
    assert verdicts(building_late(backend), config) == {Verdict.UNSUPPORTED}
