"""What a backend need not offer, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.protocol import offers
from harness.config import Config
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.verdicts import FAILED, Verdict

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
