"""`pytest -k` selects configs of the conformance suite by words, those of defaults too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import Config
from harness.corpus import CORPUS, SAMPLE, load_corpus

ROOT = Path(__file__).parent.parent
BACKENDS = {"torch": CORPUS, "mindspore": CORPUS, "mindspore:graph": SAMPLE}

Case = tuple[str, str]
"""Config id and backend."""


def selected(expression: str) -> set[Case]:
    """What the suite would run."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command += ["tests/test_conformance.py", "-k", expression]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    prefix = "tests/test_conformance.py::test_corpus["
    ids = [line.removeprefix(prefix) for line in done.stdout.splitlines() if prefix in line]
    return {_case(one) for one in ids}


def _case(test_id: str) -> Case:
    whole, _, _ = test_id.rpartition("-")  # without the check
    config_id, _, backend = whole.rpartition("-")
    return config_id, backend


def cases(wanted: Callable[[Config, str], bool]) -> set[Case]:
    return {
        (config.id, backend)
        for backend, path in BACKENDS.items()
        for config in load_corpus(path)
        if wanted(config, backend)
    }


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (
            "tanh and bidir and mindspore",
            lambda c, b: "tanh" in c.cell.activations and c.bidirectional and "mindspore" in b,
        ),
        (
            "l01 and nolengths and fp16 and not biased and not values",
            lambda c, b: (
                (c.num_layers, c.lengths, c.dtype, c.bias) == (1, "nolengths", "fp16", False)
                and c.aspect != "values"
            ),
        ),
    ],
)
def test_words_select_by_every_field(
    expression: str, wanted: Callable[[Config, str], bool]
) -> None:
    expected = cases(wanted)
    assert expected
    assert selected(expression) == expected


@pytest.mark.parametrize("pinned", [True, False])
def test_a_whole_id_selects_its_config_alone(pinned: bool) -> None:
    config = load_corpus(SAMPLE)[0] if pinned else Config.of(steps=7, seed=123456)
    assert {config_id for config_id, _ in selected(config.id)} == {config.id}
