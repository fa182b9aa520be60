"""The calls of `harness.aspects.CALLS`, made from a case: what is handed over, and what it means.

A call that means something has a `meaning`, a well-formed case with the same answer; what an
implementation returns for it is judged against the oracle on that case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.case import Case, make_case
from harness.config import Config
from harness.layout import states_to_layout, to_layout
from reference.arrays import Array, IntArray

__all__ = ["Call", "make_call"]


@dataclass(frozen=True)
class Call:
    """Arguments of a constructor, by torch's names, and of the call behind it.

    `weights` are loaded where they fit. `undropped` asks for the same answer in training mode.
    `meaning` is the case it stands for, None if nothing; `guess` the one that an implementation
    may have taken an invalid call for; `empty` the exact answer, in the layout of the call,
    where arrays without elements come back.
    """

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    inputs: tuple[Any, ...]
    weights: Mapping[str, Array]
    named: Mapping[str, Any] = field(default_factory=dict)
    literal: bool = False
    undropped: bool = False
    meaning: Case | None = None
    empty: tuple[Array, Array] | None = None
    guess: Case | None = None


def make_call(config: Config) -> Call | None:
    """The call that the config's aspect stands for; None where its sizes make it no other call.

    Raises:
        KeyError: the aspect is not one of `harness.aspects.CALLS`.
    """
    return _CALLS[config.aspect.removeprefix("call.")](_case(config))


def _case(config: Config, **changes: Any) -> Case:
    return make_case(dataclasses.replace(config, aspect="forward", **changes))


def _again(case: Case, **changes: Any) -> Case:
    return _case(case.config, **changes)


def _keywords(config: Config) -> dict[str, Any]:
    options = config.options
    return {
        "num_layers": options.num_layers,
        "nonlinearity": options.nonlinearity,
        "bias": options.bias,
        "batch_first": options.batch_first,
        "dropout": options.dropout,
        "bidirectional": options.bidirectional,
    }


def _inputs(case: Case) -> tuple[Any, ...]:
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, case.config)
    given = (to_layout(case.x, case.config), h_0)
    return given if case.lengths is None else (*given, case.lengths)


def _ordinary(case: Case) -> Call:
    """The call as everybody makes it."""
    config = case.config
    return Call(
        (config.input_size, config.hidden_size),
        _keywords(config),
        _inputs(case),
        case.weights,
        meaning=case,
    )


Maker = Callable[[Case], Call | None]


def _keyword(name: str, value: Any, **meaning: Any) -> Maker:
    """A constructor keyword with this value; `meaning` gives the fields it means, if any."""

    def make(case: Case) -> Call:
        meant = _again(case, **meaning) if meaning else case
        call = _ordinary(meant)
        keywords = {**call.keywords, name: value}
        undropped = meaning == {"dropout": 0}
        return dataclasses.replace(
            call, keywords=keywords, meaning=meant if meaning else None, undropped=undropped
        )

    return make


def _size(place: int, value: Callable[[int], Any], **meaning: Any) -> Maker:
    """input_size (place 0) or hidden_size (1) changed."""

    def make(case: Case) -> Call:
        meant = _again(case, **meaning)
        call = _ordinary(meant)
        sizes = list(call.positional)
        sizes[place] = value(sizes[place])
        means = value(2) == 2 or meaning
        return dataclasses.replace(call, positional=tuple(sizes), meaning=meant if means else None)

    return make


def _layers(value: Callable[[int], Any], **meaning: Any) -> Maker:
    def make(case: Case) -> Call:
        meant = _again(case, **meaning)
        call = _ordinary(meant)
        keywords = {**call.keywords, "num_layers": value(meant.config.num_layers)}
        means = value(2) == 2 or meaning
        return dataclasses.replace(call, keywords=keywords, meaning=meant if means else None)

    return make


def _left_out(*names: str, **meaning: Any) -> Maker:
    def make(case: Case) -> Call:
        call = _ordinary(_again(case, **meaning))
        keywords = {k: v for k, v in call.keywords.items() if k not in names}
        return dataclasses.replace(call, keywords=keywords, undropped="dropout" in names)

    return make


def _lengths(
    change: Callable[[IntArray, int], Any], *, means: bool = False, as_list: bool = False
) -> Maker:
    """Other lengths; `means` says that the changed ones are lengths still."""

    def make(case: Case) -> Call:
        if case.lengths is None:
            case = _again(case, lengths="ragged")
        lengths = case.lengths
        assert lengths is not None
        # What is padding here may be none with other lengths.
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0.25))
        case = dataclasses.replace(case, x=x)
        given = change(lengths.copy(), case.config.steps)
        call = _ordinary(case)
        meant = dataclasses.replace(case, lengths=given) if means else None
        guess = None
        if given.ndim == 1 and given.size <= lengths.size:
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
    return dataclasses.replace(
        case,
        config=dataclasses.replace(case.config, batch=rows),
        x=case.x[:, :rows],
        h_0=None if case.h_0 is None else case.h_0[:, :rows],
        lengths=lengths,
        twins=None,
    )


def _first_length(value: Callable[[int], int]) -> Callable[[IntArray, int], Any]:
    def change(lengths: IntArray, steps: int) -> Any:
        lengths[0] = value(steps)
        return lengths

    return change


def _alike(given: Any, array: Array) -> bool:
    """Whether nothing was changed that a layer could notice: shape and dtype are the same."""
    return (
        isinstance(given, np.ndarray) and given.shape == array.shape and given.dtype == array.dtype
    )


def _has_rows_too_many(given: Any, h_0: Array) -> bool:
    """Whether it is h_0 with more batch rows behind, which may have been left out."""
    return (
        isinstance(given, np.ndarray)
        and given.ndim == 3
        and given.dtype == h_0.dtype
        and given.shape[::2] == h_0.shape[::2]
        and given.shape[1] > h_0.shape[1]
    )


def _h_0(change: Callable[[Array], Any]) -> Maker:
    """Another h_0, which is (L * D, B, H)."""

    def make(case: Case) -> Call | None:
        case = _again(case, h_0=True)
        assert case.h_0 is not None
        given = change(case.h_0)
        if _alike(given, case.h_0):
            return None
        if isinstance(given, np.ndarray):
            given = given.copy()
        call = _ordinary(case)
        return dataclasses.replace(
            call,
            inputs=(call.inputs[0], given, *call.inputs[2:]),
            meaning=None,
            guess=case if _has_rows_too_many(given, case.h_0) else None,
        )

    return make


def _x(change: Callable[[Array], Any]) -> Maker:
    """Another x, changed in the layout of the call."""

    def make(case: Case) -> Call | None:
        case = _again(case, h_0=False, lengths="nolens")
        call = _ordinary(case)
        given = change(call.inputs[0])
        if _alike(given, call.inputs[0]):
            return None
        return dataclasses.replace(call, inputs=(given,), meaning=None)

    return make


def _without(what: str) -> Maker:
    """x without steps or without batch rows: no output; h_n is h_0, or nothing."""

    def make(case: Case) -> Call:
        case = _again(case, lengths="nolens")
        config = case.config
        x = case.x[:0] if what == "steps" else case.x[:, :0]
        h_0 = case.h_0
        rows = config.num_layers * config.directions
        h_n = np.zeros((rows, x.shape[1], config.hidden_size), x.dtype)
        if h_0 is not None:
            h_0 = h_0 if what == "steps" else h_0[:, :0]
            h_n = h_0
        output = np.zeros((*x.shape[:2], config.directions * config.hidden_size), x.dtype)
        call = _ordinary(case)
        return dataclasses.replace(
            call,
            inputs=(to_layout(x, config), None if h_0 is None else h_0.copy()),
            meaning=None,
            empty=(to_layout(output, config), h_n.copy()),
        )

    return make


def _unbatched(case: Case) -> Call:
    flat = _again(case, layout="unbatched", batch=1, lengths="nolens")
    batch_first = case.config.layout == "batchfirst"
    call = _ordinary(flat)
    return dataclasses.replace(call, keywords={**call.keywords, "batch_first": batch_first})


def _other_dtype(dtype: str) -> Maker:
    """x in another format than the layer's float32 weights."""

    def make(case: Case) -> Call:
        meant = _again(case, dtype=dtype, h_0=False, lengths="nolens")
        weights = {name: array.astype(np.float32) for name, array in meant.weights.items()}
        as_meant = {name: array.astype(meant.x.dtype) for name, array in weights.items()}
        meant = dataclasses.replace(meant, weights=as_meant)
        return dataclasses.replace(_ordinary(meant), weights=weights)

    return make


def _by_position(case: Case) -> Call:
    call = _ordinary(case)
    return dataclasses.replace(
        call, positional=(*call.positional, *call.keywords.values()), keywords={}
    )


def _literal_bias(case: Case) -> Call:
    return dataclasses.replace(_ordinary(case), literal=True)


def _named_input(case: Case) -> Call:
    call = _ordinary(_again(case, lengths="nolens", h_0=False))
    return dataclasses.replace(call, inputs=(), named={"input": call.inputs[0]})


def _named_state(case: Case) -> Call:
    call = _ordinary(_again(case, lengths="nolens", h_0=True))
    return dataclasses.replace(call, inputs=call.inputs[:1], named={"hx": call.inputs[1]})


def _text(value: int) -> str:
    return str(value)


_WRONG_SIZES: dict[str, Callable[[int], Any]] = {
    "nought": lambda _: 0,
    "negative": lambda _: -1,
    "float": lambda n: n + 0.5,
    "text": _text,
    "none": lambda _: None,
}

_ONES: dict[str, dict[str, Any]] = {
    "bias": {"bias": True},
    "layout": {"layout": "batchfirst"},
    "directions": {"bidirectional": True},
}

_FLAGS = {"bias": "bias", "layout": "batch_first", "directions": "bidirectional"}

_CALLS: dict[str, Maker] = {
    "order.positional": _by_position,
    "default.every": _left_out(
        "num_layers",
        "nonlinearity",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        layout="timefirst",
        dropout=0,
        bidirectional=False,
    ),
    "default.layers": _left_out("num_layers", num_layers=1),
    "default.nonlinearity": _left_out("nonlinearity", nonlinearity="tanh"),
    "default.bias": _left_out("bias", bias=True),
    "default.layout": _left_out("batch_first", layout="timefirst"),
    "default.dropout": _left_out("dropout", dropout=0),
    "default.directions": _left_out("bidirectional", bidirectional=False),
    "keyword.bias": _literal_bias,
    "keyword.input": _named_input,
    "keyword.hx": _named_state,
    "keyword.unknown": _keyword("hidden", 3),
    "input.numpy": _size(0, np.int64),
    "hidden.numpy": _size(1, np.int64),
    "layers.numpy": _layers(np.int64),
    "input.true": _size(0, lambda _: True, input_size=1),
    "hidden.true": _size(1, lambda _: True, hidden_size=1),
    "layers.true": _layers(lambda _: True, num_layers=1),
    **{f"input.{k}": _size(0, v) for k, v in _WRONG_SIZES.items()},
    **{f"hidden.{k}": _size(1, v) for k, v in _WRONG_SIZES.items()},
    **{f"layers.{k}": _layers(v) for k, v in _WRONG_SIZES.items()},
    **{f"{k}.one": _keyword(v, 1, **_ONES[k]) for k, v in _FLAGS.items()},
    **{f"{k}.none": _keyword(v, None) for k, v in _FLAGS.items()},
    **{f"{k}.text": _keyword(v, "False") for k, v in _FLAGS.items()},
    "dropout.zero": _keyword("dropout", 0, dropout=0),
    "dropout.numpy": _keyword("dropout", np.float32(0.5), dropout=50),
    "dropout.whole": _keyword("dropout", 1.0, dropout=99),
    "dropout.negative": _keyword("dropout", -0.1),
    "dropout.above": _keyword("dropout", 1.5),
    "dropout.nan": _keyword("dropout", float("nan")),
    "dropout.true": _keyword("dropout", True),
    "dropout.text": _keyword("dropout", "0.5"),
    "dropout.none": _keyword("dropout", None),
    "nonlinearity.unknown": _keyword("nonlinearity", "sigmoid"),
    "nonlinearity.upper": _keyword("nonlinearity", "TANH"),
    "nonlinearity.none": _keyword("nonlinearity", None),
    "nonlinearity.number": _keyword("nonlinearity", 0),
    "lengths.short": _lengths(lambda n, _: n.astype(np.int16), means=True),
    "lengths.word": _lengths(lambda n, _: n.astype(np.int32), means=True),
    "lengths.list": _lengths(lambda n, _: n, means=True, as_list=True),
    "lengths.negative": _lengths(_first_length(lambda _: -1)),
    "lengths.zero": _lengths(_first_length(lambda _: 0), means=True),
    "lengths.beyond": _lengths(_first_length(lambda steps: steps + 1)),
    "lengths.few": _lengths(lambda n, _: n[:-1]),
    "lengths.many": _lengths(lambda n, _: np.append(n, n[0])),
    "lengths.float": _lengths(lambda n, _: n.astype(np.float32)),
    "lengths.bool": _lengths(lambda n, _: np.ones(len(n), bool)),
    "lengths.column": _lengths(lambda n, _: n[:, None].copy()),
    "lengths.row": _lengths(lambda n, _: n[None].copy()),
    "lengths.scalar": _lengths(lambda n, _: np.array(n[0])),
    "h0.rows": _h_0(lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    "h0.onerow": _h_0(lambda h: h[:, :1]),
    "h0.units": _h_0(lambda h: np.concatenate([h, h[..., :1]], axis=2)),
    "h0.oneunit": _h_0(lambda h: h[..., :1]),
    "h0.layers": _h_0(lambda h: np.concatenate([h, h[:1]])),
    "h0.fewer": _h_0(lambda h: h[:-1]),
    "h0.rank2": _h_0(lambda h: h[:, 0]),
    "h0.rank4": _h_0(lambda h: h[None]),
    "h0.swapped": _h_0(lambda h: h.swapaxes(0, 1)),
    "h0.transposed": _h_0(lambda h: h.swapaxes(1, 2)),
    "h0.list": _h_0(lambda h: h.tolist()),
    "h0.half": _h_0(lambda h: h.astype(np.float16)),
    "h0.double": _h_0(lambda h: h.astype(np.float64)),
    "x.flat": _unbatched,
    "x.rank1": _x(lambda x: x[0, 0]),
    "x.rank4": _x(lambda x: x[None]),
    "x.wider": _x(lambda x: np.concatenate([x, x[..., :1]], axis=2)),
    "x.narrower": _x(lambda x: x[..., :1].copy()),
    "x.list": _x(lambda x: x.tolist()),
    "x.none": _x(lambda x: None),
    "x.nosteps": _without("steps"),
    "x.norows": _without("rows"),
    "x.half": _other_dtype("fp16"),
    "x.double": _other_dtype("fp64"),
    "x.int32": _x(lambda x: np.rint(4 * x).astype(np.int32)),
    "x.int64": _x(lambda x: np.rint(4 * x).astype(np.int64)),
    "x.truth": _x(lambda x: x > 0),
    "x.complex": _x(lambda x: x.astype(np.complex64)),
}
