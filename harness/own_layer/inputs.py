"""What the user's layer is called with: x, initial states and lengths, read and checked.

Inside the harness arrays are time first and batched; files have the layout of the user's call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.axes import from_layout, shape_of, to_layout
from harness.config import Config, ConfigError, percent_of
from harness.data import NUMPY_DTYPES
from harness.own_layer.stored import WeightsError, read_arrays
from harness.text import one_line
from reference.arrays import Array

__all__ = ["InputsError", "Options", "assumed", "called", "read_inputs"]

Inputs = Mapping[str, Array]


class InputsError(ConfigError):
    """Arrays that cannot go into the layer; names, shapes, and what would fit."""


@dataclass(frozen=True)
class Options:
    """What neither names nor shapes of weights say; `steps` and `batch` where x is drawn."""

    batch_first: bool = False
    dropout: float = 0.0
    own: tuple[tuple[str, Any], ...] = ()
    steps: int = 8
    batch: int = 4
    seed: int = 0


def read_inputs(paths: Mapping[str, Path]) -> dict[str, Array]:
    """Arrays by name of input, each of a .npy file, or of a .npz file that may hold others too.

    Raises:
        InputsError: a file that is none of these, or an array that is given twice.
    """
    found: dict[str, Array] = {}
    for name, path in paths.items():
        for other, array in _read(name, path).items():
            if other in found:
                raise InputsError(f"{other} is given twice, the second time by {path}")
            found[other] = array
    return found


_KNOWN = ("x", "h_0", "c_0", "lengths")


def _read(name: str, path: Path) -> dict[str, Array]:
    if path.suffix not in (".npy", ".npz"):
        raise InputsError(f"{name} = {path}: expected a .npy or a .npz file")
    if path.suffix == ".npy":
        try:
            return {name: np.load(path, allow_pickle=False, mmap_mode="r").view(np.ndarray)}
        except Exception as error:  # whatever a damaged file makes of its reader
            raise InputsError(
                f"{name} = {path}: {type(error).__name__}: {one_line(str(error), 200)}; expected "
                "an array of numbers, as numpy.save writes it"
            ) from error
    try:
        every = read_arrays(path)
    except WeightsError as error:
        raise InputsError(f"{name} = {error}") from error
    for other in every:
        if other not in _KNOWN:
            raise InputsError(f"{path}: {other} {every[other].shape}, expected {', '.join(_KNOWN)}")
    if name not in every:
        raise InputsError(f"{path}: no {name} in it; it has {', '.join(every) or 'no arrays'}")
    return every


def called(layer: Config, inputs: Inputs, options: Options) -> tuple[Config, dict[str, Array]]:
    """The config of the user's call, still without its arrays' digest; and the inputs, time first.

    Raises:
        InputsError: shapes, dtypes or numbers that do not fit the layer.
    """
    known = {"x", "lengths", *(f"{state}_0" for state in layer.cell.states)}
    for name in inputs:
        if name not in known or (name == "lengths" and "lengths" in layer.record.fixed):
            raise InputsError(f"{name} is given, and a layer {layer.layer} takes none")
    config = _sized(_with_options(layer, options), inputs, options)
    _require_all_states(config, inputs)
    for name in inputs:
        if name != "lengths":
            _require_shape(config, name, inputs[name])
            _require_dtype(config, name, inputs[name])
    config = _with_lengths(config, inputs)
    ordered = {name: _time_first(config, name, array) for name, array in inputs.items()}
    if "lengths" in ordered:
        ordered["lengths"] = ordered["lengths"].astype(np.int64)
    for name, array in ordered.items():
        _require_finite(config, name, array, ordered.get("lengths"))
    return config, ordered


def _with_options(layer: Config, options: Options) -> Config:
    record = layer.record
    for name, value in options.own:
        if name not in {option.name for option in record.options}:
            raise InputsError(f"--{name} {value}: a layer {layer.layer} has no such option")
    percent = percent_of(options.dropout)
    if percent and "dropout" in record.fixed:
        raise InputsError(f"--dropout {options.dropout}: a layer {layer.layer} has none")
    if options.batch_first and record.single_step:
        raise InputsError(f"--batch-first: a layer {layer.layer} takes one step, and has no steps")
    layout = "batchfirst" if options.batch_first else "timefirst"
    return layer.adapted(layout=layout, dropout=percent, seed=options.seed, **dict(options.own))


def _sized(config: Config, inputs: Inputs, options: Options) -> Config:
    """With the sizes of x; where none is given, with those asked for."""
    cell = config.record.single_step
    if "x" not in inputs:
        rows = next((a.shape[-2] for n, a in inputs.items() if n != "lengths" and a.ndim > 1), None)
        rows = rows or next((len(a) for n, a in inputs.items() if n == "lengths" and a.ndim), None)
        lengths = inputs.get("lengths")
        steps = options.steps
        if lengths is not None and lengths.size and lengths.dtype.kind in "iu":
            steps = max(steps, min(int(lengths.max()), 2**31))
        return _of_sizes(config, steps=1 if cell else steps, batch=rows or options.batch)
    shape = inputs["x"].shape
    axes = "(B, I)" if cell else "(B, T, I) or (T, I)" if _batch_first(config) else "(T, B, I)"
    axes = axes if cell or _batch_first(config) else f"{axes} or (T, I)"
    most = 2 if cell else 3
    flat = len(shape) == most - 1
    if not (len(shape) == most or flat) or 0 in shape:
        raise InputsError(f"x has the shape {shape}, expected {axes}, no axis of length 0")
    if shape[-1] != config.input_size:
        raise InputsError(
            f"x has the shape {shape}: {shape[-1]} features, expected {config.input_size} "
            f"({axes} with I = {config.input_size}, as weight_ih_l0 has columns)"
        )
    if flat:
        steps = 1 if cell else shape[0]
        return _of_sizes(config, steps=steps, batch=1, layout="unbatched")
    steps, batch = (1, shape[0]) if cell else shape[:2][:: -1 if _batch_first(config) else 1]
    return _of_sizes(config, steps=steps, batch=batch)


def _turned(config: Config, rows: int) -> str:
    """What to change where an array has as many rows as x has steps, and x may lie otherwise."""
    if config.record.single_step or config.layout == "unbatched" or rows != config.steps:
        return ""
    changed = "leave --batch-first out" if _batch_first(config) else "give --batch-first"
    return f"; if x has its {rows} rows on the other axis, {changed}"


def _batch_first(config: Config) -> bool:
    return config.layout == "batchfirst"


def _of_sizes(config: Config, **changes: Any) -> Config:
    try:
        return config.replace(**changes)
    except ConfigError as error:
        raise InputsError(str(error)) from error


def _require_all_states(config: Config, inputs: Inputs) -> None:
    names = [f"{state}_0" for state in config.cell.states]
    given = [name for name in names if name in inputs]
    if given and given != names:
        missing = next(name for name in names if name not in given)
        raise InputsError(
            f"{given[0]} {inputs[given[0]].shape} is given without {missing}; a layer "
            f"{config.layer} takes {' and '.join(names)}, or none"
        )


def _require_shape(config: Config, name: str, array: Array) -> None:
    expected = to_layout(config, name, np.empty(shape_of(config, name), np.bool_)).shape
    if array.shape != expected:
        turned = _turned(config, array.shape[-2]) if array.ndim == 3 else ""
        sizes = f"I = {config.input_size}, H = {config.hidden_size}, B = {config.batch}"
        raise InputsError(
            f"{name} has the shape {array.shape}, expected {expected} ({sizes}, T = "
            f"{config.steps}, {config.num_layers} layers, {config.directions} directions){turned}"
        )


def _require_dtype(config: Config, name: str, array: Array) -> None:
    dtype = NUMPY_DTYPES[config.dtype]
    if array.dtype != dtype:
        raise InputsError(
            f"{name} has dtype {array.dtype}, and the weights {dtype}; expected the same: "
            f"numpy.save(..., {name}.astype({str(dtype)!r}))"
        )


def _with_lengths(config: Config, inputs: Inputs) -> Config:
    states = f"{config.cell.states[0]}_0" in inputs
    lengths: Any = inputs.get("lengths")
    if lengths is None:
        return config.replace(states=states)
    if config.layout == "unbatched":
        raise InputsError("lengths are given, and x has no batch; no framework takes both")
    if lengths.shape != (config.batch,) or lengths.dtype.kind not in "iu":
        raise InputsError(
            f"lengths are of dtype {lengths.dtype} and shape {lengths.shape}, expected "
            f"{config.batch} integers, one for each row of x"
            + (_turned(config, lengths.shape[0]) if lengths.ndim == 1 else "")
        )
    wrong = (lengths < 0) | (lengths > config.steps)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputsError(
            f"lengths[{row}] is {int(lengths[row])}, expected 0 to {config.steps}, the steps of x"
        )
    kind = (
        "emptyrows"
        if (lengths == 0).any()
        else "fulllengths"
        if (lengths == config.steps).all()
        else "ragged"
    )
    return config.replace(states=states, lengths=kind)


def _time_first(config: Config, name: str, array: Array) -> Array:
    return array if name == "lengths" else from_layout(config, name, array)


def _require_finite(config: Config, name: str, array: Array, lengths: Any) -> None:
    if name == "lengths":
        return
    bad = ~np.isfinite(array)
    if name == "x" and lengths is not None:
        bad &= (np.arange(config.steps)[:, None] < lengths)[:, :, None]
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        axes = dict(
            zip(
                ("step", "row", "feature") if name == "x" else ("layer", "row", "unit"),
                at,
                strict=True,
            )
        )
        place = ", ".join(f"{axis} {number}" for axis, number in axes.items())
        raise InputsError(
            f"{name} at {place} is {float(array[at])}, and {int(bad.sum())} of its numbers are not "
            "finite; expected numbers (padding may hold anything)"
        )


def assumed(config: Config, options: Options, given: Iterable[str]) -> list[str]:
    """What was taken for granted, because neither weights nor options say it."""
    said = set(given)
    found = [
        f"{option.name} = {config.record.option(option.name).default} (--{option.name})"
        for option in config.record.options
        if not option.numbered and option.name not in {name for name, _ in options.own}
    ]
    if not config.record.single_step:
        if "batch_first" not in said and config.layout == "timefirst":
            found.append("batch_first = False (--batch-first)")
        if "dropout" not in said and config.num_layers > 1:
            found.append("dropout = 0 (--dropout)")
    return found
