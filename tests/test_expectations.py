"""The baseline: what it excuses, what it does not, and how it says that it is out of date."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import environment
from harness.baseline import BaselineError, KnownDifference, read_baseline
from harness.causes import Cause
from harness.config import Config
from harness.environment import cpu_flags, cpu_model
from harness.expectations import Change, Expectations, Judged, expectations_of, peak, stale_entries
from harness.verdicts import Verdict
from tests.synthetic_results import changed, header, line

CONFIG = Config.of(nonlinearity="tanh")
ENTRY = KnownDifference(
    id="theirs",
    statement="they differ",
    backends=("mindspore", "mindspore:graph"),
    versions={"mindspore": ">=2"},
    checks=("step_residual",),
    causes=(Cause.ACTIVATION,),
    reason="because",
    reference="",
    shown_by=(CONFIG.id,),
    max_ratio=100.0,
    when={"nonlinearity": "tanh"},
)
FAILING = line(0, 50.0, config_id=CONFIG.id, backend="mindspore", origin="drawn")


def joined(known: Expectations, result: Judged) -> Judged:
    return known.join([result])[0]


def known_as(**changes: object) -> str | None:
    return joined(Expectations([ENTRY]), changed(FAILING, **changes)).known


def test_excuses_what_it_names() -> None:
    assert known_as() == "theirs"


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
        {"config_id": Config.of(nonlinearity="relu").id},
    ],
    ids=str,
)
def test_excuses_nothing_else(changes: dict[str, object]) -> None:
    assert known_as(**changes) is None


def test_a_difference_that_vanished_is_loud() -> None:
    known = Expectations([ENTRY])
    passing = changed(FAILING, verdict="pass", cause=None)
    (stale,) = stale_entries(known, [passing])
    assert (stale.change, stale.entry) == (Change.VANISHED, "theirs")
    message = stale.message
    assert message.startswith(f"known difference 'theirs' vanished: {CONFIG.id} no longer shows")
    assert "narrow `versions`" in message
    assert stale_entries(known, [joined(known, FAILING)]) == []


def test_a_difference_that_was_not_looked_for_did_not_vanish() -> None:
    assert stale_entries(Expectations([ENTRY]), []) == []
    elsewhere = changed(FAILING, backend="torch")
    assert stale_entries(Expectations([ENTRY]), [elsewhere]) == []


EVERY = msgspec.structs.replace(ENTRY, shown_by=(), when={"nonlinearity": ["tanh"]})


def test_without_named_configs_every_pinned_one_must_show_it() -> None:
    known = Expectations([EVERY])
    pinned = changed(FAILING, origin="corpus")
    passing = changed(pinned, verdict="pass", cause=None)
    assert stale_entries(known, [joined(known, pinned)]) == []
    (stale,) = stale_entries(known, [passing])
    assert stale.message.startswith(
        f"known difference 'theirs' vanished: {CONFIG.id} no longer shows"
    )
    for other in (
        {"origin": "drawn"},
        {"check": "prefix"},
        {"verdict": "inconclusive"},
        {"backend": "torch"},
        {"config_id": Config.of(nonlinearity="relu").id},
    ):
        assert stale_entries(known, [changed(passing, **other)]) == [], other


def test_an_intermittent_difference_counts_as_shown_where_it_is_pinned_and_cannot_vanish() -> None:
    part = changed(FAILING, part="now and then")
    passing = changed(part, verdict="pass", cause=None, origin="corpus")
    known = Expectations([msgspec.structs.replace(ENTRY, intermittent=("now and then",))])
    assert joined(known, part).known == joined(known, passing).may_show == "theirs"
    assert joined(known, passing).known is None
    assert joined(known, passing).state is Verdict.PASS
    assert not joined(known, passing).unexpected
    assert stale_entries(known, [passing]) == []
    for other in (
        {"part": "always"},
        {"backend": "torch"},
        {"check": "prefix"},
        {"verdict": "inconclusive"},
        {"config_id": Config.of(nonlinearity="tanh", seed=1).id},
    ):
        assert joined(known, changed(passing, **other)).may_show is None, other


@pytest.mark.parametrize(("failing", "known"), [(0, "theirs"), (24, "theirs"), (25, None)])
def test_of_what_is_compared_no_more_may_fail_than_the_share_that_is_known(
    failing: int, known: str | None
) -> None:
    expected = Expectations([msgspec.structs.replace(ENTRY, max_share=0.96)])
    result = changed(FAILING, failing=failing, compared=25)
    assert joined(expected, result).known == known
    assert known_as(failing=failing, compared=25) == "theirs"


RANGED = msgspec.structs.replace(ENTRY, ratio=(40.0, 60.0))


@pytest.mark.parametrize(
    ("ratio", "change"), [(39.9, "shrank"), (40.0, None), (60.0, None), (60.1, "grew")]
)
def test_a_difference_that_shrank_or_grew_is_loud(ratio: float, change: str | None) -> None:
    known = Expectations([RANGED])
    results = [joined(known, changed(FAILING, ratio=r)) for r in (1.5, ratio)]
    messages = stale_entries(known, results)
    if change is None:
        assert messages == []
    else:
        (stale,) = messages
        message = stale.message
        assert stale.change.value == change
        assert message.startswith(f"known difference 'theirs' {change}: the largest ratio of its")
        assert f"is {ratio:g}, expected 40 to 60" in message
        assert "rnn-parity baseline update" in message


def test_the_size_of_what_was_not_asked_of_all_pinned_configs_is_unknown() -> None:
    other = Config.of(nonlinearity="tanh", seed=2)
    entry = msgspec.structs.replace(RANGED, shown_by=(CONFIG.id, other.id))
    known = Expectations([entry])
    small = joined(known, changed(FAILING, ratio=1.5))
    assert stale_entries(known, [small]) == []
    both = [small, joined(known, changed(small, config_id=other.id))]
    assert [one.change for one in stale_entries(known, both)] == [Change.SHRUNK]
    infinite = [joined(known, changed(one, ratio="inf")) for one in both]
    assert peak(entry, infinite) is None


@pytest.mark.parametrize(
    ("field", "values", "count"),
    [
        ("platforms", ["linux-x86_64"], 1),
        ("platforms", ["*-other"], 0),
        ("platforms", ["linux-*", "win*"], 1),
        ("cpu_flags", [], 1),
        ("cpu_flags", ["fma"], 1),
        ("cpu_flags", ["fma", "no_such_flag"], 0),
    ],
    ids=str,
)
def test_a_difference_of_another_machine_is_not_known_here(
    field: str, values: list[str], count: int, tmp_path: Path
) -> None:
    text = GOOD.replace('reference = ""', f"{field} = {json.dumps(values)}")
    assert len(load(tmp_path, text, cpu_flags=["avx2", "fma"]).entries) == count


@pytest.mark.parametrize(
    ("cpuinfo", "model", "flags"),
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
def test_the_processor_is_what_linux_reports(
    cpuinfo: str | None,
    model: str,
    flags: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo, "utf-8")
    monkeypatch.setattr(environment, "CPUINFO", path)
    assert cpu_flags() == flags
    assert cpu_model() == (model or platform.processor() or platform.machine())


def test_one_backend_cannot_show_it_for_another() -> None:
    known = Expectations([ENTRY])
    graph = changed(FAILING, backend="mindspore:graph", verdict="pass", cause=None)
    (stale,) = stale_entries(known, [joined(known, FAILING), graph])
    assert "with mindspore:graph" in stale.message


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


def load(tmp_path: Path, text: str, **recorded: Any) -> Expectations:
    """For a run with numpy 1.26.4; `recorded` is what its header says else."""
    path = tmp_path / "known.toml"
    path.write_text(text)
    return expectations_of(header(numpy="1.26.4") | recorded, path)


def test_entries_are_for_the_versions_they_name(tmp_path: Path) -> None:
    assert [e.id for e in load(tmp_path, GOOD).entries] == ["a"]
    assert load(tmp_path, GOOD.replace(">=1", ">=99")).entries == ()
    assert load(tmp_path, GOOD.replace("{ numpy", "{ not-installed")).entries == ()
    assert load(tmp_path, GOOD, versions={"numpy": "of my own"}).entries == ()
    assert load(tmp_path, "").entries == ()


def test_a_package_that_took_no_part_says_nothing(tmp_path: Path) -> None:
    both = GOOD.replace("{ numpy", '{ not-there = "<1", numpy')
    assert len(load(tmp_path, both).entries) == 1
    there = {"numpy": "1.26.4", "not-there": "2.0"}
    assert load(tmp_path, both, versions=there).entries == ()


def test_each_backend_is_judged_by_the_versions_that_its_worker_reports(tmp_path: Path) -> None:
    """Two versions side by side, and an entry for one of them."""
    text = GOOD.replace('backends = ["numpy"]', 'backends = ["mindspore"]').replace(
        'numpy = ">=1"', 'mindspore = ">=2.10"'
    )
    names = {"mindspore": "2.10.0", "mindspore==2.8.0": "2.8.0"}
    backends = {
        name: {"name": name, "versions": {"mindspore": version}} for name, version in names.items()
    }
    known = load(tmp_path, text, versions={"mindspore": "2.10.0"}, backends=backends)
    lines = [changed(FAILING, backend=name) for name in names]
    assert [line.known for line in known.join(lines)] == ["a", None]
    passing = [changed(line, verdict="pass", cause=None) for line in lines]
    (stale,) = stale_entries(known, known.join(passing))
    assert "no longer shows it with mindspore." in stale.message


def test_what_was_joined_before_does_not_matter() -> None:
    expected, nothing = Expectations([ENTRY]), Expectations()
    (known,) = expected.join([FAILING])
    assert not known.unexpected
    assert nothing.join([known])[0].unexpected
    assert expected.join(nothing.join([known])) == [known]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[difference]]", "[[difference", "baseline"),
        ('reason = "because"', 'reason = " "', "entry 'a': reason is empty"),
        ('reason = "because"\n', "", "entry 'a': missing reason"),
        (
            'reason = "because"\n',
            "[[difference]]\n",
            "entry 'a': missing reason; entry 2: miss.* id, ",
        ),
        (GOOD, GOOD + GOOD[GOOD.index("[[difference]]") :], r"'a' is the id of .* 1 and 2"),
        (CONFIG.id, "rnn-l1", "entry 'a': config id 'rnn-l1', expected rnn-i00001"),
        (f'["{CONFIG.id}"]', "[]", "neither shown_by nor when"),
        ('"they differ"', '""', "statement is empty"),
        ('because"', '"\nharm = "no"', "entry 'a': Invalid enum value 'no'"),
        ('["numpy"]', "[]", "backends is empty"),
        ('{ numpy = ">=1" }', "{}", "versions is empty"),
        (">=1", "newer", "entry 'a': Invalid specifier"),
        (">=1", ">=" + "9" * 5000, "entry 'a': Exceeds the limit"),
        ("{ numpy", '{ ""', "expected the name of a package"),
        ('["activation"]', "[3]", "Expected `str`, got `int`"),
        ('["step_residual"]', '["step_residul"]', "checks: 'step_residul', expected one of"),
        ('["activation"]', '["weather"]', "Invalid enum value 'weather'"),
        ('["activation"]', '["unexplained"]', "causes: 'unexplained', which nothing excuses"),
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
        read_baseline(tmp_path / "none.toml")


def test_what_an_owner_does_is_excused_of_no_other_backend() -> None:
    """That mindspore refuses is known, and what torch takes; not that mindspore takes it too."""
    entry = next(one for one in read_baseline() if one.id == "torch-h-0-too-many-rows")
    (config_id,) = entry.shown_by
    config = Config.parse(config_id)
    call = {"config_id": config_id, "cause": Cause.ACCEPTED, "check": "call", "failing": 0}
    taken = line(0, 1.0, **call)
    refused = {"backend": "mindspore", "check": "call_parity", "cause": Cause.DIFFERS}
    assert entry.explains(taken, config)
    assert entry.explains(msgspec.structs.replace(taken, **refused), config)
    assert not entry.explains(msgspec.structs.replace(taken, backend="mindspore"), config)


def test_alone_no_backend_lacks_what_another_owns() -> None:
    """A run of mindspore alone says nothing of what torch takes; beside it, mindspore shows it."""
    entry = next(one for one in read_baseline() if one.id == "torch-h-0-too-many-rows")
    (config_id,) = entry.shown_by
    alone = line(
        0, 0.0, config_id=config_id, backend="mindspore", check="call", verdict="pass", cause=None
    )
    beside = msgspec.structs.replace(alone, check="call_parity")
    known = Expectations([entry])
    assert stale_entries(known, [alone]) == []
    (stale,) = stale_entries(known, [alone, beside])
    assert stale.change is Change.VANISHED
