"""Which checks apply to which configs, and about what they speak."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness.checks import Need, checks_for, every_check
from harness.comparison import Comparison
from harness.config import Config
from harness.data import SWEEP_POINTS
from harness.verdicts import Verdict

VALUES = {"step_residual", "forward_error", "last_state", "determinism"}
PADDING = {"padding_zero", "padding_ignored"}
DROPPED = {"dropout_values", "dropout_rate", "dropout_independent", "dropout_states"}
INITIAL = {
    *("initial_names", "initial_order", "initial_distribution", "initial_seed"),
    "initial_side_effects",
}
OF_CALLS = {"call", "call_parity", "call_contained"}
ALWAYS = {"transfer", "shape_dtype", "inputs_unmodified", "modes", "float_environment"}
GRADIENT = {"gradient", "determinism"} | ALWAYS - {"modes"}
TRAINING = {"transfer", "shape_dtype", "dropout_inert", "float_environment"}
VALUED = {"values", "gradient"}
SWEPT = {"bias": False, "batch": SWEEP_POINTS, "data": "sweep"}


@pytest.mark.parametrize(
    ("changes", "apply"),
    [
        ({}, VALUES | ALWAYS),
        ({"nonlinearity": "relu"}, VALUES | ALWAYS),
        ({"data": "ints", "nonlinearity": "relu"}, VALUES | {"exact_lane"} | ALWAYS),
        ({"data": "special"}, VALUES | {"special_values"} | ALWAYS),
        (SWEPT, {"activation"} | ALWAYS - {"modes"}),
        (
            {"num_layers": 2, "batch": 2},
            VALUES | {"prefix", "rows_independent"} | ALWAYS,
        ),
        ({"lengths": "ragged"}, VALUES | ALWAYS),
        ({"lengths": "ragged", "steps": 2}, VALUES | PADDING | ALWAYS),
        ({"lengths": "fulllengths", "steps": 2}, VALUES | ALWAYS),
        ({"lengths": "emptyrows"}, VALUES | PADDING | ALWAYS),
        ({"aspect": "gradient"}, {"step_residual", "last_state"} | GRADIENT),
        (SWEPT | {"aspect": "gradient"}, GRADIENT),
        (
            {"aspect": "gradient", "num_layers": 2, "batch": 2, "lengths": "ragged", "steps": 2},
            {"gradient_padding", "step_residual", "prefix", "last_state", "padding_zero"}
            | GRADIENT,
        ),
        ({"aspect": "training", "dropout": 50}, {"dropout_none"} | TRAINING),
        ({"aspect": "training", "num_layers": 2}, {"dropout_none"} | TRAINING),
        (
            {"aspect": "training", "num_layers": 2, "dropout": 10},
            {"initial_mode"} | TRAINING | DROPPED,
        ),
        ({"aspect": "training", "num_layers": 2, "dropout": 9}, TRAINING | DROPPED),
        (
            {"aspect": "training", "num_layers": 2, "dropout": 10, "dtype": "fp16"},
            TRAINING | DROPPED,
        ),
        ({"aspect": "initial"}, {"transfer", "float_environment"} | INITIAL),
        (
            {"aspect": "checkpoint"},
            {"transfer", "float_environment", "checkpoint_own", "checkpoint_across"},
        ),
        ({"aspect": "repeated"}, {"repeated_calls"} | ALWAYS - {"modes"}),
        ({"aspect": "life", "life": ("f0",)}, {"transfer", "float_environment", "life"}),
        ({"aspect": "call.x.flat"}, OF_CALLS | {"modes", "float_environment"}),
    ],
)
def test_checks_apply_where_they_say_something(changes: dict[str, Any], apply: set[str]) -> None:
    plain = {"data": "plain"} if changes.get("aspect", "values") not in VALUED else {}
    assert {check.name for check in checks_for(Config.of(**plain | changes))} == apply


def test_a_check_speaks_about_its_requirements() -> None:
    by_name = {check.name: check for check in every_check()}
    special, call = by_name["special_values"], by_name["call"]
    assert special.requirements == ("nan", "infinity")
    assert call.requirements == ()
    passed = Comparison("part", Verdict.PASS, 1)
    assert special.requirement_of(Config.of(), passed) == "nan"
    of_infinity = dataclasses.replace(passed, requirement="infinity")
    assert special.requirement_of(Config.of(), of_infinity) == "infinity"
    flat = Config.of(aspect="call.x.flat", data="plain")
    assert call.requirement_of(flat, passed) == flat.record.calls["x.flat"][0].requirement
    assert special.needs == {Need.OUTPUTS}
    assert not call.needs
    needs = {check.name for check in every_check() if Need.SECOND_CALL in check.needs}
    assert needs == {"padding_ignored"}  # determinism asks for gradients, too, which need none
