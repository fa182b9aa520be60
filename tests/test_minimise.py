"""From findings to scripts: what is made smaller still shows the finding, and scripts are run."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
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
from harness.expectations import Expectations, expectations_of
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
from harness.minimise.reproduce import (
    Attempt,
    _Reproduction,
    initial_case,
    minimised,
    reproduce,
)
from harness.minimise.script import MOST_LINES, MOST_NUMBERS, Script, _comments, write_script
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
from harness.reproducers import Reproducer, each_once, load_reproducers, store_reproducers
from harness.results import Place
from harness.results import place as found_at
from harness.runners import InProcess, Isolated
from tests.gated_cells import LSTM
from tests.synthetic_results import line

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

    @pytest.mark.parametrize(
        ("dimension", "kept", "left"),
        [
            ("rows", [3, 1], np.s_[:, [3, 1]]),
            ("steps", range(4), np.s_[:4]),
            ("features", [0, 2], np.s_[:]),
        ],
    )
    def test_a_dimension(self, dimension: str, kept: Sequence[int], left: Any) -> None:
        """The first rows, the first steps, or features without those that are 0."""
        config = STACK.replace(lengths="ragged" if dimension == "rows" else "nolengths")
        case = make_case(config.replace(bidirectional=dimension != "steps"))
        if dimension == "features":
            case.x[..., 1] = 0
        small = cut(case, dimension, kept)
        np.testing.assert_array_equal(states(small)[0], states(case)[0][left])
        if dimension != "steps":
            np.testing.assert_array_equal(states(small)[1], states(case)[1][left])
        assert small.x.size < case.x.size

    @pytest.mark.parametrize(
        ("options", "smaller", "left"),
        [
            ({}, lambda case, seen: last_layers(case, 1, seen), np.s_[:]),
            ({"num_layers": 1, "bidirectional": False}, activation_alone, np.s_[:]),
            (
                {"num_layers": 1, "bidirectional": False},
                lambda case, seen: from_own_state(case, 2, seen),
                np.s_[2:],
            ),
        ],
        ids=["layers", "activation", "a later start"],
    )
    def test_what_was_seen_stands_for_what_is_cut_away(
        self, options: dict[str, Any], smaller: Callable[..., Case], left: Any
    ) -> None:
        case = make_case(STACK.replace(scale=1, **options))
        small = smaller(case, observe(oracle_backend(), case, repeat=False))
        assert len(small.weights) < len(case.weights) or small.config.steps < case.config.steps
        np.testing.assert_allclose(states(small)[0], states(case)[0][left], rtol=1e-5, atol=1e-6)

    def test_the_first_layers(self) -> None:
        case = make_case(STACK)
        below = first_layers(case, 1)
        np.testing.assert_array_equal(states(below)[1], states(case)[1][:2])

    def test_steps_count_what_is_valid_of_a_row(self) -> None:
        case = make_case(STACK.replace(lengths="ragged"))
        case = case.with_inputs(lengths=np.array([1, 6, 2, 3, 1]))
        lengths = cut(case, "steps", [0, 2, 5]).lengths
        assert lengths is not None
        assert lengths.tolist() == [1, 3, 1, 2, 1]

    @pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
    def test_directions(self, reverse: bool) -> None:
        case = make_case(STACK.replace(num_layers=1))
        side = one_direction(case, reverse=reverse)
        own = states(case)[0][..., 4:][::-1] if reverse else states(case)[0][..., :4]
        np.testing.assert_array_equal(states(side)[0], own)
        np.testing.assert_array_equal(states(side)[1][0], states(case)[1][int(reverse)])

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


def test_what_a_script_says_is_cut_before_a_reason_and_not_before_a_number() -> None:
    statement = "the sigmoid of this one is off by up to 8.49e-7 (15 ulp), and by more elsewhere"
    assert _comments("mindspore 2.10.0, numpy 1.26.4", statement, 1) == [
        "mindspore 2.10.0, numpy 1.26.4: the sigmoid of this one is off by up to 8.49e-7 (15 ulp)"
    ]
    assert _comments("torch 2", statement, 2)[-1].endswith("elsewhere")


@given(
    st.sampled_from(["f2", "f4", "f8"]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=4))
    ),
    st.booleans(),
)
def test_a_literal_gives_the_array(array: Any, narrow: bool) -> None:
    """Of bfloat16 the same numbers in float32."""
    if narrow:
        with np.errstate(all="ignore"):
            array = array.astype(NUMPY_DTYPES["bf16"])
    read = eval(literal(array), {"np": np})
    assert read.dtype == (np.float32 if narrow else array.dtype)
    np.testing.assert_array_equal(read, array.astype(read.dtype))
    assert numbers_in(array) <= array.size


@pytest.mark.parametrize("value", [0.012345, -7.6e30, 1e-45, 9.96])
def test_short_decimals_are_near(value: float) -> None:
    for digits in (1, 2, 3):
        near = short_decimals(value, digits)
        assert all(abs(one - value) <= 1.5 * abs(value) * 10 ** (1 - digits) for one in near)
        assert all(len(f"{one:.{digits - 1}e}") >= len(f"{one:g}") - 8 for one in near)


DEEP = {"num_layers": 3, "lengths": "ragged", "dropout": 50}


class TestMinimised:
    @pytest.mark.parametrize(
        ("fault", "check", "most", "changes"),
        [
            ("b-hh-dropped", "step_residual", 1, DEEP),
            ("w-hh-transposed", "step_residual", 3, DEEP),
            ("no-gradient-of-b-hh", "gradient", 1, {"aspect": "gradient", "steps": 3}),
        ],
    )
    def test_an_injected_fault_is_left_with_few_numbers(
        self, fault: str, check: str, most: int, changes: dict[str, Any]
    ) -> None:
        session = injected(fault)
        config = STACK.replace(**changes)
        finding = first_finding(session, config, check)
        failure = minimised(FailureTest.of(session, Expectations(), finding), config)
        assert failure is not None
        small = failure.case.config
        assert (small.num_layers, small.bidirectional, small.batch) == (1, False, 1)
        assert small.hidden_size <= 2
        assert len(entries(failure.case)) <= most
        assert set(np.concatenate([a.ravel() for a in arrays_of(failure.case).values()])) <= {0, 1}
        assert failure.result.verdict == "fail"

    @pytest.mark.parametrize("deadline", [math.inf, 0.0])
    def test_no_time_is_no_answer_and_a_right_implementation_shows_nothing(
        self, deadline: float
    ) -> None:
        wrong, right = injected("b-hh-dropped"), Session({"oracle": oracle_backend()})
        finding = first_finding(wrong, STACK, "step_residual")
        asked = right if deadline else wrong
        test = FailureTest.of(asked, Expectations(), finding, deadline=deadline)
        assert minimised(test, STACK) is None
        assert (test.calls == 0) == (deadline == 0)


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
    worst = Place("output", 0, "forward", 0, 0, 0, actual, expected, bound)
    result = line(0, 3.0, worst=worst, config_id=case.config.id)
    return Failure(named(result.check), case, result, Observation("torch"), Oracle(case))


TANH = float(np.tanh(0.5))


def test_an_activation_is_asked_of_its_own_weights_and_of_symmetric_points_only() -> None:
    """Weights of 0 would look like one that gives 0, and one point fails any as not odd."""
    key = ("oracle", "activation", Cause.ACTIVATION, "")
    test = FailureTest(injected("tanh-far-from-odd"), Expectations(), key, None)
    case = initial_case(Config.of(bias=False, batch=65536, data="sweep"), test.check)
    assert not test.fails(derived(case, {name: 0 * array for name, array in case.weights.items()}))
    assert test.calls == 0
    assert not test.fails(failing(0.5, TANH).case)
    assert test.calls == 1


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
def mindspore() -> Iterator[tuple[Session, Expectations, list[Finding]]]:
    """A session, and what the tanh of MindSpore's layer shows in two checks."""
    config = Config.of(bias=False, batch=4, scale=4, num_layers=2, steps=2, hidden_size=3, seed=1)
    runners = {name: Isolated(name) for name in ("torch", "mindspore")}
    with Session(runners) as session:
        expected = expectations_of(describe(session.runners))
        every = find(expected.join(session.judge(config)))
        yield session, expected, [one for one in every if one.cause is Cause.ACTIVATION]


@pytest.fixture(scope="module")
def tanh_made(mindspore: tuple[Session, Expectations, list[Finding]]) -> list[Attempt]:
    return list(reproduce(*mindspore, budget=120))


def test_ctrl_c_ends_reproducing(
    mindspore: tuple[Session, Expectations, list[Finding]],
) -> None:
    """No thread is left that would ask a worker."""
    before, asked = threading.active_count(), itertools.count()

    def interrupted(done: int, total: int) -> None:
        if next(asked) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(reproduce(*mindspore, budget=120, progress=interrupted))
    assert next(asked) == 2
    assert threading.active_count() == before


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


def test_what_is_compared_with_another_framework_calls_both(tanh_made: list[Attempt]) -> None:
    made = {one.finding.check: one.reproducer for one in tanh_made if one.reproducer}
    both = made.pop("forward_error")
    assert "theirs = torch.nn." in both.script
    assert "torch " in both.printed
    assert not any("theirs" in one.script for one in made.values())


def test_one_program_is_run_once(
    mindspore: tuple[Session, Expectations, list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts that differ in what they say are one program."""
    asked: list[str] = []

    def counted(text: str) -> str | None:
        asked.append(text)
        return run_script(text)

    monkeypatch.setattr("harness.minimise.reproduce.run_script", counted)
    session, expected, _ = mindspore
    made = _Reproduction(session, expected, math.inf)
    assert made._run("# one\nprint(1)\n") == made._run("# other\nprint(1)\n") == "1\n"
    assert len(asked) == 1


def test_what_is_said_of_two_frameworks_calls_both() -> None:
    failure = failing(0.5, TANH)
    for backend, peer in (("mindspore", "torch"), ("torch", "mindspore")):
        script = write_script(failure, backend, "they differ", {}, peer=peer)
        assert script.lines <= MOST_LINES
        printed = run_script(script.text)
        assert printed is not None
        values = dict(line.split() for line in printed.splitlines())
        assert set(values) == {"actual", peer, "expected"}
        assert float(values[peer]) == pytest.approx(float(values["expected"]), abs=1e-3)
    crowded = write_script(failure, "mindspore", "they differ " * 40, {}, peer="torch")
    assert crowded.lines <= MOST_LINES


def test_a_program_appears_once_under_the_difference_that_it_states(tmp_path: Path) -> None:
    of_tanh, of_steps, graph, other = (
        Reproducer(finding, STACK.id, f"# {said}\n{code}\n", "1\n")
        for finding, said, code in (
            *(("mindspore-activation-a", "tanh is off", "print(1)"),),
            *(("mindspore-steps-b", "states are off", "print(1)"),),
            *(("graph-activation-a", "tanh is off", "print(1, mode)"),),
            *(("mindspore-steps-c", "zeros", "print(2)"),),
        )
    )
    made = [(of_tanh, "tanh"), (of_steps, "steps"), (graph, "tanh"), (other, "zeros")]
    kept = each_once(made)
    assert [one.file for one in kept] == ["tanh.py", "graph-activation-a.py", "zeros.py"]
    assert kept[0].also == ("mindspore-steps-b",)
    assert "tanh is off" in kept[0].script
    store_reproducers(tmp_path, kept)
    found = load_reproducers(tmp_path)
    assert found["mindspore-steps-b"] is found["mindspore-activation-a"]
    assert sorted(p.name for p in (tmp_path / "reproducers").iterdir()) == sorted(
        one.file for one in kept
    )


def test_too_many_numbers_are_no_reproducer() -> None:
    failure = failing(0.5, TANH)
    many = np.arange(1, MOST_NUMBERS + 1, dtype="f").reshape(-1, 1, 1)
    case = derived(failure.case, {"x": many}, steps=MOST_NUMBERS)
    script = write_script(dataclasses.replace(failure, case=case), "torch", "differs", {})
    assert script.refused == f"it takes {MOST_NUMBERS + 1} numbers"


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError("no room"), None])
def test_whatever_ends_a_run_leaves_the_scripts_that_it_made_and_no_others(
    end: BaseException | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_reproducers(tmp_path, [Reproducer("old", STACK.id, "print(1)\n", "1\n")])
    outcome = Outcome({}, [line(1, 3.0), line(1, 3.0, check="forward_error")])
    slug, *others = (finding.slug for finding in outcome.findings if finding.numeric)
    assert others
    made = Reproducer(slug, STACK.id, "print(2)\n", "2\n")

    def broken(*_: object, **__: object) -> Any:
        yield Attempt(outcome.findings[0], made)
        raise end or AssertionError("nothing was to be made")

    monkeypatch.setattr(finishing, "reproduce", broken)
    seconds = 0.0 if end is None else 10.0
    nobody = cast(Session, None)
    finishing.finish(nobody, outcome, Expectations(), tmp_path, seconds, lambda *_: None)
    kept = {slug: msgspec.structs.replace(made, name=slug)} if end else {}
    assert load_reproducers(tmp_path) == outcome.reproducers == kept
    scripts = {path.stem for path in (tmp_path / "reproducers").glob("*.py")}
    assert scripts == set(outcome.reproducers)
    assert slug not in outcome.irreproducible
    assert bool(outcome.irreproducible) == (end is not None)
    assert all(outcome.irreproducible.values())


def test_the_command_says_what_it_cannot_write() -> None:
    command = ["reproduce", STACK.id, "--in-process", "--backend", f"{FAULTY}:scaled"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.output
    assert "# none: no script calls" in result.output
