"""The conformance suite: corpus x backends x checks, and a property for each backend.

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
from typing import Any

import pytest
from hypothesis import given, note, settings

from harness.aspects import VALUES
from harness.baseline import KnownDifference, read_baseline
from harness.checks import checks_for, every_check
from harness.config import Config, ConfigError
from harness.corpus import CORPUS, QUICK, SAMPLE, load_corpus
from harness.environment import describe
from harness.expectations import Expectations, Judged, expectations_of, holds_on, stale_entries
from harness.judge import Session
from harness.layers import LAYERS
from harness.matrix import matrix
from harness.pipeline import Task, judged, merged
from harness.pytest_plugin import Record
from harness.report.mapping import page_of, render_mapping, run_example
from harness.requirements import REQUIREMENTS
from harness.results import Result
from harness.runners import Isolated
from harness.strategies import configs
from harness.verdicts import CONCLUDED

CORPORA = {"torch": CORPUS, "mindspore": CORPUS, "mindspore:graph": SAMPLE}
BACKENDS = tuple(CORPORA)


@functools.cache
def runner(name: str) -> Isolated:
    """A backend in a worker of its own, begun when the first test needs it."""
    STARTED.append(Isolated(name))
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


def pinned(quick: bool) -> list[Task]:
    """The whole corpus, or what a quick run asks of it."""
    chosen = set(load_corpus(QUICK if quick else CORPUS))
    eager, graph = (
        [Task(config, backends, "corpus") for config in load_corpus(path) if config in asked]
        for path, backends, asked in (
            (CORPUS, ("torch", "mindspore"), chosen),
            (SAMPLE, ("mindspore:graph",), chosen if quick else {*load_corpus(SAMPLE)}),
        )
    )
    return merged(eager, graph)


@pytest.fixture
def whole(pytestconfig: pytest.Config) -> tuple[Judged, ...]:
    """The whole corpus, for what only that can tell."""
    if pytestconfig.getoption("--parity-quick"):
        pytest.skip("only the whole corpus tells; --parity-quick asks a part of it")
    return everything(quick=False)


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
    """The corpus; or, where `-k` asks for one whole id, that config alone, pinned or not."""
    if metafunc.function is not test_corpus:
        return
    one = asked_for(metafunc.config.option.keyword)
    quick = bool(metafunc.config.getoption("--parity-quick"))
    tasks = pinned(quick) if one is None else [Task(one, BACKENDS)]
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


ONE = Config.of(lengths="ragged", steps=3)


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        (ONE.id, ONE),
        (f"{ONE.id} and mindspore and not graph", ONE),
        (f"mindspore and {ONE.id}", ONE),
        (f"not {ONE.id}", None),
        (f"{ONE.id} or relu", None),
        (f"not ({ONE.id})", None),
        ("relu and bidir", None),
        ("", None),
    ],
)
def test_an_expression_may_need_one_config(keyword: str, found: Config | None) -> None:
    assert asked_for(keyword) == found


def test_corpus(
    config_id: str, backend: str, check: str, stream: Stream, parity_report: Record
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
        pytest.xfail(f"known difference {', '.join(sorted(map(str, known)))}")
    if not any(line.verdict == "pass" for line in lines):
        why = "; ".join(f"{line.part}: {line.message}" for line in lines)
        pytest.skip(f"inconclusive: {why or 'nothing to compare with'}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_property(backend: str, parity_report: Record) -> None:
    """Any config: nothing unexpected. Hypothesis shrinks what fails and prints its replay.

    Graphs are compiled for each config: a few small ones.
    """
    graph = backend == "mindspore:graph"

    @settings(max_examples=8 if graph else settings().max_examples)
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


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_requirement_has_a_verdict(backend: str, whole: Sequence[Judged]) -> None:
    """None untested, and none that rests on a single config."""
    for key, row in matrix(whole).items():
        cell = row[backend]
        if cell.verdict in ("unsupported", "not applicable"):
            continue
        assert cell.verdict in ("pass", "known"), f"{key}: {cell.verdict}"
        assert cell.configs >= 2, f"{key}: rests on {cell.configs} config"


def test_what_is_not_supported_is_what_the_documentation_excludes(
    whole: Sequence[Judged],
) -> None:
    left_out = {
        (key, backend)
        for key, row in matrix(whole).items()
        for backend, cell in row.items()
        if cell.verdict in ("unsupported", "not applicable")
    }
    assert left_out == {
        ("bf16", "mindspore"),
        ("bf16", "mindspore:graph"),
        ("concurrency", "mindspore"),  # no page says that layers may be called at once
        ("concurrency", "mindspore:graph"),
        ("empty-rows", "torch"),
        ("modes", "torch"),
        ("modes", "mindspore"),
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_the_mapping_page_agrees_with_a_new_run(layer: str, whole: Sequence[Judged]) -> None:
    """Numbers may move with the configs; verdicts and differences may not. If this fails, look
    at what changed, and write the page anew with `rnn-parity mapping`.
    """
    header = {"versions": {}, "platform": "", "date": ""}
    known, printed = expected(BACKENDS[-1]), run_example(layer)
    fresh = render_mapping(header, whole, known, printed, layer)
    written, elsewhere = page_of(layer).read_text("utf-8"), of_other_machines()
    assert verdicts(written, elsewhere) == verdicts(fresh, elsewhere)


def of_other_machines() -> list[KnownDifference]:
    """Entries that do not hold on this platform or processor, though on the page's they did."""
    return [entry for entry in read_baseline() if not holds_on(entry, header(BACKENDS[-1]))]


def verdicts(page: str, elsewhere: Sequence[KnownDifference] = ()) -> list[str]:
    """The verdicts of a page's tables, and the differences by which it has them.

    Without what is only about machines `elsewhere`, the requirements that its causes count for, and
    differences that only some runs show. A star, for what is judged elsewhere, may stand for
    flushing that another run does not show; the order of differences is that of their reach.
    """
    uncertain = {e.id for e in (*expected(BACKENDS[-1]).entries, *elsewhere) if e.intermittent}
    uncertain |= {entry.id for entry in elsewhere}
    causes = {cause for entry in elsewhere for cause in entry.causes}
    counting = {cause.about.requirement for cause in causes if cause.about.requirement}
    left_out = tuple(f"| {REQUIREMENTS[key].statement} |" for key in counting)
    kept = []
    for line in page.splitlines():
        names = sorted(set(re.findall(r"\]\(#([^)]+)\)", line)) - uncertain)
        if line.startswith("|") and not line.startswith(left_out):
            kept.append(" | ".join(line.split(" | ")[:4]).replace("✓\\*", "✓"))
        elif line.startswith("- <a id="):
            kept.append(f"{line.partition(': ')[0]}: {names}")
        elif line.startswith("### ") and line[4:] in {entry.id for entry in read_baseline()}:
            kept += [line] if line[4:] not in uncertain else []
    assert len(kept) > len(REQUIREMENTS) - len(counting)
    return sorted(kept)


def test_the_quick_run_shows_what_a_whole_one_shows(whole: Sequence[Judged]) -> None:
    """Each requirement by each check that judges it, and in the matrix; and most differences."""
    quick = {config.id for config in load_corpus(QUICK)}
    few = [result for result in whole if result.config_id in quick]
    assert concluded(few) == concluded(whole)
    assert with_verdict(few) == with_verdict(whole)
    assert len({result.known for result in few if result.verdict == "fail"}) >= 30


def with_verdict(results: Sequence[Judged]) -> set[tuple[str, str]]:
    rows = matrix(results).items()
    return {(key, backend) for key, row in rows for backend, cell in row.items() if cell.configs}


def concluded(results: Sequence[Judged]) -> set[tuple[str, str, str]]:
    return {(r.backend, r.check, r.requirement) for r in results if r.verdict in CONCLUDED}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_check_is_applied(backend: str) -> None:
    applied = {c for config in load_corpus(CORPORA[backend]) for c in applicable(config, backend)}
    every = {check.name for check in every_check()}
    assert applied == every - WITHOUT[backend]


def report(lines: list[Judged]) -> str:
    return "\n".join(
        f"{line.check}, {line.part}: {line.message} (cause: {line.cause}, ratio {line.ratio})\n"
        f"  {line.replay}"
        for line in lines
    )
