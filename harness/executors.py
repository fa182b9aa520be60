"""The same tasks judged elsewhere: by any executor with the interface of `concurrent.futures`.

A batch of tasks goes to whichever process is free. That holds a session of its own, with workers of
its own, and keeps it. Results come back in the order of the tasks. An executor whose processes were
killed is made anew, and asked again for what has not come back.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import platform
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from harness.backends import BackendUnavailable, load_backend
from harness.environment import describe
from harness.judge import Session
from harness.logs import log_of
from harness.pipeline import Task, judged
from harness.results import Result
from harness.runners import Isolated, Limits

__all__ = ["Recipe", "executor_named", "in_order", "judged_by", "processes", "session_for"]

BATCH = 16
"""Tasks that one process judges before it gives their results back."""

WINDOW = 64
"""Batches that are under way, or wait for their turn, at most."""

RETRIES = 3
"""How often a broken executor is made anew."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that say how many threads a library begins: with others, sums have other bits."""

One = TypeVar("One")
Other = TypeVar("Other")

Make = Callable[[], Executor]
"""Makes an executor, anew where one broke."""


def _threads() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in THREADS}


@dataclass(frozen=True)
class Recipe:
    """What a process needs to make a session like that of the run.

    `versions` are those that the run has in its header; elsewhere they must be the same. `limits`
    are None where backends run in the judging process. `threads` are variables of the environment
    as the run has them; dask sets others for its workers.
    """

    references: tuple[str, ...]
    limits: Limits | None
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    logs: Path | None = None
    threads: Mapping[str, str | None] = field(default_factory=_threads, hash=False)


def judged_by(
    make: Make, recipe: Recipe, tasks: Sequence[Task], batch: int = BATCH
) -> Iterator[tuple[Task, list[Result]]]:
    """As `harness.pipeline.judged`: every task with its results, in the order of the tasks.

    Raises:
        BackendUnavailable: a process has other versions than `recipe`, or cannot load a backend.
    """
    batches = [tasks[start : start + batch] for start in range(0, len(tasks), batch)]
    for own, results in in_order(make, judge_batch, [(recipe, own) for own in batches]):
        yield from zip(own[1], results, strict=True)


def in_order(
    make: Make, work: Callable[..., Other], asked: Sequence[One]
) -> Iterator[tuple[One, Other]]:
    """`work(*one)` for each of `asked`, wherever the executor does it; in their order."""
    left = deque(asked)
    with contextlib.ExitStack() as stack:
        for attempt in itertools.count(1):
            executor = stack.enter_context(make())
            futures: deque[Future[Other]] = deque()
            try:
                while left:
                    for one in itertools.islice(left, len(futures), WINDOW):
                        futures.append(executor.submit(work, *one))  # type: ignore[misc]
                    done = futures[0].result()
                    futures.popleft()
                    yield left.popleft(), done
                return
            except BrokenExecutor:
                if attempt > RETRIES:
                    raise
            finally:
                for future in futures:
                    future.cancel()


_own = threading.local()
"""Of each thread the `session` that it made last, and its `recipe`."""


def judge_batch(recipe: Recipe, tasks: Sequence[Task]) -> list[list[Result]]:
    """In the process that is asked, with a session that it keeps."""
    return [results for _, results in judged(session_for(recipe), tasks)]


def session_for(recipe: Recipe) -> Session:
    """That of this thread, made anew where another was asked for before.

    Raises:
        BackendUnavailable: a backend cannot be loaded here, or has other versions than `recipe`.
    """
    if isinstance(getattr(_own, "session", None), Session):
        session: Session = _own.session
        if _own.recipe == recipe:
            return session
        session.__exit__()
    for name, value in recipe.threads.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    session = Session(
        {
            one: load_backend(one)
            if recipe.limits is None
            else Isolated(one, recipe.limits, log=recipe.logs and log_of(recipe.logs, one))
            for one in recipe.references
        }
    )
    _require(recipe.versions, describe(session.runners)["versions"])
    _own.session, _own.recipe = session, recipe
    return session


def _require(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises BackendUnavailable with the name of this process where versions differ."""
    names = sorted({*expected, *found} if expected else ())
    other = [name for name in names if expected.get(name) != found.get(name)]
    if other:
        own = ", ".join(f"{name} {found.get(name, '(none)')}" for name in other)
        wanted = ", ".join(f"{name} {expected.get(name, '(none)')}" for name in other)
        raise BackendUnavailable(
            f"worker {platform.node()}, process {os.getpid()}, has {own}; this run has {wanted}. "
            "Install the same there, or leave that worker out"
        )


def processes(count: int) -> Make:
    """An executor of so many processes of this machine."""
    return lambda: ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def executor_named(name: str) -> Make:
    """Of `dask://HOST:PORT`: the workers of a scheduler of dask.distributed.

    Raises:
        BackendUnavailable: another name, the package is missing, or no scheduler answers.
    """
    scheme, _, address = name.partition("://")
    if scheme != "dask" or not address:
        raise BackendUnavailable(f"executor {name!r}: expected dask://HOST:PORT")
    try:
        from distributed import Client
    except ImportError as error:
        raise BackendUnavailable(
            "dask.distributed is not installed; install it with: pip install 'rnn-parity[dask]'"
        ) from error
    try:
        client = Client(f"tcp://{address}", timeout=10)
    except (OSError, ValueError) as error:
        raise BackendUnavailable(f"no scheduler of dask answers at {address}: {error}") from error
    return lambda: cast(Executor, client.get_executor())
