"""`make bench`: what judging costs, over what no harness could do without.

Ratios (in brackets) are to the fastest of a group, in one run on one machine; none is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from harness.axes import to_layout
from harness.backends import load_backend
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.case import Case, make_case
from harness.config import Config
from harness.corpus import load_corpus
from harness.judge import Session
from harness.oracle import Oracle
from harness.runners import InProcess, Isolated
from harness.strategies import configs, draw_configs

NAMES = ("torch", "mindspore")
CONFIGS = draw_configs(
    configs(max_steps=6, dtypes=("fp32",), aspects=("values",)),
    int(os.environ.get("BENCH_CONFIGS", "100")),
    seed=0,
)
JUDGING = pytest.mark.benchmark(
    group=f"{len(CONFIGS)} configs, both frameworks, T <= 6, up to 3 layers"
)


@pytest.fixture(scope="module")
def backends() -> dict[str, Backend]:
    return {name: load_backend(name) for name in NAMES}


@pytest.fixture(scope="module", params=["in this process", "in workers"])
def session(request: pytest.FixtureRequest, backends: dict[str, Backend]) -> Iterator[Session]:
    runners: Any = backends
    if request.param == "in workers":
        runners = {name: Isolated(name) for name in NAMES}
    with Session(runners) as made:
        yield made


def bare_call(backend: Backend, case: Case) -> None:
    """Build, load, call: what any comparison needs."""
    config = case.config
    layer = backend.build(config.options)
    layer.load_weights(case.weights)
    layer.forward({name: to_layout(config, name, a) for name, a in case.inputs.items()})


def call_frameworks(backends: dict[str, Backend], chosen: Sequence[Config]) -> None:
    for config in chosen:
        case = make_case(config)
        for backend in backends.values():
            if unsupported_reason(backend, config) is None:
                bare_call(backend, case)
        _ = Oracle(case).exact


def judge(session: Session, chosen: Sequence[Config]) -> None:
    """As a run does it: workers ahead, an eighth of the second calls, every result encoded."""
    encode = msgspec.json.Encoder().encode
    for count, config in enumerate(chosen):
        for ahead in chosen[count : count + 2]:
            session.begin(ahead, repeat=ahead.seed % 8 == 0)
        for result in session.judge(config, repeat=config.seed % 8 == 0):
            encode(result)


def measure(benchmark: Any, work: Callable[[], object]) -> None:
    """Once to warm up: activations are measured and kernels compiled then."""
    benchmark.pedantic(work, warmup_rounds=1, rounds=3, iterations=1)


@JUDGING
def test_one_call_of_each_framework_and_the_oracle(
    benchmark: Any, backends: dict[str, Backend]
) -> None:
    measure(benchmark, lambda: call_frameworks(backends, CONFIGS))


@JUDGING
def test_everything(benchmark: Any, session: Session) -> None:
    measure(benchmark, lambda: judge(session, CONFIGS))


@pytest.mark.benchmark(group="one answer that needs no computation")
@pytest.mark.parametrize("where", ["in this process", "in a worker"])
def test_there_and_back(benchmark: Any, where: str) -> None:
    """torch documents that it refuses these lengths, so its worker answers at once."""
    config = Config.of(lengths="emptyrows", batch=2, steps=3)
    runner = Isolated("torch") if where == "in a worker" else InProcess(load_backend("torch"))
    benchmark(lambda: runner.observe(config, repeat=False))
    runner.close()


@pytest.mark.benchmark(group="one selected test")
@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import torch, mindspore"),
        ("-m", "pytest", "-q", "tests/test_conformance.py", "-k", load_corpus()[20].id),
    ],
    ids=["import torch, mindspore", "pytest -k ID"],
)
def test_process(benchmark: Any, command: tuple[str, ...]) -> None:
    # Without bytecode pytest compiles its plugins anew each time; that is not what users have.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    whole = [sys.executable, *command]
    measure(
        benchmark,
        lambda: subprocess.run(whole, env=environment, capture_output=True, check=True),
    )
