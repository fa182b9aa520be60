"""A layer's life: ids, the model, verdicts on right and wrong layers, the shortest life."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.backends import load_backend
from harness.baseline import BASELINE
from harness.build_corpus.lives import LIVES, ON_THE_SAME_LAYER
from harness.causes import Cause
from harness.cli import main
from harness.config import LENGTHS, Config, ConfigError
from harness.environment import describe
from harness.expectations import expectations_of
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend, CorrectLayer, ForwardBackend
from harness.findings import find
from harness.journal import read_run
from harness.judge import Session
from harness.life import CODES, possible
from harness.minimise.life import shortest_life
from harness.moments import asked_at, case_at, inputs_of, moments, weights_number
from harness.results import Result
from harness.runners import Isolated
from harness.strategies import lives
from harness.verdicts import Verdict
from tests.campaigns.lives import search

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 3, "steps": 3, "seed": 5}


def config(life: str, **changes: Any) -> Config:
    return Config.of(life=tuple(life.split(".")), data="plain", **{**SIZES, **changes})


def judged(backend: Any, asked: Config) -> list[Result]:
    """The results of the check of lives."""
    return [r for r in Session({"it": backend}).judge(asked) if r.check == "life"]


def failing(backend: Any, asked: Config) -> list[Result]:
    return [result for result in judged(backend, asked) if result.verdict is Verdict.FAIL]


# The id.


@given(lives(max_steps=20))
def test_a_life_stands_in_the_id(life: tuple[str, ...]) -> None:
    asked = Config.of(life=life, data="plain")
    assert asked.aspect == "life"
    assert asked.id.split("-")[1] == f"life.{'.'.join(life)}.end"
    assert Config.parse(asked.id) == asked


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"life": ("l", "f0")}, "life step 'l': expected only after 'k'"),
        ({"life": ("a0", "f0")}, "life step 'a0': expected only after a call"),
        ({"life": ("q7",)}, "life step 'q7': expected one of w0, w1"),
        ({"life": ("f0",) * 61}, "a life of 61 steps, expected at most 60"),
        ({"life": ("f0",), "aspect": "gradient"}, "expected none beside aspect 'gradient'"),
        ({"aspect": "life"}, "aspect life, expected a life: its steps stand in an id"),
        ({"life": ("f0",), "data": "mixed"}, "aspect life, expected data = 'plain'"),
        ({"life": ["f0"]}, "expected a tuple of steps"),
    ],
)
def test_a_life_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config.of(**{"data": "plain", **values})


def test_impossible_steps_are_left_out() -> None:
    assert possible(("l", "a0", "f0", "a1", "k", "l", "q1")) == ("f0", "a1", "k", "l")


def test_the_shorter_life_is_the_smaller_config() -> None:
    assert config("f0").size < config("f0.w1").size < config("f0.w1.f0").size


# The model.


def test_the_model_follows_weights_mode_and_file() -> None:
    every = moments(config("f0.w1.k.w2.t.f1.l.g2.e.b0.f0.b1"))
    assert [one.weights for one in every] == [0, 1, 1, 2, 2, 2, 1, 1, 1, 10, 1, 11]
    assert [one.training for one in every] == [False] * 4 + [True] * 4 + [False] * 4
    assert [one.inputs for one in every if one.answers] == [0, 1, 2, 0, 0, 0]
    assert [one.code for one in every if one.of_gradients] == ["g2", "b1"]


@pytest.mark.parametrize(
    ("life", "repeats"),
    [
        ("t.s1.f0.s1.f0", {4: 2}),
        ("t.s1.f0.g0.s1.f0.g0", {5: 2, 6: 3}),
        ("t.s1.f0.s2.f0", {}),
        ("t.s1.f0.s1.f1", {}),
        ("t.s1.f0.w1.s1.f0", {}),
        ("s1.t.f0.s1.f0", {}),
        ("t.f0.s1.b0.f0.s1.b0.f0", {}),
        ("s1.f0.s1.f0", {}),
    ],
)
def test_the_model_knows_what_a_seed_repeats(life: str, repeats: dict[int, int]) -> None:
    asked = config(life, num_layers=2, dropout=50)
    found = {one.step: one.repeats for one in moments(asked) if one.repeats is not None}
    assert found == repeats
    assert all(one.repeats is None for one in moments(asked.replace(dropout=0)))


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("changes", [{}, {"states": True, "lengths": "ragged"}], ids=str)
def test_inputs_differ_as_their_words_say(number: int, changes: dict[str, Any]) -> None:
    own, other = (inputs_of(config("f0", **changes), one) for one in (0, number))
    steps, rows = own.x.shape[:2]
    more = {2: (1, 0), 3: (-1, 0), 4: (0, 1), 5: (0, -1), 9: (2, 1)}.get(number, (0, 0))
    assert other.x.shape[:2] == (steps + more[0], rows + more[1])
    assert ("h_0" in other.inputs) == (bool(changes) != (number == 6) or number == 9)
    given = bool(changes) != (number == 7) or number in (8, 9)
    assert ("lengths" in other.inputs) == given
    if own.x.shape == other.x.shape:
        both = own.valid & other.valid
        assert np.array_equal(own.x[both], other.x[both]) == (number in (0, 6, 7, 8))


def test_gradients_have_no_padding_to_speak_of() -> None:
    asked = config("g0", lengths="ragged")
    case = case_at(asked, moments(asked)[0])
    assert not case.valid.all()
    assert (case.x[~case.valid] == 0).all()


def test_two_weights_differ_in_one_array_only() -> None:
    own = weights_number(config("f0"), 0)
    for number, name in ((8, "bias_hh_l0"), (9, "weight_ih_l0")):
        other = weights_number(config("f0"), number)
        assert [n for n in own if own[n].tobytes() != other[n].tobytes()] == [name]


def test_what_is_given_back_is_judged_at_what_it_held() -> None:
    asked, h = config("h1"), np.full((1, 3, 4), 0.5, np.float32)
    moment = asked_at(asked, 0, {"h_0": h}, derived=False)
    case = case_at(asked, moment, {"h_0": h})
    assert case.x.shape == (1, 3, 3)
    assert case.inputs["h_0"] is h
    assert asked_at(asked, 0, {}, derived=False).inputs == 0


def test_an_output_is_x_where_it_fits() -> None:
    assert judged(CorrectBackend(), config("h2", input_size=4))[0].compared == 2
    assert judged(CorrectBackend(), config("h2"))[0].compared == 1


def test_small_inputs_are_small() -> None:
    asked = config("f0", lengths="ragged", steps=9, batch=4)
    assert [inputs_of(asked, n).x.shape[:2] for n in (11, 13, 14)] == [(1, 4), (9, 1), (9, 4)]
    assert inputs_of(asked, 14).inputs["lengths"].max() == 2


# A right layer, and wrong ones.

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"num_layers": 2, "dropout": 50, "layout": "batchfirst", "states": True},
    {"num_layers": 2, "bidirectional": True, "lengths": "ragged", "dtype": "fp64"},
)


@pytest.mark.parametrize("life", [life for kind in LIVES for life in kind[:2]])
def test_a_right_layer_passes_whatever_happens_to_it(life: str) -> None:
    for options in OPTIONS:
        results = judged(CorrectBackend(), config(life, **options))
        assert {result.verdict for result in results} == {Verdict.PASS}
        assert sum(result.compared for result in results) > 20


@pytest.mark.parametrize(("life", "options"), ON_THE_SAME_LAYER)
def test_a_right_layer_may_be_given_what_it_gave(life: str, options: dict[str, Any]) -> None:
    assert failing(CorrectBackend(), config(life, **options)) == []


@given(lives(max_steps=6), st.sampled_from(OPTIONS))
def test_a_right_layer_passes_what_is_drawn(life: tuple[str, ...], options: dict[str, Any]) -> None:
    asked = Config.of(life=life, data="plain", **{**SIZES, **options})
    assert failing(CorrectBackend(), asked) == []


@pytest.mark.parametrize(
    ("fault", "life", "message"),
    [
        (
            "weights-packed-at-the-first-call",
            "f0.w1.f0.f1",
            "right until weights 1 are loaded (step 2); then a call with the case's own inputs "
            "(step 3): ",
        ),
        (
            "gradients-before-any-call",
            "b0.g0.f0.g0",
            "right until gradients for the case's own inputs (step 2): ",
        ),
        (
            "weights-loaded-in-training-mode-are-lost",
            "f0.t.w1.e.f0",
            "right until training mode, weights 1 are loaded, evaluation mode (steps 2 to 4); ",
        ),
        ("answers-in-a-ring", "n0.f1", "the answer of step 1 holds other numbers"),
        ("weights-read-once", "f0.r.w1.r", "weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 "),
        ("answers-kept-by-address", "f0.f1", "right until a call with other numbers of the same"),
        ("copies-share-their-weights", "f0.c0.f0", "right until it is copied, and the copy used"),
        ("own-h-n-is-taken-from-the-recording", "h0", "from its first answer on: calls of which"),
        ("own-h-n-is-updated-in-place", "f0.h1", "the answer of step 2 holds other numbers"),
        ("own-h-n-is-refused-for-gradients", "f0.h3", "right until gradients with the h_n before"),
        ("gradients-keep-x-by-address", "g0.g1", "right until gradients for other numbers"),
        ("refused-gradients-leave-their-sums", "g0.x5.g0", "right until gradients for a misshapen"),
        ("features-refused-in-gradients-leave-their-sums", "x6.g0", "gradients for too many"),
        ("no-tape-in-other-threads", "g0.d1", "right until gradients from another thread (step 2)"),
    ],
)
def test_the_step_that_goes_wrong_is_named(fault: str, life: str, message: str) -> None:
    found = failing(FAULTS[fault].inject(CorrectBackend()), config(life))
    assert message in found[0].message


def test_the_first_answer_may_be_wrong_already() -> None:
    found = failing(FAULTS["gradients-before-any-call"].inject(CorrectBackend()), config("g0.f0"))
    (result,) = found
    assert result.message.startswith(
        "wrong from its first answer on: gradients for the case's own inputs (step 1): "
    )


def test_dropout_that_stays_and_seeds_that_do_not_repeat_are_seen() -> None:
    dropping = {"num_layers": 2, "dropout": 50}
    for fault, life in (
        ("training-mode-nests", "t.t.f0.e.f0"),
        ("seed-counts-once", "t.s1.f0.s1.f0"),
    ):
        backend = FAULTS[fault].inject(CorrectBackend())
        assert failing(backend, config(life, **dropping)) != []
        assert failing(backend, config(life)) == []


class RaisesOnce(CorrectLayer):
    """The second call raises."""

    def forward(self, inputs: Any) -> Any:
        if self.calls == 1:
            self.calls += 1
            raise RuntimeError("no workspace left")
        return super().forward(inputs)


def test_dropout_that_is_gone_is_seen() -> None:
    dropping = {"num_layers": 2, "dropout": 50}
    backend = FAULTS["loading-ends-training-mode"].inject(CorrectBackend())
    (result,) = failing(backend, config("f0.t.w1.f0", **dropping))
    assert "(step 4): none of 36 elements is dropped, which happens once in 6.87e+10" in (
        result.message
    )
    assert failing(backend, config("f0.t.w1.f0", **{**dropping, "dropout": 25})) == []


def test_an_exception_is_an_answer() -> None:
    (result,) = failing(CorrectBackend(RaisesOnce), config("f0.g0.f0.f0"))
    assert result.part == "answered"
    assert result.cause == "refused"
    assert "(step 3): RuntimeError: no workspace left" in result.message


def test_a_method_that_is_missing_makes_the_life_unsupported() -> None:
    results = judged(ForwardBackend(), config("f0.t.f0"))
    assert [result.verdict for result in results] == [Verdict.UNSUPPORTED]
    assert judged(ForwardBackend(), config("f0.w1.f0"))[0].verdict is Verdict.PASS


@pytest.mark.parametrize("code", sorted(set(CODES) - {"n1"}))
def test_every_step_is_taken_by_torch(code: str) -> None:
    before = ("f0", "k") if code[0] in "la" else ()
    asked = Config.of(life=(*before, code, "f0", "g0"), data="plain", **SIZES)
    results = judged(load_backend("torch"), asked)
    assert {result.verdict for result in results} == {Verdict.PASS}


# The shortest life.


def test_a_finding_names_the_shortest_life() -> None:
    backend = FAULTS["weights-packed-at-the-first-call"].inject(CorrectBackend(name="it"))
    session = Session({"it": backend})
    expected = expectations_of(describe(session.runners), BASELINE)
    asked = config("t.e.k.f0.g0.r.w2.s1.e.f1.g1.f0", num_layers=2)
    (finding,) = find(expected.join(session.judge(asked)))
    assert ".".join(shortest_life(session, expected, finding).life) == "f0.w2.f0"


def test_a_run_judges_it_and_shows_it(tmp_path: Path) -> None:
    asked, backend = (
        config("t.k.e.f0.g0.w2.r.f1.f0"),
        f"{Path(__file__).with_name('faulty.py')}:packs",
    )
    (tmp_path / "corpus.txt").write_text(asked.id)
    words = ["--corpus", tmp_path / "corpus.txt", "--examples", 0, "--out", tmp_path]
    done = CliRunner().invoke(main, ["run", "--backend", backend, *map(str, words)])
    assert done.exit_code == 1
    results = read_run(tmp_path / "results.jsonl").results
    (shortened,) = {r.config_id for r in results if r.origin == "shortened"}
    assert "rnn-life.f0.w2.f0.end-" in shortened
    assert f"rnn-parity replay {shortened}" in (tmp_path / "summary.md").read_text()


def test_unfit_weights_that_are_taken_are_no_fault_of_the_next_answer() -> None:
    """A `ForwardLayer` looks at weights when they are used."""
    assert failing(ForwardBackend(), config("x3.f0.x4.f0")) == []


def test_a_kernel_that_rounds_otherwise_when_warm_is_right() -> None:
    backend = FAULTS["other-kernel-when-warm"].inject(CorrectBackend())
    assert failing(backend, config("n0.w1.f0.g0", lengths="ragged")) == []


def test_a_search_ends_with_the_shortest_life() -> None:
    backend = FAULTS["weights-packed-at-the-first-call"].inject(CorrectBackend(name="it"))
    session = Session({"it": backend})
    found = search(session, expectations_of(describe(session.runners), BASELINE), 40, 0)
    assert found is not None
    assert len(found.life) == 3
    plain = Config.of(found.layer, life=found.life, data="plain", bias=False, states=True)
    assert found.size <= plain.size


def test_weights_that_were_replaced_are_a_cause_of_their_own() -> None:
    """Established by judging again at the weights that the layer had before."""

    class Keeps(CorrectLayer):
        first: Any = None

        def load_weights(self, weights: Any) -> None:
            super().load_weights(weights)
            self.first = self.first or dict(self.weights)

        def gradients(self, inputs: Any, cotangents: Any) -> Any:
            now, self.weights = self.weights, self.first
            try:
                return super().gradients(inputs, cotangents)
            finally:
                self.weights = now

    (found,) = failing(CorrectBackend(Keeps, "it"), config("g0.w2.g0", states=True))
    assert found.cause is Cause.STALE


def test_right_weights_that_are_refused_after_unfit_ones_are_an_answer() -> None:
    class Jams(CorrectLayer):
        jammed = False

        def load_weights(self, weights: Any) -> None:
            if self.jammed:
                raise RuntimeError("not again")
            self.jammed = set(weights) != set(self.options.parameter_shapes())
            if not self.jammed:
                super().load_weights(weights)

    (found,) = failing(CorrectBackend(Jams, "it"), config("x3.f0"))
    assert "not again" in found.message


def test_dropped_states_of_a_single_unit_may_err_as_a_step_may() -> None:
    """All units but one are dead: three experiments with that one calibrate next to nothing."""
    asked = (
        "rnn-life.t.o0.end-relu-l02-bidir-nobias-drop50-plain-i00007-h00003-b00005-t00001-s000100"
    )
    results = judged(load_backend("torch"), Config.parse(asked))
    assert {r.verdict for r in results if r.part == "values"} == {Verdict.PASS}


def test_refused_gradients_break_mindspore_until_a_layer_is_built() -> None:
    """In a process in which nothing was refused before."""
    with Session({"mindspore": Isolated("mindspore")}) as session:
        (found,) = (r for r in session.judge(config("f0.x5.g0.f0")) if r.verdict is Verdict.FAIL)
        assert (found.part, found.cause) == ("answered after refused gradients", Cause.REFUSED)
        assert "Only support integers" in found.message
        assert Verdict.FAIL not in {r.verdict for r in session.judge(config("f0.g0"))}


@pytest.mark.parametrize("lengths", [kind for kind in LENGTHS if kind != "nolengths"])
def test_inputs_of_every_number_exist_for_every_kind_of_lengths(lengths: str) -> None:
    asked = 0
    for steps, batch in itertools.product((1, 2, 3), (1, 2, 3)):
        try:
            one = Config.of(
                data="plain", lengths=lengths, **{**SIZES, "steps": steps, "batch": batch}
            )
        except ConfigError:  # not every kind goes with every size
            continue
        for number in range(15):  # 10 and more: of calls of one step, and of one row
            asked += inputs_of(one, number).x.size > 0
    assert asked >= 30
