"""Valid, borderline and invalid calls: what is handed over, and what it means.

A call that means something has a `meaning`, a well-formed case with the same answer; what an
implementation returns for it is judged against the oracle on that case. The calls here are those of
every stacked layer; a layer's record adds its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.aspects import CALL, VALUES, CallAspect, Documented
from harness.axes import shape_of, take, to_layout
from harness.backends.protocol import positional
from harness.case import Case, make_case
from harness.config import Config
from reference.arrays import Array, IntArray

__all__ = [
    "Call",
    "Calls",
    "Maker",
    "call_table",
    "calls_after",
    "cell_calls",
    "common_calls",
    "left_out",
    "make_call",
    "tuple_calls",
    "user_inputs",
    "with_keyword",
]


@dataclass(frozen=True)
class Call:
    """Arguments of a constructor, by torch's names, and of the call after it.

    `inputs` are x, the initial states and lengths, as far as given, in this order. `weights` are
    loaded where they fit. `undropped` asks for the same answer in training mode. `meaning` is the
    case it stands for, None if nothing; `guess` the one that an implementation may have taken an
    invalid call for; `empty` the exact answer by name, in the layout of the call, where arrays
    without elements come back. `ordinary` is of the call that everybody makes, of which one thing
    was changed.
    """

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    inputs: tuple[Any, ...]
    weights: Mapping[str, Array]
    named: Mapping[str, Any] = field(default_factory=dict)
    literal: bool = False
    undropped: bool = False
    meaning: Case | None = None
    empty: Mapping[str, Array] | None = None
    guess: Case | None = None
    ordinary: Config | None = None


Maker = Callable[[Case], "Call | None"]
Calls = dict[str, tuple[CallAspect, Maker]]


def make_call(config: Config) -> Call | None:
    """The call that the config's aspect stands for; None where its sizes make it no other call.

    Raises:
        KeyError: the aspect is no call of the layer.
    """
    _, make = config.record.calls[config.aspect.removeprefix(CALL)]
    return make(_case(config))


def _case(config: Config, **changes: Any) -> Case:
    return make_case(config.replace(aspect="values", **changes))


def _again(case: Case, **changes: Any) -> Case:
    return _case(case.config, **changes)


def user_inputs(case: Case) -> tuple[Any, ...]:
    """x, the initial states, and lengths where there are any, in the layout of the config."""
    config = case.config
    return positional({n: to_layout(config, n, a) for n, a in case.inputs.items()})


def calls_after(config: Config) -> tuple[Config, Config]:
    """What the layer of a call is asked after it: the call that everybody makes, and the one with
    states and lengths given where they were left out, or left out where they were given.
    """
    usual = config.replace(aspect=VALUES)
    lengths = "ragged" if usual.lengths == "nolengths" else "nolengths"
    return usual, usual.adapted(states=not usual.states, lengths=lengths)


def _ordinary(case: Case) -> Call:
    """The call as everybody makes it."""
    config = case.config
    return Call(
        (config.input_size, config.hidden_size),
        config.options.keywords,
        user_inputs(case),
        case.weights,
        meaning=case,
        ordinary=config,
    )


def with_keyword(name: str, value: Any, **meaning: Any) -> Maker:
    """A constructor keyword with this value; `meaning` gives the fields it means, if any."""

    def make(case: Case) -> Call:
        meant = _again(case, **meaning) if meaning else case
        call = _ordinary(meant)
        return dataclasses.replace(
            call,
            keywords={**call.keywords, name: value},
            meaning=meant if meaning else None,
            undropped=meaning == {"dropout": 0},
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


def left_out(*names: str, **meaning: Any) -> Maker:
    """Constructor keywords left out; `meaning` gives the fields that their defaults mean."""

    def make(case: Case) -> Call:
        call = _ordinary(_again(case, **meaning))
        keywords = {k: v for k, v in call.keywords.items() if k not in names}
        return dataclasses.replace(call, keywords=keywords, undropped="dropout" in names)

    return make


def _all_left_out(case: Case) -> Call:
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
        case = case.with_inputs(x=x)
        given = change(lengths.copy(), case.config.steps)
        call = _ordinary(case)
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


def _has_rows_too_many(given: Any, state: Array) -> bool:
    """Whether it is the state with more batch rows at the end, which may have been left out."""
    return (
        isinstance(given, np.ndarray)
        and given.ndim == state.ndim
        and given.dtype == state.dtype
        and (*given.shape[:-2], given.shape[-1]) == (*state.shape[:-2], state.shape[-1])
        and given.shape[-2] > state.shape[-2]
    )


def _h_0(change: Callable[[Array], Any]) -> Maker:
    """Another h_0, which is (L * D, B, H), of a cell (B, H); other states as they are."""

    def make(case: Case) -> Call | None:
        case = _again(case, states=True)
        call = _ordinary(case)
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


def _state(number: int, change: Callable[[Array], Any]) -> Maker:
    """Another of several states, by its number; h_0 and the others as they are."""

    def make(case: Case) -> Call | None:
        call = _ordinary(_again(case, states=True))
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


def _tuple(change: Callable[[tuple[Any, ...]], Any], *, means: bool = False) -> Maker:
    """Something in place of the tuple of initial states; `means` says that it is that still."""

    def make(case: Case) -> Call | None:
        call = _ordinary(_again(case, states=True))
        given = change(call.inputs[1])
        if given is None:
            return None
        inputs = (call.inputs[0], given, *call.inputs[2:])
        return dataclasses.replace(call, inputs=inputs, meaning=call.meaning if means else None)

    return make


def _stacked(states: tuple[Array, ...]) -> Array | None:
    """None of states of several sizes, as with a projection."""
    return np.stack(states) if len({one.shape for one in states}) == 1 else None


def _states_exchanged(case: Case) -> Call:
    """The tuple in its order, with each state's numbers in the other's place."""
    case = _again(case, states=True)
    names = [f"{state}_0" for state in case.initial]
    arrays = [case.inputs[name] for name in reversed(names)]
    return _ordinary(case.with_inputs(**dict(zip(names, arrays, strict=True))))


def _x(change: Callable[[Array], Any], **changes: Any) -> Maker:
    """Another x, changed in the layout of the call; states and lengths as they are, but for
    `changes`.
    """

    def make(case: Case) -> Call | None:
        case = _again(case, **changes) if changes else case
        call = _ordinary(case)
        given = change(call.inputs[0])
        if _alike(given, call.inputs[0]):
            return None
        others = call.inputs[1:] if case.initial or case.lengths is not None else ()
        return dataclasses.replace(call, inputs=(given, *others), meaning=None)

    return make


def _without(axis: str) -> Maker:
    """x without steps or without batch rows: no output; the final states are the initial ones."""

    def make(case: Case) -> Call:
        case = _again(case, lengths="nolengths")
        config, nowhere = case.config, {axis: range(0)}
        inputs = take(config, case.inputs, nowhere)
        outputs = {"output": np.zeros(shape_of(config, "output"), case.x.dtype)}
        for state in config.cell.states:
            rows = shape_of(config, f"{state}_n")
            outputs[f"{state}_n"] = case.inputs.get(f"{state}_0", np.zeros(rows, case.x.dtype))
        empty = take(config, outputs, nowhere)
        call = _ordinary(dataclasses.replace(case, inputs=inputs))
        return dataclasses.replace(
            call,
            meaning=None,
            empty={name: to_layout(config, name, array) for name, array in empty.items()},
        )

    return make


def _unbatched(case: Case) -> Call:
    flat = _again(case, layout="unbatched", batch=1, lengths="nolengths")
    batch_first = {"batch_first": case.config.layout == "batchfirst"}
    call = _ordinary(flat)
    return dataclasses.replace(
        call,
        keywords={**call.keywords, **(batch_first if "batch_first" in call.keywords else {})},
        ordinary=_again(case, lengths="nolengths").config,
    )


def _other_dtype(dtype: str) -> Maker:
    """x in another format than the layer's float32 weights."""

    def make(case: Case) -> Call:
        meant = _again(case, dtype=dtype, states=False, lengths="nolengths")
        weights = {name: array.astype(np.float32) for name, array in meant.weights.items()}
        as_meant = {name: array.astype(meant.x.dtype) for name, array in weights.items()}
        meant = dataclasses.replace(meant, weights=as_meant)
        ordinary = meant.config.replace(dtype=case.config.dtype)
        return dataclasses.replace(_ordinary(meant), weights=weights, ordinary=ordinary)

    return make


def _by_position(case: Case) -> Call:
    call = _ordinary(case)
    return dataclasses.replace(
        call, positional=(*call.positional, *call.keywords.values()), keywords={}
    )


def _literal_bias(case: Case) -> Call:
    return dataclasses.replace(_ordinary(case), literal=True)


def _named_input(case: Case) -> Call:
    call = _ordinary(_again(case, lengths="nolengths", states=False))
    return dataclasses.replace(call, inputs=(), named={"input": call.inputs[0]})


def _named_state(case: Case) -> Call:
    call = _ordinary(_again(case, lengths="nolengths", states=True))
    return dataclasses.replace(call, inputs=call.inputs[:1], named={"hx": call.inputs[1]})


def _text(value: int) -> str:
    return str(value)


_WRONG_SIZES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "nought": ("= 0", lambda _: 0),
    "negative": ("= -1", lambda _: -1),
    "float": ("as a float", lambda n: n + 0.5),
    "text": ("as a str", _text),
    "none": ("= None", lambda _: None),
}
_SIZES: dict[str, tuple[str, Callable[..., Maker]]] = {
    "input": ("input_size", lambda value, **meaning: _size(0, value, **meaning)),
    "hidden": ("hidden_size", lambda value, **meaning: _size(1, value, **meaning)),
    "layers": ("num_layers", _layers),
}
_FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bias": ("bias", {"bias": True}),
    "layout": ("batch_first", {"layout": "batchfirst"}),
    "directions": ("bidirectional", {"bidirectional": True}),
}

_VALID, _INVALID, _OPEN = Documented.VALID, Documented.INVALID, Documented.OPEN
Row = tuple[str, Documented, str, Maker]


def call_table(rows: Mapping[str, list[Row]]) -> Calls:
    """Calls by name, from rows by requirement: name, what is documented, in words, maker."""
    return {
        name: (CallAspect(f"{CALL}{name}", says, (), requirement, documented), make)
        for requirement, of in rows.items()
        for name, documented, says, make in of
    }


def common_calls() -> Calls:
    """The calls of every stacked layer."""
    return call_table({**_building(), **_calling()})


def tuple_calls(*, single_step: bool = False) -> Calls:
    """The calls of a layer with two states, h and c, that are given as a tuple; or of its cell."""
    changes = _CELL_STATES if single_step else _STATES
    return call_table(
        {
            "h-0-given": [
                (
                    "states.exchanged",
                    _VALID,
                    "the tuple (h_0, c_0), each with the other's numbers",
                    _states_exchanged,
                ),
                (
                    "states.list",
                    _OPEN,
                    "the initial states as a list in place of a tuple",
                    _tuple(list, means=True),
                ),
            ],
            "refused-h-0": [
                (f"c0.{name}", _INVALID, says.replace("h_0", "c_0"), _state(1, change))
                for name, says, change in changes
                if name != "list"
            ]
            + [
                ("states.one", _INVALID, "h_0 alone in place of the tuple", _tuple(lambda s: s[0])),
                ("states.single", _INVALID, "a tuple of h_0 alone", _tuple(lambda s: s[:1])),
                ("states.three", _INVALID, "a tuple of three", _tuple(lambda s: (*s, s[0]))),
                (
                    "states.stacked",
                    _INVALID,
                    "both states in one array in place of the tuple",
                    _tuple(_stacked),
                ),
                ("states.none", _INVALID, "None for c_0", _tuple(lambda s: (s[0], None))),
            ],
            "mixed-dtypes": [
                (
                    "c0.half",
                    _INVALID,
                    "float16 c_0 with float32 x",
                    _state(1, lambda c: c.astype(np.float16)),
                ),
                (
                    "c0.double",
                    _INVALID,
                    "float64 c_0 with float32 x",
                    _state(1, lambda c: c.astype(np.float64)),
                ),
            ],
        }
    )


_OF_STACKS = ("layers.", "layout.", "directions.", "dropout.", "lengths.", "keyword.input")
_DEFAULTS_OF_STACKS = ("layers", "layout", "dropout", "directions")


def cell_calls() -> Calls:
    """The calls of every cell, which takes one step."""
    left_out = (*_OF_STACKS, *(f"default.{name}" for name in _DEFAULTS_OF_STACKS))
    building = {
        requirement: rows
        for requirement, every in _building().items()
        if (rows := [row for row in every if not row[0].startswith(left_out)])
    }
    calling = _calling_cells()
    return call_table(
        {k: [*building.get(k, []), *calling.get(k, [])] for k in {**building, **calling}}
    )


def _calling_cells() -> dict[str, list[Row]]:
    """Ways to call a cell."""
    return {
        "unbatched": [("x.flat", _VALID, "1-D x (input_size,) and state", _unbatched)],
        "h-0-absent": [
            ("h0.absent", _VALID, "the state left out", _without_state),
        ],
        "keyword-names": [
            ("keyword.input", _VALID, "the call's keywords input and hx", _named_step),
        ],
        "refused-h-0": [
            (f"h0.{name}", _INVALID, says, _h_0(change)) for name, says, change in _CELL_STATES
        ],
        "refused-x": [
            ("x.rank1", _INVALID, "1-D x with 2-D h_0", _x(lambda x: x[0], states=True)),
            *((f"x.{name}", _INVALID, says, _x(change)) for name, says, change in _CELL_XS),
        ],
        "empty": [("x.norows", _OPEN, "x without batch rows, B = 0", _without("rows"))],
        "mixed-dtypes": _of_other_types(),
    }


def _without_state(case: Case) -> Call:
    absent = _ordinary(_again(case, states=False))
    return dataclasses.replace(absent, ordinary=_again(case, states=True).config)


def _named_step(case: Case) -> Call:
    """x and the state by keywords."""
    call = _ordinary(_again(case, states=True))
    named = dict(zip(("input", "hx"), call.inputs, strict=True))
    return dataclasses.replace(call, inputs=(), named=named)


def _building() -> dict[str, list[Row]]:
    """Ways to call the constructor."""
    return {
        "positional-order": [
            ("order.positional", _VALID, "all constructor arguments by position", _by_position),
        ],
        "defaults": [
            ("default.every", _VALID, "only input_size and hidden_size given", _all_left_out),
            ("default.layers", _VALID, "num_layers left out", left_out("num_layers", num_layers=1)),
            ("default.bias", _VALID, "bias left out", left_out("bias", bias=True)),
            (
                "default.layout",
                _VALID,
                "batch_first left out",
                left_out("batch_first", layout="timefirst"),
            ),
            ("default.dropout", _VALID, "dropout left out", left_out("dropout", dropout=0)),
            (
                "default.directions",
                _VALID,
                "bidirectional left out",
                left_out("bidirectional", bidirectional=False),
            ),
        ],
        "keyword-names": [
            ("keyword.bias", _VALID, "the constructor's keyword bias", _literal_bias),
            ("keyword.input", _VALID, "the call's keyword input", _named_input),
            ("keyword.hx", _VALID, "the call's keyword hx", _named_state),
            (
                "keyword.unknown",
                _INVALID,
                "a constructor keyword that does not exist",
                with_keyword("hidden", 3),
            ),
        ],
        "argument-types": [
            *(
                (f"{k}.numpy", _OPEN, f"{name} as numpy.int64", make(np.int64))
                for k, (name, make) in _SIZES.items()
            ),
            *(
                (f"{k}.true", _OPEN, f"{name} = True", make(lambda _: True, **{name: 1}))
                for k, (name, make) in _SIZES.items()
            ),
            *(
                (f"{k}.one", _OPEN, f"{name} = 1 for True", with_keyword(name, 1, **meaning))
                for k, (name, meaning) in _FLAGS.items()
            ),
            ("dropout.zero", _VALID, "dropout = 0, an int", with_keyword("dropout", 0, dropout=0)),
            (
                "dropout.numpy",
                _OPEN,
                "dropout as numpy.float32",
                with_keyword("dropout", np.float32(0.5), dropout=50),
            ),
            (
                "lengths.short",
                _OPEN,
                "lengths as int16",
                _lengths(lambda n, _: n.astype(np.int16), means=True),
            ),
            (
                "lengths.word",
                _OPEN,
                "lengths as int32",
                _lengths(lambda n, _: n.astype(np.int32), means=True),
            ),
            (
                "lengths.list",
                _OPEN,
                "lengths as a list of int",
                _lengths(lambda n, _: n, means=True, as_list=True),
            ),
        ],
        "refused-sizes": [
            (f"{k}.{wrong}", _INVALID, f"{name} {says}", make(value))
            for wrong, (says, value) in _WRONG_SIZES.items()
            for k, (name, make) in _SIZES.items()
        ],
        "refused-flags": [
            (f"{k}.{wrong}", _INVALID, f"{name} = {value!r}", with_keyword(name, value))
            for wrong, value in (("none", None), ("text", "False"))
            for k, (name, _) in _FLAGS.items()
        ],
        "refused-dropout": [
            *(
                (f"dropout.{k}", _INVALID, f"dropout = {says}", with_keyword("dropout", value))
                for k, says, value in (
                    ("negative", "-0.1", -0.1),
                    ("above", "1.5", 1.5),
                    ("nan", "NaN", float("nan")),
                    ("true", "True", True),
                    ("text", "'0.5'", "0.5"),
                    ("none", "None", None),
                )
            ),
            ("dropout.whole", _OPEN, "dropout = 1.0", with_keyword("dropout", 1.0, dropout=99)),
        ],
    }


def _calling() -> dict[str, list[Row]]:
    """Ways to call the layer."""
    return {
        "unbatched": [
            ("x.flat", _VALID, "2-D x (T, input_size), states left out or 2-D", _unbatched),
        ],
        "refused-lengths": _of_lengths(),
        "refused-h-0": [
            (f"h0.{name}", _INVALID, says, _h_0(change)) for name, says, change in _STATES
        ],
        "refused-x": [(f"x.{name}", _INVALID, says, _x(change)) for name, says, change in _XS],
        "empty": [
            ("x.nosteps", _OPEN, "x without steps, T = 0", _without("steps")),
            ("x.norows", _OPEN, "x without batch rows, B = 0", _without("rows")),
        ],
        "mixed-dtypes": _of_other_types(),
    }


def _of_other_types() -> list[Row]:
    return [
        ("x.half", _OPEN, "float16 x in a float32 layer", _other_dtype("fp16")),
        ("x.double", _OPEN, "float64 x in a float32 layer", _other_dtype("fp64")),
        *((f"x.{name}", _INVALID, f"{says} x", _x(change)) for name, says, change in _TYPES),
        (
            "h0.half",
            _INVALID,
            "float16 h_0 with float32 x",
            _h_0(lambda h: h.astype(np.float16)),
        ),
        (
            "h0.double",
            _INVALID,
            "float64 h_0 with float32 x",
            _h_0(lambda h: h.astype(np.float64)),
        ),
    ]


def _of_lengths() -> list[Row]:
    return [
        ("lengths.negative", _INVALID, "a negative length", _lengths(_first_length(lambda _: -1))),
        (
            "lengths.zero",
            _OPEN,
            "a length of 0",
            _lengths(_first_length(lambda _: 0), means=True),
        ),
        (
            "lengths.beyond",
            _INVALID,
            "a length beyond T",
            _lengths(_first_length(lambda steps: steps + 1)),
        ),
        *(
            (f"lengths.{name}", _INVALID, says, _lengths(change))
            for name, says, change in _LENGTHS_CHANGED
        ),
    ]


_LENGTHS_CHANGED: list[tuple[str, str, Callable[[IntArray, int], Any]]] = [
    ("few", "fewer lengths than batch rows", lambda n, _: n[:-1]),
    ("many", "more lengths than batch rows", lambda n, _: np.append(n, n[0])),
    ("float", "lengths as float32", lambda n, _: n.astype(np.float32)),
    ("bool", "lengths as bool", lambda n, _: np.ones(len(n), bool)),
    ("column", "lengths of shape (B, 1)", lambda n, _: n[:, None].copy()),
    ("row", "lengths of shape (1, B)", lambda n, _: n[None].copy()),
    ("scalar", "lengths of shape ()", lambda n, _: np.array(n[0])),
]

Change = list[tuple[str, str, Callable[[Array], Any]]]

_STATES: Change = [
    ("rows", "h_0 with one batch row too many", lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    ("onerow", "h_0 with one batch row for all", lambda h: h[:, :1]),
    ("units", "h_0 with one unit too many", lambda h: np.concatenate([h, h[..., :1]], axis=2)),
    ("oneunit", "h_0 with one unit for all", lambda h: h[..., :1]),
    ("layers", "h_0 with one layer too many", lambda h: np.concatenate([h, h[:1]])),
    ("fewer", "h_0 with one layer too few", lambda h: h[:-1]),
    ("rank2", "2-D h_0 with 3-D x", lambda h: h[:, 0]),
    ("rank4", "4-D h_0", lambda h: h[None]),
    (
        "swapped",
        "h_0 with layers and batch swapped, as many elements",
        lambda h: h.swapaxes(0, 1),
    ),
    (
        "transposed",
        "h_0 with batch and units swapped, as many elements",
        lambda h: h.swapaxes(1, 2),
    ),
    ("list", "h_0 as nested lists", lambda h: h.tolist()),
]

_XS: Change = [
    ("rank1", "1-D x", lambda x: x[0, 0]),
    ("rank4", "4-D x", lambda x: x[None]),
    ("wider", "x with one feature too many", lambda x: np.concatenate([x, x[..., :1]], axis=2)),
    ("narrower", "x with one feature for all", lambda x: x[..., :1].copy()),
    ("list", "x as nested lists", lambda x: x.tolist()),
    ("none", "x = None", lambda x: None),
]


_CELL_STATES: Change = [
    ("rows", "h_0 with one batch row too many", lambda h: np.concatenate([h, h[:1]])),
    ("onerow", "h_0 with one batch row for all", lambda h: h[:1]),
    ("units", "h_0 with one unit too many", lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    ("oneunit", "h_0 with one unit for all", lambda h: h[:, :1]),
    ("rank1", "1-D h_0 with 2-D x", lambda h: h[0]),
    ("rank3", "3-D h_0", lambda h: h[None]),
    (
        "transposed",
        "h_0 with batch and units swapped, as many elements",
        lambda h: h.T,
    ),
    ("list", "h_0 as nested lists", lambda h: h.tolist()),
]

_CELL_XS: Change = [
    ("rank3", "3-D x", lambda x: x[None]),
    ("wider", "x with one feature too many", lambda x: np.concatenate([x, x[:, :1]], axis=1)),
    ("narrower", "x with one feature for all", lambda x: x[:, :1].copy()),
    ("list", "x as nested lists", lambda x: x.tolist()),
    ("none", "x = None", lambda x: None),
]


def _whole(x: Array) -> Array:
    """Small whole numbers, in the padding too."""
    found: Array = np.rint(4 * np.nan_to_num(x, posinf=1, neginf=-1))
    return found


_TYPES: Change = [
    ("int32", "int32", lambda x: _whole(x).astype(np.int32)),
    ("int64", "int64", lambda x: _whole(x).astype(np.int64)),
    ("truth", "bool", lambda x: x > 0),
    ("complex", "complex64", lambda x: x.astype(np.complex64)),
]
