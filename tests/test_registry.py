"""A check is one file that registers itself: asked, reported and in the table, and gone again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.checks import Need, check, check_named, checks_for, every_check, temporary_checks
from harness.checks.table import PAGE, checks_page
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.expectations import Expectations
from harness.findings import find
from harness.judge import Session
from harness.judging.applies import VALUES
from harness.planted.right import CompleteBackend
from harness.probes import Probe
from harness.requirements import REQUIREMENTS
from harness.verdicts import Verdict


@pytest.fixture
def _throw_away() -> Iterator[None]:
    with temporary_checks():

        @check(
            requirement="equation",
            difference="an output is larger than a million",
            applies=VALUES,
            needs=(Need.FORWARD,),
            probes=(Probe.ZERO,),
        )
        def no_large_output(evidence: Evidence) -> Iterator[Comparison]:
            output = evidence.forward.output
            wrong = bool((abs(output) < 1e6).all())
            yield Comparison("output", Verdict.FAIL if wrong else Verdict.PASS, output.size)

        yield


@pytest.mark.usefixtures("_throw_away")
def test_a_check_that_is_added_is_asked_and_reported() -> None:
    results = Session({"x": CompleteBackend()}).judge(Config(steps=2))
    (result,) = [result for result in results if result.check == "no_large_output"]
    assert (result.requirement, result.verdict) == ("equation", "fail")
    (finding,) = find(Expectations().join([result]))
    assert finding.difference == "an output is larger than a million"
    assert "| `no_large_output` | " in checks_page()


@pytest.mark.usefixtures("_throw_away")
def test_it_stands_where_its_requirement_does() -> None:
    names = [one.name for one in checks_for(Config(data="ints", nonlinearity="relu"))]
    place = names.index("no_large_output")
    assert names[place - 1 : place + 2] == ["exact_lane", "no_large_output", "step_residual"]


def test_it_is_gone_again_and_others_are_left_out_for_a_while() -> None:
    assert check_named("no_large_output") is None
    with temporary_checks(without=("prefix",)):
        assert check_named("prefix") is None
    assert check_named("prefix") is not None


def test_a_name_is_taken_once_and_requirements_exist() -> None:
    with temporary_checks():
        register = check(requirement="equation", difference="", applies=VALUES, name="prefix")
        with pytest.raises(ValueError, match="'prefix' exists already"):
            register(lambda evidence: iter(()))
        register = check(requirement="no-such", difference="", applies=VALUES, name="new")
        with pytest.raises(ValueError, match=r"requirements \['no-such'\]"):
            register(lambda evidence: iter(()))


def test_the_order_is_that_of_the_requirements() -> None:
    first, *others = every_check()
    assert first.name == "transfer"
    places = [list(REQUIREMENTS).index(one.requirement) for one in others if one.requirement]
    assert places == sorted(places)


def test_a_check_has_the_name_of_its_file_and_of_its_function() -> None:
    for one in every_check():
        module = one.run.__module__.rpartition(".")[2]
        assert one.name == module == getattr(one.run, "__name__", ""), one.name


def test_the_table_of_checks_is_up_to_date() -> None:
    """If this fails: python -m harness.checks."""
    assert PAGE.read_text("utf-8") == checks_page()
