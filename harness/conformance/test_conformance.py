"""The conformance suite: corpus x backends x checks, and a property for each backend.

`pytest --pyargs harness.conformance` runs it wherever the package is installed, for the frameworks
that are installed there.

Select as with any pytest suite: `pytest -k "tanh and bidir and mindspore"` (by the words of all
fields, also those that ids leave out as defaults), or by a whole config id, from the corpus or not.
A case runs once per backend and serves all its checks. Known differences
(harness/known_differences.toml) are xfailed; one that vanished fails.

`--parity-quick` asks the configs of a quick run alone, and leaves out what only the whole corpus
can tell.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings

from harness.aspects import VALUES
from harness.backends.installed import is_installed
from harness.backends.reference import name_in
from harness.checks import checks_for
from harness.config import Config, ConfigError
from harness.corpus import CORPUS, QUICK, SAMPLE, load_corpus
from harness.environment import describe
from harness.expectations import Expectations, Judged, expectations_of, stale_entries
from harness.judge import Session
from harness.pipeline import Task, judged, merged
from harness.pytest_plugin import Record, Xfail
from harness.results import Result
from harness.runners import Isolated, Limits
from harness.strategies import configs

EVERY = {"torch": CORPUS, "mindspore": CORPUS, "mindspore:graph": SAMPLE}
CORPORA = {name: path for name, path in EVERY.items() if is_installed(name_in(name))}
"""By backend whose framework is installed, the configs that it is asked."""

BACKENDS = tuple(CORPORA)


@functools.cache
def runner(name: str) -> Isolated:
    """A backend in a worker of its own, begun when the first test needs it.

    A machine may be busy: beside other work a thousand steps of MindSpore take more than the two
    minutes that a run gives a config.
    """
    STARTED.append(Isolated(name, Limits(seconds=600)))
    return STARTED[-1]


STARTED: list[Isolated] = []


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """Workers are ended at once: left to themselves they take seconds."""
    yield
    for one in STARTED:
        one.close()


@functools.cache
def session_of(names: tuple[str, ...]) -> Session:
    return Session({name: runner(name) for name in names})  # those begun together load together


def session(backend: str, aspect: str = VALUES) -> Session:
    """A backend, after the ones that it is compared with; a file needs another one to read it."""
    return session_of(BACKENDS[: max(BACKENDS.index(backend) + 1, 2 * (aspect == "checkpoint"))])


@functools.cache
def expected(backend: str) -> Expectations:
    """What the baseline says of a backend and the ones that it is compared with."""
    return expectations_of(header(backend))


def header(backend: str) -> dict[str, Any]:
    return describe(session(backend).runners)


FOUND: dict[tuple[str, str], tuple[Judged, ...]] = {}
"""By config id and backend: what came."""


Stream = Iterator[tuple[Task, list[Result]]]


def begun(tasks: Sequence[Task]) -> Stream:
    """Results as they come, in order; each backend works ahead."""
    if not tasks:
        return iter(())
    asked = max(BACKENDS.index(name) for task in tasks for name in task.backends)
    files = any(task.config.aspect == "checkpoint" for task in tasks)
    return judged(session(BACKENDS[asked], "checkpoint" if files else VALUES), tasks)


def results(config_id: str, backend: str, stream: Stream) -> tuple[Judged, ...]:
    """Of one config, after those of all before it in the stream."""
    mine = [Task(Config.parse(config_id), (backend,), "corpus")]
    following = itertools.chain(stream, begun(mine))
    while (config_id, backend) not in FOUND:
        task, found = next(following)
        for name in task.backends:
            own = [result for result in found if result.backend == name]
            FOUND[task.config.id, name] = tuple(expected(name).join(own))
    return FOUND[config_id, backend]


@pytest.fixture(scope="module")
def stream(request: pytest.FixtureRequest) -> Stream:
    """Of what the selected tests will ask for, in their order."""
    asked: dict[str, dict[str, None]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == "test_corpus":
            params = item.callspec.params
            asked.setdefault(str(params["config_id"]), {})[str(params["backend"])] = None
    return begun([Task(Config.parse(one), tuple(of), "corpus") for one, of in asked.items()])


def _asked(corpus: Path) -> tuple[str, ...]:
    return tuple(name for name, path in CORPORA.items() if path == corpus)


def pinned(quick: bool) -> list[Task]:
    """The whole corpus, or what a quick run asks of it."""
    chosen = set(load_corpus(QUICK if quick else CORPUS))
    eager, graph = (
        [Task(config, backends, "corpus") for config in load_corpus(path) if config in asked]
        for path, backends, asked in (
            (CORPUS, _asked(CORPUS), chosen),
            (SAMPLE, _asked(SAMPLE), chosen if quick else {*load_corpus(SAMPLE)}),
        )
    )
    return merged(eager, graph if _asked(SAMPLE) else [])


@functools.cache
def everything(quick: bool) -> tuple[Judged, ...]:
    """All that is asked: what the tests above it asked for already costs nothing."""
    every = pinned(quick)
    left = [t for t in every if any((t.config.id, name) not in FOUND for name in t.backends)]
    following = begun(left)
    return tuple(
        result
        for task in every
        for name in task.backends
        for result in results(task.config.id, name, following)
    )


WITHOUT = {"torch": {"call_parity", "modes"}, "mindspore": {"modes"}, "mindspore:graph": set()}
"""Checks that compare with a backend before, or with another mode."""


def applicable(config: Config, backend: str) -> list[str]:
    return [c.name for c in checks_for(config) if c.name not in WITHOUT[backend]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The corpus; or the configs that whole ids in `-k` or node ids ask for, pinned or not."""
    if metafunc.function is not test_corpus:
        return
    one = asked_for(metafunc.config.option.keyword)
    some = named_in(metafunc.config.args) if one is None else [one]
    quick = bool(metafunc.config.getoption("--parity-quick"))
    tasks = [Task(config, BACKENDS) for config in some] if some else pinned(quick)
    cases = [
        pytest.param(task.config.id, name, check, id=f"{task.config.id}-{name}-{check}")
        for task in tasks
        for name in task.backends
        for check in applicable(task.config, name)
    ]
    metafunc.parametrize(("config_id", "backend", "check"), cases)


def asked_for(keyword: str) -> Config | None:
    """The config that an expression such as "ID and mindspore and not graph" cannot do without."""
    words = keyword.split()
    if "or" in words or "(" in keyword:
        return None
    for before, word in zip(["", *words], words, strict=False):
        if before != "not":
            with contextlib.suppress(ConfigError):
                return Config.parse(word)
    return None


NODE = re.compile(r"::test_corpus\[(.+)-[a-z:]+-[a-z_]+\]$")


def named_in(arguments: Sequence[str]) -> list[Config]:
    """The configs of node ids, where each argument is one of a test of the corpus."""
    ids = [match[1] for one in arguments if (match := NODE.search(one))]
    with contextlib.suppress(ConfigError):
        if len(ids) == len(arguments):
            return [Config.parse(one) for one in dict.fromkeys(ids)]
    return []


def test_corpus(
    config_id: str,
    backend: str,
    check: str,
    stream: Stream,
    parity_report: Record,
    known_differences: Xfail,
) -> None:
    every = results(config_id, backend, stream)
    parity_report(every, {backend: runner(backend)})
    if every and every[0].verdict == "unsupported":
        pytest.skip(every[0].message)
    lines = [result for result in every if result.check == check]
    unexpected = [line for line in lines if line.unexpected]
    assert not unexpected, report(unexpected)
    errors = [line for line in every if line.verdict == "error" and line.known is None]
    assert not errors, report(errors)
    known = {line.known for line in lines if line.known}
    if known:
        known_differences(map(str, known))
    if not any(line.verdict == "pass" for line in lines):
        why = "; ".join(f"{line.part}: {line.message}" for line in lines)
        pytest.skip(f"inconclusive: {why or 'nothing to compare with'}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_property(backend: str, parity_report: Record) -> None:
    """Any config: nothing unexpected. Hypothesis shrinks what fails and prints its replay.

    Graphs are compiled for each config: a few small ones.
    """
    graph = backend == "mindspore:graph"

    @settings(
        max_examples=8 if graph else settings().max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(configs(max_steps=3, max_layers=2) if graph else configs(max_steps=24))
    def nothing_unexpected(config: Config) -> None:
        lines = expected(backend).join(
            session(backend).judge(config, only=[backend], repeat=config.seed % 8 == 0)
        )
        parity_report(lines, {backend: runner(backend)})
        unexpected = [line for line in lines if line.unexpected]
        for line in unexpected:
            note(f"replay: {line.replay}")
        assert not unexpected, report(unexpected)

    nothing_unexpected()


def test_known_differences_still_show(pytestconfig: pytest.Config) -> None:
    """In the other direction: what the baseline expects must be there."""
    quick = bool(pytestconfig.getoption("--parity-quick"))
    assert stale_entries(expected(BACKENDS[-1]), everything(quick)) == []


def report(lines: list[Judged]) -> str:
    return "\n".join(
        f"{line.check}, {line.part}: {line.message} (cause: {line.cause}, ratio {line.ratio})\n"
        f"  {line.replay}"
        for line in lines
    )
