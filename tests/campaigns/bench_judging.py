"""`make bench`: what judging costs, over what no harness could do without.

Ratios (in brackets) are to the fastest of a group, in one run on one machine; none is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
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
from reference.arrays import Array

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


def bare_call(backend: Backend, case: Case) -> Mapping[str, Array]:
    """Build, load, call: what any comparison needs."""
    config = case.config
    layer = backend.build(config.options)
    layer.load_weights(case.weights)
    return layer.forward({name: to_layout(config, name, a) for name, a in case.inputs.items()})


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


def compare_outputs(backends: dict[str, Backend], chosen: Sequence[Config]) -> None:
    """What tools do that compare outputs: one call each, and numpy.allclose."""
    for config in chosen:
        if any(unsupported_reason(one, config) is not None for one in backends.values()):
            continue
        case = make_case(config)
        first, second = (bare_call(one, case) for one in backends.values())
        for name, array in first.items():
            np.allclose(array, second[name], equal_nan=True)


def observe(backends: dict[str, Backend], chosen: Sequence[Config]) -> None:
    """Every call that a run makes; nothing is judged."""
    runners = [InProcess(one) for one in backends.values()]
    for config in chosen:
        for runner in runners:
            runner.observe(config, repeat=config.seed % 8 == 0)


@JUDGING
def test_outputs_compared_with_allclose(benchmark: Any, backends: dict[str, Backend]) -> None:
    measure(benchmark, lambda: compare_outputs(backends, CONFIGS))


@JUDGING
def test_every_call_and_no_judging(benchmark: Any, backends: dict[str, Backend]) -> None:
    measure(benchmark, lambda: observe(backends, CONFIGS))


@JUDGING
def test_everything(benchmark: Any, session: Session) -> None:
    measure(benchmark, lambda: judge(session, CONFIGS))


ONE = load_corpus()[20].id
SIZES: dict[str, tuple[int, ...]] = {
    "steps": (10, 100, 1000),
    "num_layers": (1, 2, 4, 8),
    "batch": (1, 16, 256),
    "hidden_size": (16, 128, 512, 2048),
}
OF_A_SIZE: dict[str, int] = {"input_size": 16, "hidden_size": 32, "batch": 4, "steps": 10}


@pytest.mark.parametrize("what", ["one call", "judged"])
@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name, every in SIZES.items() for size in every]
)
def test_growth(
    benchmark: Any, backends: dict[str, Backend], name: str, size: int, what: str
) -> None:
    """One config of torch, all else small."""
    benchmark.group = f"growth with {name}, torch, {what}"
    sizes: dict[str, Any] = {**OF_A_SIZE, name: size}
    config = Config.of(data="plain", seed=1, **sizes)
    case, session = make_case(config), Session({"torch": backends["torch"]})
    if what == "one call":
        measure(benchmark, lambda: bare_call(backends["torch"], case))
    else:
        measure(benchmark, lambda: judge(session, [config]))


@pytest.mark.parametrize("count", [25, 50, 100])
def test_growth_with_configs(benchmark: Any, backends: dict[str, Backend], count: int) -> None:
    benchmark.group = "growth with configs, torch, judged"
    session = Session({"torch": backends["torch"]})
    measure(benchmark, lambda: judge(session, CONFIGS[:count]))


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
        ("-m", "pytest", "-q", "tests/test_conformance.py", "-k", f"{ONE} and mindspore-step"),
    ],
    ids=["import torch, mindspore", "pytest -k ID, both frameworks"],
)
def test_process(benchmark: Any, command: tuple[str, ...]) -> None:
    # Without bytecode pytest compiles its plugins anew each time; that is not what users have.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    whole = [sys.executable, *command]
    measure(
        benchmark,
        lambda: subprocess.run(whole, env=environment, capture_output=True, check=True),
    )
