"""Files and arrays that no layer can be made of: exit 2, and a message that says what would fit."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from harness.cli import main
from harness.config import MOST_NUMBERS
from harness.own_layer.inference import found_layer
from harness.own_layer.stored import StoredFile, WeightsError, read_file

ROOT = Path(__file__).parent.parent

Arrays = Mapping[str, Any]


def zeros(*shape: int, dtype: str = "f4") -> Any:
    return np.zeros(shape, dtype)


def rnn(prefix: str = "", **changes: Any) -> dict[str, Any]:
    """Two layers RNN(3, 4) in one direction, with changes by name; None removes one."""
    found: dict[str, Any] = {
        f"{name}_l{layer}": zeros(4, *columns)
        for layer in (0, 1)
        for name, columns in (
            ("weight_ih", (4 if layer else 3,)),
            ("weight_hh", (4,)),
            ("bias_ih", ()),
            ("bias_hh", ()),
        )
    }
    every = {**found, **changes}
    return {f"{prefix}{name}": array for name, array in every.items() if array is not None}


def holding(value: float) -> Any:
    array = zeros(4, 4)
    array[2, 1] = value
    return array


def judged(*arguments: object) -> str:
    """What the command says when it refuses."""
    result = CliRunner().invoke(main, ["judge", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    message = " ".join(result.output.split())
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message


CONTENTS: dict[str, tuple[Arrays, str]] = {
    "nothing": ({}, "no recurrent layer in it; it holds no arrays"),
    "no layer": ({"conv.weight": zeros(8, 3)}, "it holds 1 array, such as conv.weight (8, 3)"),
    "two layers": (rnn("a.") | rnn("b."), "one of: 'a.' RNN(3, 4), 2 layers, fp32; 'b.' RNN(3, 4)"),
    "a missing array": (
        rnn(weight_hh_l1=None),
        "weight_hh_l1 is missing, expected (4, 4) of a layer rnn of 4 units and 2 layers",
    ),
    "a missing bias": (rnn(bias_ih_l1=None), "bias_ih_l1 is missing, expected (4,)"),
    "a missing layer": (
        {n.replace("_l1", "_l2"): a for n, a in rnn().items()},
        "parameters of layers 0, 2, and none of layer 1: expected weight_ih_l1",
    ),
    "half a direction": (
        rnn(weight_ih_l0_reverse=zeros(4, 3)),
        "weight_hh_l0_reverse is missing, expected (4, 4) of a layer rnn of 4 units and 2 layers, "
        "bidirectional",
    ),
    "an extra array": (
        rnn(bias_ih_l0=None, bias_hh_l0=None, bias_ih_l1=None, bias_hh_l1=None)
        | {"weight_hr_l0": zeros(2, 4)},
        "weight_hr_l0: a layer rnn has no projection",
    ),
    "a contradicting shape": (
        rnn(weight_ih_l1=zeros(4, 8)),
        "weight_ih_l1 has the shape (4, 8), expected (4, 4) of a layer rnn of 4 units",
    ),
    "rows of no gates": (
        rnn(weight_ih_l0=zeros(10, 3)),
        "weight_ih_l0 has the shape (10, 3) and weight_hh_l0 (4, 4): 10 rows are 2.5 times the 4 "
        "units, expected 3 for gru, 4 for lstm, 1 for rnn",
    ),
    "one axis": (rnn(weight_hh_l0=zeros(4)), "weight_hh_l0 has the shape (4,), expected 2 axes"),
    "integers": (
        rnn(weight_hh_l0=zeros(4, 4, dtype="i8")),
        "weight_hh_l0 has dtype int64, expected float16, bfloat16, float32 or float64",
    ),
    "two dtypes": (
        rnn(bias_hh_l1=zeros(4, dtype="f8")),
        "bias_hh_l1 has dtype float64, and weight_ih_l0 float32; expected one dtype",
    ),
    "NaN": (rnn(weight_hh_l1=holding(np.nan)), "weight_hh_l1[2, 1] is nan, and 1 of its 16"),
    "infinity": (rnn(weight_hh_l0=holding(-np.inf)), "weight_hh_l0[2, 1] is -inf"),
    "a cell and a stack": (
        rnn(weight_ih=zeros(4, 3)),
        "weight_ih is a name of cells, ",
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_arrays_that_are_no_layer(name: str, suffix: str, tmp_path: Path) -> None:
    arrays, said = CONTENTS[name]
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(dict(arrays), path)
    message = judged(path, "--out", tmp_path / "out")
    assert said in message
    assert path.name in message


def damaged(content: bytes) -> dict[str, bytes]:
    """A file in which something is wrong before its arrays are looked at."""
    middle = len(content) // 2
    return {
        "empty": b"",
        "text": b"no file of weights\n",
        "cut in the middle": content[:middle],
        "without its end": content[:-20],
        "without its beginning": content[20:],
        "bytes turned over": content[:8] + bytes(255 - b for b in content[8:48]) + content[48:],
        "zeros": bytes(len(content)),
        "an image": b"\x89PNG\r\n\x1a\n" + content,
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_damaged_files(suffix: str, tmp_path: Path) -> None:
    good = tmp_path / f"good{suffix}"
    if suffix == ".npz":
        np.savez(good, **rnn())
    else:
        save_file(rnn(), good)
    for name, content in damaged(good.read_bytes()).items():
        path = tmp_path / f"{name.replace(' ', '-')}{suffix}"
        path.write_bytes(content)
        message = judged(path, "--out", tmp_path / "out")
        assert path.name in message, name
        assert "expected" in message, name


def test_other_suffixes_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    path.write_bytes(b"")
    assert ".pt, .pth, .bin, .ckpt, .safetensors, .npz" in judged(path, "--out", tmp_path / "out")
    with pytest.raises(WeightsError, match="there is none"):
        read_file(tmp_path / "absent.npz")
    assert "layer.json" in judged(tmp_path, "--out", tmp_path / "out")


def test_weights_may_be_larger_than_any_that_are_drawn() -> None:
    weight = np.broadcast_to(np.float32(0), (6000, 6000))
    names = {f"weight_{kind}_l0": weight for kind in ("ih", "hh")}
    layer = found_layer(StoredFile(Path("large.npz"), names, {}), None)
    assert layer.description == "RNN(6000, 6000), no biases, fp32"
    assert layer.config.numbers > MOST_NUMBERS


MAKING = """
import os, pickle, sys, zipfile
from pathlib import Path
folder = Path(sys.argv[1])
class Executed:
    def __reduce__(self):
        return os.system, (f"touch {folder / 'EXECUTED'}",)
"""

OF_TORCH = """
import torch
state = torch.nn.RNN(3, 4).state_dict()
good = folder / "good.pt"
torch.save(state, good)
torch.save(torch.nn.RNN(3, 4), folder / "a whole module.pt")
torch.save({"weight_ih_l0": Executed()}, folder / "an object.pt")
(folder / "a pickle.pt").write_bytes(pickle.dumps({"weight_ih_l0": Executed()}))
torch.save([1, 2], folder / "a list.pt")
torch.save(state["weight_ih_l0"], folder / "one tensor.pt")
torch.save({name: one.to_sparse() for name, one in state.items()}, folder / "sparse.pt")
torch.save({name: one.to(torch.complex64) for name, one in state.items()}, folder / "complex.pt")
torch.save({"conv": {"weight": torch.zeros(8, 3)}}, folder / "no layer.pt")
with zipfile.ZipFile(folder / "a zip archive.pt", "w") as archive:
    archive.writestr("a", "b")
"""

OF_MINDSPORE = """
import mindspore
import numpy as np
good = folder / "good.ckpt"
def stored(name, **arrays):
    mindspore.save_checkpoint(
        [{"name": n, "data": mindspore.Tensor(a)} for n, a in arrays.items()], str(folder / name)
    )
layer = {
    "weight_ih_l0": np.zeros((4, 3), "f4"), "weight_hh_l0": np.zeros((4, 4), "f4"),
    "bias_ih_l0": np.zeros(4, "f4"), "bias_hh_l0": np.zeros(4, "f4"),
}
stored("good.ckpt", **layer)
stored("no layer.ckpt", weight=np.zeros((8, 3), "f4"))
stored("integers.ckpt", **{n: a.astype("i4") for n, a in layer.items()})
stored("NaN.ckpt", **{**layer, "bias_hh_l0": np.full(4, np.nan, "f4")})
(folder / "a pickle.ckpt").write_bytes(pickle.dumps({"weight_ih_l0": Executed()}))
"""

READING = """
sys.path.insert(0, {tests!r})
from test_own_layer_malformed import damaged
for name, content in damaged(good.read_bytes()).items():
    (folder / f"{{name}}{{good.suffix}}").write_bytes(content)
from harness.own_layer.inference import found_layer
from harness.own_layer.reading import read_into
from harness.own_layer.stored import StoredFile
from harness.given import open_given
import json, tempfile
said = {{}}
for path in sorted(folder.iterdir()):
    with tempfile.TemporaryDirectory() as place:
        read = read_into({framework!r}, path, Path(place))
        try:
            found = read.error or found_layer(
                StoredFile(path, open_given(Path(place)).weights, read.others), None
            ).description
        except ValueError as error:
            found = str(error)
    said[path.stem] = found
print("\\n" + json.dumps(said))
"""

SAID = {
    "torch": {
        "good": "RNN(3, 4), fp32",
        "a whole module": "it holds other objects than tensors",
        "an object": "it holds other objects than tensors",
        "a pickle": "it holds other objects than tensors",
        "a list": "it holds a list, and no tensors by name",
        "one tensor": "it holds a Tensor, and no tensors by name",
        "sparse": "no recurrent layer in it",
        "complex": "weight_ih_l0 has dtype complex64",
        "no layer": "it holds 1 array, such as conv.weight (8, 3)",
        "a zip archive": "torch cannot read it",
        **dict.fromkeys(damaged(b""), "torch cannot read it"),
    },
    "mindspore": {
        "good": "RNN(3, 4), fp32",
        "no layer": "it holds 1 array, such as weight (8, 3)",
        "integers": "weight_ih_l0 has dtype int32",
        "NaN": "bias_hh_l0[0] is nan, and 4 of its 4 numbers are not finite",
        "a pickle": "mindspore cannot read it",
        **dict.fromkeys(damaged(b""), "mindspore cannot read it"),
        "without its beginning": "weight_ih_l0 is missing",  # it reads what follows
    },
}
"""What is said of files of the frameworks; all of them are read in one process of each."""


@pytest.mark.parametrize("framework", SAID)
def test_files_of_frameworks(framework: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    making = OF_TORCH if framework == "torch" else OF_MINDSPORE
    reading = READING.format(tests=str(Path(__file__).parent), framework=framework)
    ended = subprocess.run(
        [sys.executable, "-c", MAKING + making + reading, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(ended.stdout.splitlines()[-1])
    assert not (tmp_path / "EXECUTED").exists()
    for name, expected in SAID[framework].items():
        assert expected in said[name], (name, said[name])
    assert len(said) == len(SAID[framework]) > 10


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.npz"
    np.savez(path, **rnn())
    return path


def saved(folder: Path, name: str, array: Any) -> Path:
    path = folder / f"{name}.npy"
    np.save(path, array, allow_pickle=True)
    return path


def with_nan(*shape: int) -> Any:
    array = zeros(*shape)
    array.reshape(-1)[-1] = np.nan
    return array


X_MALFORMED: dict[str, tuple[Any, str]] = {
    "wrong width": (zeros(5, 2, 7), "x has the shape (5, 2, 7): 7 features, expected 3 ((T, B, I)"),
    "four axes": (zeros(5, 2, 3, 1), "x has the shape (5, 2, 3, 1), expected (T, B, I)"),
    "one axis": (zeros(3), "x has the shape (3,), expected"),
    "no axis": (np.float32(1), "x has the shape (), expected"),
    "no steps": (zeros(0, 2, 3), "x has the shape (0, 2, 3), expected (T, B, I)"),
    "no rows": (zeros(5, 0, 3), "no axis of length 0"),
    "another dtype": (zeros(5, 2, 3, dtype="f8"), "x has dtype float64, and the weights float32"),
    "integers": (zeros(5, 2, 3, dtype="i8"), "x has dtype int64, and the weights float32"),
    "text": (np.array([["a"] * 3] * 2), "x has dtype <U1, and the weights float32"),
    "objects": (np.array([{}, []], object), "Python objects in dtype"),
    "NaN": (with_nan(5, 2, 3), "x at step 4, row 1, feature 2 is nan, and 1 of its numbers"),
}

H_0_MALFORMED: dict[str, tuple[Any, str]] = {
    "one layer": (zeros(1, 2, 4), "h_0 has the shape (1, 2, 4), expected (2, 2, 4) (I = 3, H = 4"),
    "other rows": (zeros(2, 3, 4), "h_0 has the shape (2, 3, 4), expected (2, 2, 4)"),
    "other units": (zeros(2, 2, 3), "h_0 has the shape (2, 2, 3), expected (2, 2, 4)"),
    "two axes": (zeros(2, 4), "h_0 has the shape (2, 4), expected (2, 2, 4)"),
    "four axes": (zeros(2, 1, 2, 4), "h_0 has the shape (2, 1, 2, 4), expected (2, 2, 4)"),
    "no axis": (np.float32(0), "h_0 has the shape (), expected (2, 2, 4)"),
    "empty": (zeros(0), "h_0 has the shape (0,), expected (2, 2, 4)"),
    "another dtype": (zeros(2, 2, 4, dtype="f2"), "h_0 has dtype float16, and the weights float32"),
    "booleans": (zeros(2, 2, 4, dtype="?"), "h_0 has dtype bool, and the weights float32"),
    "infinity": (with_nan(2, 2, 4) + np.inf, "h_0 at layer 0, row 0, unit 0 is inf"),
}

LENGTHS_MALFORMED: dict[str, tuple[Any, str]] = {
    "beyond T": (np.array([3, 6]), "lengths[1] is 6, expected 0 to 5, the steps of x"),
    "negative": (np.array([-1, 3]), "lengths[0] is -1, expected 0 to 5"),
    "too few": (np.array([3]), "shape (1,), expected 2 integers, one for each row of x"),
    "too many": (np.array([3, 3, 3]), "shape (3,), expected 2 integers"),
    "a column": (np.array([[3], [3]]), "shape (2, 1), expected 2 integers"),
    "one number": (np.array(3), "shape (), expected 2 integers"),
    "floats": (np.array([3.0, 2.0]), "dtype float64 and shape (2,), expected 2 integers"),
    "booleans": (np.array([True, True]), "dtype bool and shape (2,), expected 2 integers"),
    "text": (np.array(["3", "2"]), "dtype <U1 and shape (2,), expected 2 integers"),
    "none": (np.array([], np.int64), "shape (0,), expected 2 integers"),
    "huge": (np.array([3, 2**62]), "lengths[1] is 4611686018427387904, expected 0 to 5"),
}


@pytest.mark.parametrize("name", X_MALFORMED)
def test_x(name: str, weights: Path, tmp_path: Path) -> None:
    array, said = X_MALFORMED[name]
    x = saved(tmp_path, "x", array)
    assert said in judged(weights, "--x", x, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "array", "said"),
    [
        pytest.param(option, array, said, id=f"{option} {name}")
        for option, cases in (("h_0", H_0_MALFORMED), ("lengths", LENGTHS_MALFORMED))
        for name, (array, said) in cases.items()
    ],
)
def test_what_goes_in_beside_x(
    option: str, array: Any, said: str, weights: Path, tmp_path: Path
) -> None:
    x = saved(tmp_path, "x", zeros(5, 2, 3))
    given = saved(tmp_path, option, array)
    name = f"--{option.replace('_', '-')}"
    assert said in judged(weights, "--x", x, name, given, "--out", tmp_path / "out")


def lstm(path: Path) -> Path:
    """Two layers LSTM(3, 4) without biases."""
    arrays = {f"weight_{kind}_l{layer}": zeros(16, 4) for kind in ("ih", "hh") for layer in (0, 1)}
    np.savez(path, **{**arrays, "weight_ih_l0": zeros(16, 3)})
    return path


@pytest.mark.parametrize("name", H_0_MALFORMED)
def test_c_0(name: str, tmp_path: Path) -> None:
    array, said = H_0_MALFORMED[name]
    given = ("--x", saved(tmp_path, "x", zeros(5, 2, 3)))
    states = ("--h-0", saved(tmp_path, "h_0", zeros(2, 2, 4)))
    c_0 = ("--c-0", saved(tmp_path, "c_0", array))
    message = judged(lstm(tmp_path / "lstm.npz"), *given, *states, *c_0, "--out", tmp_path / "out")
    assert said.replace("h_0", "c_0") in message


def test_rows_on_the_other_axis_hint_at_the_layout(weights: Path, tmp_path: Path) -> None:
    x = saved(tmp_path, "x", zeros(2, 5, 3))
    given = {
        "--lengths": (np.array([5, 3]), "lengths are of dtype int64 and shape (2,), expected 5"),
        "--h-0": (zeros(2, 2, 4), "h_0 has the shape (2, 2, 4), expected (2, 5, 4)"),
    }
    for option, (array, said) in given.items():
        path = saved(tmp_path, option[2:], array)
        message = judged(weights, "--x", x, option, path, "--out", tmp_path / "out")
        assert said in message
        assert "if x has its 2 rows on the other axis, give --batch-first" in message
    batched = saved(tmp_path, "batched", zeros(5, 2, 3))
    path = saved(tmp_path, "lengths", np.array([5, 3]))
    message = judged(
        *(weights, "--x", batched, "--lengths", path, "--batch-first", "--out", tmp_path / "out")
    )
    assert "on the other axis, leave --batch-first out" in message


def test_what_is_refused_leaves_no_folder(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports" / "judged"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no folder that judge wrote" in judged(empty, "--out", out)
    judged(weights, "--prefix", "decoder.", "--out", out)
    assert not out.parent.exists()


COMBINATIONS: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "h_0 without c_0": (
        lambda folder: [lstm(folder / "l.npz"), "--h-0", saved(folder, "h", zeros(2, 2, 4))],
        "h_0 (2, 2, 4) is given without c_0; a layer lstm takes h_0 and c_0, or none",
    ),
    "c_0 of an RNN": (
        lambda folder: [folder / "weights.npz", "--c-0", saved(folder, "c", zeros(2, 2, 4))],
        "c_0 is given, and a layer rnn takes none",
    ),
    "lengths of 2-D x": (
        lambda folder: [
            *(folder / "weights.npz", "--x", saved(folder, "x", zeros(5, 3))),
            *("--lengths", saved(folder, "n", np.array([3]))),
        ],
        "lengths are given, and x has no batch",
    ),
    "nonlinearity of an LSTM": (
        lambda folder: [lstm(folder / "l.npz"), "--nonlinearity", "relu"],
        "--nonlinearity relu: a layer lstm has no such option",
    ),
    "dropout of 1": (
        lambda folder: [folder / "weights.npz", "--dropout", 1.0],
        "--dropout 1.0: expected a probability of 0 to 0.99 in whole percents, as 0.2 or 0.5",
    ),
    "another prefix": (
        lambda folder: [folder / "weights.npz", "--prefix", "decoder."],
        "--prefix 'decoder.', expected one of: '' RNN(3, 4), 2 layers, fp32",
    ),
    "an unknown array in x.npz": (
        lambda folder: [folder / "weights.npz", "--x", folder / "weights.npz"],
        "weight_ih_l0 (4, 3), expected x, h_0, c_0, lengths",
    ),
    "x as text": (
        lambda folder: [folder / "weights.npz", "--x", Path(__file__)],
        "expected a .npy or a .npz file",
    ),
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_what_does_not_go_together(name: str, weights: Path, tmp_path: Path) -> None:
    arguments, said = COMBINATIONS[name]
    assert said in judged(*arguments(tmp_path), "--out", tmp_path / "out")
