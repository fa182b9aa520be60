"""A whole run: the corpus, the drawn configs, the shrunk ones; results written as they come."""

from __future__ import annotations

import errno
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import Config
from harness.corpus import CORPUS, SAMPLE, load_corpus
from harness.draw import draw_configs, shrink_config
from harness.environment import describe
from harness.expectations import BASELINE, Expectations, expectations_of
from harness.findings import Key, find, key_of
from harness.journal import COMPLETE, Block, Journal, locked, read_run
from harness.judge import Session
from harness.minimise.finish import finish
from harness.outcome import Outcome, conclude
from harness.results import ResultsError
from harness.strategies import configs
from harness.text import shown
from harness.verdicts import FAILED

__all__ = ["execute", "results_path"]

Progress = Callable[[str, int, int, int], None]
"""Told the stage, how many of how many configs are done, and unexpected results so far."""

SHRINK_BUDGET = 60

SAMPLED_SHARE = 15
"""Of this many drawn configs one is drawn for backends that are asked for a selection only."""


def results_path(out: Path) -> Path:
    """Where a run writes its results, a line as soon as it is known."""
    return out / "results.jsonl"


def execute(
    session: Session,
    out: Path,
    *,
    baseline: Path = BASELINE,
    examples: int,
    seed: int,
    progress: Progress = lambda *_: None,
    corpus: Path | None = None,
    resume: bool = False,
    reproducing: float = 0.0,
) -> Outcome:
    """Judge corpus and drawn configs with all backends of the session; shrink what failed.

    Differences never stop it. Ctrl-C (KeyboardInterrupt) ends it with what is there.

    Args:
        baseline: what is expected; results do not depend on it.
        corpus: a file of config ids in place of the pinned corpus.
        resume: go on with what stands in `out`, where there is something, else begin.
        reproducing: seconds that the reproducers of a whole run may take; with 0 none are made.

    Raises:
        ResultsError: what stands there is no run that can be gone on with here, another run is
            writing it, or it can no longer be written; all results up to there are kept.
        OSError: `out` cannot be written.
    """
    stages = _stages(session, examples, seed, corpus)
    parameters = {"examples": examples, "seed": seed, "corpus": corpus and str(corpus)}
    header = describe(session.runners, **parameters) | _plan(stages)
    path, expected = results_path(out), expectations_of(header, baseline)
    with locked(out), _journal(path, header, resume) as journal:
        outcome = Outcome(journal.header, known=expected.by_id)
        complete = False
        try:
            _Run(session, journal, expected, outcome, progress).work(stages, examples, seed)
            journal.finish()
            complete = True
        except KeyboardInterrupt:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise
            count = len({result.config_id for result in outcome.results})
            raise ResultsError(
                f"{path} cannot be written any more ({error.strerror}); {count:,} configs are in "
                f"it. Make room and go on with: rnn-parity run --resume --out {out}"
            ) from error
        outcome.header = journal.header
        conclude(outcome, expected, complete=complete, configs=journal.count)
        unexpected = len(outcome.unexpected)
        finish(
            session,
            outcome,
            expected,
            out,
            reproducing if complete else 0.0,
            lambda done, total: progress("reproducing", done, total, unexpected),
        )
    return outcome


def _plan(stages: Sequence[_Stage]) -> dict[str, Any]:
    """How many configs are to be judged, and a digest of which."""
    lines = [
        f"{stage.title} {stage.origin} {' '.join(stage.backends)} {config.id}"
        for stage in stages
        for config in stage.configs
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"planned": len(lines), "plan": digest}


def _journal(path: Path, header: dict[str, Any], resume: bool) -> Journal:
    if not (resume and path.is_file() and b"\n" in path.read_bytes()):
        return Journal.begin(path, header)
    recorded = read_run(path)
    for name, value in header.items():
        if name != "date" and recorded.header.get(name) != value:
            raise ResultsError(
                f"{path} cannot be gone on with: its run had {name} = "
                f"{shown(recorded.header.get(name), 300)}, this one has {shown(value, 300)}; "
                "begin anew, without --resume"
            )
    return Journal.resume(path, recorded)


@dataclass
class _Run:
    """A run under way: what is recorded already is taken from there, the rest is judged."""

    session: Session
    journal: Journal
    expected: Expectations
    outcome: Outcome
    progress: Progress

    def __post_init__(self) -> None:
        self.recorded: deque[Block] = deque(self.journal.recorded)
        self.unexpected = 0

    def work(self, stages: Sequence[_Stage], examples: int, seed: int) -> None:
        """All stages, then the shrunk configs, which depend on what the drawn ones showed."""
        finished = self.journal.header["state"] == COMPLETE
        for stage in stages:
            self._stage(stage)
        shrunk = {(block[0].config_id, block[0].backend) for block in self.recorded}
        while self.recorded:
            self._keep(self.recorded.popleft())
        if finished:
            return
        for config, backend in _shrunk(self.session, self.outcome, examples, seed, self._progress):
            if (config.id, backend) not in shrunk:
                self._judge(config, "shrunk", True, [backend])

    def _stage(self, stage: _Stage) -> None:
        total = len(stage.configs)
        for count, config in enumerate(stage.configs):
            self._progress(stage.title, count, total)
            if self.recorded:
                self._keep(self._of(config))
                continue
            for ahead in stage.configs[count : count + 2]:
                repeat = _repeats(stage.origin, ahead)
                self.session.begin(ahead, repeat=repeat, only=stage.backends)
            self._judge(config, stage.origin, _repeats(stage.origin, config), stage.backends)
        self._progress(stage.title, total, total)

    def _of(self, config: Config) -> Block:
        """The next block, which is this config's: all that are recorded stand in this order."""
        block = self.recorded.popleft()
        if block[0].config_id != config.id:
            raise ResultsError(
                f"the results have {block[0].config_id} where {config.id} was judged; "
                "lines are missing or stand in another place. Begin anew, without --resume"
            )
        return block

    def _judge(self, config: Config, origin: str, repeat: bool, only: Sequence[str]) -> None:
        results = self.session.judge(config, repeat=repeat, origin=origin, only=only)
        self._keep(self.journal.append(results))

    def _keep(self, block: Block) -> None:
        judged = self.expected.join(block)
        self.outcome.results.extend(judged)
        self.unexpected += sum(result.unexpected for result in judged)

    def _progress(self, stage: str, done: int, total: int) -> None:
        self.progress(stage, done, total, self.unexpected)


@dataclass(frozen=True)
class _Stage:
    """Configs of one origin, and the backends that are asked for them."""

    title: str
    origin: str
    configs: Sequence[Config]
    backends: Sequence[str]


def _stages(session: Session, examples: int, seed: int, corpus: Path | None) -> list[_Stage]:
    every = [runner.about for runner in session.runners.values()]
    sampled = [about.name for about in every if about.sampled]
    others = [about.name for about in every if not about.sampled]
    stages = []
    if others:
        pinned = load_corpus(corpus or CORPUS)
        drawn = draw_configs(configs(), examples, seed) if examples else []
        stages += [
            _Stage("corpus", "corpus", pinned, others),
            _Stage("drawn", "drawn", drawn, others),
        ]
    if sampled:
        pinned = load_corpus(corpus or SAMPLE)
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
    session: Session,
    outcome: Outcome,
    examples: int,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> list[tuple[Config, str]]:
    """For every finding that drawn configs showed: the smallest config found to show it."""
    sampled = {r.about.name for r in session.runners.values() if r.about.sampled}
    drawn = [r for r in outcome.results if r.origin == "drawn" and r.backend not in sampled]
    judged = {result.config_id for result in drawn}
    # The pinned corpus shows every call at sizes that are small already.
    found = [finding for finding in find(drawn) if not finding.key[3]]
    smallest: dict[tuple[str, str], tuple[Config, str]] = {}
    for count, finding in enumerate(found):
        progress("shrinking", count, len(found))

        def shows(config: Config, key: Key = finding.key) -> bool:
            results = session.judge(config, only=[key[0]])
            return any(r.verdict in FAILED and key_of(r) == key for r in results)

        showing = {r.config_id for r in drawn if r.verdict in FAILED and key_of(r) == finding.key}
        config = shrink_config(
            configs(), examples, seed, showing, judged, shows, budget=SHRINK_BUDGET
        )
        if config is not None and config.id not in judged:
            smallest[config.id, finding.backend] = (config, finding.backend)
    progress("shrinking", len(found), len(found))
    return list(smallest.values())
