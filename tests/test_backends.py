"""Backends: loading them by name, and what the two frameworks' wrappers promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.backends import BackendUnavailable, load_backend
from harness.case import make_case
from harness.config import Config
from harness.observe import observe

FAULTY = str(Path(__file__).with_name("faulty.py"))
CONFIG = Config(
    input_size=3, hidden_size=4, batch=5, steps=6, num_layers=2, bidirectional=True, h_0=True
)


def test_loads_from_a_file_and_from_a_module() -> None:
    assert load_backend(f"{FAULTY}:right").name == "right"
    assert load_backend(f"{FAULTY}:OracleBackend").name == "right"
    assert load_backend("faulty:right").name == "right"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "'nosuch' is not known; expected one of torch, mindspore, mindspore-graph"),
        ("nosuch.py:thing", "file nosuch.py does not exist"),
        ("nosuch.module:thing", "importing nosuch.module raised ModuleNotFoundError"),
        (f"{FAULTY}:nothing", "has no 'nothing'; it defines"),
        (f"{FAULTY}:nameless", "object has no method build"),
        (f"{FAULTY}:OracleLayer", r"OracleLayer\(\) raised TypeError"),
    ],
)
def test_what_cannot_be_loaded_says_why(name: str, message: str) -> None:
    with pytest.raises(BackendUnavailable, match=message):
        load_backend(name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import nosuch_dependency", "raised ModuleNotFoundError: No module named"),
        ("def broken(:", "raised SyntaxError"),
        ("class B:\n    def build(self, options): ...", "B.name = None, expected a str"),
        ("class B:\n    name = 'torch'\n    def build(self, options): ...", "none of torch"),
        ("class B:\n    name = 'two words'\n    def build(self, options): ...", "expected a str"),
    ],
)
def test_a_bad_file_says_why(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(body)
    with pytest.raises(BackendUnavailable, match=message):
        load_backend(f"{path}:B")


def test_a_framework_that_is_not_installed_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from harness.backends import load_backend\n"
        "load_backend('torch')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "install it with: pip install -c constraints.txt 'rnn-parity[torch]'" in done.stderr


@pytest.mark.parametrize("name", ["torch", "mindspore"])
def test_weights_arrive_bit_for_bit(name: str) -> None:
    case = make_case(CONFIG)
    layer = load_backend(name).build(CONFIG.options)
    layer.load_weights(case.weights)
    read_back = layer.read_weights()
    assert list(read_back) == list(case.weights) or set(read_back) == set(case.weights)
    for key, array in case.weights.items():
        assert read_back[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["torch", "mindspore"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("bias_hh_l1"), r"missing \['bias_hh_l1'\]"),
        (lambda w: w.update(extra=np.zeros(3, "f")), r"not expected \['extra'\]"),
        (
            lambda w: w.update(weight_hh_l0=np.zeros((4, 3), "f")),
            r"weight_hh_l0.shape = \(4, 3\), expected \(4, 4\)",
        ),
        (
            lambda w: w.update(bias_hh_l0=np.zeros((1, 4), "f")),
            r"bias_hh_l0.shape = \(1, 4\), expected \(4,\)",
        ),
    ],
    ids=["missing", "extra", "misshapen", "broadcastable"],
)
def test_wrong_parameters_are_refused(name: str, change: object, message: str) -> None:
    weights = dict(make_case(CONFIG).weights)
    change(weights)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        load_backend(name).build(CONFIG.options).load_weights(weights)


@pytest.mark.parametrize("name", ["torch", "mindspore"])
def test_layers_are_in_evaluation_mode(name: str) -> None:
    """With dropout 99% a layer that still dropped would show zeros."""
    config = Config(input_size=3, hidden_size=7, batch=5, steps=6, num_layers=3, dropout=99)
    plain = Config(input_size=3, hidden_size=7, batch=5, steps=6, num_layers=3)
    case = make_case(config)
    one = observe(load_backend(name), case, repeat=False).forward
    two = observe(load_backend(name), make_case(plain), repeat=False).forward
    assert one is not None
    assert two is not None
    assert one.output.tobytes() == two.output.tobytes()


@pytest.mark.parametrize("name", ["torch", "mindspore"])
def test_one_layer_does_not_share_memory_with_what_it_was_given(name: str) -> None:
    case = make_case(CONFIG)
    weights = {key: array.copy() for key, array in case.weights.items()}
    layer = load_backend(name).build(CONFIG.options)
    layer.load_weights(weights)
    before = layer.forward(case.x, case.h_0, None)[0].copy()
    for array in weights.values():
        array[...] = 0
    for array in layer.read_weights().values():
        array[...] = 0
    np.testing.assert_array_equal(layer.forward(case.x, case.h_0, None)[0], before)
