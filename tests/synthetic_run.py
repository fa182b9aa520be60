"""A synthetic run for tests of reports: as many configs as wanted, and some of every verdict."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.baseline import read_baseline
from harness.causes import Cause
from harness.config import Config
from harness.expectations import Expectations
from harness.figures import ActivationError, ErrorMap, Figures
from harness.findings import find
from harness.outcome import Outcome
from harness.probes import Probe
from harness.reproducers import Reproducer
from harness.results import Place, Result
from harness.verdicts import Verdict

BACKENDS = ("torch", "mindspore", "mindspore:graph")
KNOWN = "mindspore-tanh-steps"
SCRIPT = "import torch\nprint(torch.nn.RNN(1, 1)) # <b>"

_OPTIONS = tuple(
    itertools.product(
        ("tanh", "relu"), (1, 2, 3), (False, True), (True, False), ("timefirst", "batchfirst")
    )
)


def config_of(number: int) -> Config:
    """A different one for every number, in turn over the options."""
    nonlinearity, layers, both, bias, layout = _OPTIONS[number % len(_OPTIONS)]
    return Config.of(
        "rnn",
        nonlinearity=nonlinearity,
        num_layers=layers,
        bidirectional=both,
        bias=bias,
        layout=layout,
        states=number % 2 == 0,
        lengths=("nolengths", "ragged", "fulllengths")[number % 3],
        dtype=("fp32", "fp32", "fp64")[number % 7 % 3],
        input_size=2 + number % 5,
        hidden_size=3 + number % 4,
        batch=4 + number % 3,
        steps=2 + number % 6,
        scale=(1, 2, 4, 8)[number % 4],
        seed=number,
    )


def _subjects(config: Config) -> Iterator[tuple[str, str]]:
    yield from (("transfer", "weights"), ("shape_dtype", "output and h_n"))
    for layer, way in itertools.product(range(config.num_layers), ("forward", "reverse")):
        if way == "forward" or config.bidirectional:
            yield "step_residual", f"layer {layer} {way}"
    yield from (("forward_error", "output"), ("forward_error", "h_n"), ("last_state", "h_n"))


def lines_of(config: Config, text: str = "message") -> Iterator[Result]:
    """Results of every backend, a third of the configs drawn."""
    random = np.random.default_rng(config.seed)
    for backend in BACKENDS[: 3 if config.seed % 5 == 0 else 2]:
        for check, part in _subjects(config):
            yield _line(config, backend, check, part, random, text)


def _line(
    config: Config, backend: str, check: str, part: str, random: np.random.Generator, text: str
) -> Result:
    tanh = "tanh" in config.cell.activations and config.dtype == "fp32" and config.scale > 1
    wrong = check == "step_residual" and backend != "torch" and tanh
    new = check == "last_state" and backend == "mindspore" and config.seed == 7
    numbers = check in ("step_residual", "forward_error")
    ratio = float(10 ** random.uniform(0.1, 2.5) if wrong else random.uniform(0, 0.4))
    size = config.steps, config.batch, config.hidden_size
    step, batch, unit = (int(random.integers(n)) for n in size)
    actual, expected = float(random.normal()), float(random.normal())
    place = Place("output", 0, "forward", step, batch, unit, actual, expected, 1e-7)
    command = f"rnn-parity replay {config.id} --backend {backend}"
    return Result(
        config_id=config.id,
        backend=backend,
        check=check,
        requirement="equation",
        verdict=Verdict.FAIL if wrong or new else Verdict.PASS,
        compared=int(np.prod(size)),
        max_abs=float(random.uniform() * 1e-7) if numbers else None,
        max_rel=float(random.uniform() * 1e-7) if numbers else None,
        max_ulp=float(random.uniform()) if numbers else None,
        ratio=ratio if numbers else None,
        worst=place if numbers or new else None,
        message=f"{config.seed % 60} of 60 states {text}" if wrong or new else "",
        replay=command,
        part=part,
        cause=Cause.ACTIVATION if wrong else None,
        origin="corpus" if config.seed % 3 else "drawn",
        failing=3 if wrong else 0,
        assert_close="pass" if numbers else None,
        power=dict.fromkeys((Probe.BIAS, Probe.STATE, Probe.ROW), float(random.uniform()))
        if numbers
        else {},
    )


def synthetic_run(count: int, text: str = "message") -> Outcome:
    """The outcome of judging so many configs; `text` stands where a backend can put one."""
    expected = Expectations(read_baseline())
    results = expected.join(line for n in range(count) for line in lines_of(config_of(n), text))
    header: dict[str, Any] = {
        "versions": {"rnn-parity": "0.0", "torch": "2.0", "mindspore": "2.0"},
        "platform": f"here {text}",
        "machine": "linux-x86_64",
        "cpu": "one",
        "date": "2026-01-01T00:00:00+00:00",
        "parameters": {"seed": 0},
    }
    outcome = Outcome(header, results, expected.by_id)
    outcome.vanished = [f"known difference 'x' vanished {text}"]
    example = next(finding for finding in find(results) if finding.check == "step_residual")
    outcome.reproducers = {example.slug: Reproducer(example.slug, "", SCRIPT, f"1.0 {text}")}
    outcome.figures = figures_of(example.slug)
    return outcome


def figures_of(slug: str) -> Figures:
    """A map of one finding, padding and infinity in it, and tanh of two backends."""
    rows: Any = [[0.0, 0.5, 20.0], [1.5, "inf", None]]
    wave = [float(n % 7) for n in range(40)]
    falling = [-n for n in wave]
    return Figures(
        "2026-01-01T00:00:00+00:00",
        [ErrorMap(slug, config_of(1).id, True, 0, "forward", 1, 3, 2, rows, rows)],
        [ActivationError(b, "tanh", -10.0, 10.0, [*falling], [*wave]) for b in BACKENDS[:2]],
    )
