"""`rnn-parity judge`: real layers inside a larger model, from files of every kind, end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.config import Config
from harness.given import GivenError, given_arrays, open_given
from harness.own_layer.asked import ASKED
from harness.own_layer.inference import Layer, found_layer
from harness.own_layer.stored import read_file

ROOT = Path(__file__).parent.parent
MISLAYING = f"{Path(__file__).with_name('mislaying.py')}:backend"

SAVING = """
import sys
from pathlib import Path
import mindspore
import numpy as np
import safetensors.torch
import torch
folder = Path(sys.argv[1])
torch.manual_seed(3)
model = torch.nn.ModuleDict({
    "embedding": torch.nn.Embedding(10, 5),
    "encoder": torch.nn.ModuleDict({
        "rnn": torch.nn.RNN(5, 6, 2, nonlinearity="relu", batch_first=True),
        "lstm": torch.nn.LSTM(5, 6, 2, bidirectional=True),
        "gru": torch.nn.GRU(5, 6, bias=False),
        "projected": torch.nn.LSTM(5, 6, proj_size=4, dtype=torch.float64),
        "halved": torch.nn.GRU(5, 6, dtype=torch.bfloat16),
    }),
    "cells": torch.nn.ModuleDict({
        "rnn": torch.nn.RNNCell(5, 6),
        "gru": torch.nn.GRUCell(5, 6),
        "lstm": torch.nn.LSTMCell(5, 6),
    }),
    "head": torch.nn.Linear(12, 3),
})
state = model.state_dict()
torch.save(state, folder / "model.pt")
torch.save({"epoch": 3, "model": state}, folder / "nested.pth")
safetensors.torch.save_file(state, folder / "model.safetensors")
known = {name: one for name, one in state.items() if one.dtype != torch.bfloat16}
np.savez(folder / "model.npz", **{name: one.numpy() for name, one in known.items()})
mindspore.save_checkpoint(
    [{"name": name, "data": mindspore.Tensor(one.numpy())} for name, one in known.items()],
    str(folder / "model.ckpt"),
)
"""

DESCRIBED = {
    "encoder.rnn.": "RNN(5, 6), 2 layers, fp32",
    "encoder.lstm.": "LSTM(5, 6), 2 layers, bidirectional, fp32",
    "encoder.gru.": "GRU(5, 6), no biases, fp32",
    "encoder.projected.": "LSTM(5, 6), proj_size 4, fp64",
    "encoder.halved.": "GRU(5, 6), bf16",
    "cells.rnn.": "RNNCell(5, 6), fp32",
    "cells.gru.": "GRUCell(5, 6), fp32",
    "cells.lstm.": "LSTMCell(5, 6), fp32",
}
FILES = ("model.pt", "model.safetensors", "model.npz", "model.ckpt")


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of torch in files of every kind, and batches for it."""
    if importlib.util.find_spec("mindspore") is None:
        pytest.skip("mindspore is not installed")
    folder = tmp_path_factory.mktemp("models")
    ended = python(SAVING, folder)
    assert ended.returncode == 0, ended.stderr
    numbers = np.random.default_rng(0)
    for name, shape in {"x": (7, 3, 5), "h_0": (4, 3, 6), "c_0": (4, 3, 6)}.items():
        np.save(folder / f"{name}.npy", numbers.normal(size=shape).astype("f4"))
    np.save(folder / "batch_first.npy", numbers.normal(size=(3, 7, 5)).astype("f4"))
    np.save(folder / "lengths.npy", np.array([7, 2, 5]))
    return folder


@pytest.fixture(scope="module")
def layers(models: Path) -> Mapping[str, Mapping[str, Layer]]:
    """Every layer that every file has."""
    stored = {name: read_file(models / name) for name in FILES}
    return {
        name: {
            prefix: found_layer(of, prefix)
            for prefix in DESCRIBED
            if any(one.startswith(prefix) for one in of.arrays)
        }
        for name, of in stored.items()
    }


def test_layers_follow_from_names_and_shapes(layers: Mapping[str, Mapping[str, Layer]]) -> None:
    for name, found in layers.items():
        known = {prefix: said for prefix, said in DESCRIBED.items() if prefix in found}
        assert {prefix: layer.description for prefix, layer in found.items()} == known
        # NumPy's own files and MindSpore's have no bfloat16.
        assert (len(found) == len(DESCRIBED)) == (name in ("model.pt", "model.safetensors"))


def test_every_kind_of_file_has_the_same_numbers(
    layers: Mapping[str, Mapping[str, Layer]],
) -> None:
    for found in layers.values():
        for prefix, layer in found.items():
            first = layers["model.pt"][prefix]
            assert list(layer.weights) == list(first.weights)
            for name, array in layer.weights.items():
                assert array.dtype == first.weights[name].dtype
                assert array.tobytes() == first.weights[name].tobytes()


def test_a_checkpoint_of_more_than_weights_has_its_names_in_front(models: Path) -> None:
    layer = found_layer(read_file(models / "nested.pth"), "model.encoder.gru")
    assert layer.description == DESCRIBED["encoder.gru."]


@dataclass(frozen=True)
class Judgement:
    result: Result
    out: Path

    @property
    def text(self) -> str:
        return " ".join(self.result.output.split())

    @property
    def page(self) -> str:
        return (self.out / "answer.md").read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        every = [json.loads(x) for x in (self.out / "results.jsonl").read_text().splitlines()]
        return [line for line in every if line["kind"] == "result"]


def judged(out: Path, *arguments: object) -> Judgement:
    given = ["judge", *map(str, arguments), "--out", str(out)]
    return Judgement(CliRunner().invoke(main, given, terminal_width=200), out)


@pytest.fixture(scope="module")
def of_rnn(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judged(
        tmp_path_factory.mktemp("rnn"),
        *(models / "model.pt", "--prefix", "encoder.rnn."),
        *("--nonlinearity", "relu", "--batch-first", "--x", models / "batch_first.npy"),
        "--in-process",
    )


@pytest.fixture(scope="module")
def of_lstm(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judged(
        tmp_path_factory.mktemp("lstm"),
        *(models / "model.safetensors", "--prefix", "encoder.lstm.", "--x", models / "x.npy"),
        *("--h-0", models / "h_0.npy", "--c-0", models / "c_0.npy"),
        *("--lengths", models / "lengths.npy", "--dropout", 0.5),
    )


@pytest.fixture(scope="module")
def of_gru(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    return judged(tmp_path_factory.mktemp("gru"), models / "model.ckpt", "--prefix", "encoder.gru.")


@pytest.fixture(scope="module")
def of_fault(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    """A weight of the second layer that does not arrive as it was given."""
    return judged(
        tmp_path_factory.mktemp("fault"),
        *(models / "model.npz", "--prefix", "encoder.lstm.", "--x", models / "x.npy"),
        *("--backend", "torch", "--backend", MISLAYING, "--in-process"),
    )


EVERY = ("of_rnn", "of_lstm", "of_gru")


@pytest.fixture(params=EVERY)
def judgement(request: pytest.FixtureRequest) -> Judgement:
    found: Judgement = request.getfixturevalue(request.param)
    return found


def test_both_frameworks_answer(judgement: Judgement) -> None:
    assert judgement.result.exit_code == 0, judgement.result.output
    for backend in ("torch", "mindspore"):
        said = rf"- {backend}: outputs off by \S+ at most; largest ratio to the bound \S+ at .*row"
        assert re.search(said, judgement.page), judgement.page
        assert re.search(rf"- {backend}: .*; gradients off by \S+ at most", judgement.page)


def test_the_largest_error_is_of_what_was_given(of_gru: Judgement) -> None:
    """Neither states nor lengths were given: errors at drawn ones are none of the user's call."""
    smaller = []
    for backend in ("torch", "mindspore"):
        measured: dict[bool, list[float]] = {True: [], False: []}
        for line in of_gru.lines:
            of_gradients = line["check"] in ("gradient", "gradient_error")
            if line["backend"] != backend or not of_gradients or line["part"] == "signs":
                continue
            config = Config.parse(line["config_id"])
            as_given = not config.states and config.lengths == "nolengths"
            if line["max_abs"] is not None:
                measured[as_given].append(float(line["max_abs"]))
        largest = max(measured[True])
        assert re.search(rf"- {backend}: .*; gradients off by {largest:.3g} at most", of_gru.page)
        smaller.append(largest < max(measured[False]))
    assert any(smaller)


def test_there_is_one_verdict(judgement: Judgement) -> None:
    assert re.search(
        r"\nDROP-IN \((mindspore for torch|torch for mindspore)\)", judgement.result.output
    )
    for other in ("NOT A DROP-IN", "AS EXPECTED"):
        assert other not in judgement.text


PADDED = "NaN and infinities in the padding: mindspore-"


def test_what_the_harness_writes_into_padding_does_not_decide(
    of_lstm: Judgement, of_gru: Judgement
) -> None:
    """Lengths are given to the one, with an x without NaN; x and lengths of the other are drawn."""
    assert f"besides, with {PADDED}sigmoid-of-nan-elsewhere" in of_lstm.text
    said = f"besides, with lengths (drawn), initial states (drawn) and {PADDED}padding-reaches"
    assert said in of_gru.text
    assert "→ Set the padding to 0 before the call." in of_gru.text
    failing = [line for line in of_lstm.lines if line["verdict"] == "fail"]
    assert {line["check"] for line in failing} == {"padding_ignored"}


def test_padding_of_the_user_decides(models: Path, tmp_path: Path) -> None:
    x = np.load(models / "x.npy")
    x[6, 1:] = np.nan
    np.save(tmp_path / "x.npy", x)
    arguments = ("--prefix", "encoder.gru.", "--lengths", models / "lengths.npy")
    done = judged(tmp_path / "out", models / "model.npz", *arguments, "--x", tmp_path / "x.npy")
    assert "NOT A DROP-IN (mindspore for torch" in done.text
    assert "mindspore differs in gradient_padding, as is known" in done.text
    assert done.result.exit_code == 1


def test_what_was_not_asked_is_said(of_rnn: Judgement, of_lstm: Judgement) -> None:
    of_training = "known of it: mindspore-initial-mode, mindspore-dropout-repeats-itself"
    assert f"not asked: training, where dropout drops, if it has any; {EVALUATED}" in of_rnn.text
    assert f"not asked: training, where dropout drops; {EVALUATED}; {of_training}" in of_lstm.text
    assert "not judged: mindspore:graph; --backend mindspore:graph judges it" in of_rnn.text
    assert "`mindspore-graph-keeps-weights`" in concerning(of_rnn.page)[0]


EVALUATED = "it is in evaluation mode"


def test_everything_that_applies_is_asked(judgement: Judgement) -> None:
    passed = {line["check"] for line in judgement.lines if line["verdict"] == "pass"}
    expected = {
        *("step_residual", "forward_error", "last_state", "rows_independent", "determinism"),
        *("shape_dtype", "gradient", "padding_zero", "padding_ignored", "transfer"),
        *("checkpoint_own", "checkpoint_across", "inputs_unmodified", "gradient_padding"),
    }
    assert expected <= passed
    assert {Config.parse(line["config_id"]).arrays for line in judgement.lines} != {""}


def test_hidden_layers_are_judged(of_lstm: Judgement) -> None:
    assert "prefix" in {line["check"] for line in of_lstm.lines}


def test_what_weights_do_not_say_is_stated(of_rnn: Judgement, of_gru: Judgement) -> None:
    assert "assumed: dropout = 0 (--dropout)" in of_rnn.text
    assert "DROP-IN (mindspore for torch):" in of_rnn.text
    assert "x drawn, 8 steps, 4 rows; assumed: batch_first = False (--batch-first)" in of_gru.text


def concerning(page: str) -> tuple[str, str]:
    """What concerns the layer, and what does not."""
    concerns, _, others = page.partition("## Known differences that do not concern it")
    return concerns, others


def test_a_relu_layer_hears_nothing_of_tanh(of_rnn: Judgement, of_lstm: Judgement) -> None:
    concerns, others = concerning(of_rnn.page)
    assert "tanh-" not in concerns
    assert "`mindspore-tanh-steps`" in others
    assert "`mindspore-relu-swallows-nan`" in concerns
    assert "`mindspore-initial-mode`" in concerns  # that nothing is dropped is assumed
    concerns, others = concerning(of_lstm.page)
    assert "`mindspore-tanh-steps`" in concerns
    assert "`mindspore-relu-swallows-nan`" in others
    assert "`mindspore-initial-mode`" in concerns
    assert "cells" in others


def test_a_fault_in_loaded_weights_is_caught_and_located(of_fault: Judgement) -> None:
    assert of_fault.result.exit_code == 1, of_fault.result.output
    assert "NOT A DROP-IN (mislaying for torch): mislaying differs in" in of_fault.text
    failing = {line["check"]: line for line in of_fault.lines if line["verdict"] == "fail"}
    place = failing["step_residual"]["worst"]
    assert (place["layer"], place["direction"], place["unit"]) == (1, "forward", 3)
    assert {line["backend"] for line in failing.values()} == {"mislaying"}
    assert re.search("layer 1 forward, step [0-9]+, row [0-9]+, unit 3", of_fault.page)


RUNNING = """
import runpy, sys
for path in sys.argv[1:]:
    runpy.run_path(path, run_name="__main__")
"""


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_the_script_builds_the_layer_elsewhere(
    framework: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    every = [request.getfixturevalue(name).out for name in EVERY]
    scripts = [out / f"port_to_{framework}.py" for out in every]
    ended = python(RUNNING, *scripts)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("output: largest error") == len(EVERY)
    given = np.load(request.getfixturevalue("models") / "batch_first.npy")
    assert np.array_equal(np.load(every[0] / "call" / "x.npy"), given)
    # With another weight than was judged it says so.
    other = tmp_path / "other"
    shutil.copytree(every[1], other)
    weight = np.load(other / "arrays" / "weight_hh_l1.npy")
    weight[2, 2] += 0.25
    np.save(other / "arrays" / "weight_hh_l1.npy", weight)
    ended = python(RUNNING, other / scripts[1].name)
    assert ended.returncode != 0
    assert "AssertionError: ('output'" in ended.stderr


def test_the_folder_is_enough_to_judge_the_same_again(of_rnn: Judgement, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(of_rnn.out, moved)
    again = judged(tmp_path / "again", moved, "--backend", "torch", "--in-process")
    assert again.result.exit_code == 0, again.result.output
    assert (again.out / ASKED).read_text() == (of_rnn.out / ASKED).read_text()
    torch = [line for line in of_rnn.lines if line["backend"] == "torch"]
    alone = {(x["config_id"], x["check"], x["part"]): x for x in again.lines}
    for line in torch:
        key = (line["config_id"], line["check"], line["part"])
        if key in alone and line["against"] is None:
            assert (line["max_abs"], line["verdict"]) == (
                alone[key]["max_abs"],
                alone[key]["verdict"],
            )


def test_a_config_of_given_arrays_is_replayed_with_their_folder(
    of_rnn: Judgement, tmp_path: Path
) -> None:
    config_id, *_ = (of_rnn.out / ASKED).read_text().split()
    arrays = ["--arrays", str(of_rnn.out / "arrays")]
    replay = ["replay", config_id, "--backend", "torch", "--in-process"]
    assert CliRunner().invoke(main, [*replay, *arrays]).exit_code == 0
    line = next(line for line in of_rnn.lines if line["config_id"] == config_id)
    assert f"--arrays {of_rnn.out / 'arrays'}" in line["replay"]
    unknown = config_id.replace(Config.parse(config_id).arrays, "bcdfghjkmpqrstvw")
    refused = CliRunner().invoke(main, ["replay", unknown, "--backend", "torch", *arrays])
    assert refused.exit_code == 2
    assert "name the folder that judge wrote" in " ".join(refused.output.split())


def test_a_replay_says_what_to_do_and_what_it_did_not_ask(models: Path) -> None:
    assert models
    done = CliRunner().invoke(
        main,
        [
            *("replay", "--layer", "rnn", "--num-layers", "2", "--dropout", "0.3"),
            *("--aspect", "gradient", "--lengths", "ragged", "--backend", "mindspore"),
        ],
    )
    assert "(mindspore-padding-reaches-gradients)\n    → Set the padding to 0" in done.output
    said = "(--aspect training); known of it: mindspore-initial-mode, mindspore-dropout-repeats"
    assert said in " ".join(done.output.split())


def test_an_assumption_stands_beside_the_verdict(models: Path, tmp_path: Path) -> None:
    given = [models / "model.npz", "--prefix", "cells.rnn", "--backend", "torch", "--in-process"]
    said = "AS THE EQUATION SAYS (torch; assumed: nonlinearity = tanh (--nonlinearity))"
    done = judged(tmp_path / "out", *given)
    assert said in done.text
    assert "x drawn, 4 rows; h_0 drawn" in done.text
    assert "`torch-flushes-bf16" not in concerning(done.page)[0]


LOADING = """
import pathlib, time
pathlib.Path(__file__).with_name("loading").touch()
time.sleep(60)
"""


def test_what_is_ended_while_backends_load_says_how_to_go_on(models: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(LOADING, "utf-8")
    weights = [str(models / "model.npz"), "--prefix", "cells.gru", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "harness.cli", "judge", *weights, "--in-process"]
    process = subprocess.Popen(
        [*command, "--backend", f"{tmp_path / 'slow.py'}:backend"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "loading").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"interrupted; judge again with: rnn-parity judge {tmp_path / 'out'}" in printed


def test_who_gives_no_answer_to_the_call_is_no_drop_in(models: Path, tmp_path: Path) -> None:
    """torch takes no length of 0. And nothing of a judgement before stays in the folder."""
    np.save(tmp_path / "lengths.npy", np.array([7, 0, 5]))
    given = [models / "model.npz", "--prefix", "cells.gru", "--backend", "torch", "--in-process"]
    assert judged(tmp_path / "out", *given).result.exit_code == 0
    assert "assumed" not in (tmp_path / "out" / "answer.md").read_text("utf-8")
    given[2:3] = ["encoder.gru", "--x", models / "x.npy", "--lengths", tmp_path / "lengths.npy"]
    done = judged(tmp_path / "out", *given)
    said = "NOT A DROP-IN (torch): torch gives no answer to this call (torch.nn.utils.rnn.pack"
    assert said in done.text
    names = {path.stem for path in (done.out / "arrays").glob("*.npy")}
    assert names == {"weight_ih_l0", "weight_hh_l0", "x", "lengths"}
    assert list(done.out.glob("port_to_*.py")) == []


def test_other_numbers_have_another_digest(of_rnn: Judgement, tmp_path: Path) -> None:
    given = open_given(of_rnn.out / "arrays")
    other = tmp_path / "arrays"
    shutil.copytree(given.folder, other)
    x = np.load(other / "x.npy")
    x[0, 0, 0] += 1
    np.save(other / "x.npy", x)
    assert open_given(other).digest != given.digest
    with pytest.raises(GivenError, match="are those of another layer"):
        given_arrays(Config.of("gru", arrays=given.digest))
