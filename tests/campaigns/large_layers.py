"""What judging a layer of real size costs: time, peak memory of each process; beside a bare call.

    python -m tests.campaigns.large_layers [CASE ...] [--steps T] [--batch B] [--rows N]

Cases: `bidirectional` (two bidirectional RNN layers of 2,048 inputs and units, 500 steps, 64 rows),
`wide` (64 inputs and units, 500 steps, 640 rows: two blocks, of little arithmetic),
`report-0` to `report-2` (the layers of a public report of gradients that differ after porting: RNN
2,048 -> 2,031, LSTM 2,031 -> 1,779 and 1,779 -> 1,236, batch first, each fed with the output of the
one before). Weights are as torch initialises them. Memory is private (RssAnon): what is mapped from
files can be dropped at any time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["main"]


@dataclass(frozen=True)
class Large:
    """A layer of torch.nn, by its class and arguments, and its call."""

    kind: str
    sizes: tuple[int, int]
    layers: int
    bidirectional: bool
    batch_first: bool
    steps: int
    batch: int
    fed_by: str = ""

    @property
    def built(self) -> str:
        more = f"batch_first={self.batch_first}, bidirectional={self.bidirectional}"
        return f"torch.nn.{self.kind}{(*self.sizes, self.layers)!r}"[:-1] + f", {more})"


CASES = {
    "bidirectional": Large("RNN", (2048, 2048), 2, True, False, 500, 64),
    "wide": Large("RNN", (64, 64), 1, False, False, 500, 640),
    "report-0": Large("RNN", (2048, 2031), 1, False, True, 32, 8),
    "report-1": Large("LSTM", (2031, 1779), 1, False, True, 32, 8, "report-0"),
    "report-2": Large("LSTM", (1779, 1236), 1, False, True, 32, 8, "report-1"),
}

MAKING = """
import sys
from pathlib import Path
import numpy as np, torch
folder, fed = Path(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
rnn = {built}
torch.save(rnn.state_dict(), folder / "model.pt")
x = torch.from_numpy(np.load(fed)) if fed else torch.randn{shape}
np.save(folder / "x.npy", x.numpy())
with torch.no_grad():
    np.save(folder / "output.npy", rnn(x)[0].numpy())
"""

BARE = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
folder = Path(sys.argv[1])
x = np.load(folder / "x.npy")
{load}
started = time.monotonic()
{call}
print(json.dumps([time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def bare(backend: str, case: Large, folder: Path) -> tuple[float, float]:
    """Seconds of one forward call, and the peak memory of its process in GiB."""
    if backend == "torch":
        load = f"import torch; rnn = {case.built}; x = torch.from_numpy(x)"
        call = "with torch.no_grad(): output = rnn(x)[0].numpy()"
    else:
        built = case.built.replace("torch.nn", "mindspore.nn")
        load = f"import mindspore; rnn = {built}; rnn.set_train(False); x = mindspore.Tensor(x)"
        call = "output = rnn(x)[0].asnumpy()"
    code = BARE.format(load=load, call=call)
    ended = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    seconds, kibibytes = json.loads(ended.stdout.splitlines()[-1])
    return seconds, kibibytes / 2**20


class Watched:
    """The largest private memory of a process and of its children, by what each has loaded."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = psutil.Process(process.pid)
        self.peaks: dict[str, float] = {}
        self.named: dict[int, str] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.5):
            for name, size in self._sizes():
                self.peaks[name] = max(self.peaks.get(name, 0.0), size)

    def _sizes(self) -> Iterator[tuple[str, float]]:
        try:
            every = [self.process, *self.process.children(recursive=True)]
        except psutil.Error:
            return
        for one in every:
            try:
                status = Path(f"/proc/{one.pid}/status").read_text()
                anonymous = next(x for x in status.splitlines() if x.startswith("RssAnon"))
                yield self._name(one), int(anonymous.split()[1]) / 2**20
            except (OSError, StopIteration, psutil.Error):
                continue

    def _name(self, one: psutil.Process) -> str:
        if one.pid == self.process.pid:
            return "harness"
        if one.pid not in self.named:
            maps = Path(f"/proc/{one.pid}/maps").read_text()
            for framework in ("mindspore", "torch"):
                if f"/{framework}/" in maps:
                    self.named[one.pid] = framework
                    break
        return self.named.get(one.pid, "others")


def judge(
    folder: Path, case: Large, backends: list[str], rows: int | None
) -> tuple[int, float, dict[str, float]]:
    """Exit code, seconds, and peaks in GiB by process."""
    command = [sys.executable, "-m", "harness.cli", "judge", str(folder / "model.pt")]
    command += ["--x", str(folder / "x.npy"), "--out", str(folder / "judged")]
    command += ["--batch-first"] * case.batch_first
    command += ["--rows", str(rows)] if rows else []
    command += [part for name in backends for part in ("--backend", name)]
    started = time.monotonic()
    process = subprocess.Popen(command)
    watched = Watched(process)
    try:
        code = process.wait()
    finally:
        watched.ended.set()
        watched.thread.join()
    return code, time.monotonic() - started, watched.peaks


def numbers(case: Large, folder: Path) -> int:
    """As `Config.numbers` counts them: x, states of all layers, weights."""
    from harness.config import Config
    from harness.own_layer.asked import ASKED

    return Config.parse((folder / "judged" / ASKED).read_text().split()[0]).numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    backends = given.backend or ["torch", "mindspore"]
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as place:
        for name in given.cases:
            case = CASES[name]
            steps, batch = given.steps or case.steps, given.batch or case.batch
            folder = Path(place) / name
            folder.mkdir()
            shape = (batch, steps) if case.batch_first else (steps, batch)
            fed = Path(place) / case.fed_by / "output.npy"
            making = MAKING.format(built=case.built, shape=(*shape, case.sizes[0]))
            fed_by = str(fed) if case.fed_by and fed.exists() else ""
            subprocess.run([sys.executable, "-c", making, str(folder), fed_by], check=True)
            print(f"{name}: {case.built}, {steps} steps, {batch} rows", flush=True)
            for backend in backends:
                seconds, peak = bare(backend, case, folder)
                print(f"  bare call of {backend}: {seconds:.1f} s, {peak:.2f} GiB", flush=True)
            code, seconds, peaks = judge(folder, case, backends, given.rows)
            count = numbers(case, folder)
            print(f"  judged: exit {code}, {seconds:.0f} s, {count:,} numbers")
            for process, peak in peaks.items():
                per = peak * 2**30 / count
                print(f"  {process}: {peak:.2f} GiB, {per:.0f} bytes for each number", flush=True)
            print((folder / "judged" / "answer.md").read_text().split("## Known")[0], flush=True)


if __name__ == "__main__":
    main()
