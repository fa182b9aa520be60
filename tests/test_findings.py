"""The matrix: what makes a verdict, what does not, and what belongs elsewhere."""

from __future__ import annotations

import functools

import pytest

from harness.causes import Cause
from harness.config import Config
from harness.expectations import Judged
from harness.findings import find, key_of
from harness.groups import group
from harness.layers import LAYERS
from harness.matrix import matrix
from harness.requirements import GROUPS, REQUIREMENTS
from harness.results import Number, Place
from harness.verdicts import Verdict
from tests.synthetic_results import changed, line

CONFIG = Config.of(bidirectional=True, num_layers=2, input_size=3, hidden_size=4)
PASSING = line(
    0, 0.1, config_id=CONFIG.id, backend="theirs", verdict="pass", cause=None, worst=None
)


result = functools.partial(changed, PASSING)


def verdict(key: str, *results: Judged) -> str:
    return matrix(results)[key]["theirs"].verdict


def test_a_requirement_without_result_is_untested_never_fine() -> None:
    rows = matrix([PASSING])
    assert rows["equation"]["theirs"].verdict == "pass"
    assert rows["bidirectional"]["theirs"].verdict == "pass"
    assert rows["gradient-x"]["theirs"].verdict == "untested"
    assert rows["h-n"]["theirs"].verdict == "untested"
    assert rows["modes"]["theirs"].verdict == "not applicable"
    of_rnn = {key for key, one in REQUIREMENTS.items() if one.concerns(LAYERS["rnn"])}
    assert set(rows) == of_rnn < set(REQUIREMENTS)
    assert {requirement.group for requirement in REQUIREMENTS.values()} == set(GROUPS)


def test_variants_come_last_whichever_was_judged_first() -> None:
    lines = [changed(PASSING, backend=name) for name in ("mindspore:graph", "torch", "mindspore")]
    assert [*matrix(lines)["equation"]] == ["torch", "mindspore", "mindspore:graph"]


def test_a_row_passes_only_by_what_could_have_failed_it() -> None:
    """Weights that arrive and shapes that are right say nothing of two directions."""
    shapes = result(check="shape_dtype", requirement="outputs")
    unseen = result(verdict=Verdict.INCONCLUSIVE)
    assert verdict("bidirectional", shapes) == "untested"
    assert verdict("bidirectional", shapes, unseen) == "inconclusive"
    assert verdict("bidirectional", shapes, PASSING) == "pass"
    wrong = result(
        check="shape_dtype", requirement="outputs", verdict=Verdict.FAIL, cause=Cause.UNEXPLAINED
    )
    assert verdict("bidirectional", wrong, PASSING) == "fail"


def test_an_established_cause_counts_where_it_is_judged() -> None:
    failing = result(verdict=Verdict.FAIL, cause=Cause.ACTIVATION, known="entry")
    rows = matrix([PASSING, failing])
    assert rows["activation"]["theirs"].verdict == "known"
    assert rows["equation"]["theirs"].verdict == "known"
    assert rows["bidirectional"]["theirs"].verdict == "pass"
    assert rows["bidirectional"]["theirs"].elsewhere == 1
    unexplained = result(verdict=Verdict.FAIL, cause=Cause.UNEXPLAINED)
    assert verdict("bidirectional", PASSING, unexplained) == "fail"


def test_the_worst_verdict_wins() -> None:
    known = result(verdict=Verdict.FAIL, cause=Cause.UNEXPLAINED, known="entry")
    assert verdict("h-0-absent", PASSING, known) == "known"
    assert verdict("h-0-absent", known, result(verdict=Verdict.ERROR)) == "error"
    assert verdict("h-0-absent", result(verdict=Verdict.UNSUPPORTED)) == "unsupported"
    assert verdict("h-0-absent", result(verdict=Verdict.UNSUPPORTED), PASSING) == "pass"


def test_calls_are_findings_of_their_own() -> None:
    calls = [
        result(
            config_id=Config.of(aspect=f"call.{name}", data="plain").id,
            check="call",
            requirement="refused-x",
            verdict=Verdict.FAIL,
            cause=Cause.ACCEPTED,
        )
        for name in ("x.wider", "x.rank4")
    ]
    assert key_of(calls[0]) == ("theirs", "call", "accepted", "call.x.wider")
    assert {finding.key[3] for finding in find(calls)} == {"call.x.wider", "call.x.rank4"}
    assert "x with one feature too many" in " ".join(f.difference for f in find(calls))


@pytest.mark.parametrize(
    ("cause", "groups"),
    [(Cause.PRECISION, 1), (Cause.FLUSH, 1), (Cause.PADDING, 1), (Cause.UNEXPLAINED, 2)],
)
def test_an_established_cause_is_one_difference_whatever_it_breaks(
    cause: Cause, groups: int
) -> None:
    failing = functools.partial(result, verdict=Verdict.FAIL, cause=cause)
    lines = [
        failing(check="step_residual", requirement="equation"),
        failing(check="gradient", requirement="gradient-x"),
    ]
    assert len(group(find(lines))) == groups


def test_a_known_difference_is_one_group_and_the_gravest_comes_first() -> None:
    mild = result(verdict=Verdict.FAIL, cause=Cause.FLUSH, known="mild")
    grave = result(verdict=Verdict.FAIL, cause=Cause.NAN, known="grave", check="special_values")
    other = result(verdict=Verdict.FAIL, cause=Cause.NAN, known="grave", backend="others")
    groups = group(find([mild, grave, other]))
    assert [members.topic for members in groups] == ["grave", "mild"]
    assert set(groups[0].backends) == {"theirs", "others"}
    unexpected = result(verdict=Verdict.FAIL, cause=Cause.FLUSH, check="prefix")
    assert group(find([grave, unexpected]))[0].unexpected


@pytest.mark.parametrize(
    ("actual", "expected", "consequence"),
    [
        (1.0, 1.5, "wrong value"),
        (-1.0, 1.5, "wrong sign"),
        (0.0, 1.5, "0 where another number is right"),
        (1.0, 0.0, "wrong value"),
        ("nan", 1.5, "NaN where a number is right"),
        (0.0, "nan", "a number in place of NaN"),
        ("inf", 1.5, "infinite where a number is right"),
        (1.5, "-inf", "finite, not infinite"),
        ("-inf", "inf", "wrong sign"),
    ],
)
def test_the_consequence_follows_from_the_worst_number(
    actual: Number, expected: Number, consequence: str
) -> None:
    place = Place("output", 0, "forward", 0, 0, 0, actual, expected)
    (finding,) = find([line(1, 3.0, worst=place)])
    assert finding.consequence == consequence


@pytest.mark.parametrize(
    ("changes", "consequence"),
    [
        ({"cause": Cause.CRASHED}, "crash"),
        ({"cause": Cause.ACCEPTED}, "silently accepted"),
        ({"cause": Cause.REFUSED}, "refused"),
        (
            {"check": "dropout_rate", "cause": Cause.UNEXPLAINED},
            "dropped otherwise than documented",
        ),
        ({"worst": None}, "wrong answer"),
    ],
)
def test_a_cause_or_a_check_may_name_the_consequence(
    changes: dict[str, object], consequence: str
) -> None:
    (finding,) = find([line(1, 3.0, **changes)])
    assert finding.consequence == consequence
