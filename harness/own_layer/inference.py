"""Which layer it is that has these parameters: kind, sizes, layers, directions, biases, dtype.

All of it follows from names and shapes. Whatever contradicts itself is said with the names and
shapes that would fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.config import Config, ConfigError
from harness.data import NUMPY_DTYPES
from harness.given import UNNAMED
from harness.layers import LAYERS
from harness.own_layer.names import Name, grouped
from harness.own_layer.stored import StoredFile, WeightsError
from reference.arrays import Array

__all__ = ["Layer", "found_layer", "infer", "listed"]


@dataclass(frozen=True)
class Layer:
    """A recurrent layer of a file; `weights` by torch's names, as a config has them."""

    prefix: str
    config: Config
    weights: Mapping[str, Array]

    @property
    def description(self) -> str:
        config = self.config
        own = [f"{n} {v}" for n, v in config.specific if v != config.record.option(n).default]
        parts = [
            f"{config.record.title}({config.input_size}, {config.hidden_size})",
            f"{config.num_layers} layers" if config.num_layers > 1 else "",
            "bidirectional" if config.bidirectional else "",
            *own,
            "" if config.bias else "no biases",
            config.dtype,
        ]
        return ", ".join(filter(None, parts))


def found_layer(stored: StoredFile, prefix: str | None) -> Layer:
    """The layer of that prefix; the only one there is, if none is named.

    Raises:
        WeightsError: there is none, or there are several, or it cannot be.
    """
    layers = grouped(stored.arrays)
    if not layers:
        raise WeightsError(
            f"{stored.path}: no recurrent layer in it; {_content(stored)}; expected names that end "
            "like weight_ih_l0 and weight_hh_l0, or like a cell's weight_ih and weight_hh"
        )
    if prefix is None:
        if len(layers) > 1:
            raise WeightsError(
                f"{stored.path}: {len(layers)} recurrent layers, expected one, or --prefix with "
                f"one of: {'; '.join(listed(stored))}"
            )
        (prefix,) = layers
    wanted = prefix if prefix in layers or not prefix else f"{prefix.rstrip('.')}."
    if wanted not in layers:
        raise WeightsError(
            f"{stored.path}: --prefix {prefix!r}, expected one of: {'; '.join(listed(stored))}"
        )
    names = layers[wanted]
    return infer(wanted, {name: stored.arrays[name] for name in names}, names, f"{stored.path}: ")


def listed(stored: StoredFile) -> Iterator[str]:
    """Every recurrent layer of a file in a few words, by prefix."""
    for prefix, names in grouped(stored.arrays).items():
        arrays = {name: stored.arrays[name] for name in names}
        try:
            said = infer(prefix, arrays, names).description
        except WeightsError as error:
            said = f"cannot be: {error}"
        yield f"{prefix!r} {said}"


def _content(stored: StoredFile) -> str:
    if not stored.others:
        return "it holds no arrays"
    few = [f"{name} {shape}" for name, shape in list(stored.others.items())[:3]]
    count = len(stored.others)
    return f"it holds {count} {'array' if count == 1 else 'arrays'}, such as {', '.join(few)}"


def infer(
    prefix: str, arrays: Mapping[str, Array], names: Mapping[str, Name], where: str = ""
) -> Layer:
    """The layer whose parameters these are.

    Raises:
        WeightsError: no layer has these names, shapes and dtypes, or they hold no numbers.
    """
    try:
        of_cell = _is_cell(names)
        torch_names = {_torch_name(part): array for (_, part), array in _paired(names, arrays)}
        dtype = _dtype_of(torch_names)
        stack = _Stack.of(names, of_cell)
        config = _config(torch_names, stack, dtype)
        expected = config.parameter_shapes()
        _require_finite(torch_names)
    except WeightsError as error:
        raise WeightsError(f"{where}{prefix or 'the layer'}: {error}") from None
    return Layer(prefix, config, {name: torch_names[name] for name in expected})


def _paired(
    names: Mapping[str, Name], arrays: Mapping[str, Array]
) -> Iterator[tuple[tuple[str, Name], Array]]:
    return (((name, part), arrays[name]) for name, part in names.items())


def _torch_name(part: Name) -> str:
    """As configs call it: parameters of a cell as those of a first layer."""
    return f"{part.parameter}_l{part.layer or 0}{'_reverse' * part.reverse}"


def _is_cell(names: Mapping[str, Name]) -> bool:
    of_cells = [name for name, part in names.items() if part.layer is None]
    others = [name for name, part in names.items() if part.layer is not None]
    if of_cells and others:
        raise WeightsError(
            f"{of_cells[0]} is a name of cells, {others[0]} one of stacks; expected one kind"
        )
    return bool(of_cells)


def _dtype_of(arrays: Mapping[str, Array]) -> str:
    found = {name: _dtype_word(array) for name, array in arrays.items()}
    for name, word in found.items():
        if word is None:
            raise WeightsError(
                f"{name} has dtype {arrays[name].dtype}, expected float16, bfloat16, float32 or "
                "float64"
            )
    first = "weight_ih_l0" if "weight_ih_l0" in found else next(iter(found))
    for name in found:
        if found[name] != found[first]:
            raise WeightsError(
                f"{name} has dtype {arrays[name].dtype}, and {first} {arrays[first].dtype}; "
                "expected one dtype"
            )
    return str(found[first])


def _dtype_word(array: Array) -> str | None:
    return next((word for word, dtype in NUMPY_DTYPES.items() if array.dtype == dtype), None)


@dataclass(frozen=True)
class _Stack:
    """What the names alone say."""

    layers: int
    directions: int
    single_step: bool

    @classmethod
    def of(cls, names: Mapping[str, Name], single_step: bool) -> _Stack:
        layers = sorted({part.layer or 0 for part in names.values()})
        if layers != list(range(len(layers))):
            missing = next(n for n in range(len(layers) + 1) if n not in layers)
            raise WeightsError(
                f"parameters of layers {_few(layers)}, and none of layer {missing}: expected "
                f"weight_ih_l{missing} and its others"
            )
        both = any(part.reverse for part in names.values())
        return cls(len(layers), 2 if both else 1, single_step)


def _few(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")


def _config(arrays: Mapping[str, Array], stack: _Stack, dtype: str) -> Config:
    """The config whose parameters have exactly these names and shapes."""
    _require_axes(arrays)
    bias = any(name.startswith("bias") for name in arrays)
    common: dict[str, Any] = {
        "num_layers": stack.layers,
        "bidirectional": stack.directions == 2,
        "bias": bias,
        "dtype": dtype,
        "data": "plain",
        "arrays": UNNAMED,
    }
    rows, inputs = arrays["weight_ih_l0"].shape
    columns = arrays["weight_hh_l0"].shape[1]
    projection = arrays.get("weight_hr_l0")
    hidden = columns if projection is None else projection.shape[1]
    of_gates = dict(_candidates(stack))
    gates, left = divmod(rows, hidden)
    if left or gates not in {len(config.cell.gates) for config in of_gates.values()}:
        known = ", ".join(f"{len(c.cell.gates)} for {name}" for name, c in of_gates.items())
        raise WeightsError(
            f"weight_ih_l0 has the shape {(rows, inputs)} and weight_hh_l0 "
            f"{arrays['weight_hh_l0'].shape}: {rows} rows are {rows / hidden:.4g} times the "
            f"{hidden} units, expected {known}"
        )
    layer, plain = next((n, c) for n, c in of_gates.items() if len(c.cell.gates) == gates)
    own: dict[str, Any] = {}
    if projection is not None:
        numbered = next((o.name for o in plain.record.options if o.numbered), None)
        if numbered is None:
            raise WeightsError(f"weight_hr_l0: a layer {layer} has no projection")
        own = {numbered: int(projection.shape[0])}
    try:
        config = Config.of(layer, input_size=inputs, hidden_size=hidden, **common, **own)
    except ConfigError as error:
        raise WeightsError(str(error)) from error
    _require(arrays, config)
    return config


def _candidates(stack: _Stack) -> Iterator[tuple[str, Config]]:
    """Of every layer that may have such names, the plainest config."""
    for name, record in LAYERS.items():
        if record.single_step == stack.single_step:
            yield name, Config.of(name)


def _require_axes(arrays: Mapping[str, Array]) -> None:
    for name in ("weight_ih_l0", "weight_hh_l0"):
        if name not in arrays:
            raise WeightsError(f"{name} is missing; there are {', '.join(arrays)}")
    for name, array in arrays.items():
        axes = 1 if name.startswith("bias") else 2
        if array.ndim != axes or not array.size:
            raise WeightsError(
                f"{name} has the shape {array.shape}, expected {axes} axes, none of length 0"
            )


def _require(arrays: Mapping[str, Array], config: Config) -> None:
    """Names and shapes are those of the config."""
    expected = config.parameter_shapes()
    words = f"a layer {config.layer} of {config.hidden_size} units"
    if config.num_layers > 1:
        words += f" and {config.num_layers} layers"
    words += ", bidirectional" * config.bidirectional + ", with biases" * config.bias
    for name, shape in expected.items():
        if name not in arrays:
            raise WeightsError(f"{name} is missing, expected {shape} of {words}")
    for name, array in arrays.items():
        if name not in expected:
            raise WeightsError(f"{name} {array.shape} is no parameter of {words}")
        if array.shape != expected[name]:
            raise WeightsError(
                f"{name} has the shape {array.shape}, expected {expected[name]} of {words}"
            )


def _require_finite(arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        bad = ~np.isfinite(array.astype(np.float64) if array.dtype.kind == "V" else array)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            raise WeightsError(
                f"{name}{list(place)} is {float(array[place])}, and {int(bad.sum())} of its "
                f"{array.size} numbers are not finite; expected finite weights"
            )
