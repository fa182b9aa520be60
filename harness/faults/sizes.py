"""Mistakes that certain sizes make only where certain options meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.config import Config, LayerOptions
from harness.faults.arrays import Arrays, clean, initial, place
from harness.faults.record import Area, Change, Hook, has_option
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("sizes")


@dataclass(frozen=True)
class _Asked:
    """What the mistake depends on, of a config and of a call alike."""

    options: LayerOptions
    steps: int
    rows: int
    lengths: bool
    states: bool

    @property
    def units(self) -> int:
        return self.options.hidden_size

    @property
    def features(self) -> int:
        return self.options.input_size

    @property
    def is_tanh(self) -> bool:
        return self.options.specific.get("nonlinearity") == "tanh"


When = Callable[[_Asked], bool]


def _of_config(config: Config) -> _Asked:
    padded = config.lengths != "nolengths"
    return _Asked(config.options, config.steps, config.batch, padded, config.states)


def _of_call(layer: Any, given: Arrays) -> _Asked:
    steps, rows = given["x"].shape[:2]
    return _Asked(layer.options, steps, rows, "lengths" in given, bool(initial(given)))


def _fault(
    hook: Hook,
    name: str,
    when: When,
    *,
    aspect: str = "values",
    also: Callable[[Config], bool] = lambda c: True,
) -> Callable[[Change], Change]:
    """A change of what a hook is given last, made where `when` holds."""

    def visible(config: Config) -> bool:
        asked = config.aspect == aspect and config.data != "sweep" and also(config)
        return asked and when(_of_config(config))

    def register(change: Change) -> Change:
        def made(layer: Any, given: Arrays, *found: Any) -> Any:
            last = found[-1] if found else given
            return change(last) if when(_of_call(layer, given)) else last

        hook(name, mistake=change.__doc__, visible=visible)(made)
        return change

    return register


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % n for n in range(2, int(number**0.5) + 1))


@_fault(
    AREA.output,
    "tanh-stack-of-64-units",
    lambda a: a.is_tanh and a.options.num_layers > 1 and a.units >= 64,
)
def tanh_stack(output: Any) -> Any:
    """In stacks of tanh with 64 units or more the last unit is a hundredth too small."""
    output[..., -1] *= output.dtype.type(0.99)
    return output


@_fault(AREA.inputs, "last-block-of-x-without-h-0", lambda a: a.features % 32 == 0 and not a.states)
def last_block(given: Arrays) -> Arrays:
    """Of 32 n input features the last eight are not read when no initial state is given."""
    given["x"][..., -8:] = 0
    return given


@_fault(AREA.inputs, "lengths-of-32-rows", lambda a: a.lengths and a.rows % 32 == 0)
def lengths_of_32_rows(given: Arrays) -> Arrays:
    """Where rows come in blocks of 32 each block's rows have the length of its first row."""
    given = clean(given)
    given["lengths"] = np.repeat(given["lengths"][::32], 32)
    return given


@_fault(AREA.output, "128-steps-less-one", lambda a: a.steps > 100 and a.steps % 128 == 0)
def steps_less_one(output: Any) -> Any:
    """Of 128 n steps the last one's output is that of the step before."""
    output[-1] = output[-2]
    return output


@_fault(
    AREA.gradients,
    "last-unit-of-the-other-direction",
    lambda a: a.options.bidirectional and a.units > 9,
    aspect="gradient",
)
def other_direction(found: Arrays) -> Arrays:
    """Beyond nine units the two directions' gradients of W_ih change places in the last unit."""
    for name in [n for n in found if n.startswith("weight_ih") and not place(n).reverse]:
        one, other = found[name], found[f"{name}_reverse"]
        one[-1], other[-1] = other[-1].copy(), one[-1].copy()
    return found


@_fault(
    AREA.outputs,
    "nan-lost-in-wide-layers",
    lambda a: a.units >= 16,
    also=lambda c: c.data == "special" and "relu" not in c.cell.activations,
)
def nan_lost(found: Arrays) -> Arrays:
    """With 16 units or more NaN is returned as 0."""
    return {n: np.where(np.isnan(a), a.dtype.type(0), a) for n, a in found.items()}


@_fault(
    AREA.output,
    "odd-unit-without-bias",
    lambda a: not a.options.bias and a.units > 9 and _is_prime(a.units),
)
def odd_unit(output: Any) -> Any:
    """Without biases the last of a prime number of units is left at 0."""
    output[..., -1] = 0
    return output


@_fault(
    AREA.output,
    "six-options-meet",
    lambda a: (
        a.is_tanh
        and not a.options.bidirectional
        and not a.options.bias
        and a.options.num_layers == 3
        and a.states
        and a.lengths
    ),
    also=lambda c: c.lengths == "ragged",
)
def six_options(output: Any) -> Any:
    """Three tanh layers, one direction, no bias, initial states, lengths: half the output."""
    return output * output.dtype.type(0.5)


@_fault(
    AREA.gradients,
    "gradient-of-w-hh-beyond-64",
    lambda a: a.units > 64 and a.steps > 1,
    aspect="gradient",
)
def beyond_64(found: Arrays) -> Arrays:
    """The gradient of W_hh is summed for 64 units only."""
    for name in [n for n in found if n.startswith("weight_hh")]:
        found[name][64:] = 0
    return found


@_fault(
    AREA.gradients,
    "gradient-of-ragged-rows-beyond-8",
    lambda a: a.lengths and a.rows > 8,
    aspect="gradient",
    also=lambda c: c.lengths == "ragged",
)
def ragged_beyond_8(found: Arrays) -> Arrays:
    """With lengths the gradient of x has row 8's place taken by row 7."""
    found["x"][:, 8] = found["x"][:, 7]
    return found


@_fault(
    AREA.inputs,
    "wide-rows-of-batch-first",
    lambda a: a.options.batch_first and a.features > 128 and a.rows > 1,
)
def wide_rows(given: Arrays) -> Arrays:
    """Batch first, features beyond the 128th are read from the row before."""
    given["x"][..., 128:] = np.roll(given["x"][..., 128:], 1, axis=1)
    return given


@_fault(
    AREA.output,
    "deep-sequence-of-64-steps",
    lambda a: a.steps >= 64 and a.options.num_layers > 1,
)
def deep_sequence(output: Any) -> Any:
    """In a stack steps from the 64th on are an eighth too large."""
    output[63:] *= output.dtype.type(1.125)
    return output


@_fault(
    AREA.outputs,
    "one-unit-more-than-a-block",
    lambda a: a.units > 31 and a.units % 32 == 1 and a.options.bidirectional,
)
def one_more(found: Arrays) -> Arrays:
    """Bidirectional, 32 n + 1 units: the one is left at 0."""
    for array in found.values():
        array[..., -1] = 0
    return found


@_fault(
    AREA.inputs,
    "ragged-rows-beyond-24",
    lambda a: a.lengths and a.rows > 24,
    also=lambda c: c.lengths == "ragged",
)
def ragged_beyond_24(given: Arrays) -> Arrays:
    """Rows beyond the 24th are run to the end, whatever their lengths."""
    given = clean(given)
    given["lengths"][24:] = len(given["x"])
    return given


@_fault(
    AREA.outputs,
    "one-row-of-a-wide-layer",
    lambda a: a.rows == 1 and a.units >= 64 and not a.options.bias,
)
def one_wide_row(found: Arrays) -> Arrays:
    """One row of 64 units or more without biases comes with the other sign."""
    return {name: -array for name, array in found.items()}


def is_wide(config: Config) -> bool:
    return getattr(config, "proj_size", 0) > 2


@AREA.weights(
    "projection-of-two-units-at-most",
    bases=("torch", "oracle"),
    needs=has_option("proj_size"),
    visible=is_wide,
)
def two_units_at_most(layer: Any, given: Arrays) -> Arrays:
    """A projection has its first two units; all others are as the second."""

    def first_two(array: Array) -> Array:
        return np.concatenate([array[:2], *[array[1:2]] * (len(array) - 2)])

    return {n: first_two(a) if n.startswith("weight_hr") else a for n, a in given.items()}


@AREA.gradients(
    "no-gradient-of-wide-projections",
    bases=("torch", "oracle"),
    needs=has_option("proj_size"),
    visible=lambda config: config.aspect == "gradient" and is_wide(config),
)
def no_gradient_of_wide_projections(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The gradient of a projection's units from the third on is 0."""

    def first_two(array: Array) -> Array:
        return np.concatenate([array[:2], np.zeros_like(array[2:])])

    return {n: first_two(a) if n.startswith("weight_hr") else a for n, a in found.items()}
