"""`make bench`: what a config costs, against the calls that no harness could do without.

All ratios come from one run on one machine; nothing here is asserted anywhere.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.backends import load_backend
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.case import Case, make_case
from harness.config import Config
from harness.corpus import load_corpus
from harness.draw import draw_configs
from harness.judge import Session
from harness.layout import states_to_layout, to_layout
from harness.oracle import Oracle
from harness.runners import InProcess, Isolated
from harness.strategies import configs

__all__ = ["main"]

CONFIGS = 200
BACKENDS = ("torch", "mindspore")


def bare_call(backend: Backend, case: Case) -> None:
    """Build, load, call: what any comparison needs."""
    config = case.config
    layer = backend.build(config.options)
    layer.load_weights(case.weights)
    h_0 = None if case.h_0 is None else states_to_layout(case.h_0, config)
    layer.forward(to_layout(case.x, config), h_0, case.lengths)


def prefixes(config: Config) -> list[Case]:
    """The shorter stacks that show the hidden layers."""
    return [
        make_case(dataclasses.replace(config, num_layers=k)) for k in range(1, config.num_layers)
    ]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def supported(backend: Backend, config: Config) -> bool:
    return unsupported_reason(backend, config) is None


def judge_all(session: Session, chosen: Sequence[Config]) -> None:
    """As a run does it: judge, with an eighth of the second calls, and encode every result."""
    encode = msgspec.json.Encoder().encode
    for count, config in enumerate(chosen):
        for ahead in chosen[count : count + 2]:
            session.begin(ahead, repeat=ahead.seed % 8 == 0)
        for result in session.judge(config, repeat=config.seed % 8 == 0):
            encode(result)


def throughput(backends: Mapping[str, Backend], here: Session, isolated: Session) -> None:
    """Configs per second at T <= 6 and up to 3 layers, in turn with the bare calls."""
    strategy = configs(max_steps=6, dtypes=("fp32",), aspects=("forward",))
    chosen = draw_configs(strategy, CONFIGS, seed=0)
    for session in (here, isolated):
        judge_all(session, load_corpus()[1:4])  # activations measured, kernels warm
    parts = dict.fromkeys(("here", "worker", "stack", "hidden", "oracle", "mindspore"), 0.0)
    for config in chosen:
        case = make_case(config)
        for name, backend in backends.items():
            if supported(backend, config):
                spent = seconds(lambda b=backend, c=case: bare_call(b, c))  # type: ignore[misc]
                parts["stack"] += spent
                parts["mindspore"] += spent * (name == "mindspore")
                for shorter in prefixes(config):
                    parts["hidden"] += seconds(lambda b=backend, c=shorter: bare_call(b, c))  # type: ignore[misc]
        parts["oracle"] += seconds(lambda c=case: Oracle(c).exact)  # type: ignore[misc]
        parts["here"] += seconds(lambda c=config: judge_all(here, [c]))  # type: ignore[misc]
        parts["worker"] += seconds(lambda c=config: judge_all(isolated, [c]))  # type: ignore[misc]
    run = seconds(lambda: judge_all(isolated, chosen))
    floor = parts["stack"] + parts["oracle"]
    per = 1000 / len(chosen)

    def say(title: str, spent: float, more: str = "") -> None:
        print(f"  {title:47} {spent * per:7.1f} ms  {more}")

    print(f"per config, {len(chosen)} drawn configs, T <= 6, up to 3 layers, both frameworks:")
    say("floor: one call of each and the oracle", floor)
    say("of it MindSpore", parts["mindspore"])
    say("with the calls that show hidden layers", floor + parts["hidden"])
    say(
        "everything, in this process", parts["here"], f"{parts['here'] / floor:.2f} times the floor"
    )
    say("everything, in workers, one config at a time", parts["worker"])
    say("everything, in workers, as a run does it", run, f"{run / floor:.2f} times the floor")
    print(f"  = {len(chosen) / run:.1f} configs per second")


def way_to_a_worker(isolated: Session) -> None:
    """What the way there and back takes: a config that the backend answers at once."""
    config = Config(lengths="empties", batch=2, steps=3)  # torch documents that it refuses these
    runner = isolated.runners["torch"]
    assert runner.observe(config, repeat=False).unsupported
    times = [seconds(lambda: runner.observe(config, repeat=False)) for _ in range(300)]
    here = InProcess(load_backend("torch"))
    bare = [seconds(lambda: here.observe(config, repeat=False)) for _ in range(300)]
    gap = 1000 * (statistics.median(times) - statistics.median(bare))
    print(f"isolation: {gap:.2f} ms for a config there and back, and for what it returns")


def one_test() -> None:
    """The wall time of one selected test against a bare import of both frameworks."""
    # Without bytecode pytest compiles its plugins anew each time; that is not what users have.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def wall(*command: str) -> float:
        times = [
            seconds(
                lambda: subprocess.run(
                    [sys.executable, *command], env=environment, capture_output=True, check=True
                )
            )
            for _ in range(4)
        ]
        return statistics.median(times[1:])

    config_id = load_corpus()[20].id
    imports = wall("-c", "import torch, mindspore")
    test = wall("-m", "pytest", "-q", "tests/test_conformance.py", "-k", config_id)
    print("one selected test (median of 3):")
    print(f"  pytest -k <one id>                        {test:7.2f} s")
    print(
        f"  import torch, mindspore                   {imports:7.2f} s  "
        f"({test / imports:.2f} times that)"
    )


def growth(session: Session) -> None:
    """How the time of one config grows with its sizes, and of a run with their number."""
    base = Config(input_size=5, hidden_size=8, batch=6, steps=5, h_0=True)
    print("growth, ms per config (both frameworks, all checks):")
    for title, field, values in (
        ("steps T", "steps", (5, 10, 20, 40, 80)),
        ("layers", "num_layers", (1, 2, 3, 4)),
        ("batch B", "batch", (1, 6, 24, 96)),
    ):
        cells = []
        for value in values:
            changes: dict[str, Any] = {field: value}
            config = dataclasses.replace(base, **changes)
            repeats = [seconds(lambda c=config: judge_all(session, [c])) for _ in range(5)]  # type: ignore[misc]
            cells.append(f"{value}: {1000 * statistics.median(repeats):.0f}")
        print(f"  {title:10} {',  '.join(cells)}")
    chosen = draw_configs(configs(max_steps=6, dtypes=("fp32",), aspects=("forward",)), 100, seed=1)
    cells = [
        f"{n}: {1000 * seconds(lambda n=n: judge_all(session, chosen[:n])) / n:.0f}"  # type: ignore[misc]
        for n in (25, 50, 100)
    ]
    print(f"  {'configs':10} {',  '.join(cells)}")


def main() -> None:
    one_test()
    backends = {name: load_backend(name) for name in BACKENDS}
    with Session({name: Isolated(name) for name in BACKENDS}) as isolated:
        throughput(backends, Session(backends), isolated)
        way_to_a_worker(isolated)
        growth(isolated)


if __name__ == "__main__":
    main()
