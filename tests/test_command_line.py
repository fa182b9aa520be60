"""The command line before and beside a run: help, refusals, what is asked, replays."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml
from rich.console import Console

from harness.aspects import ASPECTS
from harness.backends import load_backend
from harness.cli import main
from harness.cli.replay import CONFIG_OPTIONS
from harness.config import COTANGENTS, LENGTHS, MEMORIES, MODES, Config, ConfigError
from harness.data import NUMPY_DTYPES
from harness.expectations import Expectations, Judged
from harness.expression import Expression, words_of
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.layers import LAYERS
from harness.report.replay import ReplayPrinter
from harness.report.wording import place_text
from harness.results import Place

FAULTY = str(Path(__file__).with_name("faulty.py"))
IN_PROCESS = ("--in-process", "--no-reproducers")
CONFIG = Config.of(input_size=3, hidden_size=4, batch=6, steps=5)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], terminal_width=200)


def judged(out: Path) -> set[str]:
    lines = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    return {line["config_id"] for line in lines if line["kind"] == "result"}


NUMBERS = ("torch", "mindspore", "matplotlib", "scipy", "numpy")
HEAVY = NUMBERS[:-1]


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        *(((*name.split(), "--help"), NUMBERS) for name in ("", *main.commands, "baseline update")),
        (("run", "--examples", "-1"), NUMBERS),
        (("replay",), NUMBERS),
        (("run", "--layer", "lsmt"), HEAVY),
        (("run", "--backend", "trch"), HEAVY),
        (("replay", "rnn-bidri-i3-h4-b1-t1-s0"), HEAVY),
    ],
    ids=lambda v: " ".join(v) if v and v[-1] not in ("numpy", "scipy") else "",
)
def test_help_and_refusals_load_nothing_heavy(
    arguments: tuple[str, ...], heavy: tuple[str, ...]
) -> None:
    program = (
        "import sys\n"
        "from harness.cli import main\n"
        "try: main()\n"
        f"finally: print('loaded:', [name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (0 if "--help" in arguments else 2), done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("run", "--layer", "lsmt"), "lstm"),
        (("run", "--backend", "trch"), "torch"),
        (("replay", CONFIG.id, "--backend", "mindspore:grph"), "graph"),
        (("replay", "rnn-bidri-i3-h4-b1-t1-s0"), "bidir"),
        (("replay", "rn-i3-h4-b1-t1-s0"), "rnn"),
        (("replay", "--layer", "gruu"), "gru"),
        (("selftest", "--base", "torhc"), "torch"),
        (("run", "--select", "tanh and bidirr", "--backend", f"{FAULTY}:right"), "bidir"),
    ],
)
def test_what_is_unknown_is_answered_with_the_nearest(
    arguments: tuple[str, ...], near: str, tmp_path: Path
) -> None:
    out = ("--out", tmp_path) if arguments[0] == "run" else ()
    done = invoke(*arguments, *out)
    assert done.exit_code == 2
    assert f"did you mean '{near}'" in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("tanh", True),
        ("BIDIR and tanh", True),
        ("relu or bidir", True),
        ("not relu and bidir", True),
        ("not (tanh and bidir)", False),
        ("relu", False),
        ("tanh and not bidir", False),
        ("nolengths and timefirst", True),  # defaults, which ids leave out
        ("(relu or tanh) and (l02 or l01)", True),
        ("nolife and not life", True),  # what a word denies does not have it
    ],
)
def test_an_expression_holds_as_pytest_has_it(text: str, holds: bool) -> None:
    assert Expression.parse(text).holds(words_of(CONFIG.replace(bidirectional=True))) is holds


@pytest.mark.parametrize("text", ["", "and", "tanh bidir", "(tanh", "tanh)", "not", "a, b", "a or"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="for example 'tanh and not"):
        Expression.parse(text)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six configs: of both activations, one direction or two."""
    path = tmp_path / "corpus.txt"
    every = [
        CONFIG.replace(nonlinearity=activation, bidirectional=both, seed=seed)
        for seed, activation in enumerate(("tanh", "relu", "tanh"))
        for both in (False, True)
    ]
    path.write_text("\n".join(config.id for config in every), "utf-8")
    return path


def run(fault: str, corpus: Path, *options: object) -> Result:
    asked = ("--backend", f"{FAULTY}:{fault}", "--corpus", corpus, "--out", corpus.parent)
    return invoke("run", *IN_PROCESS, *asked, *options)


def test_words_select_configs_and_a_file_draws_none(corpus: Path) -> None:
    done = run("right", corpus, "--select", "tanh and bidir")
    assert done.exit_code == 0, done.output
    wanted = [CONFIG.replace(bidirectional=True, seed=seed).id for seed in (0, 2)]
    assert judged(corpus.parent) == {*wanted}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("gru", "'gru' is in no config that could be judged"),
        ("tanh and relu", "none of 6 configs is like that; ask for fewer words"),
        ("lstm and relu", "'lstm' is in no config that could be judged"),
        ("rnn and (peephole or nobias)", "'peephole' is in no config"),
        ("", "'the end', expected a word"),
        ("faulty", "--backend says who is judged"),
    ],
)
def test_a_selection_of_nothing_is_refused(words: str, message: str, corpus: Path) -> None:
    done = run("scaled", corpus, "--select", words)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())


BROKEN = "raise RuntimeError('not today')"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--select", ""), "--select '': 'the end', expected a word"),
        (("--select", "tanh and bidirr"), "did you mean 'bidir'?"),
        (("--select", "lstm and relu"), "'relu' is no word of lstm"),
        (("--select", "gru", "--layer", "lstm"), "'gru' is in no config that could be judged"),
        (("--corpus", "empty.txt"), "holds no config id"),
        (("--corpus", "slip.txt"), "slip.txt, line 1: "),
        (("--corpus", "binary.txt"), "expected a config id a line, in UTF-8"),
        (("--executor", "ray://somewhere"), "expected dask://HOST:PORT"),
        (("--backend", "none.py:X"), "backend file none.py does not exist"),
        (("--out", "/proc"), "/proc cannot be made, or written"),
        (("--in-process", "--jobs", 2), "--jobs has no effect with --in-process"),
        (("--in-process", "--jobs", 2, "--quick"), "--jobs has no effect with --in-process"),
        ((), "not today"),
    ],
)
def test_what_can_be_refused_is_before_a_backend_is_loaded(
    options: tuple[object, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be; and no empty folder is left."""
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("broken.py", BROKEN.encode()),
        ("empty.txt", b""),
        ("slip.txt", b"rnn-tahn"),
        ("binary.txt", b"\xff\x00"),
    ):
        Path(name).write_bytes(content)
    done = invoke("run", "--backend", "broken.py:X", "--out", "reports/out", *options)
    said = " ".join(done.output.split())
    assert done.exit_code == 2, said
    assert message in said
    assert ("not today" in said) == (not options)
    kept = Path("reports/out/logs")
    assert not Path("reports").exists() or any(kept.iterdir())


def test_two_of_one_name_are_told_which_attribute_to_change(tmp_path: Path) -> None:
    done = invoke(
        "replay", CONFIG.id, *(f"--backend={one}:right" for one in (FAULTY, "tests.faulty"))
    )
    said = " ".join(done.output.split())
    assert f"set another attribute `name` in one of {FAULTY}:right and tests.faulty:right" in said


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing yet\n", "utf-8")
    done = run("right", empty)
    assert done.exit_code == 2
    assert "holds no config id; expected one a line, such as rnn-" in " ".join(done.output.split())


def test_a_run_may_end_at_the_first_unexpected_result(corpus: Path) -> None:
    assert run("scaled", corpus).exit_code == 1
    assert len(judged(corpus.parent)) == 6
    done = run("scaled", corpus, "--fail-fast")
    assert done.exit_code == 1
    assert len(judged(corpus.parent)) == 1
    assert "stopped at the first unexpected result: 1 of 6 planned pairs" in done.output
    assert "UNEXPECTED" in done.output
    assert run("right", corpus, "--fail-fast").exit_code == 0


def test_an_unfinished_run_is_no_green_for_a_reader_of_junit(corpus: Path) -> None:
    run("scaled", corpus, "--fail-fast")
    cases: list[Any] = [c for s in JUnitXml.fromfile(str(corpus.parent / "junit.xml")) for c in s]
    (unfinished,) = (case for case in cases if case.name == "unfinished")
    assert [type(one).__name__ for one in unfinished.result] == ["Error"]
    assert "1 of 6 planned pairs" in unfinished.result[0].message


def test_junit_has_times_and_one_reason_to_skip(corpus: Path) -> None:
    run("partial", corpus)
    suites = list(JUnitXml.fromfile(str(corpus.parent / "junit.xml")))
    cases: list[Any] = [case for suite in suites for case in suite]
    assert sum(suite.time for suite in suites) > 0
    assert all(case.time is not None and case.time >= 0 for case in cases)
    assert all(sum(type(r).__name__ == "Skipped" for r in case.result) <= 1 for case in cases)


def test_a_replay_takes_options_and_prints_the_id() -> None:
    done = invoke(
        *("replay", "--layer", "rnn", "--input-size", 30, "--hidden-size", 52, "--bidirectional"),
        *("--dropout", 0.25, "--no-bias", "--batch-first", "--backend", f"{FAULTY}:right"),
        "--in-process",
    )
    assert done.exit_code == 0, done.output
    wanted = Config.of(
        *("rnn",), input_size=30, hidden_size=52, bidirectional=True, dropout=25, bias=False,
        layout="batchfirst", batch=4, steps=8, data="plain",
    )  # fmt: skip
    assert done.output.splitlines()[0] == wanted.id


@pytest.mark.parametrize(
    ("config_id", "said"),
    [
        ("lstm-i3-h4-b2-t5-s0", "1 LSTM layer, biases, time first, dropout 0% in evaluation mode"),
        ("lstm-l2-proj2-i3-h4-b2-t5-s0", "2 LSTM layers, projected to 2, biases"),
        (
            "rnncell-relu-withstates-i3-h4-b2-t1-s0",
            "relu RNNCell, biases, initial states given, fp32, I 3, H 4, B 2, weight scale 1",
        ),
    ],
)
def test_a_description_says_what_the_layer_has(config_id: str, said: str) -> None:
    assert Config.understood(config_id).description.startswith(said)


def test_a_place_in_a_cell_has_neither_layer_nor_step() -> None:
    place = Place("gradient of weight_ih_l0", layer=0, direction="forward", step=0, unit=3)
    cell = Config.of("lstmcell", **SIZES_OF_CELLS).id
    assert place_text(place, cell) == "gradient of weight_ih, gate i, unit 3"
    said = "gradient of weight_ih_l0, layer 0 forward, step 0, unit 3"
    assert place_text(place, CONFIG.id) == said


@pytest.mark.parametrize(
    ("layer", "parameter", "row", "said"),
    [
        ("lstm", "weight_hh_l1_reverse", 9, "gate g, unit 1"),
        ("gru", "bias_ih_l0", 11, "gate n, unit 3"),
        ("lstm", "weight_hr_l0", 1, "unit 1"),
        ("rnn", "weight_hh_l0", 3, "unit 3"),
    ],
)
def test_a_row_of_a_gated_layers_parameter_is_a_unit_of_a_gate(
    layer: str, parameter: str, row: int, said: str
) -> None:
    place = Place(f"gradient of {parameter}", unit=row)
    config = Config.of(layer, hidden_size=4, **({"proj_size": 2} if layer == "lstm" else {}))
    assert place_text(place, config.id) == f"gradient of {parameter}, {said}"
    assert place_text(Place("output", unit=1), config.id) == "output, unit 1"


SIZES_OF_CELLS = {"input_size": 3, "hidden_size": 4, "batch": 2}


@pytest.mark.parametrize(
    ("dropout", "near"), [(0.125, "0.12 or 0.13"), (1.5, "0.2 or 0.5"), ("nan", "0.2 or 0.5")]
)
def test_a_dropout_between_percents_is_refused_with_examples(dropout: object, near: str) -> None:
    done = invoke("replay", "--layer", "rnn", "--dropout", dropout)
    assert done.exit_code == 2
    said = f"expected a probability of 0 to 0.99 in whole percents, as {near}"
    assert said in " ".join(done.output.split())


def test_a_replay_says_that_training_was_not_asked() -> None:
    layers = ("replay", "--num-layers", 2, "--in-process", "--backend", f"{FAULTY}:right")
    said = "not asked: training, where dropout drops (--aspect training); known of it: nothing"
    assert said in " ".join(invoke(*layers, "--dropout", 0.3).output.split())
    assert "not asked" not in invoke(*layers).output
    assert "not asked" not in invoke(*layers, "--dropout", 0.3, "--aspect", "training").output


def test_given_arrays_are_missed_before_anything_is_loaded() -> None:
    config = CONFIG.replace(arrays="bcdfghjkmpqrstvw", data="plain")
    for command in ("replay", "reproduce"):
        done = invoke(command, config.id, "--backend", "nosuch.module:thing")
        assert done.exit_code == 2
        said = f"rnn-parity replay {config.id} --arrays OUT/arrays"
        assert said in " ".join(done.output.split())


def test_the_help_of_a_replay_has_every_word() -> None:
    said = set(re.findall("[a-z0-9]+", invoke("replay", "--help").output))
    kinds = {kind.name for record in LAYERS.values() for kind in record.data}
    dtypes = {dtype.name for dtype in NUMPY_DTYPES.values()}
    aspects = {*ASPECTS} - {"life"}  # of which ids say the steps
    for words in (LENGTHS, COTANGENTS, MEMORIES, MODES, kinds, dtypes, aspects, LAYERS):
        assert {*words} <= said, {*words} - said


def test_a_dtype_may_have_the_name_that_frameworks_give_it() -> None:
    options = ("replay", "--layer", "rnn", "--in-process", "--backend", f"{FAULTY}:right")
    done = invoke(*options, "--dtype", "float64")
    assert "-fp64-" in done.output.splitlines()[0]


@pytest.mark.parametrize("layer", LAYERS)
def test_who_asks_for_a_life_is_shown_one(layer: str) -> None:
    done = invoke("replay", "--layer", layer, "--aspect", "life")
    assert done.exit_code == 2
    found = re.search("such as ([a-z0-9.-]+)", " ".join(done.output.split()))
    assert found is not None
    assert Config.parse(found[1]).life == ("f0", "w1", "f0")


@pytest.mark.parametrize("text", ["RNN-i3-h4-b6-t5-s0", "rnn-tanh-t5-b6-unidir-h4-i3"])
def test_ids_are_forgiven_what_is_clear(text: str) -> None:
    done = invoke("replay", text, "--in-process", "--backend", f"{FAULTY}:right")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == CONFIG.id
    changed = invoke("replay", text, "--steps", 2, "--in-process", "--backend", f"{FAULTY}:right")
    assert changed.output.splitlines()[0] == CONFIG.replace(steps=2).id


def test_every_option_of_a_layer_is_one_of_replay() -> None:
    own = {option.name for record in LAYERS.values() for option in record.options}
    assert own < {name for name, _ in CONFIG_OPTIONS}


def test_the_first_line_waits_for_no_backend(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('not today')", "utf-8")
    done = invoke("replay", CONFIG.id, "--backend", f"{broken}:X")
    assert done.exit_code == 2
    assert done.output.splitlines()[0] == CONFIG.id


def test_each_backend_is_reported_once_it_is_judged() -> None:
    """The one after it may take its time."""
    session = Session({"x": CorrectBackend(), "faulty": load_backend(f"{FAULTY}:right")})
    (first, *_), *others = session.judging(CONFIG)
    assert first.backend == "oracle" or first.backend != others[0][0].backend
    assert len(others) == 1


def replayed(fault: str, config: Config, *options: str) -> Result:
    return invoke("replay", config.id, "--in-process", "--backend", f"{FAULTY}:{fault}", *options)


def test_a_replay_leads_with_a_table_and_details_are_asked_for() -> None:
    short = replayed("right", CONFIG).output
    header = next(line for line in short.splitlines() if "worst error" in line)
    assert header.split() == ["output", "worst", "error", "its", "bound", "ratio", "verdict"]
    row = next(line for line in short.splitlines() if "forward_error, h_n" in line)
    assert row.split()[-2:] == ["✓", "pass"]
    for word in ("rel ", "ulp", "rtol", "elements compared"):
        assert word not in short, word
    long = replayed("right", CONFIG, "--verbose").output
    assert "elements compared" in long
    assert "largest error: " in long


def test_a_pass_beside_large_numbers_is_explained() -> None:
    """Deep, scaled weights: `allclose` would fail what rounding alone explains."""
    config = Config.of(
        *("rnn",), nonlinearity="relu", num_layers=3, scale=16, input_size=64, hidden_size=64,
        batch=4, steps=20, seed=3,
    )  # fmt: skip
    done = replayed("right", config)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "torch.testing.assert_close would call it unequal" in said
    assert "this config amplifies rounding up to" in said
    assert "Some of its rows are extreme; --data plain has such as a new layer meets." in said
    assert "atol" not in said
    assert "this config amplifies" not in replayed("right", CONFIG).output


@pytest.mark.parametrize(
    ("expected", "said"),
    [(10.0, "with an atol of that size"), (0.5, "as large as the output there")],
)
def test_no_tolerance_as_large_as_the_output_is_recommended(expected: float, said: str) -> None:
    config = CONFIG.replace(data="plain")
    place = Place("output", actual=expected + 0.1, expected=expected, bound=0.75)
    one = judged_as(config, worst=place, assert_close="1 of 9 unequal")
    output = io.StringIO()
    printer = ReplayPrinter(Console(file=output, width=500), config, verbose=False)
    printer.print([one], {})
    assert said in output.getvalue()


def judged_as(config: Config, **changes: Any) -> Judged:
    """A passing comparison of outputs from start to end."""
    (result, *_) = (
        one
        for one in Session({"right": load_backend(f"{FAULTY}:right")}).judge(config)
        if one.check == "forward_error"
    )
    (joined,) = Expectations().join([msgspec.structs.replace(result, **changes)])
    return joined
