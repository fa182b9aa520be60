"""`make bench`: report.html of a synthetic run: written in, its size, usable after.

Nothing is asserted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.report import write_reports
from tests import browsing
from tests.synthetic_run import synthetic_run

CONFIGS = int(os.environ.get("BENCH_REPORT_CONFIGS", "10000"))
SEARCH = """() => {
    const search = document.getElementById("search");
    search.value = "tanh bidir";
    search.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.offsetHeight;
}"""

pytestmark = pytest.mark.benchmark(group=f"reports of {CONFIGS:,} configs")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


def test_written(benchmark: Any, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = synthetic_run(CONFIGS)
    benchmark.pedantic(write_reports, (outcome, directory), rounds=2)
    with capsys.disabled():
        megabytes = (directory / "report.html").stat().st_size / 1e6
        print(f"\nreport.html of {CONFIGS:,} configs: {megabytes:.2f} MB")


def test_opened_and_searched(benchmark: Any, directory: Path) -> None:
    with browsing.chromium() as browser:

        def use() -> None:
            with browsing.visiting(browser, viewport={"width": 1200, "height": 900}) as visit:
                visit.open(directory / "report.html").evaluate(SEARCH)

        benchmark.pedantic(use, warmup_rounds=1, rounds=5)
