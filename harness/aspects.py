"""What can be asked of a layer: its values, gradients, dropout, and what calls it accepts.

The aspect is the first token of a config id (left out for `forward`, the commonest).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASPECTS", "CALLS", "FORWARD", "INVALID", "OPEN", "VALID", "CallAspect"]

FORWARD = "forward"

VALID, INVALID, OPEN = "valid", "invalid", "open"


@dataclass(frozen=True)
class CallAspect:
    """A valid, borderline or invalid way to build or call a layer.

    `documented` is what torch's documentation, which the mapping page claims for both, says of
    it: `valid`, `invalid`, or nothing (`open`); `says` names the call in half a sentence.
    `harness.calls` makes the call.
    """

    name: str
    requirement: str
    documented: str
    says: str


_SIZES = {"input": "input_size", "hidden": "hidden_size", "layers": "num_layers"}
_FLAGS = {"bias": "bias", "layout": "batch_first", "directions": "bidirectional"}

_TABLE: dict[str, list[tuple[str, str, str]]] = {
    "positional-order": [
        ("order.positional", VALID, "all eight constructor arguments by position"),
    ],
    "defaults": [
        ("default.every", VALID, "only input_size and hidden_size given"),
        ("default.layers", VALID, "num_layers left out"),
        ("default.nonlinearity", VALID, "nonlinearity left out"),
        ("default.bias", VALID, "bias left out"),
        ("default.layout", VALID, "batch_first left out"),
        ("default.dropout", VALID, "dropout left out"),
        ("default.directions", VALID, "bidirectional left out"),
    ],
    "keyword-names": [
        ("keyword.bias", VALID, "the constructor's keyword bias"),
        ("keyword.input", VALID, "the call's keyword input"),
        ("keyword.hx", VALID, "the call's keyword hx"),
        ("keyword.unknown", INVALID, "a constructor keyword that does not exist"),
    ],
    "argument-types": [
        *((f"{k}.numpy", OPEN, f"{v} as numpy.int64") for k, v in _SIZES.items()),
        *((f"{k}.true", OPEN, f"{v} = True") for k, v in _SIZES.items()),
        *((f"{k}.one", OPEN, f"{v} = 1 for True") for k, v in _FLAGS.items()),
        ("dropout.zero", VALID, "dropout = 0, an int"),
        ("dropout.numpy", OPEN, "dropout as numpy.float32"),
        ("lengths.short", OPEN, "lengths as int16"),
        ("lengths.word", OPEN, "lengths as int32"),
        ("lengths.list", OPEN, "lengths as a list of int"),
    ],
    "unbatched": [
        ("x.flat", VALID, "2-D x (T, input_size), h_0 left out or 2-D"),
    ],
    "refused-sizes": [
        *((f"{k}.nought", INVALID, f"{v} = 0") for k, v in _SIZES.items()),
        *((f"{k}.negative", INVALID, f"{v} = -1") for k, v in _SIZES.items()),
        *((f"{k}.float", INVALID, f"{v} as a float") for k, v in _SIZES.items()),
        *((f"{k}.text", INVALID, f"{v} as a str") for k, v in _SIZES.items()),
        *((f"{k}.none", INVALID, f"{v} = None") for k, v in _SIZES.items()),
    ],
    "refused-nonlinearity": [
        ("nonlinearity.unknown", INVALID, "nonlinearity = 'sigmoid'"),
        ("nonlinearity.upper", INVALID, "nonlinearity in upper case"),
        ("nonlinearity.none", INVALID, "nonlinearity = None"),
        ("nonlinearity.number", INVALID, "nonlinearity = 0"),
    ],
    "refused-flags": [
        *((f"{k}.none", INVALID, f"{v} = None") for k, v in _FLAGS.items()),
        *((f"{k}.text", INVALID, f"{v} = 'False'") for k, v in _FLAGS.items()),
    ],
    "refused-dropout": [
        ("dropout.negative", INVALID, "dropout = -0.1"),
        ("dropout.above", INVALID, "dropout = 1.5"),
        ("dropout.nan", INVALID, "dropout = NaN"),
        ("dropout.true", INVALID, "dropout = True"),
        ("dropout.text", INVALID, "dropout = '0.5'"),
        ("dropout.none", INVALID, "dropout = None"),
        ("dropout.whole", OPEN, "dropout = 1.0"),
    ],
    "refused-lengths": [
        ("lengths.negative", INVALID, "a negative length"),
        ("lengths.zero", OPEN, "a length of 0"),
        ("lengths.beyond", INVALID, "a length beyond T"),
        ("lengths.few", INVALID, "fewer lengths than batch rows"),
        ("lengths.many", INVALID, "more lengths than batch rows"),
        ("lengths.float", INVALID, "lengths as float32"),
        ("lengths.bool", INVALID, "lengths as bool"),
        ("lengths.column", INVALID, "lengths of shape (B, 1)"),
        ("lengths.row", INVALID, "lengths of shape (1, B)"),
        ("lengths.scalar", INVALID, "lengths of shape ()"),
    ],
    "refused-h-0": [
        ("h0.rows", INVALID, "h_0 with one batch row too many"),
        ("h0.onerow", INVALID, "h_0 with one batch row for all"),
        ("h0.units", INVALID, "h_0 with one unit too many"),
        ("h0.oneunit", INVALID, "h_0 with one unit for all"),
        ("h0.layers", INVALID, "h_0 with one layer too many"),
        ("h0.fewer", INVALID, "h_0 with one layer too few"),
        ("h0.rank2", INVALID, "2-D h_0 with 3-D x"),
        ("h0.rank4", INVALID, "4-D h_0"),
        ("h0.swapped", INVALID, "h_0 with layers and batch swapped, as many elements"),
        ("h0.transposed", INVALID, "h_0 with batch and units swapped, as many elements"),
        ("h0.list", INVALID, "h_0 as nested lists"),
    ],
    "refused-x": [
        ("x.rank1", INVALID, "1-D x"),
        ("x.rank4", INVALID, "4-D x"),
        ("x.wider", INVALID, "x with one feature too many"),
        ("x.narrower", INVALID, "x with one feature for all"),
        ("x.list", INVALID, "x as nested lists"),
        ("x.none", INVALID, "x = None"),
    ],
    "empty": [
        ("x.nosteps", OPEN, "x without steps, T = 0"),
        ("x.norows", OPEN, "x without batch rows, B = 0"),
    ],
    "mixed-dtypes": [
        ("x.half", OPEN, "float16 x in a float32 layer"),
        ("x.double", OPEN, "float64 x in a float32 layer"),
        ("x.int32", INVALID, "int32 x"),
        ("x.int64", INVALID, "int64 x"),
        ("x.truth", INVALID, "bool x"),
        ("x.complex", INVALID, "complex64 x"),
        ("h0.half", INVALID, "float16 h_0 with float32 x"),
        ("h0.double", INVALID, "float64 h_0 with float32 x"),
    ],
}

CALLS = {
    f"call.{name}": CallAspect(f"call.{name}", requirement, documented, says)
    for requirement, rows in _TABLE.items()
    for name, documented, says in rows
}

ASPECTS = (FORWARD, "gradient", "training", "fresh", "files", "steady", *CALLS)
"""Values; gradients; dropout in training mode; initial weights; weights through files; the same
call again and again; calls."""
