"""Backends: references to them, loading them, and what the two frameworks' wrappers promise."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.backends import BackendUnavailable, default_backends, load_backend
from harness.backends.installed import entry_points
from harness.backends.reference import Kind, Reference
from harness.case import make_case
from harness.config import Config
from harness.runners import InProcess, Isolated

FAULTY = str(Path(__file__).with_name("faulty.py"))
CONFIG = Config.of(
    input_size=3, hidden_size=4, batch=5, steps=6, num_layers=2, bidirectional=True, states=True
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch", Reference(Kind.INSTALLED, "torch")),
        ("torch==2.9.1+cpu", Reference(Kind.INSTALLED, "torch", "2.9.1+cpu")),
        ("torch:cuda", Reference(Kind.INSTALLED, "torch", variant="cuda")),
        ("torch==2:cuda", Reference(Kind.INSTALLED, "torch", "2", "cuda")),
        ("/a b/torch.py:Mine", Reference(Kind.FILE, "/a b/torch.py", object="Mine")),
        ("package.module:Mine", Reference(Kind.MODULE, "package.module", object="Mine")),
        ("module:Mine", Reference(Kind.MODULE, "module", object="Mine")),
    ],
)
def test_references_are_read_and_written(text: str, expected: Reference) -> None:
    assert Reference.parse(text, ["torch"]) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["torch:", "torch==", "torch==:cuda", "torch::cuda", "torch=2", ""]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BackendUnavailable, match="expected"):
        Reference.parse(text, ["torch"])


def test_loads_from_a_file_and_from_a_module() -> None:
    assert load_backend(f"{FAULTY}:right").name == "right"
    assert load_backend(f"{FAULTY}:ForwardBackend").name == "right"
    assert load_backend("tests.faulty:right").name == "right"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "'nosuch' is not known; expected one of mindspore, torch, as NAME"),
        ("torc", "expected one of .*; did you mean 'torch'?"),
        ("mindspor:graph", "raised ModuleNotFoundError: .*; did you mean 'mindspore'?"),
        ("nosuch.py", "which OBJECT of nosuch.py?"),
        ("torch:grap", "torch has no variant 'grap'; expected one of cuda"),
        ("torch==2.x.y", "'2.x.y' is no version, expected one such as 2.9.1"),
        ("torch==1.0", r"torch 2\S+ is installed here; install .* make parity TORCH=1.0"),
        ("nosuch.py:thing", "file nosuch.py does not exist"),
        ("nosuch.module:thing", "importing nosuch.module raised ModuleNotFoundError"),
        (f"{FAULTY}:nothing", "has no 'nothing'; it defines"),
        (f"{FAULTY}:nameless", "object has no method build"),
        (f"{FAULTY}:ForwardLayer", r"ForwardLayer\(\) raised TypeError"),
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
        ("class B:\n    name = 'torch'\n    def build(self, options): ...", "none of .*torch"),
        ("class B:\n    name = 'theirs'\n    def build(self, options): ...", "none of .*theirs"),
        ("class B:\n    name = 'two words'\n    def build(self, options): ...", "expected a str"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_bad_file_says_why(tmp_path: Path, body: str, message: str) -> None:
    """Nor does a file take the name of a backend that is installed."""
    path = tmp_path / "bad.py"
    path.write_text(body)
    with pytest.raises(BackendUnavailable, match=message):
        load_backend(f"{path}:B")


def test_a_version_that_is_there_can_be_asked_for() -> None:
    version = metadata.version("torch").partition("+")[0]
    backend = load_backend(f"torch=={version}")
    assert backend.name == f"torch=={version}"


def test_a_variant_is_named_after_its_reference() -> None:
    with contextlib.closing(Isolated("mindspore:graph")) as runner:
        about = runner.about
    assert (about.name, about.variant, about.variant_of) == (
        "mindspore:graph",
        "graph",
        "mindspore",
    )
    assert about.sampled
    assert about.versions["mindspore"] == metadata.version("mindspore")
    assert {"python", "numpy"} <= set(about.versions)


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(BackendUnavailable, match="finds no CUDA device here"):
        load_backend("torch:cuda")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that offers a backend by an entry point."""
    (tmp_path / "theirs.py").write_text(
        "from faulty import ForwardBackend\n"
        "class Theirs(ForwardBackend):\n"
        "    variants = default_variants = ('fast',)\n"
        "    def __init__(self, variant=''):\n        super().__init__()\n"
        "    def versions(self): return {'their-runtime': '1.2'}\n"
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rnn_parity.backends]\ntheirs = theirs:Theirs\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_points.cache_clear()
    yield
    entry_points.cache_clear()


@pytest.mark.usefixtures("package")
def test_packages_add_backends() -> None:
    with contextlib.closing(Isolated("theirs==1.2:fast")) as runner:
        about = runner.about
        observation = runner.observe(CONFIG, repeat=False)
    assert (about.name, about.variant_of) == ("theirs==1.2:fast", "theirs==1.2")
    assert about.default_variants == ("fast",)
    assert observation.outputs is not None
    assert default_backends() == ("torch", "mindspore")  # a run does not depend on who is there


def test_a_framework_that_is_not_installed_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from harness.backends import load_backend\n"
        "load_backend('torch')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "install it with: pip install -c constraints.txt 'rnn-parity[torch]'" in done.stderr


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
def test_one_layer_does_not_share_memory_with_what_it_was_given(name: str) -> None:
    case = make_case(CONFIG)
    weights = {key: array.copy() for key, array in case.weights.items()}
    layer = load_backend(name).build(CONFIG.options)
    layer.load_weights(weights)
    before = layer.forward(case.inputs)["output"].copy()
    for array in weights.values():
        array[...] = 0
    for array in layer.read_weights().values():
        array[...] = 0
    np.testing.assert_array_equal(layer.forward(case.inputs)["output"], before)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_torch_gives_0_for_what_is_no_part_of_a_loss() -> None:
    """c_n after one step comes of no projection; torch.autograd.grad would raise."""
    config = Config.of(
        "lstm", proj_size=1, hidden_size=3, aspect="gradient", cotangents="c_n", steps=1
    )
    found = InProcess(load_backend("torch")).observe(config, repeat=False)
    assert found.trouble is None
    assert found.derivatives is not None
    assert not found.derivatives.clean["weight_hr_l0"].any()
    assert found.derivatives.clean["weight_ih_l0"].any()
