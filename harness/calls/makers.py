"""Calls made from a case: the one that everybody makes, with one thing changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.axes import shape_of, take, to_layout
from harness.calls.call import Call, Maker, again, ordinary_call
from harness.case import Case
from reference.arrays import Array, IntArray

__all__ = [
    "all_left_out",
    "by_position",
    "first_length",
    "left_out",
    "literal_bias",
    "named_input",
    "named_state",
    "other_dtype",
    "stacked",
    "state_of_zeros",
    "states_batched",
    "states_exchanged",
    "unbatched",
    "unbatched_with",
    "wider_alone",
    "with_h_0",
    "with_keyword",
    "with_layers",
    "with_lengths",
    "with_size",
    "with_state",
    "with_tuple",
    "with_x",
    "without",
]


def with_keyword(name: str, value: Any, **meaning: Any) -> Maker:
    """A constructor keyword with this value; `meaning` gives the fields it means, if any."""

    def make(case: Case) -> Call:
        meant = again(case, **meaning) if meaning else case
        call = ordinary_call(meant)
        return dataclasses.replace(
            call,
            keywords={**call.keywords, name: value},
            meaning=meant if meaning else None,
            undropped=meaning == {"dropout": 0},
        )

    return make


def with_size(place: int, value: Callable[[int], Any], **meaning: Any) -> Maker:
    """input_size (place 0) or hidden_size (1) changed."""

    def make(case: Case) -> Call:
        meant = again(case, **meaning)
        call = ordinary_call(meant)
        sizes = list(call.positional)
        sizes[place] = value(sizes[place])
        means = value(2) == 2 or meaning
        return dataclasses.replace(call, positional=tuple(sizes), meaning=meant if means else None)

    return make


def with_layers(value: Callable[[int], Any], **meaning: Any) -> Maker:
    def make(case: Case) -> Call:
        meant = again(case, **meaning)
        call = ordinary_call(meant)
        keywords = {**call.keywords, "num_layers": value(meant.config.num_layers)}
        means = value(2) == 2 or meaning
        return dataclasses.replace(call, keywords=keywords, meaning=meant if means else None)

    return make


def left_out(*names: str, **meaning: Any) -> Maker:
    """Constructor keywords left out; `meaning` gives the fields that their defaults mean."""

    def make(case: Case) -> Call:
        call = ordinary_call(again(case, **meaning))
        keywords = {k: v for k, v in call.keywords.items() if k not in names}
        return dataclasses.replace(call, keywords=keywords, undropped="dropout" in names)

    return make


def all_left_out(case: Case) -> Call:
    """Only the two sizes given."""
    record = case.config.record
    own = {option.name: option.default for option in record.options}
    names = record.arguments[2:]
    return left_out(*names, **_DEFAULTS, **own)(case)  # type: ignore[return-value]


_DEFAULTS: dict[str, Any] = {
    "num_layers": 1,
    "bias": True,
    "layout": "timefirst",
    "dropout": 0,
    "bidirectional": False,
}


def with_lengths(
    change: Callable[[IntArray, int], Any], *, means: bool = False, as_list: bool = False
) -> Maker:
    """Other lengths; `means` says that the changed ones are lengths still."""

    def make(case: Case) -> Call:
        if case.lengths is None:
            case = again(case, lengths="ragged")
        lengths = case.lengths
        assert lengths is not None
        # What is padding here may be none with other lengths.
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0.25))
        case = case.with_inputs(x=x)
        given = change(lengths.copy(), case.config.steps)
        call = ordinary_call(case)
        meant = case.with_inputs(lengths=given) if means else None
        guess = None
        if given.ndim == 1 and 0 < given.size <= lengths.size:
            counted = given.astype(np.int64).clip(0, case.config.steps)
            guess = _first_rows(case, counted)
        if as_list:
            given = given.tolist()
        inputs = (*call.inputs[:2], given)
        return dataclasses.replace(call, inputs=inputs, meaning=meant, guess=guess)

    return make


def _first_rows(case: Case, lengths: IntArray) -> Case:
    """The batch rows that these lengths are for."""
    rows = len(lengths)
    kept = take(case.config, case.inputs, {"rows": range(rows)})
    config = case.config.replace(batch=rows)
    inputs: dict[str, Any] = {**kept, "lengths": lengths}
    return dataclasses.replace(case, config=config, inputs=inputs)


def first_length(value: Callable[[int], int]) -> Callable[[IntArray, int], Any]:
    def change(lengths: IntArray, steps: int) -> Any:
        lengths[0] = value(steps)
        return lengths

    return change


def _alike(given: Any, array: Array) -> bool:
    """Whether nothing was changed that a layer could notice: shape and dtype are the same."""
    return (
        isinstance(given, np.ndarray) and given.shape == array.shape and given.dtype == array.dtype
    )


def _has_rows_too_many(given: Any, state: Array) -> bool:
    """Whether it is the state with more batch rows at the end, which may have been left out."""
    return (
        isinstance(given, np.ndarray)
        and given.ndim == state.ndim
        and given.dtype == state.dtype
        and (*given.shape[:-2], given.shape[-1]) == (*state.shape[:-2], state.shape[-1])
        and given.shape[-2] > state.shape[-2]
    )


def with_h_0(change: Callable[[Array], Any]) -> Maker:
    """Another h_0, which is (L * D, B, H), of a cell (B, H); other states as they are."""

    def make(case: Case) -> Call | None:
        case = again(case, states=True)
        call = ordinary_call(case)
        hx = call.inputs[1]
        state = hx[0] if isinstance(hx, tuple) else hx
        given = change(state)
        if _alike(given, state):
            return None
        if isinstance(given, np.ndarray):
            given = given.copy()
        hx = (given, *hx[1:]) if isinstance(hx, tuple) else given
        return dataclasses.replace(
            call,
            inputs=(call.inputs[0], hx, *call.inputs[2:]),
            meaning=None,
            guess=case if _has_rows_too_many(given, state) else None,
        )

    return make


def with_state(number: int, change: Callable[[Array], Any]) -> Maker:
    """Another of several states, by its number; h_0 and the others as they are."""

    def make(case: Case) -> Call | None:
        call = ordinary_call(again(case, states=True))
        hx = call.inputs[1]
        given = change(hx[number])
        if _alike(given, hx[number]):
            return None
        if isinstance(given, np.ndarray):
            given = given.copy()
        hx = (*hx[:number], given, *hx[number + 1 :])
        inputs = (call.inputs[0], hx, *call.inputs[2:])
        return dataclasses.replace(call, inputs=inputs, meaning=None)

    return make


def with_tuple(change: Callable[[tuple[Any, ...]], Any], *, means: bool = False) -> Maker:
    """Something in place of the tuple of initial states; `means` says that it is that still."""

    def make(case: Case) -> Call | None:
        call = ordinary_call(again(case, states=True))
        given = change(call.inputs[1])
        if given is None:
            return None
        inputs = (call.inputs[0], given, *call.inputs[2:])
        return dataclasses.replace(call, inputs=inputs, meaning=call.meaning if means else None)

    return make


def stacked(states: tuple[Array, ...]) -> Array | None:
    """None of states of several sizes, as with a projection."""
    return np.stack(states) if len({one.shape for one in states}) == 1 else None


def states_exchanged(case: Case) -> Call | None:
    """The tuple in its order, with each state's numbers in the other's place, if they fit."""
    case = again(case, states=True)
    names = [f"{state}_0" for state in case.initial]
    arrays = [case.inputs[name] for name in reversed(names)]
    if len({array.shape for array in arrays}) > 1:
        return None
    return ordinary_call(case.with_inputs(**dict(zip(names, arrays, strict=True))))


def state_of_zeros(name: str) -> Maker:
    """One initial state of zeros, the others as they are."""

    def make(case: Case) -> Call | None:
        case = again(case, states=True)
        return ordinary_call(case.with_inputs(**{name: np.zeros_like(case.inputs[name])}))

    return make


def with_x(change: Callable[[Array], Any], **changes: Any) -> Maker:
    """Another x, changed in the layout of the call; states and lengths as they are, but for
    `changes`.
    """

    def make(case: Case) -> Call | None:
        case = again(case, **changes) if changes else case
        call = ordinary_call(case)
        given = change(call.inputs[0])
        if _alike(given, call.inputs[0]):
            return None
        others = call.inputs[1:] if case.initial or case.lengths is not None else ()
        return dataclasses.replace(call, inputs=(given, *others), meaning=None)

    return make


def without(axis: str) -> Maker:
    """x without steps or without batch rows: no output; the final states are the initial ones."""

    def make(case: Case) -> Call:
        case = again(case, lengths="nolengths")
        config, nowhere = case.config, {axis: range(0)}
        inputs = take(config, case.inputs, nowhere)
        outputs = {"output": np.zeros(shape_of(config, "output"), case.x.dtype)}
        for state in config.cell.states:
            rows = shape_of(config, f"{state}_n")
            outputs[f"{state}_n"] = case.inputs.get(f"{state}_0", np.zeros(rows, case.x.dtype))
        empty = take(config, outputs, nowhere)
        call = ordinary_call(dataclasses.replace(case, inputs=inputs))
        return dataclasses.replace(
            call,
            meaning=None,
            empty={name: to_layout(config, name, array) for name, array in empty.items()},
        )

    return make


def unbatched(case: Case) -> Call:
    flat = again(case, layout="unbatched", batch=1, lengths="nolengths")
    batch_first = {"batch_first": case.config.layout == "batchfirst"}
    call = ordinary_call(flat)
    return dataclasses.replace(
        call,
        keywords={**call.keywords, **(batch_first if "batch_first" in call.keywords else {})},
        ordinary=again(case, lengths="nolengths").config,
    )


def unbatched_with(change: Callable[[Any, Any], tuple[Any, Any]]) -> Maker:
    """Of an unbatched call another x and other states, which are one array or a tuple of them."""

    def make(case: Case) -> Call:
        call = unbatched(again(case, states=True))
        return dataclasses.replace(call, inputs=change(*call.inputs[:2]), meaning=None)

    return make


def wider_alone(x: Array, hx: Any) -> tuple[Any, Any]:
    """x with one feature too many."""
    return np.concatenate([x, x[..., :1]], axis=-1), hx


def states_batched(x: Array, hx: Any) -> tuple[Any, Any]:
    """The states with a batch axis of one row, which a batched call would have."""
    batched = [array[..., None, :].copy() for array in (hx if isinstance(hx, tuple) else (hx,))]
    return x, tuple(batched) if isinstance(hx, tuple) else batched[0]


def other_dtype(dtype: str) -> Maker:
    """x in another format than the layer's float32 weights."""

    def make(case: Case) -> Call:
        meant = again(case, dtype=dtype, states=False, lengths="nolengths")
        weights = {name: array.astype(np.float32) for name, array in meant.weights.items()}
        as_meant = {name: array.astype(meant.x.dtype) for name, array in weights.items()}
        meant = dataclasses.replace(meant, weights=as_meant)
        ordinary = meant.config.replace(dtype=case.config.dtype)
        return dataclasses.replace(ordinary_call(meant), weights=weights, ordinary=ordinary)

    return make


def by_position(case: Case) -> Call:
    call = ordinary_call(case)
    return dataclasses.replace(
        call, positional=(*call.positional, *call.keywords.values()), keywords={}
    )


def literal_bias(case: Case) -> Call:
    return dataclasses.replace(ordinary_call(case), literal=True)


def named_input(case: Case) -> Call:
    call = ordinary_call(again(case, lengths="nolengths", states=False))
    return dataclasses.replace(call, inputs=(), named={"input": call.inputs[0]})


def named_state(case: Case) -> Call:
    call = ordinary_call(again(case, lengths="nolengths", states=True))
    return dataclasses.replace(call, inputs=call.inputs[:1], named={"hx": call.inputs[1]})
