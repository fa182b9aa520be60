"""Where the CPU time of a run goes: `python -m tests.campaigns.where_time_goes`.

Each backend makes its calls of a run in a process of its own, with a profile of what is asked,
judged and encoded. Every fifth config is asked by default, and seconds are of the whole run.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import msgspec

from harness.aspects import CALL
from harness.backends import load_backend
from harness.config import Config
from harness.judge import Session
from harness.observe import Observation
from harness.results import Parameters
from harness.run import stages
from harness.runners import InProcess
from harness.runners.cores import on_one_core
from harness.runners.wire import pack, unpack_answer

BACKENDS = ("torch", "mindspore", "mindspore:graph")
STAGES = ("calls", "of them compiling", "of them system time", "traffic", "judging", "encoding")


class Profile:
    """CPU seconds by stage, and of calls by aspect; `compiled` counts graphs."""

    def __init__(self) -> None:
        self.stages: defaultdict[str, float] = defaultdict(float)
        self.aspects: defaultdict[str, float] = defaultdict(float)
        self.compiled = 0

    @contextmanager
    def measured(self, stage: str, aspect: str = "") -> Iterator[None]:
        before, times = time.process_time(), os.times()
        yield
        spent = time.process_time() - before
        self.stages[stage] += spent
        if aspect:
            self.aspects[aspect] += spent
            self.stages["of them system time"] += os.times().system - times.system


class Measured(InProcess):
    """What it is asked once is kept, as a worker's answer is."""

    def __init__(self, reference: str, profile: Profile) -> None:
        backend = load_backend(reference)
        super().__init__(backend)
        self.profile = profile
        self.single_core = getattr(backend, "single_core", lambda config: False)
        self.kept: dict[str, Observation] = {}

    def observe(self, config: Config, *, repeat: bool) -> Observation:
        if config.id not in self.kept:
            aspect = "calls of the API" if config.aspect.startswith(CALL) else config.aspect
            alone = on_one_core() if self.single_core(config) else nullcontext()  # as in workers
            with alone, self.profile.measured("calls", aspect):
                found = super().observe(config, repeat=repeat)
            with self.profile.measured("traffic"):
                answer = unpack_answer(pack(found))
            assert isinstance(answer, Observation)
            self.kept = {config.id: answer}
        return self.kept[config.id]


def profiled(reference: str, every: int) -> Profile:
    profile = Profile()
    runner = Measured(reference, profile)
    if reference == "mindspore:graph":
        _count_compilations(profile)
    encode = msgspec.json.Encoder().encode
    with Session({reference: runner}) as session:
        tasks = [
            task for stage in stages(session, Parameters(examples=300)) for task in stage.tasks
        ]
        for task in tasks[::every]:
            runner.observe(task.config, repeat=task.repeat)
            with profile.measured("judging"):
                results = session.judge(task.config, repeat=task.repeat)
            with profile.measured("encoding"):
                for result in results:
                    encode(result)
    return profile


def _count_compilations(profile: Profile) -> None:
    from mindspore.common import api  # of the framework's own; not part of its interface

    compiler: Any = api._CellGraphExecutor
    compile_graph: Callable[..., Any] = compiler.compile

    @functools.wraps(compile_graph)
    def measured(*arguments: Any, **named: Any) -> Any:
        with profile.measured("of them compiling"):
            found = compile_graph(*arguments, **named)
        profile.compiled += bool(found[1])
        return found

    compiler.compile = measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=5)
    every = parser.parse_args().every
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as in workers
    print(f"{'CPU s':18}" + "".join(f"{stage:>22}" for stage in STAGES))
    for reference in BACKENDS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(profiled, (reference, every))
        print(f"{reference:18}" + "".join(f"{every * found.stages[s]:22.1f}" for s in STAGES))
        parts = (f"{aspect} {every * spent:.0f}" for aspect, spent in sorted(found.aspects.items()))
        print(f"{'':18}  {', '.join(parts)}")
        if found.compiled:
            print(f"{'':18}  {every * found.compiled} graphs compiled")


if __name__ == "__main__":
    main()
