"""Which cases with arrays of their own a check may be asked of."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness.case import Case
from harness.checks import check_named
from harness.config import Config
from tests.synthetic import case_of

IDENTITY = {"weight_ih_l0": [[1]], "weight_hh_l0": [[0]]}
ORDERED = (-1, 2, 2, 3)


def admits(name: str, case: Case) -> bool:
    check = check_named(name)
    assert check is not None
    return check.admits(case)


def is_its_activation(
    points: tuple[float, ...] = ORDERED, weights: Any = IDENTITY, h_0: Any = None, **changes: Any
) -> bool:
    steps, inputs = changes.get("steps", 1), changes.get("input_size", 1)
    batch = len(points) // (steps * inputs)
    config = Config.of(bias=False, batch=batch, states=h_0 is not None, **changes)
    x = [[points[b * inputs : (b + 1) * inputs] for b in range(batch)]]
    given: dict[str, Any] = {"x": x if steps == 1 else [[[p]] for p in points]}
    if h_0 is not None:
        given["h_0"] = [[[h] for h in h_0]]
    return admits("activation", case_of(config, weights=weights, **given))


def test_a_layer_is_its_activation_where_weights_are_1_and_0() -> None:
    assert is_its_activation()
    assert not is_its_activation(weights=IDENTITY | {"weight_ih_l0": [[2]]})
    assert not is_its_activation(weights=IDENTITY | {"weight_hh_l0": [[1]]})
    assert not is_its_activation(h_0=(0, 0, 0, 0))
    assert not is_its_activation(steps=4)
    assert not is_its_activation(input_size=2, weights=IDENTITY | {"weight_ih_l0": [[1, 0]]})
    assert not is_its_activation(bidirectional=True)
    assert not is_its_activation(num_layers=2)


@pytest.mark.parametrize(
    ("check", "padding", "rows", "other", "admitted"),
    [
        ("gradient_padding", True, 1, None, True),
        ("gradient_padding", False, 1, None, False),
        ("padding_ignored", True, 1, None, True),
        ("padding_ignored", True, 1, 5.0, True),
        ("padding_ignored", True, 1, 0.0, False),
        ("padding_ignored", False, 1, 5.0, False),
        ("rows_independent", False, 2, None, True),
        ("rows_independent", False, 2, 5.0, True),
        ("rows_independent", False, 2, 0.0, False),
        ("rows_independent", False, 1, 5.0, False),
    ],
)
def test_a_check_is_asked_where_there_is_something_that_may_matter(
    check: str, padding: bool, rows: int, other: float | None, admitted: bool
) -> None:
    """`other`: what x of the second call is, where it is given; x is 0."""
    config = Config.of(steps=2, batch=rows)
    case = case_of(config, lengths=[1 if padding else 2] * rows)
    if other is not None:
        case = dataclasses.replace(case, second_x=case.x + case.x.dtype.type(other))
    assert admits(check, case) == admitted
