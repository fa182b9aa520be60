"""The conformance suite: corpus x backends x checks, and a property for each backend.

Select as with any pytest suite: `pytest -k "relu and bidir and mindspore"`, or a whole config
id, from the corpus or not. A case runs once per backend and serves all its checks. Known
differences (harness/known_differences.toml) are shown as xfailed; one that vanished fails.
"""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, note

from harness.backends import load_backend
from harness.checks import CHECKS, checks_for
from harness.config import Config, ConfigError
from harness.corpus import load_corpus
from harness.judge import Session
from harness.known import load_known
from harness.results import Result
from harness.strategies import configs

BACKENDS = ("torch", "mindspore")


@functools.cache
def session(backend: str) -> Session:
    """The backend, and before it the peer that it is compared with directly."""
    names = dict.fromkeys(("torch", backend))
    return Session({name: load_backend(name) for name in names}, load_known())


@functools.lru_cache(maxsize=4)
def results(config_id: str, backend: str) -> tuple[Result, ...]:
    return tuple(session(backend).judge(Config.parse(config_id), only=[backend]))


def applicable(config: Config, backend: str) -> list[str]:
    return [c.name for c in checks_for(config) if c.name != "parity" or backend != "torch"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The corpus; or, where `-k` is given one whole id, that config alone, pinned or not."""
    if metafunc.function is not test_corpus:
        return
    try:
        chosen = [Config.parse(metafunc.config.option.keyword.strip())]
    except ConfigError:
        chosen = load_corpus()
    cases = [
        pytest.param(config.id, backend, check, id=f"{config.id}-{backend}-{check}")
        for config in chosen
        for backend in BACKENDS
        for check in applicable(config, backend)
    ]
    metafunc.parametrize(("config_id", "backend", "check"), cases)


def test_corpus(config_id: str, backend: str, check: str) -> None:
    every = results(config_id, backend)
    if every[0].verdict == "unsupported":
        pytest.skip(every[0].message)
    lines = [result for result in every if result.check == check]
    unexpected = [line for line in lines if line.unexpected]
    assert not unexpected, report(unexpected)
    errors = [line for line in every if line.verdict == "error"]
    assert not errors, report(errors)
    known = {line.known for line in lines if line.known}
    if known:
        pytest.xfail(f"known difference {', '.join(sorted(map(str, known)))}")
    if not any(line.verdict == "pass" for line in lines):
        said = "; ".join(f"{line.part}: {line.message}" for line in lines)
        pytest.skip(f"inconclusive: {said or 'the peer gave nothing to compare with'}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_property(backend: str) -> None:
    """Any config: nothing unexpected. Hypothesis shrinks what fails and prints its replay."""

    @given(configs(max_steps=24))
    def nothing_unexpected(config: Config) -> None:
        lines = session(backend).judge(config, only=[backend], repeat=config.seed % 8 == 0)
        unexpected = [line for line in lines if line.unexpected]
        for line in unexpected:
            note(f"replay: {line.replay}")
        assert not unexpected, report(unexpected)

    nothing_unexpected()


@pytest.mark.parametrize(
    ("entry", "config_id"),
    [(entry.id, config_id) for entry in load_known().entries for config_id in entry.shown_by],
)
def test_known_difference_still_shows(entry: str, config_id: str) -> None:
    """In the other direction: what the baseline expects must be there."""
    (known,) = [e for e in load_known().entries if e.id == entry]
    lines = [line for line in results(config_id, known.backend) if line.known == entry]
    assert lines, (
        f"known difference {entry!r} vanished: {config_id} no longer shows it. If it was "
        "repaired, narrow `versions` of the entry, or delete it, in known_differences.toml"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_check_is_applied(backend: str) -> None:
    applied = {check for config in load_corpus() for check in applicable(config, backend)}
    assert applied == {c.name for c in CHECKS} - ({"parity"} if backend == "torch" else set())


def report(lines: list[Result]) -> str:
    return "\n".join(
        f"{line.check}, {line.part}: {line.message} (cause: {line.cause}, ratio {line.ratio})\n"
        f"  {line.replay}"
        for line in lines
    )
