"""The properties tested, one file each, and the table that says when each applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.checks import (
    activation,
    bounded,
    exact_lane,
    forward_error,
    inputs_unmodified,
    last_state,
    padding_ignored,
    padding_zero,
    parity,
    prefix,
    repeatable,
    rows_independent,
    shape_dtype,
    step_residual,
    transfer,
)
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence

__all__ = ["CHECKS", "Check", "checks_for"]


@dataclass(frozen=True)
class Check:
    """A property: its name and requirement, what failing it means, when it applies, the test.

    `requirement` is a key of `harness.requirements.REQUIREMENTS`. `needs_forward` checks are
    asked only where the backend gave two well-formed arrays; `needs_repeat` ones only where a
    second call was made.
    """

    name: str
    requirement: str
    difference: str
    run: Callable[[Evidence], Iterator[Comparison]]
    applies: Callable[[Config], bool]
    needs_forward: bool = True
    needs_repeat: bool = False


def _always(config: Config) -> bool:
    return True


def _numbers(config: Config) -> bool:
    return config.data != "sweep"


def _has_padding(config: Config) -> bool:
    if config.lengths == "empties":
        return True
    return config.lengths == "ragged" and config.steps > 1


CHECKS = (
    Check(
        "transfer",
        "weights",
        "weights do not arrive, or the call raises",
        transfer.check,
        _always,
        needs_forward=False,
    ),
    Check(
        "shape_dtype",
        "outputs",
        "outputs have other shapes, types or dtypes than documented",
        shape_dtype.check,
        _always,
        needs_forward=False,
    ),
    Check(
        "inputs_unmodified",
        "function",
        "a call writes to its inputs",
        inputs_unmodified.check,
        _always,
    ),
    Check(
        "step_residual",
        "equation",
        "states that no legal evaluation of the equation gives",
        step_residual.check,
        _numbers,
    ),
    Check(
        "exact_lane",
        "equation",
        "sums of small integers are not exact",
        exact_lane.check,
        lambda config: config.data == "ints",
    ),
    Check(
        "prefix",
        "num-layers",
        "a stack's hidden layers differ from the same layers as a shorter stack",
        prefix.check,
        lambda config: config.num_layers > 1,
    ),
    Check(
        "activation",
        "nonlinearity",
        "the activation alone errs more than 5 ulp, or breaks a law of it",
        activation.check,
        lambda config: config.data == "sweep",
    ),
    Check(
        "bounded",
        "nonlinearity",
        "outputs of tanh exceed 1",
        bounded.check,
        lambda config: config.nonlinearity == "tanh" and config.data != "sweep",
    ),
    Check(
        "forward_error",
        "same-functions",
        "outputs are further from the oracle than the calibrated tolerance",
        forward_error.check,
        _numbers,
    ),
    Check(
        "parity",
        "same-functions",
        "two implementations differ by more than both tolerances",
        parity.check,
        _numbers,
    ),
    Check(
        "last_state",
        "h-n",
        "h_n is not the last valid output",
        last_state.check,
        _numbers,
    ),
    Check(
        "padding_zero",
        "lengths",
        "outputs in the padding are not zero",
        padding_zero.check,
        _has_padding,
    ),
    Check(
        "padding_ignored",
        "lengths",
        "what stands in the padding changes valid outputs",
        padding_ignored.check,
        _has_padding,
        needs_repeat=True,
    ),
    Check(
        "rows_independent",
        "batch",
        "one batch row changes another, or a row's place matters",
        rows_independent.check,
        lambda config: config.batch > 1 and config.data != "sweep",
    ),
    Check(
        "repeatable",
        "function",
        "the same input gives other bits the second time",
        repeatable.check,
        _numbers,
        needs_repeat=True,
    ),
)


def checks_for(config: Config) -> tuple[Check, ...]:
    """The checks that apply to a config, in the order they are reported."""
    return tuple(check for check in CHECKS if check.applies(config))
