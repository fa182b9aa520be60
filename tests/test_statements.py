"""What the baseline says to people: what to do about each entry, and sizes that hold everywhere."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.backends import load_backend
from harness.baseline import KnownDifference, read_baseline
from harness.case import make_case
from harness.config import Config
from harness.observe import observe
from harness.oracle import Oracle
from reference import exact_activation

ENTRIES = {entry.id: entry for entry in read_baseline()}
SIZE = re.compile(r"\d\.\d+e-\d")

LOCAL = ("activation", "step_residual", "gradient")
"""Checks of one step from the own previous state: such an error has a bound."""


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_says_what_to_do_in_a_sentence_of_its_own(entry: KnownDifference) -> None:
    assert entry.remedy.endswith(".")
    assert entry.statement.endswith(".")
    assert entry.remedy not in entry.statement
    assert [e.id for e in ENTRIES.values() if e.statement == entry.statement] == [entry.id]


def test_no_size_is_stated_of_what_grows_with_depth_and_length() -> None:
    """Of an error that adds up there is no largest one: only of that of a step."""
    for entry in ENTRIES.values():
        if SIZE.search(entry.statement) and not set(entry.checks) <= {*LOCAL}:
            assert "each step" in entry.statement, entry.id
            assert "grows" in entry.statement, entry.id


def stated(name: str) -> float:
    return max(map(float, SIZE.findall(ENTRIES[name].statement)))


def test_errors_add_up_beyond_that_of_a_step() -> None:
    """Why no size is stated: a stack of two layers, 100 steps, weights of three times the scale."""
    config = Config.of(num_layers=2, input_size=64, hidden_size=64, batch=4, steps=60, scale=4)
    case = make_case(config)
    seen = observe(load_backend("mindspore"), case, repeat=False)
    assert seen.outputs is not None
    error = np.abs(seen.outputs["output"] - Oracle(case).exact["output"]).max()
    assert error > 3 * stated("mindspore-tanh-end-to-end")


@pytest.mark.parametrize(
    ("activation", "low", "high", "names"),
    [
        ("tanh", 4.75, 5.25, ("mindspore-tanh-approximation", "mindspore-tanh-steps")),
        ("sigmoid", 0.34, 0.35, ("mindspore-sigmoid-approximation",)),
    ],
)
def test_the_size_that_is_stated_of_an_activation_is_its_largest(
    activation: str, low: float, high: float, names: tuple[str, ...]
) -> None:
    """Over every float32 where it is furthest off."""
    import mindspore
    from mindspore import ops

    first, last = np.array([low, high], np.float32).view(np.uint32)
    x = np.arange(first, last, dtype=np.uint32).view(np.float32)
    actual = getattr(ops, activation)(mindspore.Tensor(x)).asnumpy()
    error = np.abs(actual - exact_activation(activation, x.astype(np.float64))).max()
    for name in names:
        assert stated(name) == pytest.approx(error, rel=0.005)
