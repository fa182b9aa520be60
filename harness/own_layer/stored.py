"""Arrays of a file of weights: a framework's own, safetensors, or NumPy's; data, never code.

Files of frameworks are read by the framework, in a process of its own that ends afterwards. Only
the parameters of recurrent layers are kept: a model may hold gigabytes of others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from harness.config import ConfigError
from harness.data import NUMPY_DTYPES
from harness.given import GivenError, open_given
from harness.own_layer.names import is_parameter
from harness.text import one_line
from reference.arrays import Array

__all__ = ["SUFFIXES", "StoredFile", "WeightsError", "framework_of", "read_arrays", "read_file"]

FRAMEWORKS = {".pt": "torch", ".pth": "torch", ".bin": "torch", ".ckpt": "mindspore"}
"""By suffix, who reads a file; a zip archive called .ckpt is torch's as well."""

WRITTEN_BY = {
    "torch": "torch.save(model.state_dict(), FILE)",
    "mindspore": "mindspore.save_checkpoint(model, FILE)",
}

SUFFIXES = (*FRAMEWORKS, ".safetensors", ".npz")

READING = 600.0
"""Seconds that a framework may take to be imported and to read a file."""


class WeightsError(ConfigError):
    """A file, or arrays in it, that no layer can be made of; says what would fit."""


@dataclass(frozen=True)
class StoredFile:
    """`arrays` are the parameters of recurrent layers by name; of the others their shapes."""

    path: Path
    arrays: Mapping[str, Array]
    others: Mapping[str, tuple[int, ...]]


class Read(msgspec.Struct, frozen=True):
    """What the reading process says: what went wrong, or what else there was."""

    error: str = ""
    others: dict[str, tuple[int, ...]] = {}


def framework_of(path: Path) -> str:
    """Whose file it is; empty where it is nobody's own."""
    if path.suffix == ".ckpt" and zipfile.is_zipfile(path):
        return "torch"
    return FRAMEWORKS.get(path.suffix, "")


def read_file(path: Path) -> StoredFile:
    """Raises WeightsError: unreadable, of an unknown kind, or no file of arrays."""
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: expected a file of weights, {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise WeightsError(f"{path}: expected a file of weights, and there is none")
    framework = framework_of(path)
    if framework:
        return _by_framework(framework, path)
    every = _by_safetensors(path) if path.suffix == ".safetensors" else read_arrays(path)
    return _sorted(path, every)


def read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of a .npz file. Raises WeightsError."""

    def read() -> Iterator[tuple[str, Array]]:
        with path.open("rb") as content:  # numpy leaves a damaged one open
            file = np.load(content, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array without a name")
            yield from ((name, file[name]) for name in file.files)

    return dict(_guarded(path, read, "a .npz file, as numpy.savez writes it"))


def _by_safetensors(path: Path) -> dict[str, Array]:
    def read() -> Iterator[tuple[str, Array]]:
        import safetensors

        with safetensors.safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                yield name, _own(file.get_tensor(name))

    return dict(_guarded(path, read, "a file as safetensors writes it"))


def _own(array: Array) -> Array:
    """Of bfloat16, NumPy has as many dtypes as there are packages that register one."""
    ours = NUMPY_DTYPES["bf16"]
    return array.view(ours) if str(array.dtype) == ours.name else array


def _guarded(
    path: Path, read: Callable[[], Iterator[tuple[str, Array]]], expected: str
) -> Iterator[tuple[str, Array]]:
    try:
        yield from read()
    except Exception as error:  # whatever a damaged file makes of its reader
        raise WeightsError(
            f"{path}: {type(error).__name__}: {one_line(str(error), 200)}; expected {expected}"
        ) from error


def _sorted(path: Path, every: Mapping[str, Array]) -> StoredFile:
    arrays = {name: array for name, array in every.items() if is_parameter(name)}
    others = {name: array.shape for name, array in every.items() if name not in arrays}
    return StoredFile(path, arrays, others)


def _by_framework(framework: str, path: Path) -> StoredFile:
    """Read in a process of its own, which hands over plain arrays in a folder."""
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        folder = Path(directory)
        command = [sys.executable, "-m", "harness.own_layer.reading"]
        given = [framework, str(path.absolute()), str(folder)]
        places = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            ended = subprocess.run(
                [*command, *given],
                env={**os.environ, "PYTHONPATH": places},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=READING,
                check=False,
            )
            read = msgspec.json.decode((folder / "read.json").read_bytes(), type=Read)
        except subprocess.TimeoutExpired as error:
            raise WeightsError(f"{path}: {framework} did not read it in {READING:g} s") from error
        except (OSError, ValueError) as error:
            words = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise WeightsError(
                f"{path}: the process that reads it with {framework} ended with exit status "
                f"{ended.returncode}: {one_line(' '.join(words), 200)}"
            ) from error
        if read.error:
            expected = f"expected what {WRITTEN_BY[framework]} writes"
            raise WeightsError(f"{path}: {read.error}; {expected}")
        try:
            kept = open_given(folder).weights
        except GivenError as error:
            raise WeightsError(f"{path}: {error}") from error
        return StoredFile(path, {name: array.copy() for name, array in kept.items()}, read.others)
