"""`make report-bench`: report.html of 10,000 configs: written in, its size, usable after.

Made of a real run where one is given (`--results FILE`), whose configs are repeated with other
seeds; else of a run made up. Nothing here is asserted anywhere.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import browsing
import msgspec
from made_up_run import made_up_run

from harness.config import Config
from harness.exhibits import load_exhibits
from harness.journal import read_run
from harness.known import load_known
from harness.outcome import Outcome, outcome_of
from harness.report import write_reports
from harness.results import Result

SEEDS = 1_000_000


def multiplied(outcome: Outcome, count: int) -> Outcome:
    """The same results again and again, under ids with other seeds, up to so many configs."""
    blocks: dict[str, list[Result]] = {}
    for line in outcome.results:
        blocks.setdefault(line.config_id, []).append(line)
    results: list[Result] = []
    for number in range(count):
        one = list(blocks)[number % len(blocks)]
        seed = int(one[-6:]) + 7919 * (number // len(blocks))
        other = f"{one[:-6]}{seed % SEEDS:06d}"
        Config.parse(other)
        results += [
            msgspec.structs.replace(
                line,
                config_id=other,
                replay=line.replay.replace(one, other),
                **_moved(line, number),
            )
            for line in blocks[one]
        ]
    outcome.results = results
    return outcome


def _moved(line: Result, number: int) -> dict[str, float]:
    """Numbers that differ a little, so that they are no easier to pack than real ones."""
    factor = 1 + (number * 0.6180339887) % 1 / 3
    named = {name: getattr(line, name) for name in ("ratio", "max_abs", "max_rel", "max_ulp")}
    return {
        name: value * factor
        for name, value in named.items()
        if isinstance(value, float) and line.verdict == "pass" and value * factor <= 1
    }


def usable(report: Path, anchor: str = "") -> tuple[float, float]:
    """Seconds from opening until the list is there, and until a filter has been applied."""
    with (
        browsing.chromium() as browser,
        browsing.visiting(browser, viewport={"width": 1200, "height": 900}) as visit,
    ):
        start = time.perf_counter()
        page = visit.open(report, anchor)
        opened = time.perf_counter() - start
        filtering = page.evaluate(
            """() => {
                const search = document.getElementById("search"), start = performance.now();
                search.value = "tanh bidir";
                search.dispatchEvent(new Event("input", { bubbles: true }));
                document.body.offsetHeight;
                return performance.now() - start;
            }"""
        )
    return opened, filtering / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="results.jsonl of a run")
    parser.add_argument("--configs", type=int, default=10_000)
    given = parser.parse_args()
    if given.results:
        recorded = read_run(given.results)
        outcome = multiplied(outcome_of(recorded, load_known()), given.configs)
        outcome.exhibits = load_exhibits(given.results.parent, recorded.header)
    else:
        outcome = made_up_run(given.configs)
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        start = time.perf_counter()
        write_reports(outcome, Path(directory))
        written = time.perf_counter() - start
        report = Path(directory) / "report.html"
        print(f"{given.configs:,} configs, {len(outcome.results):,} comparisons")
        print(f"  the three reports written in  {written:6.1f} s")
        print(f"  report.html                   {report.stat().st_size / 1e6:6.2f} MB")
        times = [usable(report) for _ in range(5)]
        opened, filtered = (statistics.median(one) for one in zip(*times, strict=True))
        print(f"  usable after                  {opened:6.2f} s  (median of 5)")
        print(f"  a search takes                {1000 * filtered:6.0f} ms")


if __name__ == "__main__":
    main()
