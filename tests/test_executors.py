"""Judged in other processes, results are those of one; nothing is lost, and versions are the same.

A real scheduler and workers of dask, on the loopback.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from click.testing import Result as Printed

from harness.cli import main
from harness.config import Config
from harness.corpus import load_corpus
from harness.executors import in_order, processes

FAULTY = Path(__file__).with_name("faulty.py")
SCALED, VERSIONED = f"{FAULTY}:scaled", f"{FAULTY}:versioned"


def started(command: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """A program of dask, as its users start it; campaigns are part of a checkout only."""
    dask = Path(sys.executable).with_name("dask")
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [dask, command, *words, "--dashboard-address", "127.0.0.1:0"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address, and its two workers; more may join, and all are ended."""
    file = tmp_path / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    run = [started("scheduler", *words)]
    while not (file.exists() and file.stat().st_size):
        assert run[0].poll() is None
        time.sleep(0.05)
    address = json.loads(file.read_text("utf-8"))["address"].removeprefix("tcp://")
    try:
        run += [worker(address) for _ in range(2)]
        yield address, run
    finally:
        for one in run:
            for child in psutil.Process(one.pid).children(recursive=True):
                child.kill()
            one.kill()
            one.wait()


def worker(address: str, **environment: str) -> subprocess.Popen[bytes]:
    return started("worker", f"tcp://{address}", "--nthreads", "1", **environment)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    measured = ("initial", "training", "repeated")  # by chance, or by the memory of a process
    every = [c for c in load_corpus() if c.aspect not in measured]
    chosen = [c.id for c in every if products(c) <= 2**18][::64]
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(chosen), "utf-8")
    return path


def products(config: Config) -> int:
    """Of one matrix product of the oracle. OpenBLAS gives more than 2^18 to several threads, where
    it has them, and the last bits are others then; a worker of dask starts it with one.
    """
    widest = max(config.input_size, config.hidden_size * config.directions)
    gates = len(config.cell.gates)
    return gates * config.hidden_size * widest * config.batch * config.steps


def invoke(*words: object) -> Printed:
    return CliRunner().invoke(main, [*map(str, words)])


def ended(out: Path, corpus: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A run as a user starts it, in the environment that Python knows.

    mindspore sets OMP_NUM_THREADS with no word to Python, for all processes begun after its import:
    in those torch has one thread, and other bits.
    """
    command = [sys.executable, "-m", "harness.cli", "run", "--out", str(out), *map(str, OPTIONS)]
    command += ["--corpus", str(corpus), *more]
    return subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def lines(out: Path) -> list[bytes]:
    """All but the first, which has the date."""
    return (out / "results.jsonl").read_bytes().splitlines()[1:]


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    out = tmp_path_factory.mktemp("alone")
    done = ended(out, corpus)
    assert done.returncode == 1, done.stderr  # scaled is wrong
    return lines(out)


OPTIONS = ("--backend", "torch", "--backend", SCALED, "--examples", 0, "--no-reproducers")


def test_more_jobs_give_the_same_results(corpus: Path, alone: list[bytes], tmp_path: Path) -> None:
    done = ended(tmp_path, corpus, "--jobs", "2")
    assert done.returncode == 1, done.stderr
    assert lines(tmp_path) == alone


def test_a_process_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    asked = [(number, tmp_path) for number in range(6)]
    assert [done for _, done in in_order(processes(2), killed_once, asked)] == [*range(6)]


def killed_once(number: int, folder: Path) -> int:
    """The fourth call ends its process, when it is made first."""
    mark = folder / "killed"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), 9)
    return number


def test_workers_of_dask_give_the_same_results_though_one_is_killed(
    corpus: Path,
    alone: list[bytes],
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    tmp_path: Path,
) -> None:
    address, run = cluster
    command = [sys.executable, "-m", "harness.cli", "run", "--out", str(tmp_path)]
    command += [*map(str, OPTIONS), "--corpus", str(corpus), "--executor", f"dask://{address}"]
    running = subprocess.Popen(command, env=dict(os.environ))
    path = tmp_path / "results.jsonl"
    while not (path.exists() and path.stat().st_size > 20_000):
        assert running.poll() is None
        time.sleep(0.01)
    for child in psutil.Process(run[1].pid).children():
        child.kill()
    assert running.wait() == 1
    assert lines(tmp_path) == alone


def test_a_campaign_on_workers_of_dask_finds_what_it_finds_here(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    command = [sys.executable, "-m", "tests.campaigns.false_alarms", "--configs", "12"]
    here, there = (
        subprocess.run(
            [*command, *more], env=dict(os.environ), capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for more in (["--jobs", "1"], ["--executor", f"dask://{cluster[0]}"])
    )
    assert "0 alarms" in here
    assert there[:-1] == here[:-1]  # the last says how long it took, and where


def test_a_worker_with_other_versions_is_refused_by_name(
    corpus: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, run = cluster
    for one in run[1:]:
        for child in psutil.Process(one.pid).children(recursive=True):
            child.kill()
        one.kill()
    run.append(worker(address, LIBRARY_VERSION="2.0"))
    options = ("--backend", VERSIONED, "--examples", 0, "--corpus", corpus)
    done = invoke("run", "--out", tmp_path, *options, "--executor", f"dask://{address}")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "has library 2.0; this run has library 1.0. Install the same there" in said
    assert "process " in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--executor", "ray://somewhere"), "expected dask://HOST:PORT"),
        (("--executor", "dask://127.0.0.1:9"), "no scheduler of dask answers at 127.0.0.1:9"),
        (("--executor", "dask://127.0.0.1:9", "--jobs", 2), "exclude each other"),
    ],
)
def test_what_cannot_be_used_is_said(
    options: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    done = invoke("run", "--backend", SCALED, "--out", tmp_path, *options)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
