"""A case is a config with its arrays; where the numbers come from is in `harness.data`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from harness.axes import axes_of, shape_of, take
from harness.config import MOST_NUMBERS, Config
from harness.data import NUMPY_DTYPES, drawn_lengths, integers, uniform
from harness.given import given_arrays
from harness.layers import pass_through
from reference import FORMATS, Format
from reference.arrays import Array, BoolArray, IntArray
from reference.layer import valid_steps

__all__ = [
    "Case",
    "Part",
    "changed",
    "cotangents",
    "make_case",
    "passes_on",
    "passing_on",
    "row_blocks",
    "rows_of",
]


@dataclass(frozen=True, eq=False)
class Part:
    """Of which case some rows are: what changes from call to call is drawn for all rows of it."""

    whole: Case
    rows: range
    made: dict[tuple[bool, bool], tuple[Case, BoolArray]] = field(default_factory=dict)

    def changed(self, padding: bool, neighbours: bool) -> tuple[Case, BoolArray]:
        """As `changed` of the whole case, made once."""
        asked = padding, neighbours
        if asked not in self.made:
            self.made[asked] = changed(self.whole, padding=padding, neighbours=neighbours)
        return self.made[asked]


@dataclass(frozen=True)
class Case:
    """Arrays of one config, time first.

    `inputs` has `x` (T, B, I), and where they are given the initial states (`h_0`: (L * D, B, H))
    and `lengths` (B,). `given_cotangents` and `second_x` (x of a second call) stand in place of
    what `cotangents` and `changed` draw, where a case was made smaller by hand or by the
    minimiser, and is no config's own any more. `part` says of which case these are some rows.
    """

    config: Config
    weights: Mapping[str, Array]
    inputs: Mapping[str, Array]
    given_cotangents: Mapping[str, Array] = field(default_factory=dict)
    second_x: Array | None = None
    part: Part | None = None

    @property
    def x(self) -> Array:
        return self.inputs["x"]

    @property
    def lengths(self) -> IntArray | None:
        lengths: IntArray | None = cast(Any, self.inputs.get("lengths"))
        return lengths

    @property
    def initial(self) -> dict[str, Array]:
        """The initial states that are given, by name of state."""
        return {
            state: self.inputs[f"{state}_0"]
            for state in self.config.cell.states
            if f"{state}_0" in self.inputs
        }

    @property
    def fmt(self) -> Format:
        return FORMATS[self.config.dtype]

    @cached_property
    def valid(self) -> BoolArray:
        """(T, B): which steps are not padding."""
        steps, batch = self.x.shape[:2]
        if self.lengths is None:
            return valid_steps(None, steps, batch)
        return valid_steps(np.clip(self.lengths, 0, steps), steps, batch)

    @property
    def last_step(self) -> IntArray:
        """(B,): index of the last valid step, -1 for an empty row."""
        last: IntArray = self.valid.sum(axis=0) - 1
        return last

    @cached_property
    def rows_differ(self) -> bool:
        """Whether two rows are given otherwise: of equal ones nobody can tell which is which."""
        rows = (
            np.moveaxis(array, 0 if name == "lengths" else 1, 0)
            for name, array in self.inputs.items()
        )
        return len({tuple(one.tobytes() for one in row) for row in zip(*rows, strict=True)}) > 1

    def rows_with(self, name: str) -> BoolArray:
        """(B,): the rows of an output that stand for steps: a final state needs one at least."""
        return self.last_step >= (-1 if name == "output" else 0)

    def start(self, state: str, row: int) -> Array:
        """(B, n): an initial state of one direction of one layer; zeros where none is given."""
        if f"{state}_0" in self.inputs:
            given: Array = self.inputs[f"{state}_0"][row]
            return given
        first, config = state == self.config.cell.states[0], self.config
        units = config.output_size if first else config.hidden_size
        return np.zeros((self.x.shape[1], units), self.x.dtype)

    def with_inputs(self, **arrays: Array | None) -> Case:
        """The case with some inputs replaced; None removes one."""
        given = {**self.inputs, **arrays}
        return replace(self, inputs={n: a for n, a in given.items() if a is not None})


def make_case(config: Config) -> Case:
    """Build the arrays of a config; depends on nothing but the config, and on given arrays."""
    return _given(config) if config.arrays else _drawn(config)


def _drawn(config: Config) -> Case:
    inputs = _drawn_inputs(config, {})
    kind = config.record.kind(config.data)
    assert kind is not None
    weights = {
        name: kind.weight(config, name, shape).astype(NUMPY_DTYPES[config.dtype])
        for name, shape in config.parameter_shapes().items()
    }
    case = Case(config, weights, inputs)
    if config.drops:
        case = _dropping(case)
    _fill_padding(case, case.x, "padding")
    return _fitting(case)


def _given(config: Config) -> Case:
    """The case of given arrays; those that are not given, and that the config asks for, are
    drawn.
    """
    given = given_arrays(config)
    case = Case(config, given.weights, _drawn_inputs(config, given.inputs))
    if "x" not in given.inputs:
        _fill_padding(case, case.x, "padding")
    return case


def _drawn_inputs(config: Config, given: Mapping[str, Array]) -> dict[str, Any]:
    """The inputs that a config asks for: those given, all others drawn."""
    kind = config.record.kind(config.data)
    assert kind is not None
    drawn = {} if "x" in given else {"x": kind.x(config, shape_of(config, "x"))}
    for state in config.cell.states if config.states else ():
        name = f"{state}_0"
        if name not in given:
            drawn[name] = kind.state(config, name, shape_of(config, name))
    if config.batch >= 3 and config.data not in ("sweep", "lone"):
        # The last row is the first one again: a row's place in the batch must not matter.
        for array in drawn.values():
            array[:, -1] = array[:, 0]
    dtype = NUMPY_DTYPES[config.dtype]
    every = {**given, **{name: array.astype(dtype) for name, array in drawn.items()}}
    states = [f"{state}_0" for state in config.cell.states if config.states]
    inputs: dict[str, Any] = {name: every[name] for name in ("x", *states)}
    if config.lengths != "nolengths":
        inputs["lengths"] = given["lengths"] if "lengths" in given else drawn_lengths(config)
    return inputs


def rows_of(case: Case, rows: range) -> dict[str, Array]:
    """The inputs of some rows."""
    return take(case.config, case.inputs, {"rows": rows})


def is_large(config: Config) -> bool:
    """Whether every call is dear, and its case larger than any that is drawn."""
    return config.numbers > MOST_NUMBERS


def row_blocks(config: Config) -> list[range]:
    """The rows of the batch that are judged at once: all of them, but of large cases."""
    if not is_large(config) or config.batch == 1:
        return [range(config.batch)]
    a_row = config.replace(batch=2).numbers - config.replace(batch=1).numbers
    most = MOST_NUMBERS // (4 if config.aspect == "gradient" else 1)  # which take more memory
    count = -(-config.batch // max(2, most // a_row))
    ends = [config.batch * k // count for k in range(count + 1)]
    return [range(*pair) for pair in itertools.pairwise(ends)]


def passing_on(case: Case) -> Case:
    """The case with a positive first layer, and layers after it that pass on what they get.

    So what dropout did to the output of one layer stands in that of the next. All numbers are
    positive and so small that even scaled by 1 / (1 - p) for each layer they stay below 2: no
    activation saturates.
    """
    config, dtype = case.config, case.x.dtype
    weights = {}
    for name in case.weights:
        passing = _passing(case, name)
        weights[name] = (_positive(case, name) if passing is None else passing).astype(dtype)
    inputs = {
        name: array if name == "lengths" else np.abs(array) * dtype.type(_kept(config))
        for name, array in case.inputs.items()
    }
    inputs["x"] = dtype.type(0.5) + np.abs(case.x)
    return replace(case, inputs=inputs, weights=weights)


def passes_on(case: Case) -> bool:
    """Whether layers after the first one take every number that they get by itself."""
    return all(
        np.array_equal(array, passing)
        for name, array in case.weights.items()
        if name.startswith("weight_ih") and (passing := _passing(case, name)) is not None
    )


def _dropping(case: Case) -> Case:
    """A case of `passing_on` with recurrences and biases in all layers, for their gradients."""
    passing = passing_on(case)
    weights = {
        name: array
        if name.startswith("weight_ih") or _passing(case, name) is None
        else (array + _positive(case, name)).astype(array.dtype)
        for name, array in passing.weights.items()
    }
    return replace(passing, weights=weights)


def _kept(config: Config) -> float:
    """The probability that all layers keep an element: what undoes their scaling."""
    return float((1 - config.dropout / 100) ** (config.num_layers - 1))


def _positive(case: Case, name: str) -> Array:
    """A parameter of positive numbers; a row of weights adds up to less than 1."""
    config, array = case.config, case.weights[name]
    part = np.abs(array.astype(np.float64)) * np.sqrt(config.hidden_size)  # within 1
    divisor = 4 if array.ndim == 1 else array.shape[1] * (1 + name.startswith("weight_hh"))
    found: Array = (0.25 + part / 2) * _kept(config) / divisor
    return found


def _passing(case: Case, name: str) -> Array | None:
    """A parameter of a layer that passes on what it gets; None of the first layer."""
    if name.endswith(("_l0", "_l0_reverse")):
        return None
    own = pass_through(case.config, name.endswith("_reverse"))
    return own[name.partition("_l")[0]].astype(case.x.dtype)


def changed(case: Case, *, padding: bool, neighbours: bool) -> tuple[Case, BoolArray]:
    """The case with other numbers in the padding, and in every second row of the batch.

    Returns it, and (B,) which rows were kept; kept rows must give the same bits again. A row that
    is alone has no neighbours, and is kept.
    """
    config, inputs = case.config, {name: array.copy() for name, array in case.inputs.items()}
    if case.part is not None:
        whole, kept = case.part.changed(padding, neighbours)
        return replace(case, inputs=rows_of(whole, case.part.rows)), kept[list(case.part.rows)]
    if case.second_x is not None:
        return _as_given(case, case.second_x, padding, neighbours)
    kept = np.ones(config.batch, bool)
    repeating = config.memory == "broadcast"
    if neighbours and config.batch > 1 and not (repeating and config.seed % 3 == 0):
        kept[1 - config.seed % 2 :: 2] = False
        padded = ~case.valid.all(axis=0)
        if padded.any() and not padded[kept].any():
            kept = ~kept  # else no row that is compared would have padding
        for name in ("x", *(f"{state}_0" for state in case.initial)):
            inputs[name][:, ~kept] = uniform(config, f"other {name}", inputs[name].shape)[:, ~kept]
    if padding or not config.arrays:
        _fill_padding(case, inputs["x"], "other padding" if padding else "padding")
    else:  # the user's own
        inputs["x"][~case.valid] = case.x[~case.valid]
    other = replace(case, inputs=inputs)
    return _fitting(other), kept


def _as_given(case: Case, second: Array, padding: bool, neighbours: bool) -> tuple[Case, BoolArray]:
    """What `changed` returns where x of the second call was given."""
    x, valid = case.x.copy(), case.valid[:, :, None]
    moved: BoolArray = ((x != second) & ((x == x) | (second == second)) & valid).any(axis=(0, 2))
    if neighbours:
        x[:, moved] = second[:, moved]
    if padding:
        x = np.where(valid, x, second)
    return case.with_inputs(x=x), ~moved if neighbours else np.ones_like(moved)


def cotangents(case: Case) -> Mapping[str, Array]:
    """What gradients are asked for: of `output` (T, B, D * H), and of the final states
    (`h_n`: (L * D, B, H)). One that is left out is no part of the loss.

    Within 1; integers within 2 for data of integers. The padding has some too, which must not
    matter: an output that is always 0 depends on nothing.
    """
    if case.given_cotangents:
        return case.given_cotangents
    config, dtype = case.config, NUMPY_DTYPES[case.config.dtype]
    final = [f"{state}_n" for state in config.cell.states]
    alone = {name: [name] for name in ("output", *final)}
    names = {**alone, "final": final}.get(config.cotangents, ["output", *final])
    drawn = {}
    for name in names:
        title, shape = f"{name} cotangent", shape_of(config, name)
        values = (
            integers(config, title, shape, -2, 2)
            if config.data == "ints"
            else uniform(config, title, shape)
        )
        drawn[name] = (values * _weights_of_steps(case, name, shape)).astype(dtype)
        drawn[name][:, len(row_blocks(config)[0]) :] = 0  # of a large case the first block's alone
        if config.memory == "broadcast" and config.cotangents == "all":  # as those of a sum are
            drawn[name][...] = drawn[name].flat[0]
        first = drawn[names[0]]
        if config.memory == "shared" and drawn[name].size == first.size:
            drawn[name] = first.reshape(drawn[name].shape).copy()
    return drawn


def _weights_of_steps(case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """What cotangents are multiplied with: powers of two, or 0."""
    config, kind = case.config, case.config.cotangents
    if kind == "large":
        return np.full(shape, 2.0 ** min(20, case.fmt.emax - 5))
    if kind == "zero" or (kind == "sparse" and name != "output" and config.seed % 2 == 0):
        return np.zeros(shape)
    if kind == "sparse" and name == "output":
        weights = np.zeros(shape)
        weights[int(integers(config, "step of cotangents", (1,), 0, shape[0] - 1)[0])] = 1
        return weights
    return np.ones(shape)


def _fitting(case: Case) -> Case:
    """The case with values that can lie in memory as its config says."""
    made = {"broadcast": _repeating, "windows": _overlapping, "shared": _sharing}
    return made.get(case.config.memory, lambda same: same)(case)


def _overlapping(case: Case) -> Case:
    """The case with an x in which a step has the features of the one before, moved by one, as
    windows over a signal have them; what is in no valid step is padding still.
    """
    x = case.x.copy()
    steps, _, features = x.shape
    for row, last in enumerate(case.last_step):
        signal = np.concatenate([x[:, row, 0], x[-1, row, 1:]])
        if last >= 0:
            signal[: last + 1] = x[: last + 1, row, 0]
            signal[last : last + features] = x[last, row]
        x[:, row] = np.lib.stride_tricks.sliding_window_view(signal, features)[:steps]
    return case.with_inputs(x=x)


def _sharing(case: Case) -> Case:
    """The case with initial states that are x, biases and weights that are each other, wherever
    their shapes allow it: then they can be one array.
    """
    inputs, weights = dict(case.inputs), dict(case.weights)
    for state in case.initial:
        if inputs[f"{state}_0"].shape == case.x.shape and case.valid.all():
            inputs[f"{state}_0"] = case.x.copy()
    for name, array in case.weights.items():
        other = name.replace("_hh", "_ih")
        if case.weights[other].shape == array.shape:
            weights[name] = case.weights[other].copy()
    return replace(case, inputs=inputs, weights=weights)


def _repeating(case: Case) -> Case:
    """The case with values of inputs that repeat along an axis, and biases that are one number.

    What repeats is a row (the longest, whose padding is padding of all), a step, or a feature.
    """
    config = case.config
    axes = (("rows",), ("steps", "stack"), ("features", "units"))[config.seed % 3]
    longest = int(case.valid.sum(axis=0).argmax())
    inputs = dict(case.inputs)
    for name, array in case.inputs.items():
        for number, axis in enumerate(axes_of(config, name)):
            if axis in axes and name != "lengths":
                place = longest if axis == "rows" else 0
                inputs[name] = np.repeat(array.take([place], number), array.shape[number], number)
    weights = {
        name: np.full_like(array, array[0]) if array.ndim == 1 else array
        for name, array in case.weights.items()
    }
    return replace(case, inputs=inputs, weights=weights)


def _fill_padding(case: Case, x: Array, name: str) -> None:
    """Write rubbish where x is padding: NaN, infinities, large and ordinary numbers."""
    if case.lengths is None:
        return
    rubbish = np.array([np.nan, np.inf, -np.inf, 3e4, -3e4, 0.75, -1.5, 0.0], x.dtype)
    choice = integers(case.config, name, x.shape, 0, len(rubbish) - 1).astype(np.int64)
    padding = ~case.valid
    x[padding] = rubbish[choice[padding]]
