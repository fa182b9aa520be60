"""A whole run: the corpus, the drawn configs, the shrunk ones; results written as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.config import Config
from harness.corpus import SAMPLE, load_corpus
from harness.draw import draw_configs, shrink_config
from harness.environment import describe
from harness.findings import Cell, Finding, Key, find, key_of, matrix
from harness.judge import Session
from harness.known import KnownDifference
from harness.results import Result
from harness.strategies import configs

__all__ = ["Outcome", "execute", "results_path"]

Progress = Callable[[str, int, int, int], None]
"""Told the stage, how many of how many configs are done, and unexpected results so far."""

SHRINK_BUDGET = 60

SAMPLED_SHARE = 15
"""Of this many drawn configs one is drawn for backends that are asked for a selection only."""


@dataclass
class Outcome:
    """Everything a report needs to know of a run.

    `known` maps the ids of known differences to them; `vanished` and `idle` are messages
    about known differences that no longer show and requirements without verdict.
    """

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    known: dict[str, KnownDifference] = field(default_factory=dict)
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
    outcome = Outcome(
        describe(session.backends, examples=examples, seed=seed),
        known={entry.id: entry for entry in session.known.entries},
    )
    out.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    with results_path(out).open("wb") as file:
        file.write(encode(outcome.header) + b"\n")

        def judge(config: Config, origin: str, repeat: bool, only: Sequence[str]) -> None:
            results = session.judge(config, repeat=repeat, origin=origin, only=only)
            outcome.results.extend(results)
            file.write(b"".join(encode(result) + b"\n" for result in results))
            file.flush()

        for stage in _stages(session, examples, seed, corpus):
            for count, config in enumerate(stage.configs):
                progress(stage.title, count, len(stage.configs), len(outcome.unexpected))
                judge(config, stage.origin, _repeats(stage.origin, config), stage.backends)
            progress(stage.title, len(stage.configs), len(stage.configs), len(outcome.unexpected))
        for config, backend in _shrunk(session, outcome, examples, seed, progress):
            judge(config, "shrunk", True, [backend])
    outcome.vanished = session.known.vanished(outcome.results)
    outcome.idle = _idle(outcome.results)
    return outcome


@dataclass(frozen=True)
class _Stage:
    """Configs of one origin, and the backends that are asked for them."""

    title: str
    origin: str
    configs: Sequence[Config]
    backends: Sequence[str]


def _stages(
    session: Session, examples: int, seed: int, corpus: Sequence[Config] | None
) -> list[_Stage]:
    sampled = [b.name for b in session.backends.values() if getattr(b, "sampled", False)]
    others = [b.name for b in session.backends.values() if b.name not in sampled]
    stages = []
    if others:
        pinned = load_corpus() if corpus is None else corpus
        drawn = draw_configs(configs(), examples, seed) if examples else []
        stages += [
            _Stage("corpus", "corpus", pinned, others),
            _Stage("drawn", "drawn", drawn, others),
        ]
    if sampled:
        pinned = load_corpus(SAMPLE) if corpus is None else corpus
        small = configs(max_steps=4, max_layers=2)
        few = examples // SAMPLED_SHARE
        drawn = draw_configs(small, few, seed) if few else []
        title = ", ".join(sampled)
        stages += [
            _Stage(f"corpus, {title}", "corpus", pinned, sampled),
            _Stage(f"drawn, {title}", "drawn", drawn, sampled),
        ]
    return stages


def _repeats(stage: str, config: Config) -> bool:
    """A second call of every corpus config, and of an eighth of the drawn ones."""
    return stage == "corpus" or config.seed % 8 == 0


def _shrunk(
    session: Session, outcome: Outcome, examples: int, seed: int, progress: Progress
) -> list[tuple[Config, str]]:
    """For every finding that drawn configs showed: the smallest config found to show it."""
    sampled = {b.name for b in session.backends.values() if getattr(b, "sampled", False)}
    drawn = [r for r in outcome.results if r.origin == "drawn" and r.backend not in sampled]
    judged = {result.config_id for result in drawn}
    # The pinned corpus shows every call at sizes that are small already.
    found = [finding for finding in find(drawn) if not finding.key[3]]
    smallest: dict[tuple[str, str], tuple[Config, str]] = {}
    for count, finding in enumerate(found):
        progress("shrinking", count, len(found), len(outcome.unexpected))

        def shows(config: Config, key: Key = finding.key) -> bool:
            results = session.judge(config, only=[key[0]])
            return any(r.verdict in ("fail", "error") and key_of(r) == key for r in results)

        showing = {
            r.config_id
            for r in drawn
            if r.verdict in ("fail", "error") and key_of(r) == finding.key
        }
        config = shrink_config(
            configs(), examples, seed, showing, judged, shows, budget=SHRINK_BUDGET
        )
        if config is not None and config.id not in judged:
            smallest[config.id, finding.backend] = (config, finding.backend)
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
