"""The answer of a run: how many ways there are, what they do, and which comes first."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.answer import Answer, answer_of
from harness.baseline import KnownDifference
from harness.causes import Cause, Harm
from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.outcome import Outcome
from harness.report.answering import answer_sentence, layer_sentences, section_size, way_size
from harness.report.wording import error_text
from harness.results import Number, Place
from tests.synthetic_results import changed, line


def entry(name: str, check: str, cause: Cause, harm: Harm | None = None) -> KnownDifference:
    return KnownDifference(
        id=name,
        statement=f"{name} says",
        backends=("mindspore",),
        versions={"mindspore": ">=2"},
        checks=(check,),
        causes=(cause,),
        reason="so",
        remedy="do",
        harm=harm,
        when={"layer": ["rnn", "gru"]},
    )


def fails(config: Config, check: str, cause: Cause, backend: str = "mindspore") -> Judged:
    made = line(0, 2.0, config_id=config.id, backend=backend, check=check, cause=cause)
    return changed(made, requirement="equation")


def passes(config: Config, backend: str = "torch") -> Judged:
    return line(0, 0.5, config_id=config.id, backend=backend, verdict="pass", cause=None)


def answered(results: Iterable[Judged], *entries: KnownDifference) -> Answer:
    known = Expectations(entries)
    return answer_of(Outcome({}, known.join(results), known.by_id))


def call(name: str, layer: str = "rnn") -> Config:
    return Config.of(layer, aspect=f"call.{name}", data="plain", states=True)


TANH = entry("tanh", "step_residual", Cause.ACTIVATION)
COMPLEX = entry("complex", "call", Cause.ACCEPTED)
KEYWORD = entry("keyword", "call", Cause.REFUSED)
MANY = [Config.of(seed=n) for n in range(5)]
RUN = [
    *(passes(one) for one in MANY),
    fails(call("x.complex"), "call", Cause.ACCEPTED),
    fails(call("keyword.bias"), "call", Cause.REFUSED),
    *(fails(one, "step_residual", Cause.ACTIVATION) for one in MANY),
]


def test_it_says_in_how_many_ways_and_what_they_do() -> None:
    answer = answered(RUN, TANH, COMPLEX, KEYWORD)
    assert answer_sentence(answer) == (
        "mindspore's RNN differs from torch's in 3 ways: 1 changes numbers or crashes, 1 accepts "
        "silently what should be refused, 1 concerns the call and its arguments; none is new."
    )
    assert [way.name for way in answer.ways] == ["tanh", "complex", "keyword"]
    assert [way.remedy for way in answer.ways] == ["do"] * 3
    numbers = answer.sections[0]
    assert section_size(numbers) == "1 way, in 5 of 7 configs"
    assert way_size(numbers.ways[0]) == "in 5 of 5 configs, by up to 0.5"


def test_of_two_that_do_the_same_the_one_that_more_configs_show_comes_first() -> None:
    flush = entry("flush", "prefix", Cause.FLUSH)
    nan = entry("nan", "special_values", Cause.NAN)
    few = [fails(one, "special_values", Cause.NAN) for one in MANY[:2]]
    rare = [fails(one, "prefix", Cause.FLUSH) for one in MANY]
    answer = answered([*rare, *few, *RUN], flush, nan, TANH, COMPLEX, KEYWORD)
    assert [way.name for way in answer.sections[0].ways] == ["tanh", "nan", "flush"]


def test_what_is_new_comes_first_in_its_group_under_the_name_of_its_finding() -> None:
    new = fails(MANY[0], "last_state", Cause.UNEXPLAINED)
    answer = answered([*RUN, new], TANH, COMPLEX, KEYWORD)
    assert [way.name for way in answer.new] == ["mindspore-last-state-unexplained-unexpected"]
    assert answer.sections[0].ways[0].new
    assert answer_sentence(answer).endswith("; 1 is new.")


def test_layers_are_counted_apart_where_there_are_several() -> None:
    gru = Config.of("gru", data="plain")
    answer = answered([*RUN, fails(gru, "step_residual", Cause.ACTIVATION)], TANH, COMPLEX, KEYWORD)
    assert "mindspore's RNN and GRU differ from torch's in 3 ways" in answer_sentence(answer)
    said = dict(layer_sentences(answer))
    assert said["gru"] == "1 way: 1 changes numbers or crashes"
    assert said["rnn"].startswith("3 ways: ")
    assert list(layer_sentences(answered(RUN, TANH))) == []


@pytest.mark.parametrize(
    ("results", "begins"),
    [
        ([], "Nothing was judged."),
        ([passes(MANY[0])], "torch's RNN differs from what is documented in no way that was asked"),
        (
            [passes(MANY[0]), passes(MANY[0], "torch==2.9.1")],
            "torch==2.9.1's RNN differs from torch's in no way",
        ),
        (
            [passes(MANY[0], one) for one in ("torch", "mindspore", "mindspore:graph", "mine")],
            "mindspore's and mine's RNN differ from torch's in no way",
        ),
    ],
)
def test_it_names_what_was_compared(results: list[Judged], begins: str) -> None:
    assert answer_sentence(answered(results)).startswith(begins)


def test_harm_is_that_of_the_cause_unless_the_call_or_the_baseline_says_more() -> None:
    life = Config.of(aspect="life", data="plain", life=("g0", "x5", "g0"))
    wrong = entry("wrong", "call", Cause.WRONG)
    broken = entry("broken", "life", Cause.REFUSED)
    told = entry("told", "call_parity", Cause.DIFFERS, harm=Harm.SILENT)
    results = [
        fails(call("h0.swapped"), "call", Cause.WRONG),
        fails(life, "life", Cause.REFUSED),
        fails(call("x.half"), "call_parity", Cause.DIFFERS),
    ]
    harms = {way.name: way.harm for way in answered(results, wrong, broken, told).ways}
    assert harms == {"wrong": Harm.SILENT, "broken": Harm.NUMBERS, "told": Harm.SILENT}


def test_the_size_of_a_way_leaves_out_ulps_of_numbers_near_0() -> None:
    near = Place("output", 0, "forward", 0, 0, 0, 1e-3, 1e-30)
    far = Place("output", 0, "forward", 0, 0, 0, 1.0, 0.9999)
    config = MANY[0]
    sizes = []
    for place in (near, far):
        one = changed(fails(config, "step_residual", Cause.ACTIVATION), worst=place)
        sizes.append(way_size(answered([one], TANH).ways[0]))
    assert sizes[0] == "in 1 of 1 config, by up to 0.001"
    assert sizes[1].startswith("in 1 of 1 config, by up to 1e-4 (1,680 ulp)")


def test_a_way_is_off_by_the_largest_error_and_not_by_that_of_the_largest_ratio() -> None:
    """But of flushed numbers by what was flushed: the largest error there is rounding."""
    place = Place("output", 0, "forward", 0, 0, 0, 1.0, 0.9999)
    lines = [
        changed(fails(one, "step_residual", cause), worst=place, ratio=ratio, max_abs=largest)
        for one, cause, ratio, largest in (
            (MANY[0], Cause.ACTIVATION, 300.0, 1e-4),
            (MANY[1], Cause.ACTIVATION, 200.0, 0.03),
            (MANY[2], Cause.FLUSH, 300.0, 1e-4),
            (MANY[3], Cause.FLUSH, 200.0, 0.03),
        )
    ]
    flush = entry("flush", "step_residual", Cause.FLUSH)
    ways = {way.name: way_size(way) for way in answered(lines, TANH, flush).ways}
    assert ways["tanh"] == "in 2 of 4 configs, by up to 0.03"
    assert ways["flush"] == "in 2 of 4 configs, by up to 1e-4 (1,680 ulp)"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0.0, "0"), (1.0070067e-4, "1.01e-4"), (1e-45, "1e-45"), (0.0123, "0.0123"), (12.0, "12"),
        (1689.5, "1,690"), (999_999.0, "1e6"), (2.5e44, "2.5e44"), ("inf", "inf"), ("nan", "nan"),
    ],
)  # fmt: skip
def test_a_size_is_written_in_three_digits_as_people_write_it(size: Number, text: str) -> None:
    assert error_text(size) == text
