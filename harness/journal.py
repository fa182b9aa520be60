"""results.jsonl as it grows: complete up to the last config, whatever ends the run.

The last line of every config is marked, so that a file that was cut anywhere can be cut back to
whole configs and gone on with. The header says "underway" until the run is complete.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from harness.results import FORMAT_VERSION, Header, Result, ResultsError
from harness.text import LONGEST, shown, text_of

try:
    import fcntl
except ImportError:  # not on Windows; there two runs in one directory are not noticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["COMPLETE", "UNDERWAY", "Block", "Journal", "Recorded", "locked", "read_run"]

UNDERWAY, COMPLETE = "underway", "complete"
"""States of a run; equally long, so that one can be written over the other."""

Block = Sequence[Result]
"""All lines of one config, as they were judged together."""


class Recorded(msgspec.Struct, frozen=True):
    """What a results file holds: its header, whole configs, and what is left over behind them.

    `end` is the offset in bytes behind the last whole config; `torn` says whether anything stands
    there.
    """

    header: dict[str, Any]
    blocks: list[list[Result]]
    end: int
    torn: bool

    @property
    def complete(self) -> bool:
        planned = self.header.get("planned", 0)
        whole = not self.torn and len(self.blocks) >= planned
        return whole and self.header.get("state", COMPLETE) == COMPLETE

    @property
    def results(self) -> list[Result]:
        return [result for block in self.blocks for result in block]


def read_run(path: Path) -> Recorded:
    """Read a results file, also one whose run was ended at any moment.

    Raises:
        ResultsError: not such a file, another format version, or a line that is broken though
            whole lines stand behind it.
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    first, _, rest = content.partition(b"\n")
    header = _header(path, first)
    offset = end = len(first) + 1
    decoder = msgspec.json.Decoder(Result)
    blocks: list[list[Result]] = []
    block: list[Result] = []
    lines = rest.split(b"\n")
    unended = lines.pop()  # empty where the last line is whole
    for number, line in enumerate(lines, start=2):
        try:
            result = decoder.decode(line)
        except (ValueError, RecursionError) as error:
            raise ResultsError(
                f"{path}: line {number}: {text_of(error)}; expected a result as rnn-parity run "
                "writes it"
            ) from error
        offset += len(line) + 1
        block.append(result)
        if result.last:
            blocks.append(block)
            block, end = [], offset
    if block and "state" not in header:  # written before lines were marked
        blocks.append(block)
        block, end = [], offset
    return Recorded(header, blocks, min(end, len(content)), bool(block or unended))


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = msgspec.json.decode(line, type=dict)
        if header.get("kind") == "run" and header.get("format_version") == FORMAT_VERSION:
            _check_header(header)
            return header
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path}: line 1: {text_of(error)}; expected the JSON object that rnn-parity run "
            "begins with"
        ) from error
    raise ResultsError(
        f"{path}: line 1 has kind {shown(header.get('kind'))} and format_version "
        f"{shown(header.get('format_version'))}, expected 'run' and {FORMAT_VERSION}"
    )


def _check_header(header: dict[str, Any]) -> None:
    """Raise ValueError unless the reports can show it."""
    known = msgspec.convert(header, Header)
    texts = [
        known.platform,
        known.machine,
        known.cpu,
        known.date,
        *known.versions,
        *known.versions.values(),
    ]
    for text in texts:
        if not text.isprintable() or len(text) > LONGEST:
            raise ValueError(f"{shown(text)}, expected at most {LONGEST} printable characters")


class Journal:
    """A results file that is being written; a context manager that closes it."""

    def __init__(self, file: FileIO, header: dict[str, Any], blocks: Iterable[Block]) -> None:
        self.header = header
        self.recorded = list(blocks)
        self.count = len(self.recorded)
        self._file = file
        self._encode = msgspec.json.Encoder().encode

    @classmethod
    def begin(cls, path: Path, header: dict[str, Any]) -> Journal:
        """Begin a new file; one that stands there is kept beside it. Raises OSError."""
        if path.is_file() and path.stat().st_size:
            path.replace(path.with_name("results.previous.jsonl"))
        journal = cls(path.open("wb", buffering=0), {**header, "state": UNDERWAY}, ())
        try:
            journal._write(journal._encode(journal.header) + b"\n")
        except OSError:
            journal._file.close()
            raise
        return journal

    @classmethod
    def resume(cls, path: Path, recorded: Recorded) -> Journal:
        """Go on behind the last whole config; what is torn is cut off.

        Raises:
            ResultsError: its header cannot be written over.
            OSError: it cannot be written.
        """
        file = path.open("r+b", buffering=0)
        journal = cls(file, recorded.header, recorded.blocks)
        line = journal._encode(recorded.header) + b"\n"
        if "state" not in recorded.header or file.read(len(line)) != line:
            file.close()
            raise ResultsError(f"{path}: line 1 is not as rnn-parity run writes it; begin anew")
        file.truncate(recorded.end)
        file.seek(0, os.SEEK_END)
        journal._mark(UNDERWAY)
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, results: Sequence[Result]) -> list[Result]:
        """Write the results of one config, the last one marked; returns them so."""
        lines = [*results[:-1], *(msgspec.structs.replace(r, last=True) for r in results[-1:])]
        self._write(b"".join(self._encode(line) + b"\n" for line in lines))
        self.count += bool(lines)
        return lines

    def finish(self) -> None:
        """Say that nothing is missing."""
        os.fsync(self._file.fileno())
        self._mark(COMPLETE)

    def _write(self, content: bytes) -> None:
        """All of it, unbuffered: what a full disk does not take is not tried again at the end."""
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]

    def _mark(self, state: str) -> None:
        """Write the state over the other one, in place."""
        old = self._encode({"state": self.header["state"]})[1:-1]
        line = self._encode(self.header)
        where = line.index(old)
        os.pwrite(self._file.fileno(), self._encode({"state": state})[1:-1], where)
        self.header = {**self.header, "state": state}


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the directory `out`, and hold it for one run, from before its files are looked at.

    Raises:
        ResultsError: it cannot be made, or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"{out} cannot be made ({error.strerror}); name another directory with --out"
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
