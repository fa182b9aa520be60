"""`make bench`: runs beside the calls that they cannot do without, and the memory they take.

`BENCH_FULL=1` adds the whole run, some eight minutes. Nothing is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.corpus import QUICK
from harness.judge import Session
from harness.pipeline import Task
from harness.results import Parameters
from harness.run import stages
from harness.runners import Isolated, Runner
from harness.runners.protocol import AHEAD

BACKENDS = ("torch", "mindspore", "mindspore:graph")
RUNS: dict[str, tuple[str, ...]] = {"quick": ("--quick",)}
if os.environ.get("BENCH_FULL"):
    RUNS["whole"] = ()


def call_all(run: str) -> None:
    """What the workers do, and nothing else: they start, and make the calls, side by side."""
    asked = Parameters(corpus=str(QUICK)) if run == "quick" else Parameters(examples=300)

    def calls(runner: Runner, tasks: Sequence[Task]) -> None:
        for count, task in enumerate(tasks):
            for ahead in tasks[count : count + AHEAD]:
                runner.begin(ahead.config, repeat=ahead.repeat)
            runner.observe(task.config, repeat=task.repeat)

    with Session({name: Isolated(name) for name in BACKENDS}) as session:
        every = [t for stage in stages(session, asked) for t in stage.tasks]
        with ThreadPoolExecutor() as pool:
            for name, runner in session.runners.items():
                pool.submit(calls, runner, [task for task in every if name in task.backends])


def peaks(running: subprocess.Popen[bytes]) -> Mapping[str, float]:
    """MiB that each process of a run holds at its largest; its workers in order of their start."""
    found: dict[int, float] = {}
    while running.poll() is None:
        try:
            own = psutil.Process(running.pid)
            for process in (own, *own.children()):
                resident = process.memory_info().rss / 2**20
                found[process.pid] = max(found.get(process.pid, 0.0), resident)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.1)
    first, *others = found.items()
    workers = {f"worker {n}": mebibytes for n, (_, mebibytes) in enumerate(sorted(others)[:3], 1)}
    return {"judging": first[1], **workers}


def run_it(run: str, out: Path) -> Mapping[str, float]:
    command = [sys.executable, "-m", "harness.cli", "run", *RUNS[run], "--out", str(out)]
    return peaks(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("what", ["bare calls", "run"])
def test_run(benchmark: Any, run: str, what: str, tmp_path: Path, capsys: Any) -> None:
    benchmark.group = f"{run} run, processes started in it"
    if what == "bare calls":
        benchmark.pedantic(call_all, (run,), rounds=1)
        return
    found = benchmark.pedantic(run_it, (run, tmp_path), rounds=1)
    with capsys.disabled():
        held = ", ".join(f"{name} {mebibytes:.0f}" for name, mebibytes in found.items())
        print(f"\n{run} run, MiB at most: {held}")
