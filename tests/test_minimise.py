"""From findings to scripts: what is made smaller still shows the finding, and scripts are run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import harness.minimise.finish as finishing
from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.case import Case, changed, cotangents, make_case
from harness.causes import Cause
from harness.checks import Check, check_named
from harness.cli import main
from harness.config import Config, ConfigError
from harness.data import MIXED, NUMPY_DTYPES, PLAIN
from harness.environment import describe
from harness.evidence import locate
from harness.expectations import Expectations, Judged, expectations_of
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend
from harness.findings import Finding, find
from harness.judge import Session
from harness.layers import LayerRecord, registered
from harness.minimise.arrays import arrays_of, derived, index_of
from harness.minimise.ddmin import ddmin
from harness.minimise.expected import fits_a_line
from harness.minimise.failure import Failure, FailureTest
from harness.minimise.forms import constructor, form_of
from harness.minimise.literals import literal, numbers_in
from harness.minimise.numbers import entries, short_decimals
from harness.minimise.reproduce import Attempt, initial_case, minimised, reproduce
from harness.minimise.script import MOST_LINES, MOST_NUMBERS, Script, write_script
from harness.minimise.shape import cut
from harness.minimise.stack import (
    activation_alone,
    first_layers,
    from_own_state,
    last_layers,
    one_direction,
)
from harness.minimise.verify import confirms, run_script
from harness.observe import Observation, observe
from harness.oracle import Oracle
from harness.outcome import Outcome
from harness.reproducers import Reproducer, load_reproducers, store_reproducers
from harness.results import Place
from harness.results import place as found_at
from harness.runners import InProcess, Isolated
from tests.gated_cells import LSTM

STACK = Config.of(
    "rnn",
    num_layers=2,
    bidirectional=True,
    states=True,
    input_size=3,
    hidden_size=4,
    batch=5,
    steps=6,
    scale=2,
    data="mixed",
    seed=7,
)
FAULTY = str(Path(__file__).with_name("faulty.py"))


def oracle_backend() -> Backend:
    return cast(Backend, CorrectBackend(name="oracle"))


def injected(fault: str) -> Session:
    return Session({"oracle": FAULTS[fault].inject(oracle_backend())})


def named(check: str) -> Check:
    found = check_named(check)
    assert found is not None
    return found


def first_finding(session: Session, config: Config, check: str) -> Finding:
    return next(f for f in find(Expectations().join(session.judge(config))) if f.check == check)


class TestDdmin:
    @given(st.lists(st.integers(), unique=True, max_size=40), st.data())
    def test_finds_what_is_needed(self, items: list[int], data: st.DataObject) -> None:
        needed = data.draw(st.sets(st.sampled_from(items))) if items else set()
        found = ddmin(items, lambda kept: needed <= set(kept))
        assert set(found) == needed

    @given(st.integers(1, 30), st.integers(0, 2**32))
    def test_fails_and_is_1_minimal_whatever_is_asked(self, count: int, seed: int) -> None:
        items = list(range(count))

        def fails(kept: list[int]) -> bool:
            return len(kept) == count or hash((seed, *kept)) % 3 == 0

        found = ddmin(items, fails)
        assert fails(found)
        assert found == sorted(found)
        for k in range(len(found)):
            assert not fails(found[:k] + found[k + 1 :])

    def test_asks_few_times(self) -> None:
        asked: list[int] = []

        def fails(kept: list[int]) -> bool:
            asked.append(len(kept))
            return 4711 in kept

        assert ddmin(range(65536), fails) == [4711]
        assert len(asked) < 50

    @pytest.mark.parametrize("most", [1, 2, 3, 9])
    def test_ends_with_what_is_there_when_time_is_up(self, most: int) -> None:
        asked: list[list[int]] = []

        def fails(kept: list[int]) -> bool:
            asked.append(kept)
            return {3, 70} <= {*kept}

        found = ddmin(range(100), fails, lambda: len(asked) >= most)
        assert len(asked) == most
        assert found == min(
            (kept for kept in asked if {3, 70} <= {*kept}), key=len, default=[*range(100)]
        )


def states(case: Case) -> tuple[Any, Any]:
    exact = Oracle(case).exact
    return exact["output"], exact["h_n"]


class TestSmallerCases:
    """What is cut away changes nothing of what is left."""

    def test_rows(self) -> None:
        case = make_case(STACK.replace(lengths="ragged"))
        output, h_n = states(case)
        small = cut(case, "rows", [3, 1])
        np.testing.assert_array_equal(states(small)[0], output[:, [3, 1]])
        np.testing.assert_array_equal(states(small)[1], h_n[:, [3, 1]])
        assert small.config.batch == 2

    def test_steps_from_the_initial_case(self) -> None:
        case = make_case(STACK.replace(bidirectional=False))
        np.testing.assert_array_equal(states(cut(case, "steps", range(4)))[0], states(case)[0][:4])

    def test_steps_count_what_is_valid_of_a_row(self) -> None:
        case = make_case(STACK.replace(lengths="ragged"))
        case = case.with_inputs(lengths=np.array([1, 6, 2, 3, 1]))
        lengths = cut(case, "steps", [0, 2, 5]).lengths
        assert lengths is not None
        assert lengths.tolist() == [1, 3, 1, 2, 1]

    def test_units_that_nothing_else_depends_on(self) -> None:
        case = make_case(STACK)
        for name, array in case.weights.items():
            if name.startswith(("weight_hh", "weight_ih_l1")):
                array[:] = 0
                np.fill_diagonal(array, 0.5)
        keep = [0, 2]
        np.testing.assert_array_equal(
            states(cut(case, "units", keep))[1], states(case)[1][..., keep]
        )

    def test_features_that_are_0(self) -> None:
        case = make_case(STACK)
        case.x[..., 1] = 0
        np.testing.assert_array_equal(states(cut(case, "features", [0, 2]))[0], states(case)[0])

    def test_layers(self) -> None:
        case = make_case(STACK)
        observation = observe(oracle_backend(), case, repeat=False)
        below = first_layers(case, 1)
        np.testing.assert_array_equal(states(below)[1], states(case)[1][:2])
        above = last_layers(case, 1, observation)
        np.testing.assert_allclose(states(above)[0], states(case)[0], rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
    def test_directions(self, reverse: bool) -> None:
        case = make_case(STACK.replace(num_layers=1))
        side = one_direction(case, reverse=reverse)
        own = states(case)[0][..., 4:][::-1] if reverse else states(case)[0][..., :4]
        np.testing.assert_array_equal(states(side)[0], own)
        np.testing.assert_array_equal(states(side)[1][0], states(case)[1][int(reverse)])

    def test_the_activation_alone(self) -> None:
        case = make_case(STACK.replace(num_layers=1, bidirectional=False, scale=1))
        alone = activation_alone(case, observe(oracle_backend(), case, repeat=False))
        assert alone.config.bias is alone.config.states is False
        np.testing.assert_allclose(states(alone)[0], states(case)[0], rtol=1e-5, atol=1e-6)

    def test_cotangents_and_a_second_call_are_cut_with_the_rest(self) -> None:
        case = make_case(STACK.replace(aspect="gradient", lengths="ragged"))
        case = dataclasses.replace(
            case,
            given_cotangents=cotangents(case),
            second_x=changed(case, padding=True, neighbours=False)[0].x,
        )
        small = cut(cut(case, "rows", [1, 2]), "units", [0, 3])
        assert {name: array.shape for name, array in arrays_of(small).items()} == {
            "x": (6, 2, 3),
            "h_0": (4, 2, 2),
            **small.config.parameter_shapes(),
            "output": (6, 2, 4),
            "h_n": (4, 2, 2),
            "second_x": (6, 2, 3),
        }

    def test_a_later_start_from_the_state_that_was_there(self) -> None:
        case = make_case(STACK.replace(num_layers=1, bidirectional=False))
        later = from_own_state(case, 2, observe(oracle_backend(), case, repeat=False))
        assert later.config.steps == 4
        np.testing.assert_allclose(states(later)[0], states(case)[0][2:], rtol=1e-5, atol=1e-6)


GATED = LayerRecord(
    "gated",
    "Gated",
    lambda options: LSTM,
    ("input_size", "hidden_size", "num_layers", "bias", "bidirectional"),
    data=(MIXED, PLAIN),
)


@pytest.fixture
def gated() -> Iterator[Case]:
    """Of a layer that has four gates and two states."""
    with registered(GATED):
        names = ("num_layers", "bidirectional", "states", "input_size", "hidden_size", "batch")
        same = {name: getattr(STACK, name) for name in (*names, "steps", "seed")}
        yield make_case(Config.of("gated", **same))


class TestOtherLayers:
    """Nothing here knows of which layer a case is."""

    def test_units_keep_their_gates(self, gated: Case) -> None:
        for name, array in gated.weights.items():
            if name.startswith(("weight_hh", "weight_ih_l1")):
                shape, kept = array.shape, np.eye(array.shape[1], dtype=array.dtype)
                array[:] = np.resize(kept[: gated.config.hidden_size] / 2, shape)
        small, keep = cut(gated, "units", [0, 2]), [0, 2]
        assert small.weights["weight_hh_l1"].shape == (8, 2)
        for name in ("h_n", "c_n"):
            exact = Oracle(gated).exact[name][..., keep]
            np.testing.assert_array_equal(Oracle(small).exact[name], exact)

    def test_one_direction_of_one_layer(self, gated: Case) -> None:
        small = one_direction(first_layers(gated, 1), reverse=True)
        for name in ("h_n", "c_n"):
            exact = Oracle(gated).exact[name][1:2]
            np.testing.assert_array_equal(Oracle(small).exact[name], exact)

    def test_what_its_output_does_not_show_is_not_guessed(self, gated: Case) -> None:
        small = one_direction(first_layers(gated, 1), reverse=False)
        seen = Observation("", outputs=dict(Oracle(small).exact))
        with pytest.raises(ConfigError, match="of several states"):
            from_own_state(small, 2, seen)
        with pytest.raises(ConfigError, match="more than an activation"):
            activation_alone(small, seen)

    def test_how_it_is_called(self, gated: Case) -> None:
        config = gated.config
        assert constructor(config, bias="b") == "Gated(3, 4, num_layers=2, bidirectional=True)"
        assert constructor(config.replace(num_layers=1, bias=False, bidirectional=False)) == (
            "Gated(3, 4, bias=False)"
        )
        form = form_of("torch")
        assert form is not None
        call = "rnn(v, (torch.tensor(h_0), torch.tensor(c_0)))"
        assert form.call(gated, "v", "output") == f"{call}[0]"
        assert form.call(gated, "v", "c_n") == f"{call}[1][1]"
        assert not fits_a_line(one_direction(first_layers(gated, 1), reverse=False))


@pytest.mark.parametrize("name", ["output", "h_n", "x"])
def test_the_index_of_a_place_is_where_it_was_found(name: str) -> None:
    at = (3, 2, 1)
    place = found_at(locate(STACK, name)(at))
    assert place is not None
    assert index_of(STACK, name, place) == at


def test_a_second_call_is_what_was_given() -> None:
    case = make_case(STACK.replace(lengths="fulllengths"))
    assert case.lengths is not None
    case.lengths[0] = 2
    second = case.x.copy()
    second[3, 0], second[:, 2] = 9, 8
    case = dataclasses.replace(case, second_x=second)
    other, kept = changed(case, padding=True, neighbours=False)
    assert (other.x[3, 0] == 9).all()
    assert (other.x[:, 2] == case.x[:, 2]).all()
    assert kept.all()
    other, kept = changed(case, padding=True, neighbours=True)
    assert (other.x == second).all()
    assert kept.tolist() == [True, True, False, True, True]
    assert other.initial["h"] is case.initial["h"]


@given(
    st.sampled_from(["f2", "f4", "f8"]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=4))
    )
)
def test_a_literal_gives_the_array(array: Any) -> None:
    read = eval(literal(array), {"np": np})
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    assert numbers_in(array) <= array.size


@given(arrays.arrays("f4", arrays.array_shapes(max_dims=3, max_side=4)))
def test_a_literal_of_bfloat16_is_the_same_in_float32(array: Any) -> None:
    with np.errstate(all="ignore"):
        narrow = array.astype(NUMPY_DTYPES["bf16"])
    read = eval(literal(narrow), {"np": np})
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, narrow.astype(np.float32))


@pytest.mark.parametrize("value", [0.012345, -7.6e30, 1e-45, 9.96])
def test_short_decimals_are_near(value: float) -> None:
    for digits in (1, 2, 3):
        near = short_decimals(value, digits)
        assert all(abs(one - value) <= 1.5 * abs(value) * 10 ** (1 - digits) for one in near)
        assert all(len(f"{one:.{digits - 1}e}") >= len(f"{one:g}") - 8 for one in near)


class TestMinimised:
    @pytest.mark.parametrize(
        ("fault", "check", "most"),
        [("b-hh-dropped", "step_residual", 1), ("w-hh-transposed", "step_residual", 3)],
    )
    def test_an_injected_fault_is_left_with_few_numbers(
        self, fault: str, check: str, most: int
    ) -> None:
        session = injected(fault)
        config = STACK.replace(num_layers=3, lengths="ragged", dropout=50)
        finding = first_finding(session, config, check)
        failure = minimised(FailureTest.of(session, Expectations(), finding), config)
        assert failure is not None
        small = failure.case.config
        assert (small.num_layers, small.bidirectional, small.batch) == (1, False, 1)
        assert small.hidden_size <= 2
        assert len(entries(failure.case)) <= most
        assert set(np.concatenate([a.ravel() for a in arrays_of(failure.case).values()])) <= {0, 1}
        assert failure.result.verdict == "fail"

    def test_gradients_too(self) -> None:
        session = injected("no-gradient-of-b-hh")
        config = STACK.replace(aspect="gradient", steps=3)
        finding = first_finding(session, config, "gradient")
        failure = minimised(FailureTest.of(session, Expectations(), finding), config)
        assert failure is not None
        assert (failure.case.config.num_layers, failure.case.config.steps) == (1, 1)
        assert len(entries(failure.case)) <= 1  # a plain sum's cotangents

    def test_the_right_implementation_shows_nothing(self) -> None:
        session = injected("b-hh-dropped")
        finding = first_finding(session, STACK, "step_residual")
        right = Session({"oracle": oracle_backend()})
        assert minimised(FailureTest.of(right, Expectations(), finding), STACK) is None

    def test_no_time_is_no_answer(self) -> None:
        session = injected("b-hh-dropped")
        finding = first_finding(session, STACK, "step_residual")
        test = FailureTest.of(session, Expectations(), finding, deadline=0.0)
        assert minimised(test, STACK) is None
        assert test.calls == 0

    def test_an_activation_is_not_asked_of_other_weights(self) -> None:
        """Else weights of 0 would look like an activation that gives 0."""
        session = injected("tanh-not-odd")
        config = Config.of(bias=False, batch=65536, data="sweep")
        test = FailureTest(
            session, Expectations(), ("oracle", "activation", Cause.ACTIVATION, ""), None
        )
        case = initial_case(config, test.check)
        assert not test.fails(
            derived(case, {name: 0 * array for name, array in case.weights.items()})
        )
        assert test.calls == 0


def test_a_worker_answers_for_arrays_as_this_process_does() -> None:
    case = initial_case(STACK.replace(aspect="gradient", lengths="ragged"), named("gradient"))
    case = case.with_inputs(x=np.round(case.x, 2))
    runner = Isolated("torch")
    try:
        there = runner.examine(case, repeat=False)
    finally:
        runner.close()
    here = InProcess(load_backend("torch")).examine(case, repeat=False)
    assert there.derivatives is not None
    assert here.derivatives is not None
    for name, array in here.derivatives.found.items():
        np.testing.assert_array_equal(there.derivatives.found[name], array)


def failing(actual: float, expected: float, bound: float | None = 1e-6) -> Failure:
    """A layer of one unit that takes x = 0.5, and what is claimed of its output."""
    case = make_case(Config.of(bias=False, data="plain"))
    weights = {"weight_ih_l0": np.ones((1, 1), "f"), "weight_hh_l0": np.zeros((1, 1), "f")}
    case = derived(case, {"x": np.full((1, 1, 1), 0.5, "f"), **weights})
    result = first_finding(injected("b-hh-dropped"), STACK, "step_residual").worst
    place: dict[str, Any] = {
        "output": "output",
        "layer": 0,
        "direction": "forward",
        "step": 0,
        "batch": 0,
    }
    worst = Place(**place, unit=0, actual=actual, expected=expected, bound=bound)
    changes: dict[str, Any] = {"worst": worst, "config_id": case.config.id}
    fields = {name: getattr(result, name) for name in result.__struct_fields__}
    observation = Observation("torch")
    check = named(result.check)
    return Failure(check, case, Judged(**{**fields, **changes}), observation, Oracle(case))


TANH = float(np.tanh(0.5))


@pytest.mark.parametrize(
    ("printed", "shows"),
    [
        (f"actual   0.5\nexpected {TANH}\n", True),
        (f"actual   {TANH}\nexpected {TANH}\n", False),
        (f"actual   {TANH + 5e-7}\nexpected {TANH}\n", False),
        (f"actual   nan\nexpected {TANH}\n", True),
        ("actual   0.5\nexpected 0.7\n", False),  # the script expects something else
        (f"actual   0.5\nexpected {TANH - 1e-3}\n", False),
        (f"expected {TANH}\n", False),
        (f"actual   much\nexpected {TANH}\n", False),
        ("", False),
    ],
    ids=["apart", "same", "within", "nan", "wrong", "near", "alone", "word", "nothing"],
)
def test_only_the_difference_itself_is_shown(printed: str, shows: bool) -> None:
    assert confirms(printed, failing(0.5, TANH)) is shows


def test_what_a_script_does_not_print_is_not_confirmed() -> None:
    """Such as the mirrored output that an odd function would have."""
    actual = float(np.float32(TANH))
    printed = f"actual   {actual}\nexpected {TANH}\n"
    assert not confirms(printed, failing(actual, -TANH, bound=None))


def test_oddness_is_asked_of_symmetric_points_only() -> None:
    """A case of one point would fail it whatever its activation gives."""
    test = FailureTest(
        Session({"oracle": oracle_backend()}),
        Expectations(),
        ("oracle", "activation", Cause.ACTIVATION, ""),
        None,
    )
    assert not test.fails(failing(0.5, TANH).case)
    assert test.calls == 1


def test_a_script_of_a_right_layer_is_not_kept() -> None:
    """Though somebody claims that it gives 0.5."""
    failure = failing(0.5, TANH)
    script = write_script(failure, "torch", "differs", {"torch": "0", "numpy": "0"})
    printed = run_script(script.text)
    assert printed is not None
    assert printed.split()[0] == "actual"
    assert not confirms(printed, failure)


def test_a_script_in_bfloat16_gives_what_the_layer_gives() -> None:
    failure = failing(0.5, TANH)
    case = derived(failure.case, dtype="bf16")
    outputs = InProcess(load_backend("torch")).examine(case, repeat=False).outputs
    assert outputs is not None
    script = write_script(dataclasses.replace(failure, case=case), "torch", "differs", {})
    printed = run_script(script.text)
    assert printed is not None, script
    actual = np.float32(printed.split()[1])
    assert actual == outputs["output"][0, 0, 0].astype(np.float32)
    assert actual != np.float32(TANH)


def test_what_raises_or_hangs_prints_nothing() -> None:
    assert run_script("print('actual 1'); raise ValueError") is None
    assert run_script("import time; time.sleep(60)", seconds=0.5) is None


def test_scripts_get_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    said = run_script("import os, sys; print(sys.flags.isolated, 'PYTHONPATH' in os.environ)")
    assert said == "1 False\n"


def test_nobody_elses_code_is_written_as_a_script() -> None:
    script = write_script(failing(0.5, TANH), "mine", "differs", {})
    assert script == Script(refused=script.refused)
    assert "mine" in script.refused


@pytest.fixture(scope="module")
def tanh_made() -> list[Attempt]:
    """What comes of the tanh of MindSpore's layer, in two checks."""
    config = Config.of(bias=False, batch=4, scale=4, num_layers=2, steps=2, hidden_size=3, seed=1)
    with Session({"mindspore": Isolated("mindspore")}) as session:
        expected = expectations_of(describe(session.runners))
        every = find(expected.join(session.judge(config)))
        findings = [finding for finding in every if finding.cause is Cause.ACTIVATION]
        return list(reproduce(session, expected, findings, budget=120))


def test_a_framework_s_tanh_is_reproduced(tanh_made: list[Attempt]) -> None:
    assert len(tanh_made) >= 2
    for made in tanh_made:
        assert made.reproducer is not None, made.reason
        text = made.reproducer.script
        assert len(text.splitlines()) <= MOST_LINES
        assert max(map(len, text.splitlines())) <= 100
        assert text.startswith("# mindspore ")
        assert "harness" not in text
        assert made.reproducer.finding == made.finding.slug
        assert made.reproducer.printed.startswith("actual")


def test_one_program_is_run_once(tanh_made: list[Attempt]) -> None:
    assert len({m.reproducer.printed for m in tanh_made if m.reproducer}) == 1
    assert min(made.seconds for made in tanh_made) < 2


def test_too_many_numbers_are_no_reproducer() -> None:
    failure = failing(0.5, TANH)
    many = np.arange(1, MOST_NUMBERS + 1, dtype="f").reshape(-1, 1, 1)
    case = derived(failure.case, {"x": many}, steps=MOST_NUMBERS)
    script = write_script(dataclasses.replace(failure, case=case), "torch", "differs", {})
    assert script.refused == f"it takes {MOST_NUMBERS + 1} numbers"


class TestTheEndOfARun:
    def outcome(self) -> Outcome:
        session = injected("b-hh-dropped")
        return Outcome({}, Expectations().join(session.judge(STACK)))

    def made(self, outcome: Outcome) -> Attempt:
        finding = next(f for f in outcome.findings if f.numeric)
        return Attempt(finding, Reproducer(finding.slug, STACK.id, "print(1)\n", "1\n"))

    @pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError("no room")])
    def test_whatever_ends_it_leaves_what_was_made(
        self, end: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome = self.outcome()
        made = self.made(outcome)

        def broken(*_: object, **__: object) -> Any:
            yield made
            raise end

        monkeypatch.setattr(finishing, "reproduce", broken)
        before = list(outcome.results)
        finishing.finish(
            cast(Session, None), outcome, Expectations(), tmp_path, 10, lambda *_: None
        )
        assert outcome.results == before
        assert (
            load_reproducers(tmp_path)
            == outcome.reproducers
            == {made.finding.slug: made.reproducer}
        )
        assert made.finding.slug not in outcome.irreproducible
        assert all(outcome.irreproducible.values())

    def test_scripts_of_a_run_before_do_not_stay(self, tmp_path: Path) -> None:
        store_reproducers(tmp_path, [Reproducer("old", STACK.id, "print(1)\n", "1\n")])
        outcome = self.outcome()
        finishing.finish(
            cast(Session, None), outcome, Expectations(), tmp_path, 0.0, lambda *_: None
        )
        assert load_reproducers(tmp_path) == {}
        assert list((tmp_path / "reproducers").iterdir()) == []
        assert outcome.irreproducible == {}

    def test_of_somebodys_own_code_it_says_so(self, tmp_path: Path) -> None:
        outcome = self.outcome()
        with injected("b-hh-dropped") as session:
            finishing.finish(session, outcome, Expectations(), tmp_path, 10, lambda *_: None)
        assert outcome.irreproducible
        assert all("oracle" in why for why in outcome.irreproducible.values())


def test_the_command_says_what_it_cannot_write() -> None:
    command = ["reproduce", STACK.id, "--in-process", "--backend", f"{FAULTY}:scaled"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.output
    assert "# none: no script calls" in result.output
