"""Does the harness see? Every injected fault against a fixed selection of the pinned corpus.

A fault is caught on a base by a result that is unexpected on a config on which the same base,
wrapped by nothing, has no unexpected result. Real frameworks are slow: there the first config
that catches ends the trial. On the oracle all configs are judged, so that it is known which
checks see a fault, and which faults a check alone sees.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec

from harness.aspects import CALL
from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.case import make_case
from harness.checks import every_check
from harness.config import Config
from harness.corpus import load_corpus
from harness.environment import describe
from harness.evidence import Evidence
from harness.expectations import Expectations, expectations_of
from harness.faults import BASES, FAULTS, VARIANTS, Fault
from harness.faults.correct import CorrectBackend
from harness.faults.wrapping import WrappedBackend
from harness.judge import Session
from harness.layers import LAYERS
from harness.observe import Observation
from harness.oracle import Oracle
from harness.runners import InProcess, Runner
from harness.runners.wire import WireError, pack
from harness.selection import is_slow, own_selection, selection, selection_of
from harness.verdicts import Verdict

__all__ = ["SelfTest", "Trial", "examine", "remember", "run_selftest"]


@dataclass(frozen=True)
class Trial:
    """One implementation on one base.

    `caught` holds for each check that accused it the first config that did, and how many had been
    judged by then.
    """

    name: str
    base: str
    configs: int
    caught: dict[str, tuple[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def first(self) -> tuple[str, str, int] | None:
        """The check, the config and the count of the earliest accusation."""
        found = [(count, check, config) for check, (config, count) in self.caught.items()]
        if not found:
            return None
        count, check, config = min(found, key=lambda one: one[0])
        return check, config, count


@dataclass(frozen=True)
class SelfTest:
    """All trials: of faults, and of implementations without any.

    `checks` are those that must have a fault which they alone see; none where only some faults
    were tried, or none on the oracle. `ended` are a base and implementations of which nothing is
    known, since the process that tried them ended.
    """

    faults: tuple[Trial, ...]
    variants: tuple[Trial, ...]
    checks: tuple[str, ...]
    ended: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def missed(self) -> list[Trial]:
        return [trial for trial in self.faults if not trial.caught]

    @property
    def accused(self) -> list[Trial]:
        return [trial for trial in self.variants if trial.caught]

    def alone(self) -> dict[str, list[str]]:
        """Check -> the faults that no other check sees, on the oracle."""
        found: dict[str, list[str]] = {check: [] for check in self.checks}
        for trial in self.faults:
            if trial.base == "oracle" and len(trial.caught) == 1:
                found.setdefault(next(iter(trial.caught)), []).append(trial.name)
        return found

    @property
    def idle(self) -> list[str]:
        """Checks without a fault that only they see."""
        alone = self.alone()
        return [check for check in self.checks if not alone[check]]

    @property
    def passed(self) -> bool:
        return not (self.missed or self.accused or self.idle or self.ended)


ASPECTS = {
    "dropout": ("training", "values", "call"),
    "gradients": ("gradient",),
    "autograd": ("gradient",),
    "calls": ("call",),
    "parameters": ("initial", "checkpoint", "training", "values", "gradient", "call"),
    "threads": ("repeated", "values", "gradient", "training", "checkpoint", "call"),
    "lives": ("life", "values", "gradient", "training", "repeated", "checkpoint", "call"),
    "kernels": ("life", "values", "gradient", "training", "checkpoint"),
    "variants": ("values", "gradient", "training", "initial", "checkpoint", "life", "call"),
}
OTHERS = ("values", "gradient", "training", "checkpoint", "call")
"""Aspects that a fault of an area can touch, the likeliest first; of other areas, `OTHERS`."""


MOST_SIZES = 12
"""Configs a trial of a fault that only certain sizes show, of all in the corpus that can."""


SEED_STEP = 1_000_000
"""How far seeds are moved for another selftest: beyond those of the corpus. Even, since of special
weights every second seed has some."""


def moved(config: Config, seed: int) -> Config:
    """The same config with other numbers; those of a page or a sweep are given."""
    if seed == 0 or config.data in ("page", "sweep"):
        return config
    return config.replace(seed=config.seed + seed * SEED_STEP)


def _kind(config: Config) -> str:
    return "call" if config.is_call else config.aspect


EVERY_EIGHTH = {f"{CALL}{name}" for record in LAYERS.values() for name in tuple(record.calls)[::8]}


def _asked(fault: Fault, config: Config) -> bool:
    """What is slow is asked where it is to the point: calls, long sequences, sweeps, dropout."""
    if fault.area == "variants":
        return True
    if config.is_call:
        return fault.area in ("calls", "first calls") or config.aspect in EVERY_EIGHTH
    if config.aspect == "training":
        if config.lengths == "ragged":  # a layer that is wrapped is itself in evaluation mode only
            return fault.area == "dropout"
        return fault.area in ("dropout", "parameters", "kernels") or config.dropout == 50
    if config.data == "sweep":
        return fault.area in ("activations", "gated", "precision")
    return config.steps < 1000 or fault.area == "states" or fault.visible is not None


def _touched(
    fault: Fault, configs: Sequence[Config], seed: int = 0, layers: tuple[str, ...] = ()
) -> list[Config]:
    """Those that may show it, what caught it once first."""
    first = likely().get(fault.name)
    chosen = sorted(_chosen(fault, configs, layers), key=lambda config: config.id != first)
    return [moved(config, seed) for config in chosen]


@functools.cache
def likely() -> dict[str, str]:
    """By fault the config that caught it on the oracle, as `remember` wrote it: it saves time."""
    lines = LIKELY.read_text("utf-8").splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


def remember(trials: Iterable[Trial]) -> None:
    """Keep what caught the faults of these trials."""
    found = {t.name: t.first[1] for t in trials if t.base == "oracle" and t.first is not None}
    kept = {name: config for name, config in (likely() | found).items() if name in FAULTS}
    lines = (f"{name} {config}" for name, config in sorted(kept.items()))
    LIKELY.write_text("\n".join([LIKELY_SAYS, *lines]) + "\n", "utf-8")


LIKELY = Path(__file__).parent / "faults" / "likely.txt"
LIKELY_SAYS = "# Fault and config that caught it: asked first. rnn-parity selftest --remember"


def _chosen(fault: Fault, configs: Sequence[Config], layers: Sequence[str]) -> list[Config]:
    if fault.area == "sizes" and fault.visible is not None:
        every = (c for c in load_corpus() if not layers or c.layer in layers)
        return list(filter(fault.visible, filter(fault.concerns, every)))[:MOST_SIZES]
    aspects = ASPECTS.get(fault.area, OTHERS)
    touched = [c for c in configs if fault.concerns(c) and _kind(c) in aspects and _asked(fault, c)]
    if fault.visible is not None:
        visible = fault.visible
        return sorted(touched, key=lambda c: not visible(c))
    return (
        sorted(touched, key=lambda c: _kind(c) != aspects[0]) if fault.area in ASPECTS else touched
    )


ORACLES = functools.lru_cache(maxsize=None)(lambda config: Oracle(make_case(config)))


@functools.cache
def _base(name: str) -> Backend:
    """The correct backend that faults are injected into."""
    if name == "oracle":
        return cast(Backend, CorrectBackend(name="oracle"))
    return load_backend(name)


class _FaultSession(Session):
    """What comes from an implementation bit by bit as from the correct peer shows no fault."""

    def _evidence(
        self, config: Config, repeat: bool, only: Sequence[str] | None
    ) -> Iterator[tuple[Runner, Evidence]]:
        for runner, evidence in super()._evidence(config, repeat, only):
            peer = evidence.peer
            if peer is None or peer.backend != PEER.name or not _alike(evidence.observation, peer):
                yield runner, evidence


def _alike(one: Observation, other: Observation) -> bool:
    try:
        return pack(one) == pack(msgspec.structs.replace(other, backend=one.backend))
    except WireError:  # arrays of anything but numbers
        return False


def _session(backend: Backend, peers: Sequence[Backend], kind: type[Session] = Session) -> Session:
    before: dict[str, Backend | Runner] = {
        peer.name: REMEMBERED if peer is PEER else peer for peer in peers
    }
    return kind({**before, backend.name: backend}, oracles=ORACLES)


PEER = cast(Backend, CorrectBackend(name="peer"))


class _Remembered:
    """The peer, which is correct, asked once for each config."""

    def __init__(self) -> None:
        self.runner = InProcess(PEER)
        self.about, self.begin = self.runner.about, self.runner.begin
        self.examine, self.round_trip = self.runner.examine, self.runner.round_trip
        self.close = self.runner.close
        self.once = functools.cache(lambda config: self.runner.observe(config, repeat=True))

    def observe(self, config: Config, *, repeat: bool) -> Observation:
        return self.once(config)


REMEMBERED = _Remembered()


def _peers(fault: Fault, base: str) -> tuple[Backend, ...]:
    if fault.peers is not None:
        return fault.peers()
    # A correct implementation need not accept the same open calls as another correct one does.
    return (PEER,) if fault.name not in VARIANTS or base == "oracle" else ()


ERRING = (
    "read-back-rounded",
    "refuses-one-row",
    "first-call-of-one-step-raises",
    "first-call-of-nine-rows-raises",
    "first-answer-of-one-step-is-a-tuple",
)
"""Faults that show as the verdict `error`; of others that would be a mistake in the fault."""


def _accusing(session: Session, backend: Backend, config: Config, *, errs: bool = True) -> set[str]:
    """The checks that give an unexpected result; without `errs`, the verdict `error` is none."""
    results = session.judge(config, only=[backend.name], origin="corpus")
    return {
        result.check
        for result in _expected(session).join(results)
        if result.unexpected and (result.verdict is Verdict.FAIL or errs)
    }


@functools.lru_cache(maxsize=4)
def _expected(session: Session) -> Expectations:
    """By the versions that the session's backends report."""
    return expectations_of(describe(session.runners))


@functools.cache
def _accepted(base: str, config: Config) -> bool:
    """Whether the base itself has no unexpected result there."""
    backend = cast(Backend, WrappedBackend(_base(base)))
    return not _accusing(_session(backend, (PEER,)), backend, config)


def examine(
    fault: Fault,
    base: str,
    configs: Sequence[Config],
    *,
    everything: bool,
    seed: int = 0,
    layers: tuple[str, ...] = (),
) -> Trial:
    """Inject a fault and judge it; `everything`: until a second check sees it too.

    A correct implementation is judged to the end. With `layers`, of sizes that are not
    among `configs` only those of these layers.
    """
    backend = fault.inject(_base(base))
    kind = Session if fault.name in VARIANTS else _FaultSession
    session = _session(backend, _peers(fault, base), kind)
    caught: dict[str, tuple[str, int]] = {}
    errs = fault.name in ERRING or fault.name in VARIANTS
    judged, began = 0, time.perf_counter()
    for config in _touched(fault, configs, seed, layers):
        judged += 1
        checks = _accusing(session, backend, config, errs=errs)
        new = not checks <= set(caught)
        if new and (fault.name in VARIANTS or _accepted(base, config)):
            for check in checks:
                caught.setdefault(check, (config.id, judged))
        if len(caught) > everything and fault.name not in VARIANTS:
            break
    return Trial(fault.name, base, judged, caught, time.perf_counter() - began)


def given(fault: Fault, layers: tuple[str, ...] = ()) -> tuple[Config, ...]:
    """The configs of layers that can have the fault: those of every layer's faults, if they can;
    or of these layers, if they can.
    """
    first, other = (selection_of(*layers), ()) if layers else (selection(), own_selection())
    return first if any(map(fault.concerns, first)) else other


def _trials(
    base: str, names: Sequence[str], seed: int, layers: tuple[str, ...] = ()
) -> list[Trial]:
    whole = base == "oracle" and seed == 0 and not layers
    trials = [
        examine(FAULTS[name], base, configs, everything=whole, seed=seed, layers=layers)
        for name in names
        if name in FAULTS and (configs := given(FAULTS[name], layers))
    ]
    # A run judges the slow framework itself on the whole corpus: here, what takes half a minute.
    slow = base == "mindspore"
    every = selection_of(*layers) if layers else (*selection(), *own_selection())
    quick = [config for config in every if not (slow and is_slow(config))][:: 3 if slow else 1]
    correct = [name for name in names if name in VARIANTS]
    return trials + [
        examine(VARIANTS[name], base, quick, everything=True, seed=seed) for name in correct
    ]


def run_selftest(
    bases: Sequence[str] = (),
    names: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    seed: int = 0,
    layers: tuple[str, ...] = (),
) -> SelfTest:
    """Run the faults named (all, if none is) on these bases (all), in two processes.

    Another `seed` gives the same configs other numbers. With `layers` each fault is tried on these
    alone; those that none of them can have are left out.
    """
    bases = bases or BASES
    tasks = [(base, some, seed, layers) for base, some in _tasks(bases, names)]
    trials: dict[tuple[str, str], Trial] = {}
    ended: list[tuple[str, tuple[str, ...]]] = []
    total = sum(len(task[1]) for task in tasks)
    for (base, some, *_), done in _apart(tasks):
        if done is None:
            ended.append((base, some))
        else:
            trials |= {(trial.name, trial.base): trial for trial in done}
            progress(len(trials), total)

    def sorted_trials(faults: dict[str, Fault]) -> tuple[Trial, ...]:
        return tuple(trials[n, b] for n in faults for b in bases if (n, b) in trials)

    # With other numbers another check may happen to see a fault, too.
    whole = not names and "oracle" in bases and seed == 0 and not layers
    checks = tuple(check.name for check in every_check()) if whole else ()
    return SelfTest(sorted_trials(FAULTS), sorted_trials(VARIANTS), checks, tuple(ended))


Task = tuple[str, tuple[str, ...], int, tuple[str, ...]]
"""A base, some implementations, a seed, layers or none."""


def _apart(tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Trial] | None]]:
    """Each task in a new process, on a core of its own, as they are done; None of one that ended.

    What one framework does to its process (it flushes subnormals, say) must not be seen with
    another one.
    """
    context = multiprocessing.get_context("spawn")
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(PROCESSES):
        free.put(CORES[number % len(CORES)])

    def run(task: Task) -> tuple[Task, list[Trial] | None]:
        core = free.get()
        try:
            with ProcessPoolExecutor(1, context, _started, (core,)) as process:
                return task, process.submit(_trials, *task).result()
        except BrokenProcessPool:
            return task, None
        finally:
            free.put(core)

    with ThreadPoolExecutor(PROCESSES) as threads:
        for future in as_completed([threads.submit(run, task) for task in tasks]):
            yield future.result()


def _started(core: int) -> None:
    """In a new process: one thread, on a core of its own.

    On two cores MindSpore's threads would spend more time on waiting for work than on work.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything is loaded that reads it
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


PROCESSES = 2
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]

SHARES = {"torch": 200, "oracle": 72, "mindspore": 48}
"""Implementations a task: of equal time, about; those of a task share what is correct."""


def _tasks(bases: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    every = {**VARIANTS, **FAULTS}
    wanted = names or tuple(every)
    for base in sorted(bases, key=list(SHARES).index, reverse=True):
        here = [name for name in wanted if base in every[name].bases]
        for start in range(0, len(here), SHARES[base]):
            yield base, tuple(here[start : start + SHARES[base]])
