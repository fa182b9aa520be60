"""The conformance suite of the package, and what only the whole corpus of this repository tells.

The suite is in `harness/conformance/test_conformance.py`, which says how to select from it; here
it is collected under this file's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from harness.baseline import KnownDifference, read_baseline
from harness.checks import every_check
from harness.config import Config
from harness.conformance.test_conformance import (
    BACKENDS,
    CORPORA,
    WITHOUT,
    applicable,
    asked_for,
    ended,
    everything,
    expected,
    header,
    named_in,
    pytest_generate_tests,
    stream,
    test_corpus,
    test_known_differences_still_show,
    test_property,
)
from harness.corpus import QUICK, load_corpus
from harness.expectations import Judged, holds_on
from harness.layers import LAYERS
from harness.matrix import matrix
from harness.report.mapping import page_of, render_mapping, run_example
from harness.requirements import REQUIREMENTS
from harness.verdicts import CONCLUDED

__all__ = [
    "ended",
    "pytest_generate_tests",
    "stream",
    "test_corpus",
    "test_known_differences_still_show",
    "test_property",
]


@pytest.fixture
def whole(pytestconfig: pytest.Config) -> tuple[Judged, ...]:
    """The whole corpus, for what only that can tell."""
    if pytestconfig.getoption("--parity-quick"):
        pytest.skip("only the whole corpus tells; --parity-quick asks a part of it")
    return everything(quick=False)


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


def test_node_ids_need_their_configs_alone() -> None:
    other = ONE.replace(seed=1)
    file = "tests/test_conformance.py"
    first, second, graph = (
        f"{file}::test_corpus[{one.id}-{backend}-step_residual]"
        for one, backend in ((ONE, "torch"), (other, "mindspore"), (ONE, "mindspore:graph"))
    )
    assert named_in([first]) == [ONE]
    assert named_in([first, graph, second]) == [ONE, other]
    assert named_in([first, file]) == named_in([file]) == []
    assert named_in([f"{file}::test_corpus[no-id-torch-prefix]"]) == []


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_requirement_of_a_layer_has_a_verdict(
    backend: str, layer: str, whole: Sequence[Judged]
) -> None:
    """None untested, and none about which nothing was concluded."""
    own = [result for result in whole if Config.parse(result.config_id).layer == layer]
    for key, row in matrix(own).items():
        cell = row[backend]
        if cell.verdict not in ("unsupported", "not applicable"):
            assert cell.verdict in ("pass", "known"), f"{key}: {cell.verdict}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_verdict_rests_on_one_config(backend: str, whole: Sequence[Judged]) -> None:
    for key, row in matrix(whole).items():
        cell = row[backend]
        if cell.verdict in ("unsupported", "not applicable"):
            continue
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
        ("proj-size", "mindspore"),
        ("proj-size", "mindspore:graph"),
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
