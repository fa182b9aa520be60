"""One root gives one finding, and two faults stay two."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from zlib import crc32

import pytest

from harness.backends import Backend
from harness.causes import Cause
from harness.config import Config
from harness.corpus import load_corpus
from harness.expectations import Expectations, Judged
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend
from harness.findings import find
from harness.groups import Group, group
from harness.judge import Session
from harness.selftest import ORACLES, likely
from tests.synthetic_results import line


def _sampled() -> list[Config]:
    """Small configs of all kinds, calls among them, but those of one unit, which shows little; of
    RNN more than of the others. Whatever is pinned besides, the same ones are in it.
    """
    every = [
        config
        for config in load_corpus()
        if config.steps < 60 and config.data != "sweep" and config.batch < 100
        if not (config.is_call and config.hidden_size == 1)
    ]
    return [config for config in every if crc32(config.id.encode()) % _share(config) == 0]


def _share(config: Config) -> int:
    """One in so many is asked."""
    return (14 if config.is_call else 20) * (1 if config.layer == "rnn" else 4)


def _shows(fault: str) -> Config:
    return Config.parse(likely()[fault])


@functools.cache
def differences(*faults: str) -> list[Group]:
    """What a run of the sample, and of what once showed these faults, finds where they are."""
    backend: Backend = CorrectBackend(name="mine")
    for name in faults:
        backend = FAULTS[name].inject(backend)
    results: list[Judged] = []
    with Session({"mine": backend}, oracles=ORACLES) as session:
        for config in dict.fromkeys([*_sampled(), *map(_shows, faults)]):
            found = session.judge(config, origin="corpus")
            results += Expectations().join(found)
    return group(find(results))


@pytest.mark.parametrize(
    ("fault", "at_most"),
    [
        ("leaky-relu", 1),
        ("b-hh-dropped", 2),
        ("w-hh-transposed", 2),
        ("output-one-step-short", 1),
        ("everything-accepted", 2),
    ],
)
def test_one_fault_is_one_finding(fault: str, at_most: int) -> None:
    """A gradient is judged on its own; it was up to 15 by requirement, one a kind of call."""
    found = differences(fault)
    assert 1 <= len(found) <= at_most, [one.title for one in found]
    assert len({one.title for one in found}) == len(found)


@pytest.mark.parametrize(
    "fault",
    [
        "padding-masked-by-product",
        "h-n-by-a-product",
        "rows-turned-by-a-product",
        "padding-in-the-row-scale",
    ],
)
def test_what_reaches_values_from_the_padding_is_one_finding(fault: str) -> None:
    (found,) = differences(fault)
    assert found.cause is Cause.PADDING


@pytest.mark.parametrize(
    "faults",
    [("b-hh-dropped", "h-n-at-t"), ("leaky-relu", "padding-not-zeroed")],
    ids=" and ".join,
)
def test_two_faults_are_two_findings(faults: Sequence[str]) -> None:
    """And neither takes the other's name."""
    together = differences(*faults)
    checks = {one.head.check for one in together}
    for fault in faults:
        assert differences(fault)[0].head.check in checks
    assert len(together) >= 2


def refused(call: str, message: str) -> Judged:
    config = Config.of(aspect=f"call.{call}", data="plain")
    return line(
        0, 1.0, config_id=config.id, check="call", cause="refused", message=message, worst=None
    )


def test_what_is_refused_with_the_same_exception_is_one() -> None:
    said = "refused in the call: TypeError: expected a list, got 3"
    one, other = refused("x.flat", said), refused("lengths.list", said.replace("3", "14"))
    (both,) = group(find([one, other]))
    assert (both.configs, both.judged) == (2, 2)
    another = refused("lengths.list", "refused in the call: KeyError: 'lengths'")
    assert len(group(find([one, another]))) == 2


def test_findings_without_a_cause_have_different_titles() -> None:
    lines = [
        line(n, 3.0, check=check, cause="unexplained", requirement=check)
        for n, check in enumerate(("step_residual", "padding_zero", "last_state"))
    ]
    titles = [one.title for one in group(find(lines))]
    assert len(set(titles)) == len(titles) == 3
