"""Injected faults: every one is caught, no correct implementation is accused, and it says so."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness import selftest
from harness.aspects import ASPECTS
from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.checks import check, every_check, temporary_checks
from harness.cli import main
from harness.comparison import Comparison
from harness.config import Config
from harness.corpus import load_corpus
from harness.faults import BASES, FAULTS, VARIANTS
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.judging.applies import VALUES
from harness.report.selftest import print_selftest, score, write_selftest
from harness.selection import own_selection, selection, selection_of
from harness.selftest import SelfTest, Trial, examine
from harness.verdicts import Verdict

# What each check alone is there to see.
UNIQUE = {
    "transfer": "read-back-rounded",
    "shape_dtype": "output-in-float64",
    "inputs_unmodified": "lengths-sorted-in-place",
    "float_environment": "rounding-left-upward",
    "step_residual": "tanh-saturates-roughly",
    "exact_lane": "states-through-a-scale",
    "prefix": "h-n-of-hidden-layers-without-nan",
    "activation": "tanh-of-many-at-once",
    "special_values": "relu-of-nan",
    "forward_error": "fused-stack-drops-b-hh",
    "modes": "modes-differ",
    "last_state": "h-n-of-padded-rows-an-ulp-off",
    "padding_zero": "padding-nearly-zero",
    "padding_ignored": "padding-in-the-row-scale",
    "rows_independent": "rows-in-one-scale",
    "determinism": "other-kernel-when-warm",
    "gradient": "relu-slope-1-at-0",
    "gradient_error": "reset-gate-halved-after-128-steps",
    "gradient_padding": "padding-has-a-gradient",
    "call": "drops-by-default",
    "call_parity": "numpy-sizes-refused",
    "call_contained": "ruined-by-a-refusal",
    "dropout_inert": "evaluation-ignored-once-trained",
    "dropout_none": "doubled-in-training-without-dropout",
    "dropout_values": "last-dropout-unscaled",
    "dropout_rate": "rate-off-in-stacks-of-two",
    "dropout_independent": "masks-shared-by-neighbours",
    "dropout_states": "first-state-dropped",
    "initial_mode": "comes-in-evaluation-mode",
    "initial_names": "fresh-in-float64",
    "initial_order": "alphabetical",
    "initial_distribution": "fresh-biases-cancel",
    "initial_seed": "seed-ignored",
    "initial_side_effects": "numpy-generator-moved",
    "repeated_calls": "other-in-another-thread",
    "checkpoint_own": "saving-spoils-the-layer",
    "checkpoint_across": "file-without-names",
    "life": "weights-packed-at-the-first-call",
}

SHARE = 24
"""Of the configs that a self-test asks of a correct implementation one in so many is asked here, of
each others; `make selftest` asks all of all.
"""

ON_TORCH = (
    "w-hh-transposed",
    "reverse-output-not-turned-back",
    "lengths-of-the-neighbour",
    "h-0-remembered",
    "step-skipped",
    "third-layer-reads-the-first",
    "weights-in-half",
    "lengths-sorted-in-place",
    "training-ignored",
    "bptt-truncated",
    "h-0-broadcast",
    "seed-ignored",
    "file-loaded-for-show",
)


@pytest.mark.parametrize("name", FAULTS)
def test_is_caught_on_the_oracle(name: str) -> None:
    trial = examine(FAULTS[name], "oracle", selftest.given(FAULTS[name]), everything=False)
    assert trial.caught, f"{name}: {FAULTS[name].mistake}"


@pytest.mark.parametrize("check", UNIQUE)
def test_no_other_check_sees_it(check: str) -> None:
    """And this one does, at the config that showed it once; an eighth of the others is asked."""
    fault = FAULTS[UNIQUE[check]]
    every, shows = selftest.given(fault), selftest.likely()[fault.name]
    configs = [one for n, one in enumerate(every) if one.id == shows or n % 8 == 0]
    trial = examine(fault, "oracle", configs, everything=True)
    assert set(trial.caught) == {check}


def test_what_is_asked_first_is_pinned() -> None:
    """What is not is asked never, and the trial waits for another config."""
    pinned = {config.id for config in load_corpus()}
    assert {name: one for name, one in selftest.likely().items() if one not in pinned} == {}


def test_the_page_counts_them() -> None:
    page = (Path(__file__).parent / "README.md").read_text("utf-8")
    bases = [sum(base in fault.bases for fault in FAULTS.values()) for base in BASES[:2]]
    assert f"There are {len(FAULTS)} faults" in page
    assert f"{bases[0]} can be injected into torch, {bases[1]} into MindSpore" in page
    assert f"{len(VARIANTS)} correct variants" in page
    assert f"each of the {len(every_check())}\nchecks" in page


def test_every_check_earns_its_place() -> None:
    assert {check.name for check in every_check()} == set(UNIQUE)


@pytest.mark.parametrize("name", ON_TORCH)
def test_is_caught_on_torch(name: str) -> None:
    assert examine(FAULTS[name], "torch", selection(), everything=False).caught


@pytest.mark.parametrize(("number", "name"), list(enumerate(VARIANTS)))
def test_a_correct_one_is_not_accused(number: int, name: str) -> None:
    configs = selftest.given(VARIANTS[name])[number % SHARE :: SHARE]
    assert examine(VARIANTS[name], "oracle", configs, everything=True).caught == {}


@pytest.mark.parametrize(("number", "name"), list(enumerate(VARIANTS)))
def test_nor_on_other_layers(number: int, name: str) -> None:
    """Those that are about some layers only on more of these."""
    share = 2 * SHARE if VARIANTS[name].needs else 4 * SHARE
    few = own_selection()[number % share :: share]
    assert examine(VARIANTS[name], "oracle", few, everything=True).caught == {}


@pytest.mark.parametrize(
    ("number", "name"), list(enumerate(n for n, one in FAULTS.items() if one.area == "sizes"))
)
def test_faults_of_sizes_do_not_hang_on_one_seed(number: int, name: str) -> None:
    seed = 1 + number % 2
    assert examine(FAULTS[name], "oracle", (), everything=False, seed=seed).caught


def test_torch_itself_is_not_accused() -> None:
    assert (
        examine(VARIANTS["the-layer-itself"], "torch", selection()[::3], everything=True).caught
        == {}
    )


def test_names_and_mistakes_are_well_formed() -> None:
    assert len(FAULTS) >= 60
    assert not FAULTS.keys() & VARIANTS.keys()
    for name, fault in FAULTS.items():
        assert name == name.lower().strip("-"), name
        assert fault.mistake.endswith("."), name
        assert set(fault.bases) <= set(BASES), name
        assert "oracle" in fault.bases, name


def test_selection_asks_every_aspect_and_is_fixed() -> None:
    assert selection() == selection_of.__wrapped__("rnn")
    assert {selftest._kind(config) for config in selection()} == {*ASPECTS, "call"}


def caught(name: str, *checks: str) -> Trial:
    return Trial(name, "oracle", 9, dict.fromkeys(checks, ("tanh-l1-x", 3)))


def test_score_counts_what_was_missed_idle_and_accused() -> None:
    result = SelfTest(
        (caught("b-hh-dropped", "gradient"), caught("b-ih-dropped")),
        (caught("views", "gradient_padding"),),
        ("gradient", "gradient_padding"),
    )
    assert not result.passed
    assert score(result) == (
        "2 faults, 1 of 2 caught on oracle, 1 of 2 checks have one that only they see, "
        "1 of 1 correct implementations accused"
    )
    console = Console(record=True, width=200, file=io.StringIO())
    print_selftest(console, result)
    text = console.export_text()
    assert "not caught on oracle: b-ih-dropped. b_ih is not added." in text
    assert "idle gradient_padding: no fault is seen by it alone" in text
    assert "accused on oracle: views, by gradient_padding at tanh-l1-x" in text


def test_json_has_every_trial(tmp_path: Path) -> None:
    result = SelfTest((caught("b-hh-dropped", "gradient"),), (), ())
    write_selftest(tmp_path / "new" / "trials.json", result)
    document = json.loads((tmp_path / "new" / "trials.json").read_text())
    assert document["passed"]
    (fault,) = document["faults"]
    assert fault["caught"] == {"gradient": {"config_id": "tanh-l1-x", "after": 3}}
    assert fault["mistake"] == "b_hh is not added."


def in_this_process(*args: str) -> int:
    result = CliRunner().invoke(main, ["selftest", "--base", "oracle", *args])
    return result.exit_code


def test_a_check_switched_off_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = lambda tasks: ((task, selftest._trials(*task)) for task in tasks)  # noqa: E731
    monkeypatch.setattr(selftest, "_apart", here)  # a check is switched off in this process alone
    # A check that no known difference names, on the layer with the fewest configs.
    fault = ("--fault", UNIQUE["exact_lane"], "--layer", "rnncell")
    assert in_this_process(*fault) == 0
    with temporary_checks(without=("exact_lane",)):
        assert in_this_process(*fault) == 1


def test_a_process_that_ends_costs_its_own_trials_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's LSTM ends it at such a call, whatever is injected."""
    monkeypatch.setattr(selftest, "SHARES", {"torch": 1, "oracle": 1})
    monkeypatch.setattr(selftest, "_trials", ends_with_torch)
    result = selftest.run_selftest(("torch", "oracle"), ("b-hh-dropped",))
    assert result.ended == (("torch", ("b-hh-dropped",)),)
    assert [trial.base for trial in result.faults] == ["oracle"]
    assert not result.passed
    console = Console(record=True, width=300, file=io.StringIO())
    print_selftest(console, result)
    assert "no verdict on torch: the process ended while it tried b-hh-dropped." in (
        console.export_text()
    )


def test_on_one_layer_what_it_cannot_have_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = lambda tasks: ((task, selftest._trials(*task)) for task in tasks)  # noqa: E731
    monkeypatch.setattr(selftest, "_apart", here)
    names = ("b-hh-dropped", "leaky-relu")
    result = selftest.run_selftest(("oracle",), names, layers=("grucell",))
    (trial,) = result.faults
    assert trial.name == "b-hh-dropped"
    assert trial.first is not None
    assert trial.first[1].startswith("grucell-")
    assert result.passed


def test_an_accusation_of_the_correct_layer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the bits of the peer that it is compared with, and is judged all the same."""
    wrong = Comparison("all", Verdict.FAIL, 1, "whatever came")
    plain = next(config for config in selection() if config.aspect == "values")
    with temporary_checks():
        check(requirement="same-functions", difference="-", applies=VALUES, name="accuses_all")(
            lambda evidence: iter([wrong])
        )
        trial = examine(VARIANTS["the-layer-itself"], "oracle", [plain], everything=True)
        assert set(trial.caught) == {"accuses_all"}
        selftest._accepted.cache_clear()
        assert not selftest._accepted("oracle", plain)
    selftest._accepted.cache_clear()


def ends_with_torch(base: str, names: tuple[str, ...], seed: int, layers: object) -> list[Trial]:
    """In a process of its own."""
    if base == "torch":
        states = Config.parse("lstm-call.c0.fewer-ragged-plain-i00003-h00004-b00005-t00006-s000301")
        Session({"torch": load_backend("torch")}).judge(states)
    return [caught(names[0], "gradient")]


def judged_alone(*faults: str) -> set[str]:
    """The checks that fail of the correct implementation with these faults, injected in turn."""
    backend = cast(Backend, CorrectBackend(name="it"))
    for name in faults:
        backend = FAULTS[name].inject(backend)
    base = Config.of(
        nonlinearity="relu", hidden_size=3, input_size=2, batch=3, steps=3, data="plain"
    )
    aspects = ("values", "call.h0.rows", "initial")
    configs = [base.replace(aspect=aspect) for aspect in aspects]
    with Session({"it": backend}) as session:
        results = [result for config in configs for result in session.judge(config)]
    return {result.check for result in results if result.verdict is Verdict.FAIL}


@pytest.mark.parametrize(
    "faults",
    [
        ("everything-accepted", "numpy-sizes-refused"),
        ("leaky-relu", "comes-in-evaluation-mode"),
        ("output-one-step-short", "comes-in-evaluation-mode"),
        ("leaky-relu", "alphabetical"),
        ("fresh-in-float64", "leaky-relu"),
    ],
)
def test_faults_that_are_injected_in_turn_are_all_there(faults: tuple[str, str]) -> None:
    one, other = map(judged_alone, faults)
    assert one
    for order in (faults, faults[::-1]):
        assert judged_alone(*order) >= one | other


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("leaky-relu", "relu-of-nan", "both change activation"),
        ("sums-shuffled", "leaky-relu", "nothing of it would be left"),
        ("leaky-relu", "sums-shuffled", "nothing of it would be left"),
    ],
)
def test_a_fault_that_would_replace_another_is_refused(
    first: str, second: str, message: str
) -> None:
    every = {**FAULTS, **VARIANTS}
    backend = every[first].inject(cast(Backend, CorrectBackend(name="it")))
    with pytest.raises(ValueError, match=message):
        every[second].inject(backend)
