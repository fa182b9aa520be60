"""Worker processes for calls that may bring a process down: one for each backend, kept warm.

What a worker sends is data (execnet's own serialisation: builtin types only, no pickle). A
backend that crashes or hangs costs its own config an answer that says so, and its worker; the
next config gets a new one. The same file runs at both ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import execnet
import numpy as np

from harness.backends import load_backend
from harness.case import NUMPY_DTYPES, make_case
from harness.config import Config
from harness.observe import Observation, Reply, observe
from reference.arrays import Array

__all__ = ["Workers"]

TIME_LIMIT = 120.0
"""Seconds that one call may take; a graph that cannot be compiled takes four."""


class Workers:
    """Backends by their name on the command line, each in a process of its own.

    A context manager: at its end the processes are ended.
    """

    def __init__(self) -> None:
        self._running: dict[str, _Worker] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def observe(self, key: str, name: str, config: Config) -> Observation:
        """As `harness.observe.observe` of an aspect `call.*`, and it comes back in any case."""
        worker = self._running.get(key) or _Worker(key)
        self._running[key] = worker
        try:
            return _decoded(name, worker.ask(config.id))
        except (EOFError, OSError, execnet.TimeoutError) as error:
            hung = isinstance(error, execnet.TimeoutError)
            del self._running[key]
            what = f"no answer in {TIME_LIMIT:.0f} s" if hung else worker.last_words()
            worker.close()
            ended = "hung" if hung else "crashed"
            return Observation(name, facts=Reply("call", what, None, {}, None, ended=ended))
        except execnet.RemoteError as error:
            del self._running[key]
            worker.close()
            return Observation(name, trouble=f"the worker failed: {str(error).splitlines()[-1]}")

    def close(self) -> None:
        for worker in self._running.values():
            worker.close()
        self._running.clear()


class _Worker:
    def __init__(self, key: str) -> None:
        from harness import workers

        self.group = execnet.Group()
        gateway = self.group.makegateway("popen")
        handle, log = tempfile.mkstemp(prefix="rnn-parity-")
        os.close(handle)
        self.log = Path(log)
        self.channel = gateway.remote_exec(workers)
        self.channel.send((key, log))

    def ask(self, config_id: str) -> Any:
        self.channel.send(config_id)
        return self.channel.receive(TIME_LIMIT)

    def last_words(self) -> str:
        """Why the process ended, as Python's fault handler wrote it down."""
        first = self.log.read_text("utf-8", "replace").partition("\n")[0]
        return f"the process crashed: {first or 'it ended without a word'}"

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self.group.terminate(timeout=1.0)
        self.log.unlink(missing_ok=True)


def serve(channel: Any) -> None:
    """The other end: observe one config after the other."""
    key, log = channel.receive()
    with open(log, "w") as file:
        faulthandler.enable(file)
        backend = load_backend(key)
        for config_id in channel:
            case = make_case(Config.parse(config_id))
            channel.send(_encoded(observe(backend, case, repeat=False)))


def _encoded(observation: Observation) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "unsupported": observation.unsupported,
        "trouble": observation.trouble,
        "reply": None,
    }
    facts = observation.facts
    if isinstance(facts, Reply):
        sent["reply"] = {
            "stage": facts.stage,
            "error": facts.error,
            "returned": _sent_pair(facts.returned),
            "trained": _sent_pair(facts.trained),
            "weights": {name: _sent(array) for name, array in facts.weights.items()},
            "afterwards": facts.afterwards,
        }
    return sent


def _decoded(name: str, sent: Mapping[str, Any]) -> Observation:
    reply = sent["reply"]
    if reply is None:
        return Observation(name, unsupported=sent["unsupported"], trouble=sent["trouble"])
    facts = Reply(
        reply["stage"],
        reply["error"],
        _received_pair(reply["returned"]),
        {key: _received(value) for key, value in reply["weights"].items()},
        reply["afterwards"],
        trained=_received_pair(reply["trained"]),
    )
    return Observation(name, facts=facts)


def _sent_pair(pair: tuple[Any, Any] | None) -> list[Any] | None:
    return None if pair is None else [_sent(value) for value in pair]


def _received_pair(pair: list[Any] | None) -> tuple[Any, Any] | None:
    return None if pair is None else (_received(pair[0]), _received(pair[1]))


def _sent(value: Any) -> Any:
    """An array as (dtype, shape, bytes), anything else as the name of its type."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiucb":
        return (value.dtype.str, tuple(int(n) for n in value.shape), value.tobytes())
    if isinstance(value, np.ndarray) and value.dtype == NUMPY_DTYPES["bf16"]:
        return ("bfloat16", tuple(int(n) for n in value.shape), value.tobytes())
    return type(value).__name__


def _received(value: Any) -> Any:
    if isinstance(value, str):
        return value
    dtype, shape, content = value
    kind = NUMPY_DTYPES["bf16"] if dtype == "bfloat16" else np.dtype(dtype)
    array: Array = np.frombuffer(content, kind).reshape(shape).copy()
    return array


if __name__ == "__channelexec__":
    serve(channel)  # type: ignore[name-defined]  # noqa: F821
