"""`make bench`: runs beside the calls that they cannot do without, and the memory they take.

`BENCH_FULL=1` adds the whole run, some eight minutes. Nothing is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.config import Config
from harness.corpus import CORPUS, QUICK, SAMPLE, load_corpus
from harness.runners import Isolated
from harness.strategies import configs, draw_configs

EAGER, GRAPH = ("torch", "mindspore"), "mindspore:graph"
RUNS: dict[str, tuple[str, ...]] = {"quick": ("--quick",)}
if os.environ.get("BENCH_FULL"):
    RUNS["whole"] = ()


def asked(run: str) -> dict[str, Sequence[Config]]:
    """By backend what the run asks of it; drawn configs as with `--examples 300 --seed 0`."""
    sample = load_corpus(SAMPLE)
    if run == "quick":
        chosen = load_corpus(QUICK)
        return {**dict.fromkeys(EAGER, chosen), GRAPH: [one for one in chosen if one in sample]}
    every = [*load_corpus(CORPUS), *draw_configs(configs(), 300, 0)]
    return {**dict.fromkeys(EAGER, every), GRAPH: sample}


def call_all(run: str) -> None:
    """What the workers do, and nothing else: they start, and make the calls, side by side."""

    def calls(name: str, chosen: Sequence[Config]) -> None:
        runner = Isolated(name)
        for count, config in enumerate(chosen):
            for ahead in chosen[count : count + 4]:
                runner.begin(ahead, repeat=True)
            runner.observe(config, repeat=True)
        runner.close()

    threads = [threading.Thread(target=calls, args=one) for one in asked(run).items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
