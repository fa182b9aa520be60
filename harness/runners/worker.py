"""The far end: a worker process that holds one backend and answers one request after the other.

Everything a backend does here, ends here: what it prints goes to a file, what it raises becomes an
answer, what it forks is ended, and the memory and file size that it may take are limited by the
operating system.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from harness.backends import BackendUnavailable, load_backend
from harness.backends.protocol import Backend, FullBackend, offers
from harness.case import make_case
from harness.config import Config
from harness.given import found_in
from harness.limits import Limits
from harness.logs import kept, listening, noted
from harness.observe import Observation, described, observe, observe_round_trip
from harness.runners.cores import on_one_core
from harness.runners.protocol import about, arrays_of
from harness.runners.wire import (
    PROTOCOL,
    Examine,
    Failed,
    Loaded,
    Request,
    RoundTrip,
    WireError,
    pack,
    unpack_request,
)

__all__ = ["serve"]

LARGEST_FILE = 2**28
"""Bytes that any file, the log among them, may grow to."""

PR_SET_PDEATHSIG = 1


def serve(channel: Any) -> None:
    """Load the backend that is asked for, then observe one config after the other."""
    channel.send(PROTOCOL)
    key, log, mebibytes, path, log_kept = channel.receive()
    sys.path += [entry for entry in path if entry not in sys.path]
    # As many threads as ever, but those that wait for work leave the cores to other workers.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _alone(log)
    with open(log, "a", buffering=1) as words, listening(words):
        faulthandler.enable(words)
        backend = _load(key, channel)
        if backend is None:
            return
        _limit_memory(mebibytes)
        _keep(log, log_kept, words, "when it was loaded")
        for number, content in channel:
            with on_one_core() if _single_core(backend, content) else contextlib.nullcontext():
                answer = _answer(backend, content, mebibytes, arrays_of(Path(log)))
            # Kept now: last words are those of one request.
            _keep(log, log_kept, words, _title(content))
            channel.send((number, answer))


def _keep(log: str, log_kept: str, words: TextIO, title: str) -> None:
    """What was printed up to here goes to the user's log, if there is one, and begins anew."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a backend may have closed or replaced it
            stream.flush()
    if log_kept:
        kept(Path(log), Path(log_kept), title)
    os.ftruncate(words.fileno(), 0)


def _single_core(backend: Backend, content: bytes) -> bool:
    """What the backend says of the config; whatever it raises, it is asked on all cores."""
    if not offers(backend, "single_core"):
        return False
    with contextlib.suppress(Exception):
        config = Config.parse(unpack_request(content).config_id)
        return cast(FullBackend, backend).single_core(config) is True
    return False


def _title(content: bytes) -> str:
    try:
        return unpack_request(content).config_id
    except WireError:
        return "?"


def _alone(log: str) -> None:
    """A session of its own, so that Ctrl-C is for the harness; no output but into the log."""
    os.setsid()
    if sys.platform == "linux":  # do not outlive the harness, even if it is killed
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)
    for kind, limit in ((resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_CORE, 0)):
        _limit(kind, limit)


def _limit(kind: int, limit: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # a lower limit is in force already
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


@contextlib.contextmanager
def _files_of_any_size() -> Iterator[None]:
    """While the worker itself writes, after the backend has answered."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    _limit(resource.RLIMIT_FSIZE, most)
    try:
        yield
    finally:
        _limit(resource.RLIMIT_FSIZE, before)


def _load(key: str, channel: Any) -> Backend | None:
    try:
        backend = load_backend(key)
        channel.send((0, pack(Loaded(about(backend)))))
    except BackendUnavailable as error:
        if error.__cause__ is not None:
            noted(error.__cause__, f"loading {key}")
        channel.send((0, pack(Failed(str(error)))))
        return None
    except BaseException as error:  # whatever a backend raises is reported
        noted(error, f"loading {key}")
        channel.send((0, pack(Failed(f"backend {key!r} cannot be loaded: {described(error)}"))))
        return None
    return backend


def _limit_memory(mebibytes: int) -> None:
    """As much again as asked for, beyond what the loaded backend holds already.

    The limit is on private writable memory (RLIMIT_DATA): address space that is only reserved,
    as frameworks do in plenty, does not count.
    """
    held = 0
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmData:"):
                held = 1024 * int(line.split()[1])
    limit = held + mebibytes * 2**20
    if mebibytes > Limits().mebibytes:  # large layers have large checkpoints
        _limit(resource.RLIMIT_FSIZE, mebibytes * 2**20)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _answer(backend: Backend, content: bytes, mebibytes: int, arrays: Path) -> bytes:
    process = os.getpid()
    name = backend.name
    try:
        answer = _asked(backend, unpack_request(content))()
    except MemoryError:
        answer = Observation(
            name, trouble=f"out of memory: more than {mebibytes} MiB asked for (--memory-limit)"
        )
    except BaseException as error:  # KeyboardInterrupt too, if a backend raises it
        noted(error, name)
        answer = Observation(name, trouble=described(error))
    if os.getpid() != process:
        os._exit(0)  # a child that the backend forked, and that came back here
    try:
        with _files_of_any_size():
            return pack(answer, arrays)
    except WireError as error:
        return pack(Observation(name, trouble=f"what it returned cannot be looked at: {error}"))


def _asked(backend: Backend, request: Request) -> Callable[[], Observation]:
    if isinstance(request, Examine):
        return lambda: observe(backend, request.case, repeat=request.repeat)
    config = Config.parse(request.config_id)
    found_in(config, request.given)
    case = make_case(config)
    if isinstance(request, RoundTrip):
        return lambda: observe_round_trip(backend, case, request.weights)
    return lambda: observe(backend, case, repeat=request.repeat)
