"""results.jsonl as it grows: a header, a line for every result, and a last line once all is done.

The file is only ever appended to, so whatever ends a run leaves results that can be read; one
without its last line is of an unfinished run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from harness.folder import remove_reports
from harness.results import FORMAT_VERSION, End, Header, Result, ResultsError

try:
    import fcntl
except ImportError:  # not on Windows; there two runs in one directory are not noticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["Journal", "Recorded", "has_header", "locked", "read_run", "set_aside"]


def end_of(results: Sequence[Result]) -> End:
    """What the last line says after these."""
    return End(len(results), len({result.config_id for result in results}))


class Recorded(msgspec.Struct, frozen=True):
    """What a results file holds.

    Where the run was ended, its last config may lack lines: `whole` counts the results before it,
    and `size` the bytes.
    """

    header: dict[str, Any]
    results: list[Result]
    complete: bool
    whole: int
    size: int


def has_header(path: Path) -> bool:
    """Whether a run began to write there, and came as far as its first line."""
    return path.is_file() and b"\n" in path.read_bytes()


def set_aside(path: Path) -> None:
    """What a run wrote there is kept beside it, and its reports are removed. Raises OSError."""
    if has_header(path):
        path.replace(path.with_name("results.previous.jsonl"))
    remove_reports(path.parent)


def read_run(path: Path) -> Recorded:
    """Read a results file, also one whose run was ended at any moment; a torn last line is left.

    Raises:
        ResultsError: not such a file, another format version, a broken line, or lines missing
            before the last one.
        OSError: the file cannot be read.
    """
    first, *lines = path.read_bytes().split(b"\n")
    header = _header(path, first)
    decoder: msgspec.json.Decoder[Result | End] = msgspec.json.Decoder(Result | End)
    results: list[Result] = []
    end: End | None = None
    whole, size, offset = 0, len(first) + 1, len(first) + 1
    for number, line in enumerate(lines[:-1], start=2):  # the last is empty, or torn
        if end is not None:
            raise ResultsError(f"{path}: line {number} stands after the end of the run")
        try:
            record = decoder.decode(line)
        except (ValueError, RecursionError) as error:
            raise ResultsError(
                f"{path}: line {number}: {error}; expected a result as rnn-parity run writes it"
            ) from error
        if isinstance(record, End):
            end = record
        else:
            if not results or results[-1].config_id != record.config_id:
                whole, size = len(results), offset
            results.append(record)
        offset += len(line) + 1
    if end is not None and end != end_of(results):
        raise ResultsError(
            f"{path}: the last line counts {end}, the lines before it are {end_of(results)}; some "
            "were lost or added"
        )
    return Recorded(header, results, end is not None, whole, size)


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = msgspec.json.decode(line, type=dict)
        if header.get("kind") == "run" and header.get("format_version") == FORMAT_VERSION:
            msgspec.convert(header, Header)
            return header
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path}: line 1: {error}; expected the JSON object that rnn-parity run begins with"
        ) from error
    raise ResultsError(
        f"{path}: line 1 has kind {header.get('kind')!r} and format_version "
        f"{header.get('format_version')!r}, expected 'run' and {FORMAT_VERSION}"
    )


class Journal:
    """A results file that is being written; a context manager that closes it."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    @classmethod
    def begin(cls, path: Path, header: dict[str, Any]) -> Journal:
        """Begin a new file, and set an earlier run's aside. Raises OSError."""
        set_aside(path)
        journal = cls(path.open("wb", buffering=0))
        try:
            journal._write(header)
        except OSError:
            journal._file.close()
            raise
        return journal

    @classmethod
    def resume(cls, path: Path, recorded: Recorded) -> Journal:
        """Append to an unfinished run after its `whole` configs. Raises OSError.

        The reports of what it had by then are made anew at its end.
        """
        remove_reports(path.parent)
        os.truncate(path, recorded.size)
        return cls(path.open("ab", buffering=0))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, results: Sequence[Result]) -> None:
        """Write all results of one config, one after the other."""
        self._write(*results)

    def finish(self, results: Sequence[Result]) -> None:
        """Say that nothing is missing: these are all."""
        self._write(end_of(results))
        os.fsync(self._file.fileno())

    def _write(self, *records: dict[str, Any] | Result | End) -> None:
        """All of it, unbuffered: what a full disk does not take is not tried again at the end."""
        left = memoryview(msgspec.json.Encoder().encode_lines(records))
        while left:
            left = left[self._file.write(left) :]


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the directory `out`, and hold it for one run, from before its files are looked at.

    Raises:
        ResultsError: it cannot be made or written, or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise ResultsError(
            f"{out} cannot be made, or written ({error.strerror}); name another directory with "
            "--out"
        ) from error
    if fcntl is None:
        yield
        return
    directory = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ResultsError(
            f"{out} is being written by another run; wait for it, or choose another --out"
        ) from error
    finally:
        os.close(directory)
