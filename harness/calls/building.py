"""Ways to build a layer: defaults, orders and types of arguments, values that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.calls.call import Maker
from harness.calls.makers import (
    all_left_out,
    by_position,
    left_out,
    literal_bias,
    named_input,
    named_state,
    with_keyword,
    with_layers,
    with_lengths,
    with_size,
)
from harness.calls.table import INVALID, OPEN, VALID, Row

__all__ = ["building_rows"]


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
    "input": ("input_size", lambda value, **meaning: with_size(0, value, **meaning)),
    "hidden": ("hidden_size", lambda value, **meaning: with_size(1, value, **meaning)),
    "layers": ("num_layers", with_layers),
}
_FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bias": ("bias", {"bias": True}),
    "layout": ("batch_first", {"layout": "batchfirst"}),
    "directions": ("bidirectional", {"bidirectional": True}),
}


def building_rows() -> dict[str, list[Row]]:
    """Ways to call the constructor."""
    return {
        "positional-order": [
            ("order.positional", VALID, "all constructor arguments by position", by_position),
        ],
        "defaults": [
            ("default.every", VALID, "only input_size and hidden_size given", all_left_out),
            ("default.layers", VALID, "num_layers left out", left_out("num_layers", num_layers=1)),
            ("default.bias", VALID, "bias left out", left_out("bias", bias=True)),
            (
                "default.layout",
                VALID,
                "batch_first left out",
                left_out("batch_first", layout="timefirst"),
            ),
            ("default.dropout", VALID, "dropout left out", left_out("dropout", dropout=0)),
            (
                "default.directions",
                VALID,
                "bidirectional left out",
                left_out("bidirectional", bidirectional=False),
            ),
        ],
        "keyword-names": [
            ("keyword.bias", VALID, "the constructor's keyword bias", literal_bias),
            ("keyword.input", VALID, "the call's keyword input", named_input),
            ("keyword.hx", VALID, "the call's keyword hx", named_state),
            (
                "keyword.unknown",
                INVALID,
                "a constructor keyword that does not exist",
                with_keyword("hidden", 3),
            ),
        ],
        "argument-types": [
            *(
                (f"{k}.numpy", OPEN, f"{name} as numpy.int64", make(np.int64))
                for k, (name, make) in _SIZES.items()
            ),
            *(
                (f"{k}.true", OPEN, f"{name} = True", make(lambda _: True, **{name: 1}))
                for k, (name, make) in _SIZES.items()
            ),
            *(
                (f"{k}.one", OPEN, f"{name} = 1 for True", with_keyword(name, 1, **meaning))
                for k, (name, meaning) in _FLAGS.items()
            ),
            ("dropout.zero", VALID, "dropout = 0, an int", with_keyword("dropout", 0, dropout=0)),
            (
                "dropout.numpy",
                OPEN,
                "dropout as numpy.float32",
                with_keyword("dropout", np.float32(0.5), dropout=50),
            ),
            (
                "lengths.short",
                OPEN,
                "lengths as int16",
                with_lengths(lambda n, _: n.astype(np.int16), means=True),
            ),
            (
                "lengths.word",
                OPEN,
                "lengths as int32",
                with_lengths(lambda n, _: n.astype(np.int32), means=True),
            ),
            (
                "lengths.list",
                OPEN,
                "lengths as a list of int",
                with_lengths(lambda n, _: n, means=True, as_list=True),
            ),
        ],
        "refused-sizes": [
            (f"{k}.{wrong}", INVALID, f"{name} {says}", make(value))
            for wrong, (says, value) in _WRONG_SIZES.items()
            for k, (name, make) in _SIZES.items()
        ],
        "refused-flags": [
            (f"{k}.{wrong}", INVALID, f"{name} = {value!r}", with_keyword(name, value))
            for wrong, value in (("none", None), ("text", "False"))
            for k, (name, _) in _FLAGS.items()
        ],
        "refused-dropout": [
            *(
                (f"dropout.{k}", INVALID, f"dropout = {says}", with_keyword("dropout", value))
                for k, says, value in (
                    ("negative", "-0.1", -0.1),
                    ("above", "1.5", 1.5),
                    ("nan", "NaN", float("nan")),
                    ("true", "True", True),
                    ("text", "'0.5'", "0.5"),
                    ("none", "None", None),
                )
            ),
            ("dropout.whole", OPEN, "dropout = 1.0", with_keyword("dropout", 1.0, dropout=99)),
        ],
    }
