"""Calls in worker processes: the same answers, and real crashes cost one config only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import complete
import numpy as np
import pytest

from harness import workers as module
from harness.case import make_case
from harness.config import Config
from harness.judge import Session
from harness.observe import Reply, observe
from harness.workers import Workers

FILE = str(Path(__file__).with_name("crashing.py"))
CONFIG = Config(
    aspect="call.x.wider",
    input_size=3,
    hidden_size=4,
    batch=5,
    steps=6,
    h_0=True,
    data="plain",
)
ORDINARY = dataclasses.replace(CONFIG, aspect="call.default.dropout")


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers() as running:
        yield running


def reply(workers: Workers, name: str, config: Config) -> Reply:
    facts = workers.observe(f"{FILE}:{name}", "crashing", config).facts
    assert isinstance(facts, Reply)
    return facts


@pytest.mark.parametrize("aspect", ["call.x.wider", "call.default.dropout", "call.x.flat"])
def test_a_worker_answers_what_the_own_process_answers(workers: Workers, aspect: str) -> None:
    config = dataclasses.replace(CONFIG, aspect=aspect)
    there = reply(workers, "complete", config)
    here = observe(complete.CompleteBackend(), make_case(config), repeat=False).facts
    assert isinstance(here, Reply)
    assert (there.stage, there.error, there.afterwards) == (here.stage, here.error, None)
    for one, other in zip(there.returned or (), here.returned or (), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crashes", "Fatal Python error: Segmentation fault"),
        ("divides", "Fatal Python error: Floating point exception"),
        ("leaves", "it ended without a word"),
    ],
)
def test_a_crash_costs_its_own_config_only(workers: Workers, name: str, said: str) -> None:
    crash = reply(workers, name, CONFIG)
    assert crash.ended == "crashed"
    assert crash.error == f"the process crashed: {said}"
    after = reply(workers, name, ORDINARY)
    assert (after.ended, after.error) == (None, None)


def test_a_call_that_hangs_is_given_up(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reply(workers, "hangs", ORDINARY).error is None
    monkeypatch.setattr(module, "TIME_LIMIT", 1.0)
    hung = reply(workers, "hangs", CONFIG)
    assert (hung.ended, hung.error) == ("hung", "no answer in 1 s")


def test_a_crash_fails_whatever_is_documented(workers: Workers) -> None:
    from harness.backends import load_backend

    key = f"{FILE}:crashes"
    results = Session({key: load_backend(key)}, workers=workers).judge(CONFIG)
    (call,) = [result for result in results if result.check == "call"]
    assert (call.verdict, call.cause) == ("fail", "crashed")
