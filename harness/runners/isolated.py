"""The near end: a backend in a worker process, which may crash or hang without harm.

A worker that ends, or does not answer in time, costs the config it was at: the answer says what is
known (signal, last words), and the next config gets a new worker. Only a worker that was killed by
SIGKILL, which no program does to itself, is asked the same once more: somebody killed it, or the
system did for want of memory. Requests are numbered, and an answer has the number of its request:
whatever happened on the way, none is taken for that to another config.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import execnet

from harness import __version__
from harness.backends.protocol import BackendUnavailable
from harness.case import Case
from harness.causes import Cause
from harness.config import Config
from harness.given import folder_of
from harness.limits import Limits
from harness.logs import kept
from harness.observe import CallOutcome, Observation
from harness.runners.protocol import AHEAD, About, arrays_of
from harness.runners.wire import (
    PROTOCOL,
    Answer,
    Examine,
    Failed,
    Loaded,
    Observe,
    Request,
    RoundTrip,
    WireError,
    pack,
    unpack_answer,
)
from harness.text import one_line
from reference.arrays import Array

__all__ = ["Isolated"]

LOADING = 300.0
"""Seconds that a backend may take to be imported."""

RETRIES = 3
"""How often loading is begun again after a SIGKILL."""

POLL = 0.5
"""Seconds between looks at whether a silent worker still lives."""


@dataclass(frozen=True)
class _Ended:
    """Why there is no answer: `how` is crashed or hung; whether a SIGKILL was the end of it."""

    how: Cause
    what: str
    killed: bool = False


class Isolated:
    """A backend, by its reference, in a worker process; loading starts at once.

    Args:
        key: as `harness.backends.load_backend` takes it.
        log: where to keep what it prints, and the tracebacks of what it raises.
        spec: where the worker runs, as execnet's gateway specification; another interpreter is
            "popen//python=...".
    """

    def __init__(
        self,
        key: str,
        limits: Limits | None = None,
        *,
        spec: str = "popen",
        log: Path | None = None,
    ) -> None:
        self.key, self.limits, self.spec = key, limits or Limits(), spec
        self.log = None if log is None else log.absolute()
        self._about: About | None = None
        self._asked: deque[tuple[int, Request]] = deque()
        self._numbers = itertools.count(1)
        self._answers: dict[tuple[str, bool], Observation] = {}
        self._turn = threading.RLock()
        self._worker: _Worker | None = self._started()
        self._successor: _Worker | None = None

    @property
    def about(self) -> About:
        with self._turn:
            if self._about is None:
                self._ready()
        assert self._about is not None
        return self._about

    def begin(self, config: Config, *, repeat: bool) -> None:
        request = Observe.of(config, repeat)
        with self._turn:
            if (config.id, repeat) in self._answers:  # it came while something else was waited for
                return
            if len(self._asked) < AHEAD and not any(one == request for _, one in self._asked):
                self._add(request)

    def observe(self, config: Config, *, repeat: bool) -> Observation:
        return self._ask(Observe.of(config, repeat))

    def examine(self, case: Case, *, repeat: bool) -> Observation:
        return self._ask(Examine.of(case, repeat))

    def round_trip(self, config: Config, weights: Mapping[str, Array]) -> Observation:
        return self._ask(RoundTrip(config.id, dict(weights), folder_of(config)))

    def close(self) -> None:
        with self._turn:
            self._replace()
            self._replace()  # its successor, too
            self._asked.clear()
            self._answers.clear()

    def _ask(self, wanted: Request) -> Observation:
        with self._turn:
            return self._answer_to(wanted)

    def _answer_to(self, wanted: Request) -> Observation:
        if isinstance(wanted, Observe):
            ready = self._answers.pop((wanted.config_id, wanted.repeat), None)
            if ready is not None:
                return ready
        if not any(_same(request, wanted) for _, request in self._asked):
            self._add(wanted)
        while True:
            _, request = self._asked[0]
            observation = self._next()
            if _same(request, wanted):
                return observation
            if isinstance(request, Observe):
                self._answers[request.config_id, request.repeat] = observation

    def _add(self, request: Request) -> None:
        self._asked.append((next(self._numbers), request))
        self._sent()

    def _sent(self) -> _Worker:
        """The worker with all that it takes; its successor loads while it works on the last."""
        worker = self._ready()
        assert self._about is not None
        worker.send(self._asked, self._about.max_requests)
        if worker.full and self._successor is None:
            self._successor = self._started()
        return worker

    def _started(self) -> _Worker:
        return _Worker(self.key, self.limits, self.spec, self.log)

    def _ready(self) -> _Worker:
        """The running worker, or a new one; its backend loaded."""
        if self._worker is None:
            self._worker = self._started()
        if self._worker.loaded:
            return self._worker
        answer = self._worker.receive(LOADING, 0)
        for _ in range(RETRIES):
            if not (isinstance(answer, _Ended) and answer.killed):
                break
            self._worker.close()
            self._worker = self._started()
            answer = self._worker.receive(LOADING, 0)
        if isinstance(answer, Loaded):
            self._worker.loaded = True
            self._about = answer.about
            return self._worker
        self._replace()
        if isinstance(answer, Failed):
            raise BackendUnavailable(answer.message)
        what = answer.what if isinstance(answer, _Ended) else "something else came than expected"
        raise BackendUnavailable(f"backend {self.key!r} cannot be loaded: {what}")

    def _next(self) -> Observation:
        """The answer to the oldest request, in any case."""
        number, request = self._asked[0]
        for attempt in (1, 2):
            worker = self._sent()
            if worker.full and worker.sent < number:  # it has answered all that it takes
                self._replace()
                worker = self._sent()
            answer = worker.receive(self.limits.seconds, number)
            if isinstance(answer, Observation):
                self._asked.popleft()
                return answer
            ended = (
                answer if isinstance(answer, _Ended) else _Ended(Cause.CRASHED, "it made no sense")
            )
            self._replace()
            if not (ended.killed and attempt == 1):
                break
        self._asked.popleft()
        return self._without_answer(request, ended)

    def _replace(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker, self._successor = self._successor, None

    def _without_answer(self, request: Request, ended: _Ended) -> Observation:
        name = self.about.name
        if isinstance(request, Observe) and Config.parse(request.config_id).is_call:
            outcome = CallOutcome("call", ended.what, None, {}, None, ended=ended.how)
            return Observation(name, details=outcome, ended=ended.how)
        return Observation(name, trouble=ended.what, ended=ended.how)


def _same(one: Request, other: Request) -> bool:
    """Requests that carry arrays are the same if they are one."""
    if isinstance(one, Observe) and isinstance(other, Observe):
        return one == other
    return one is other


class _Worker:
    """One process. `loaded` is set once its backend has answered, `sent` is the last request's
    number, and `full` says that it takes no more.
    """

    def __init__(self, key: str, limits: Limits, spec: str, log_kept: Path | None) -> None:
        self.key, self.spec, self.log_kept = key, spec, log_kept
        self.loaded, self.full, self.sent, self.taken = False, False, 0, 0
        handle, log = tempfile.mkstemp(prefix="rnn-parity-", suffix=".log")
        os.close(handle)
        self.log = Path(log)
        self.group = execnet.Group()
        self.channel: execnet.Channel | None = None
        self.process: int | None = None
        # The same modules are found there; another interpreter has a path of its own.
        path = [entry for entry in sys.path if entry] if spec == "popen" else []
        with contextlib.suppress(OSError, EOFError):  # that it ended at once is seen by `receive`
            self.channel = self.group.makegateway(spec).remote_exec(
                "channel.send(__import__('os').getpid())\n"
                "from harness.runners.worker import serve\nserve(channel)"
            )
            self.channel.send((key, log, limits.mebibytes, path, str(log_kept or "")))

    def send(self, requests: Iterable[tuple[int, Request]], most: int) -> None:
        """Those that it has not got, `most` in its life (0: any number).

        That it has ended is seen when an answer is waited for.
        """
        with contextlib.suppress(OSError, EOFError):
            for number, request in requests:
                if self.channel is not None and number > self.sent and not self.full:
                    self.channel.send((number, pack(request)))
                    self.sent = number
                    self.taken += 1
                    self.full = self.taken == most

    def receive(self, seconds: float, number: int) -> Answer | _Ended:
        """The answer to the request of this number, which is the next; or why there is none."""
        until = time.monotonic() + seconds
        if self.channel is None:
            return _Ended(Cause.CRASHED, "the process ended before it could be asked", killed=True)
        try:
            if self.process is None:
                self.process = cast(int, self._received(until))
                protocol = self._received(until)
                if protocol != PROTOCOL:
                    return self._other_protocol(protocol)
            content = self._received(until)
        except execnet.TimeoutError:
            words = self._last_words()
            said = f"; last words: {words}" if words else ""
            return _Ended(Cause.HUNG, f"no answer in {seconds:g} s (--time-limit){said}")
        except (EOFError, OSError):
            return self._end()
        except execnet.RemoteError as error:
            said = (str(error).splitlines() or ["(no message)"])[-1]
            return _Ended(Cause.CRASHED, f"the worker failed: {one_line(said, 400)}")
        try:
            if not isinstance(content, tuple) or len(content) != 2:
                raise WireError(f"a {type(content).__name__}, expected its number and an answer")
            if content[0] != number or not isinstance(content[1], bytes):
                raise WireError(f"it has another number than {number}, or is no bytes")
            return unpack_answer(content[1], arrays_of(self.log))
        except WireError as error:
            return _Ended(Cause.CRASHED, f"the worker sent something else than an answer: {error}")

    def _other_protocol(self, protocol: object) -> Failed:
        spoken = f"version {protocol}" if type(protocol) is int else "another"
        return Failed(
            f"backend {self.key!r}: its worker speaks protocol {spoken}, expected version "
            f"{PROTOCOL}; install rnn-parity {__version__} for its interpreter ({self.spec})"
        )

    def _received(self, until: float) -> object:
        """What comes next. A child of the worker may keep the line open though it has ended."""
        assert self.channel is not None
        while True:
            left = until - time.monotonic()
            try:
                content: object = self.channel.receive(max(0.0, min(POLL, left)))
                return content
            except execnet.TimeoutError:
                if left <= POLL:
                    raise
                if self._status() is not None:
                    return self._last()

    def _last(self) -> object:
        """What an ended worker had still sent: its answer may have come since we looked."""
        assert self.channel is not None
        try:
            content: object = self.channel.receive(POLL)
            return content
        except execnet.TimeoutError:
            raise EOFError from None

    def _status(self) -> os.waitid_result | None:
        """How the process ended, without reaping it; None while it lives, or if not known."""
        if self.process is None:
            return None
        try:
            return os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None

    def _end(self) -> _Ended:
        status = self._status()
        for _ in range(20):  # the line may close a moment before the process is gone
            if status is not None:
                break
            time.sleep(0.05)
            status = self._status()
        words = self._last_words()
        said = f"; last words: {words}" if words else ""
        if status is None:  # before it could even say its number, nothing of the backend had run
            killed = self.process is None
            return _Ended(Cause.CRASHED, f"the process ended its connection{said}", killed)
        if status.si_code == os.CLD_EXITED:
            return _Ended(
                Cause.CRASHED, f"the process ended with exit status {status.si_status}{said}"
            )
        number = status.si_status
        try:
            name = f"{signal.Signals(number).name} ({signal.strsignal(number)})"
        except ValueError:
            name = f"signal {number}"
        killed = number == signal.SIGKILL
        return _Ended(Cause.CRASHED, f"the process was ended by {name}{said}", killed)

    def _last_words(self) -> str:
        """The end of what was printed, or the first line of Python's fault handler."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        said = fatal[:1] or [line for line in lines if line.strip()][-3:]
        return one_line(" | ".join(line.strip() for line in said), 400)

    def close(self) -> None:
        """End it and whatever it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process, signal.SIGKILL)
        with contextlib.suppress(OSError, EOFError):
            self.group.terminate(timeout=1.0)
        if self.log_kept is not None:  # what it had not kept itself when it ended
            kept(self.log, self.log_kept, "when it ended")
        self.log.unlink(missing_ok=True)
        shutil.rmtree(arrays_of(self.log), ignore_errors=True)
