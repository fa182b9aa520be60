"""On what a finding depends: sizes, options, places; tested on configs chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.config import Config
from harness.dependence import places, rules
from harness.expectations import Expectations, Judged
from harness.faults.correct import ForwardBackend, ForwardLayer
from harness.findings import TESTED, Finding, find
from harness.inquiry import MOST_CONFIGS, chosen, questions
from harness.judge import Session
from harness.results import Place
from tests.synthetic_results import line

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6}

TRIGGERS: dict[str, tuple[Callable[[Config], bool], str]] = {
    "many rows": (lambda c: c.batch >= 32, "batch >= 32"),
    "one row": (lambda c: c.batch == 1, "batch = 1"),
    "few units": (lambda c: c.hidden_size <= 16, "hidden_size <= 16"),
    "units by eight": (lambda c: c.hidden_size % 8 == 0, "hidden_size divisible by 8"),
    "odd features": (lambda c: c.input_size % 2 == 1, "input_size odd"),
    "square": (lambda c: c.input_size == c.hidden_size, "input_size = hidden_size"),
    "relu": (lambda c: c.nonlinearity == "relu", "nonlinearity = relu"),
    "deep and bare": (
        lambda c: c.num_layers >= 2 and not c.bias,
        "bias = no and num_layers >= 2",
    ),
}

RUN = [
    Config.of(
        nonlinearity=("tanh", "relu")[n % 2],
        bias=n % 3 > 0,
        num_layers=1 + n % 4 // 2,
        input_size=(1, 2, 3, 8, 5, 16, 7)[n % 7],
        hidden_size=(4, 8, 3, 24, 7, 16, 5, 40, 33, 12)[n % 10],
        batch=(1, 3, 2, 9, 33, 64, 5, 8)[n % 8],
        steps=1 + n % 5,
        seed=n,
    )
    for n in range(120)
]


def judged(config: Config, shows: bool, origin: str = "corpus") -> Judged:
    return line(
        0,
        3.0,
        config_id=config.id,
        backend="mine",
        cause="unexplained" if shows else None,
        verdict="fail" if shows else "pass",
        origin=origin,
    )


def after_tests(trigger: Callable[[Config], bool]) -> tuple[Finding, int]:
    """The finding after configs were chosen for it, and how many were."""
    results = [judged(config, trigger(config)) for config in RUN]
    asked: list[Config] = []

    def ask(config: Config, backend: str) -> list[Judged]:
        asked.append(config)
        results.append(judged(config, trigger(config), TESTED))
        return results[-1:]

    (before,) = find(results)
    assert "seen only" in before.depends or not before.rule
    chosen(before, ask)
    (after,) = find(results)
    return after, len(asked)


@pytest.mark.parametrize(("trigger", "text"), TRIGGERS.values(), ids=list(TRIGGERS))
def test_what_triggers_it_is_named(trigger: Callable[[Config], bool], text: str) -> None:
    finding, asked = after_tests(trigger)
    assert finding.rule is not None
    assert finding.rule.text == text
    assert 0 < asked <= MOST_CONFIGS
    assert f"tested on {asked} config" in finding.depends


def test_what_no_rule_separates_has_none() -> None:
    showing = [config for config in RUN if config.seed % 7 in (1, 4, 5)]
    passing = [config for config in RUN if config not in showing]
    assert rules(showing, passing) == []
    assert rules(RUN, []) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (lambda n: (5, n % 5, n % 4), ["at the last step"]),
        (lambda n: (n % 6, 4, n % 4), ["in the last row"]),
        (lambda n: (n % 6, n % 5, 3), ["in the last unit"]),
        (lambda n: (n % 6, n % 5, n % 4), []),
    ],
)
def test_where_it_is_worst_is_said(
    at: Callable[[int], tuple[int, int, int]], expected: list[str]
) -> None:
    def one(n: int, ratio: float) -> Judged:
        place = Place("output", 0, "forward", *at(n), actual=1.0, expected=2.0)
        config = Config.of(seed=n, **SIZES)
        return line(0, ratio, config_id=config.id, worst=place, failing=9)

    assert places([one(n, 3.0) for n in range(30)]) == expected
    assert places([one(n, float("inf")) for n in range(30)]) == []


class Wide(ForwardLayer):
    """Wrong from a batch of 32 rows on."""

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        off = 1.001 if inputs["x"].ndim == 3 and max(inputs["x"].shape[:2]) >= 32 else 1.0
        return {name: array * array.dtype.type(off) for name, array in found.items()}


def test_findings_of_a_session_are_asked_about() -> None:
    backend = ForwardBackend(Wide, "wide")
    with Session({"wide": backend}) as session:
        known = Expectations()
        results: list[Judged] = []

        def ask(config: Config, backend: str, origin: str = TESTED) -> list[Judged]:
            found = known.join(session.judge(config, only=[backend], origin=origin))
            results.extend(found)
            return found

        for batch in (1, 2, 9, 40):
            ask(Config.of(**SIZES | {"batch": batch}), "wide", "corpus")
        (finding, *_) = questions(results)
        chosen(finding, ask)
        after = next(f for f in find(results) if f.key == finding.key)
    assert after.rule is not None
    assert after.rule.text == "batch >= 32"


ONCE = """
from harness.faults.correct import ForwardBackend, ForwardLayer
calls = []
class Later(ForwardLayer):
    \"\"\"Wrong from the hundredth call of the process on.\"\"\"
    def forward(self, inputs):
        calls.append(1)
        found = super().forward(inputs)
        off = 1.001 if len(calls) > 100 else 1.0
        return {n: a * a.dtype.type(off) for n, a in found.items()}
class Always(ForwardLayer):
    def forward(self, inputs):
        return {n: a * a.dtype.type(1.001) for n, a in super().forward(inputs).items()}
later, always = ForwardBackend(Later, "later"), ForwardBackend(Always, "always")
"""


@pytest.mark.parametrize(("name", "said"), [("later", True), ("always", False)])
def test_what_does_not_show_alone_says_so(tmp_path: Path, name: str, said: bool) -> None:
    (tmp_path / "mine.py").write_text(ONCE, "utf-8")
    ids = [Config.of(**SIZES, seed=n).id for n in range(40)]
    (tmp_path / "corpus.txt").write_text("\n".join(ids), "utf-8")
    out = str(tmp_path / "out")
    arguments = ["--corpus", str(tmp_path / "corpus.txt"), "--examples", "0", "--out", out]
    backend = ["--backend", f"{tmp_path / 'mine.py'}:{name}", "--no-reproducers"]
    first = CliRunner().invoke(main, ["run", *arguments, *backend])
    again = CliRunner().invoke(main, ["report", "--out", out])
    for result in (first, again):
        assert ("does not show it in a fresh process" in " ".join(result.output.split())) is said
