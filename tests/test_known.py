"""The baseline: what it excuses, what it does not, and how it says that it is out of date."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import msgspec
import pytest
from harness.known import (
    BaselineError,
    KnownDifference,
    KnownDifferences,
    load_known,
    this_platform,
)

from harness import processor
from harness.config import Config
from harness.pinned import changed, peak
from harness.processor import cpu_flags, cpu_model
from harness.results import Result

CONFIG = Config(nonlinearity="tanh")
ENTRY = KnownDifference(
    id="theirs",
    statement="they differ",
    backends=("mindspore", "mindspore:graph"),
    versions={"mindspore": ">=2"},
    checks=("step_residual",),
    causes=("activation",),
    reason="because",
    reference="",
    shown_by=(CONFIG.id,),
    max_ratio=100.0,
    when={"nonlinearity": "tanh"},
)
FAILING = Result(
    config_id=CONFIG.id,
    backend="mindspore",
    check="step_residual",
    requirement="equation",
    verdict="fail",
    compared=3,
    max_abs=1e-4,
    max_rel=1e-4,
    max_ulp=900.0,
    ratio=50.0,
    worst=None,
    message="",
    replay="",
    cause="activation",
)


def marked(**changes: object) -> str | None:
    return KnownDifferences([ENTRY]).mark(msgspec.structs.replace(FAILING, **changes)).known


def test_excuses_what_it_names() -> None:
    assert marked() == "theirs"


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": "torch"},
        {"check": "last_state"},
        {"cause": "unexplained"},
        {"cause": None},
        {"ratio": 101.0},
        {"ratio": "inf"},
        {"ratio": "nan"},
        {"verdict": "error"},
        {"verdict": "pass"},
        {"config_id": Config(nonlinearity="relu").id},
    ],
    ids=str,
)
def test_excuses_nothing_else(changes: dict[str, object]) -> None:
    assert marked(**changes) is None


def test_a_difference_that_vanished_is_loud() -> None:
    known = KnownDifferences([ENTRY])
    passing = msgspec.structs.replace(FAILING, verdict="pass", cause=None)
    (message,) = changed(known, [passing])
    assert message.startswith(f"known difference 'theirs' vanished: {CONFIG.id} no longer shows")
    assert "narrow `versions`" in message
    assert changed(known, [known.mark(FAILING)]) == []


def test_a_difference_that_was_not_looked_for_did_not_vanish() -> None:
    assert changed(KnownDifferences([ENTRY]), []) == []
    elsewhere = msgspec.structs.replace(FAILING, backend="torch")
    assert changed(KnownDifferences([ENTRY]), [elsewhere]) == []


EVERY = msgspec.structs.replace(ENTRY, shown_by=(), when={"nonlinearity": ["tanh"]})


def test_without_named_configs_every_pinned_one_must_show_it() -> None:
    known = KnownDifferences([EVERY])
    pinned = msgspec.structs.replace(FAILING, origin="corpus")
    passing = msgspec.structs.replace(pinned, verdict="pass", cause=None)
    assert changed(known, [known.mark(pinned)]) == []
    (message,) = changed(known, [passing])
    assert message.startswith(f"known difference 'theirs' vanished: {CONFIG.id} no longer shows")
    for other in (
        {"origin": "drawn"},
        {"check": "prefix"},
        {"verdict": "inconclusive"},
        {"backend": "torch"},
        {"config_id": Config(nonlinearity="relu").id},
    ):
        assert changed(known, [msgspec.structs.replace(passing, **other)]) == [], other


def test_an_intermittent_difference_counts_as_shown_where_it_is_pinned_and_cannot_vanish() -> None:
    part = msgspec.structs.replace(FAILING, part="now and then")
    passing = msgspec.structs.replace(part, verdict="pass", cause=None, origin="corpus")
    known = KnownDifferences([msgspec.structs.replace(ENTRY, intermittent=("now and then",))])
    assert known.mark(part).known == known.mark(passing).known == "theirs"
    assert not known.mark(passing).unexpected
    assert changed(known, [passing]) == []
    for other in (
        {"part": "always"},
        {"backend": "torch"},
        {"check": "prefix"},
        {"verdict": "inconclusive"},
        {"config_id": Config(nonlinearity="tanh", seed=1).id},
    ):
        assert known.mark(msgspec.structs.replace(passing, **other)).known is None, other


@pytest.mark.parametrize(("failing", "known"), [(0, "theirs"), (24, "theirs"), (25, None)])
def test_of_what_is_compared_no_more_may_fail_than_the_share_that_is_known(
    failing: int, known: str | None
) -> None:
    entries = KnownDifferences([msgspec.structs.replace(ENTRY, max_share=0.96)])
    result = msgspec.structs.replace(FAILING, failing=failing, compared=25)
    assert entries.mark(result).known == known
    assert marked(failing=failing, compared=25) == "theirs"


RANGED = msgspec.structs.replace(ENTRY, ratio=(40.0, 60.0))


@pytest.mark.parametrize(
    ("ratio", "said"), [(39.9, "shrank"), (40.0, None), (60.0, None), (60.1, "grew")]
)
def test_a_difference_that_shrank_or_grew_is_loud(ratio: float, said: str | None) -> None:
    known = KnownDifferences([RANGED])
    results = [known.mark(msgspec.structs.replace(FAILING, ratio=r)) for r in (1.5, ratio)]
    messages = changed(known, results)
    if said is None:
        assert messages == []
    else:
        (message,) = messages
        assert message.startswith(f"known difference 'theirs' {said}: the largest ratio of its")
        assert f"is {ratio:g}, expected 40 to 60" in message
        assert "rnn-parity baseline update" in message


def test_the_size_of_what_was_not_asked_of_all_pinned_configs_is_unknown() -> None:
    other = Config(nonlinearity="tanh", seed=2)
    entry = msgspec.structs.replace(RANGED, shown_by=(CONFIG.id, other.id))
    known = KnownDifferences([entry])
    small = known.mark(msgspec.structs.replace(FAILING, ratio=1.5))
    assert changed(known, [small]) == []
    both = [small, known.mark(msgspec.structs.replace(small, config_id=other.id))]
    assert "shrank" in changed(known, both)[0]
    infinite = [known.mark(msgspec.structs.replace(one, ratio="inf", known=None)) for one in both]
    assert peak(entry, infinite) is None


def test_a_difference_of_another_platform_is_not_known_here(tmp_path: Path) -> None:
    for platforms, count in (([this_platform()], 1), (["*-other"], 0), (["linux-*", "win*"], 1)):
        text = GOOD.replace('reference = ""', f"platforms = {json.dumps(platforms)}")
        assert len(load(tmp_path, text).entries) == count


def test_a_difference_of_another_processor_is_not_known_here(tmp_path: Path) -> None:
    here = sorted(cpu_flags())[:1]
    for flags, count in (([], 1), (here, 1), ([*here, "no_such_flag"], 0)):
        text = GOOD.replace('reference = ""', f"cpu_flags = {json.dumps(flags)}")
        assert len(load(tmp_path, text).entries) == count


@pytest.mark.parametrize(
    ("told", "model", "flags"),
    [
        (
            "model name : A 1\nflags : fma avx2\n\nmodel name : B\nflags : sse\n",
            "A 1",
            {"fma", "avx2"},
        ),
        ("processor : 0\nFeatures : fp asimd\n", "", {"fp", "asimd"}),
        (None, "", set()),
    ],
    ids=["x86", "arm", "not Linux"],
)
def test_the_processor_is_what_linux_tells_of_it(
    told: str | None, model: str, flags: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if told is not None:
        path.write_text(told, "utf-8")
    monkeypatch.setattr(processor, "CPUINFO", path)
    monkeypatch.setattr(processor, "_described", processor._described.__wrapped__)
    assert cpu_flags() == flags
    assert cpu_model() == (model or platform.processor() or platform.machine())


def test_one_backend_cannot_show_it_for_another() -> None:
    known = KnownDifferences([ENTRY])
    graph = msgspec.structs.replace(FAILING, backend="mindspore:graph", verdict="pass", cause=None)
    (message,) = changed(known, [known.mark(FAILING), graph])
    assert "with mindspore:graph" in message


GOOD = f"""
[[difference]]
id = "a"
statement = "they differ"
backends = ["numpy"]
versions = {{ numpy = ">=1" }}
checks = ["step_residual"]
causes = ["activation"]
reason = "because"
reference = ""
shown_by = ["{CONFIG.id}"]
"""


def load(tmp_path: Path, text: str) -> KnownDifferences:
    path = tmp_path / "known.toml"
    path.write_text(text)
    return load_known(path)


def test_entries_are_for_the_versions_they_name(tmp_path: Path) -> None:
    assert [e.id for e in load(tmp_path, GOOD).entries] == ["a"]
    assert load(tmp_path, GOOD.replace(">=1", ">=99")).entries == ()
    assert load(tmp_path, GOOD.replace("{ numpy", "{ not-installed")).entries == ()
    assert load(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[difference]]", "[[difference", "baseline"),
        ('reason = "because"', 'reason = " "', "entry 'a': reason is empty"),
        ('reason = "because"\n', "", "missing required field `reason`"),
        (CONFIG.id, "tanh-l1", "entry 'a': config id 'tanh-l1' has 2 tokens"),
        (f'["{CONFIG.id}"]', "[]", "neither shown_by nor when"),
        ('"they differ"', '""', "statement is empty"),
        ('["numpy"]', "[]", "backends is empty"),
        ('{ numpy = ">=1" }', "{}", "versions is empty"),
        (">=1", "newer", "entry 'a': Invalid specifier"),
        (">=1", ">=" + "9" * 5000, "entry 'a': Exceeds the limit"),
        ("{ numpy", '{ ""', "expected the name of a package"),
        ('["activation"]', "[3]", "Expected `str`, got `int`"),
        ('["step_residual"]', '["step_residul"]', "checks: 'step_residul', expected one of"),
        ('["activation"]', '["weather"]', "causes: 'weather', expected of activation"),
        ('reference = ""', 'reference = ""\nwhen = { nonlinear = "tanh" }', "when: 'nonlinear'"),
        ('reference = ""', 'reference = ""\ntypo = 1', "unknown field `typo`"),
        (
            'reference = ""',
            "ratio = [3.0, 2.0]",
            "entry 'a': ratio = .*, expected .smallest, largest",
        ),
        ('reference = ""', "max_share = 0.0", "max_share = 0.0, expected above 0 and at most 1"),
        ('reference = ""', "max_share = 1.1", "max_share = 1.1, expected above 0 and at most 1"),
        (f'shown_by = ["{CONFIG.id}"]', 'when = {dtype = "fp32"}\nintermittent = ["x"]', "pinned"),
    ],
)
def test_a_bad_baseline_says_what_is_wrong(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    with pytest.raises(BaselineError, match=message):
        load(tmp_path, GOOD.replace(old, new))


def test_a_missing_baseline_says_so(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="No such file"):
        load_known(tmp_path / "none.toml")
