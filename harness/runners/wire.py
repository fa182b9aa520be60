"""What goes between the harness and a worker, as MessagePack: data, never code.

Arrays travel as (dtype, shape, bytes) and only as plain numbers. Whatever is read is checked
against the types that are expected.
"""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.case import Case
from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.given import folder_of
from harness.observe import Observation
from harness.observe.arrays import NUMBERS
from harness.runners.protocol import About
from reference.arrays import Array

__all__ = [
    "PROTOCOL",
    "Answer",
    "Examine",
    "Failed",
    "Loaded",
    "Observe",
    "Request",
    "RoundTrip",
    "WireError",
    "pack",
    "unpack_answer",
    "unpack_request",
]

PROTOCOL = 3
"""The version of these messages, sent by a worker before any other; it rises when they change."""

ARRAY, FILED = 1, 2
"""MessagePack's extension types of arrays: in the message, and in a file beside it."""

LARGE = 2**24
"""Bytes of an array from which on it goes into a file, where both ends have a folder for them."""

FILE = re.compile("[0-9]{1,9}")

BFLOAT16 = "bfloat16"


class WireError(ValueError):
    """Something came that is not what was expected; says what."""


class Observe(msgspec.Struct, frozen=True, tag=True):
    """Ask for `observe` of a config; `given` is the folder of arrays that it names."""

    config_id: str
    repeat: bool
    given: str = ""

    @classmethod
    def of(cls, config: Config, repeat: bool) -> Observe:
        return cls(config.id, repeat, folder_of(config))


class RoundTrip(msgspec.Struct, frozen=True, tag=True):
    """Ask for `observe_round_trip` of a config with these weights."""

    config_id: str
    weights: dict[str, Array]
    given: str = ""


class Examine(msgspec.Struct, frozen=True, tag=True):
    """Ask for `observe` of a case with arrays of its own; the fields are those of `Case`."""

    config_id: str
    repeat: bool
    weights: dict[str, Array]
    inputs: dict[str, Array]
    given_cotangents: dict[str, Array]
    second_x: Array | None

    @classmethod
    def of(cls, case: Case, repeat: bool) -> Examine:
        return cls(
            case.config.id,
            repeat,
            dict(case.weights),
            dict(case.inputs),
            dict(case.given_cotangents),
            case.second_x,
        )

    @property
    def case(self) -> Case:
        return Case(
            Config.parse(self.config_id),
            self.weights,
            self.inputs,
            self.given_cotangents,
            self.second_x,
        )


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The backend is there."""

    about: About


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The backend cannot be used; the message says what to do."""

    message: str


Request = Observe | RoundTrip | Examine
Answer = Loaded | Failed | Observation


def pack(message: Any, folder: Path | None = None) -> bytes:
    """Encode a record; its large arrays go into files of the folder, if there is one.

    Raises:
        WireError: arrays of anything but numbers, or no room for files.
    """
    try:
        return msgspec.msgpack.encode(message, enc_hook=functools.partial(_packed, folder))
    except WireError:
        raise
    except OSError as error:
        raise WireError(f"{folder}: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError) as error:  # such as a lone surrogate in a text
        raise WireError(str(error)) from error


def unpack_request(content: bytes) -> Request:
    """Raises WireError."""
    request: Request = _decoded(_REQUESTS, content)
    return request


def unpack_answer(content: bytes, folder: Path | None = None) -> Answer:
    """Arrays in files of the folder are mapped, and their names removed. Raises WireError."""
    decoder = _ANSWERS
    if folder is not None:
        decoder = msgspec.msgpack.Decoder(
            Answer, dec_hook=_typed, ext_hook=functools.partial(_unpacked, folder)
        )
    answer: Answer = _decoded(decoder, content)
    return answer


def _packed(folder: Path | None, value: Any) -> msgspec.msgpack.Ext:
    if not isinstance(value, np.ndarray):
        raise WireError(f"a {type(value).__name__} cannot be sent")
    name = BFLOAT16 if value.dtype == NUMPY_DTYPES["bf16"] else value.dtype.str
    if name != BFLOAT16 and name not in NUMBERS:
        raise WireError(f"an array of dtype {value.dtype} cannot be sent")
    if folder is not None and value.nbytes >= LARGE:
        return msgspec.msgpack.Ext(FILED, msgspec.msgpack.encode(_filed(folder, name, value)))
    content = (name, value.shape, np.ascontiguousarray(value).tobytes())
    return msgspec.msgpack.Ext(ARRAY, msgspec.msgpack.encode(content))


def _filed(folder: Path, name: str, value: Array) -> tuple[str, tuple[int, ...], str]:
    """Write an array into a new file of the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = str(next(_FILES))
    with (folder / file).open("xb") as out:
        np.ascontiguousarray(value).view(np.uint8).tofile(out)
    return name, value.shape, file


def _mapped(folder: Path, content: memoryview) -> Array:
    name, shape, file = _IN_FILES.decode(content)
    if (name != BFLOAT16 and name not in NUMBERS) or FILE.fullmatch(file) is None:
        raise WireError(f"an array of dtype {name!r} in a file {file!r}, expected numbers")
    dtype = NUMPY_DTYPES["bf16"] if name == BFLOAT16 else NUMBERS[name]
    path = folder / file
    try:
        array: Array = np.memmap(path, np.uint8, "c").view(np.ndarray).view(dtype).reshape(shape)
        path.unlink()  # what is mapped lives on
    except (OSError, ValueError) as error:
        raise WireError(f"an array of shape {shape} in {path}: {error}") from error
    return array


def _unpacked(folder: Path | None, code: int, content: memoryview) -> Array:
    if code == FILED and folder is not None:
        return _mapped(folder, content)
    if code != ARRAY:
        raise WireError(f"extension type {code}, expected {ARRAY}")
    name, shape, numbers = _TRIPLES.decode(content)
    if name != BFLOAT16 and name not in NUMBERS:
        raise WireError(f"an array of dtype {name!r}, expected numbers")
    array: Array = np.frombuffer(
        numbers, NUMPY_DTYPES["bf16"] if name == BFLOAT16 else NUMBERS[name]
    )
    return array.reshape(shape).copy()


def _typed(kind: Any, value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise WireError(f"a {type(value).__name__}, expected an array")
    return value


def _decoded(decoder: msgspec.msgpack.Decoder[Any], content: bytes) -> Any:
    try:
        return decoder.decode(content)
    except (ValueError, OverflowError, RecursionError) as error:
        raise WireError(str(error)) from error


_FILES = itertools.count()
_IN_FILES = msgspec.msgpack.Decoder(tuple[str, tuple[int, ...], str])
_TRIPLES = msgspec.msgpack.Decoder(tuple[str, tuple[int, ...], bytes])
_REQUESTS = msgspec.msgpack.Decoder(
    Request, dec_hook=_typed, ext_hook=functools.partial(_unpacked, None)
)
_ANSWERS: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    Answer, dec_hook=_typed, ext_hook=functools.partial(_unpacked, None)
)
