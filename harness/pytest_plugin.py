"""`pytest --parity-report DIR`: the reports of a run, from whatever tests were selected.

A test hands what it judged to the fixture `parity_report`; with pytest-xdist too, where the
results travel with the tests' own reports. Whole configs are recorded, whichever of their checks
were selected: what the baseline expects of a config is known only of all of it.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:  # a test session that does not ask for reports loads nothing for them
    from harness.outcome import Outcome
    from harness.results import Result
    from harness.runners import Runner

__all__ = ["Record", "Xfail", "known_differences", "parity_report"]

PROPERTY = "rnn-parity"

KNOWN = "rnn-parity-known"

Xfail = Callable[["Iterable[str]"], "NoReturn"]
"""Takes ids of known differences, and ends a test."""

Record = Callable[["Sequence[Result]", "Mapping[str, Runner]"], None]
"""Takes the results of one config, and the backends that were asked."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rnn-parity")
    group.addoption(
        "--parity-quick",
        action="store_true",
        help="Judge the configs of `rnn-parity run --quick` in place of the whole corpus.",
    )
    group.addoption(
        "--parity-report",
        metavar="DIR",
        type=Path,
        help="Write results.jsonl, report.html, junit.xml and summary.md of the selected tests.",
    )


SUITE = "test_conformance.py"
"""The file of the conformance suite."""

pytest.register_assert_rewrite("harness.conformance.test_conformance")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before `-k` selects: tests of a config can be selected by the words of all its fields.

    And what shares its results stays in one process where several share out the tests.
    """
    for item in items:
        if item.path.name == SUITE:
            callspec = getattr(item, "callspec", None)
            if callspec is not None and "config_id" in callspec.params:
                item.extra_keyword_matches.update(words_of(callspec.params["config_id"]))
            if hasattr(config, "workerinput"):  # in a process of xdist
                item.add_marker(pytest.mark.xdist_group("conformance"))


@functools.cache
def words_of(config_id: str) -> frozenset[str]:
    """Of all fields of a config, also those that its id leaves out as defaults."""
    from harness.config import Config

    return frozenset(word for word, _ in Config.parse(config_id).words.values())


def pytest_configure(config: pytest.Config) -> None:
    out = config.getoption("--parity-report")
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(_Known(), "rnn-parity-known")
    if out is not None:
        config.pluginmanager.register(_Collected(out), "rnn-parity-report")


@pytest.fixture
def parity_report(request: pytest.FixtureRequest) -> Record:
    """Records results for `--parity-report`; without it, does nothing."""
    if request.config.getoption("--parity-report") is None:
        return lambda results, runners: None
    properties = request.node.user_properties

    def record(results: Sequence[Result], runners: Mapping[str, Runner]) -> None:
        import msgspec

        from harness.environment import describe
        from harness.results import Parameters

        lines = msgspec.json.encode(list(results)).decode()
        if results and (PROPERTY, lines) not in properties:
            header = describe(runners, Parameters(corpus="the tests that pytest selected"))
            properties.append((f"{PROPERTY}-header", msgspec.json.encode(header).decode()))
            properties.append((PROPERTY, lines))

    return record


@pytest.fixture
def known_differences(request: pytest.FixtureRequest) -> Xfail:
    """Ends a test as an expected failure; the end of the session names what is known."""

    def xfail(names: Iterable[str]) -> NoReturn:
        every = sorted(names)
        request.node.user_properties.extend((KNOWN, name) for name in every)
        pytest.xfail(f"known difference {', '.join(every)}")

    return xfail


class _Known:
    """Counts tests by the known differences that they are expected to show."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.counts.update(
                str(value) for name, value in report.user_properties if name == KNOWN
            )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.counts:
            return
        from harness.baseline import read_baseline

        statements = {entry.id: entry.statement for entry in read_baseline()}
        terminalreporter.section("known differences, by how many tests xfailed")
        for name, count in self.counts.most_common():
            terminalreporter.line(f"{count:6,}  {name}: {statements.get(name, '')}")


class _Collected:
    """What all tests recorded, on the process that reports on them; written at the end."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.header: dict[str, Any] = {}
        self.blocks: dict[tuple[str, str], str] = {}
        self.outcome: Outcome | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        import msgspec

        for name, value in report.user_properties:
            if name == f"{PROPERTY}-header":
                header = msgspec.json.decode(str(value))
                for field in ("versions", "backends"):
                    header[field] = {**self.header.get(field, {}), **header[field]}
                self.header = {**header, "date": self.header.get("date", header["date"])}
            elif name == PROPERTY:
                first = msgspec.json.decode(str(value))[0]
                self.blocks[first["config_id"], first["backend"]] = str(value)

    def pytest_sessionfinish(self) -> None:
        import msgspec

        from harness.expectations import expectations_of
        from harness.journal import Journal, locked, read_run
        from harness.outcome import outcome_of
        from harness.report.files import write_reports
        from harness.results import Result
        from harness.run import results_path

        if not self.blocks:
            return
        path = results_path(self.out)
        results = [
            result
            for block in self.blocks.values()
            for result in msgspec.json.decode(block, type=list[Result])
        ]
        with locked(self.out), Journal.begin(path, self.header) as journal:
            journal.append(results)
            journal.finish(results)
        recorded = read_run(path)
        self.outcome = outcome_of(recorded, expectations_of(recorded.header))
        write_reports(self.outcome, self.out)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("rnn-parity")
        if self.outcome is None:
            terminalreporter.line("no report: none of the tests judged a config")
            return
        terminalreporter.line(f"{self.outcome.headline}: {self.out / 'report.html'}")
