"""Arrays that a user gives: kept in a folder, found again by their digest.

A config names them by that digest (`Config.arrays`), and says nothing else of them; whoever makes
its case must have opened their folder before. Arrays are mapped from their files, not read: those
that are not looked at take no memory.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.axes import shape_of
from harness.config import Config, ConfigError
from harness.data import NUMPY_DTYPES
from harness.tokens import LETTERS
from reference.arrays import Array

__all__ = [
    "Given",
    "GivenError",
    "folder_of",
    "found_in",
    "given_arrays",
    "open_given",
    "save_given",
]

INDEX = "arrays.json"

BF16 = "bfloat16"

UNNAMED = 16 * LETTERS[0]
"""Stands in a config for arrays that are not kept yet: it may be as large as given ones."""

_FILE = re.compile("[A-Za-z0-9_]{1,80}")
"""What names of files are made of: an array's name may come from anywhere."""


class GivenError(ConfigError):
    """Arrays that cannot be read, or are not those that a config names."""


@dataclass(frozen=True, eq=False)
class Given:
    """Arrays by name: `weights` by torch's names, `inputs` (x, h_0, lengths, ...) time first."""

    digest: str
    folder: Path
    weights: Mapping[str, Array]
    inputs: Mapping[str, Array]


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One array of a folder: of which kind, its dtype and shape, its file without .npy."""

    kind: str
    dtype: str
    shape: tuple[int, ...]
    file: str


_OPENED: dict[str, Given] = {}


def save_given(folder: Path, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> Given:
    """Write arrays into a folder, in place of those there, and open it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_given(folder)
    index: dict[str, _Stored] = {}
    for kind, arrays in (("weights", weights), ("inputs", inputs)):
        for name, array in arrays.items():
            file = name if _FILE.fullmatch(name) else f"array{len(index)}"
            np.save(folder / f"{file}.npy", _plain(array), allow_pickle=False)
            index[name] = _Stored(kind, _dtype_name(array), array.shape, file)
    (folder / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index)))
    return open_given(folder)


def remove_given(folder: Path) -> None:
    """Remove what `save_given` wrote there; whoever has mapped the arrays keeps them."""
    try:
        index = msgspec.json.decode((folder / INDEX).read_bytes(), type=dict[str, _Stored])
    except (OSError, ValueError):
        return
    for stored in index.values():
        if _FILE.fullmatch(stored.file):
            (folder / f"{stored.file}.npy").unlink(missing_ok=True)
    (folder / INDEX).unlink()


def open_given(folder: Path) -> Given:
    """Arrays of a folder; from now on configs may name them.

    Raises:
        GivenError: what is there is not what `save_given` wrote.
    """
    index_file = folder / INDEX
    try:
        index = msgspec.json.decode(index_file.read_bytes(), type=dict[str, _Stored])
    except OSError as error:
        raise GivenError(f"{index_file}: {error.strerror}, expected saved arrays there") from error
    except ValueError as error:
        raise GivenError(f"{index_file}: {error}") from error
    arrays = {name: _opened(folder, name, stored) for name, stored in index.items()}
    parts = {
        kind: {name: array for name, array in arrays.items() if index[name].kind == kind}
        for kind in ("weights", "inputs")
    }
    given = Given(_digest(parts), folder, parts["weights"], parts["inputs"])
    _OPENED[given.digest] = given
    return given


def given_arrays(config: Config) -> Given:
    """The arrays that a config names.

    Raises:
        GivenError: no folder of them was opened, or they are of other shapes or dtype.
    """
    given = _OPENED.get(config.arrays)
    if given is None:
        raise GivenError(
            f"{config.id} is about arrays of a user's, {config.arrays}, and they are not here; "
            f"name the folder that judge wrote: rnn-parity replay {config.id} --arrays OUT/arrays"
        )
    expected = config.parameter_shapes()
    if {name: array.shape for name, array in given.weights.items()} != expected:
        raise GivenError(f"{config.id}: the given weights are those of another layer")
    for name, array in given.inputs.items():
        if array.shape != shape_of(config, name):
            raise GivenError(
                f"{config.id}: {name} has the shape {array.shape}, expected "
                f"{shape_of(config, name)}"
            )
    return given


def found_in(config: Config, folder: str) -> None:
    """Open the folder of the arrays that a config names, unless they are known."""
    if config.arrays and config.arrays not in _OPENED and folder:
        open_given(Path(folder))


def folder_of(config: Config) -> str:
    """Where the arrays are that a config names; empty where it names none."""
    given = _OPENED.get(config.arrays)
    return "" if given is None else str(given.folder.absolute())


def _opened(folder: Path, name: str, stored: _Stored) -> Array:
    if _FILE.fullmatch(stored.file) is None:
        raise GivenError(f"{folder / INDEX}: {name} has the file {stored.file!r}")
    path = folder / f"{stored.file}.npy"
    try:
        found: Any = np.load(path, mmap_mode="r" if math.prod(stored.shape) else None)
    except (OSError, ValueError, EOFError) as error:
        raise GivenError(f"{path}: {error}") from error
    array: Array = found.view(np.ndarray)
    if stored.dtype == BF16:
        array = array.view(NUMPY_DTYPES["bf16"])
    if (_dtype_name(array), array.shape) != (stored.dtype, stored.shape):
        raise GivenError(f"{path}: {array.dtype}, {array.shape}, expected {stored}")
    return array


def _dtype_name(array: Array) -> str:
    return BF16 if array.dtype == NUMPY_DTYPES["bf16"] else array.dtype.str


def _plain(array: Array) -> Array:
    """As a file can hold it: of bfloat16 the bits."""
    plain: Array = array.view(np.uint16) if array.dtype == NUMPY_DTYPES["bf16"] else array
    return np.ascontiguousarray(plain)


def _digest(parts: Mapping[str, Mapping[str, Array]]) -> str:
    """Of kinds, names, dtypes, shapes and numbers: 64 bits, as 16 letters."""
    whole = hashlib.sha256()
    for kind, arrays in parts.items():
        for name, array in sorted(arrays.items()):
            whole.update(f"{kind} {name} {_dtype_name(array)} {array.shape}\n".encode())
            whole.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    digits = whole.hexdigest()[:16]
    return "".join(LETTERS[int(digit, 16)] for digit in digits)
