"""A whole run: the corpus, the drawn configs, the shrunk ones; results written as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.config import Config
from harness.corpus import load_corpus
from harness.draw import draw_configs, shrink_config
from harness.environment import describe
from harness.findings import Cell, Finding, find, matrix
from harness.judge import Session
from harness.results import Result
from harness.strategies import configs

__all__ = ["Outcome", "execute", "results_path"]

Progress = Callable[[str, int, int, int], None]
"""Told the stage, how many of how many configs are done, and unexpected results so far."""

SHRINK_BUDGET = 60


@dataclass
class Outcome:
    """Everything a report needs to know of a run.

    `reasons` maps the ids of known differences to why they are accepted; `vanished` and `idle`
    are messages about known differences that no longer show and requirements without verdict.
    """

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)

    @property
    def unexpected(self) -> list[Result]:
        return [result for result in self.results if result.unexpected]

    @property
    def exit_code(self) -> int:
        """0: nothing unexpected; 1: an unexpected verdict."""
        return 1 if self.unexpected or self.vanished or self.idle else 0

    @property
    def findings(self) -> list[Finding]:
        return find(self.results)

    @property
    def matrix(self) -> dict[str, dict[str, Cell]]:
        return matrix(self.results)


def results_path(out: Path) -> Path:
    """Where a run writes its results, a line as soon as it is known."""
    return out / "results.jsonl"


def execute(
    session: Session,
    out: Path,
    *,
    examples: int,
    seed: int,
    progress: Progress = lambda *_: None,
    corpus: Sequence[Config] | None = None,
) -> Outcome:
    """Judge corpus and drawn configs with all backends of the session; shrink what failed.

    Differences never stop it. Raises OSError if `out` cannot be written.
    """
    corpus = load_corpus() if corpus is None else corpus
    outcome = Outcome(
        describe(session.backends, examples=examples, seed=seed),
        reasons={entry.id: " ".join(entry.reason.split()) for entry in session.known.entries},
    )
    out.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    with results_path(out).open("wb") as file:
        file.write(encode(outcome.header) + b"\n")

        def judge(config: Config, origin: str, repeat: bool) -> None:
            results = session.judge(config, repeat=repeat, origin=origin)
            outcome.results.extend(results)
            file.write(b"".join(encode(result) + b"\n" for result in results))
            file.flush()

        drawn = draw_configs(configs(), examples, seed) if examples else []
        for stage, batch in (("corpus", corpus), ("drawn", drawn)):
            for count, config in enumerate(batch):
                progress(stage, count, len(batch), len(outcome.unexpected))
                judge(config, stage, _repeats(stage, config))
            progress(stage, len(batch), len(batch), len(outcome.unexpected))
        for config in _shrunk(session, outcome, examples, seed, progress):
            judge(config, "shrunk", True)
    outcome.vanished = session.known.vanished(outcome.results)
    outcome.idle = _idle(outcome.results)
    return outcome


def _repeats(stage: str, config: Config) -> bool:
    """A second call of every corpus config, and of an eighth of the drawn ones."""
    return stage == "corpus" or config.seed % 8 == 0


def _shrunk(
    session: Session, outcome: Outcome, examples: int, seed: int, progress: Progress
) -> list[Config]:
    """For every finding that drawn configs showed: the smallest config found to show it."""
    drawn = [result for result in outcome.results if result.origin == "drawn"]
    judged = {result.config_id for result in drawn}
    found = find(drawn)
    smallest: dict[str, Config] = {}
    for count, finding in enumerate(found):
        progress("shrinking", count, len(found), len(outcome.unexpected))
        backend, check, cause = finding.key

        def shows(
            config: Config, key: tuple[str, str, str] = finding.key, backend: str = backend
        ) -> bool:
            results = session.judge(config, only=[backend])
            return any((r.backend, r.check, r.cause or r.verdict) == key for r in results)

        showing = {
            r.config_id
            for r in drawn
            if (r.backend, r.check) == (backend, check)
            and r.verdict in ("fail", "error")
            and (r.cause or r.verdict) == cause
        }
        config = shrink_config(
            configs(), examples, seed, showing, judged, shows, budget=SHRINK_BUDGET
        )
        if config is not None and config.id not in judged:
            smallest[config.id] = config
    progress("shrinking", len(found), len(found), len(outcome.unexpected))
    return list(smallest.values())


def _idle(results: Sequence[Result]) -> list[str]:
    """Where nothing was concluded: a green that means nothing.

    A backend of which nothing at all was judged; or a requirement, unless the backend documents
    that it does not do what it is about, or is unexpectedly wrong anyway.
    """
    judged = {r.backend for r in results if r.verdict in ("pass", "fail", "error")}
    silent = [
        f"{backend}: nothing was judged; every config is unsupported, or was not concluded"
        for backend in dict.fromkeys(r.backend for r in results)
        if backend not in judged
    ]
    wrong = {r.backend for r in results if r.unexpected}
    return silent + [
        f"{backend}: nothing was concluded on requirement {key!r} ({cell.verdict}); a run "
        "without a verdict on it proves nothing about it"
        for key, row in matrix(results).items()
        for backend, cell in row.items()
        if cell.verdict in ("untested", "inconclusive") and backend in judged - wrong
    ]
