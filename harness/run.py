"""A whole run: the corpus and the drawn configs; results written as they come."""

from __future__ import annotations

import contextlib
import errno
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from harness.backends.protocol import BackendUnavailable
from harness.baseline import BASELINE, KnownDifference
from harness.config import Config
from harness.corpus import CORPUS, QUICK, SAMPLE, load_corpus
from harness.environment import describe
from harness.expectations import Expectations, Judged, expectations_of
from harness.expression import selected
from harness.findings import SHORTENED, TESTED, find
from harness.inquiry import asked_alone, chosen, questions
from harness.journal import Journal, has_header, locked, read_run
from harness.judge import Disturbed, Session
from harness.logs import noted
from harness.minimise.finish import finish
from harness.minimise.life import shortest_life
from harness.outcome import UNPLANNED, Outcome, conclude, store_asides
from harness.pipeline import FATAL, Task, judged, judged_anyway, merged
from harness.results import Parameters, Result, ResultsError
from harness.strategies import configs, draw_configs

__all__ = ["OWN", "Judging", "Stage", "execute", "results_path", "stages"]

Progress = Callable[[str, int, int, int], None]
"""Called with the stage, how many of how many configs are done, and unexpected results so far."""

Found = Callable[[Sequence[Judged], Mapping[str, KnownDifference]], None]
"""Called with results beside what was expected of them, and the known differences by id."""

Judging = Callable[[Session, Sequence[Task]], Iterator[tuple[Task, list[Result]]]]
"""Called with the session and tasks; gives every task with its results, in their order."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a disk that the user can mend."""

ALONE = 60.0
"""Seconds that all findings together may be asked alone."""

DRAWN = "drawn"
"""The origin of configs that were drawn."""

OWN = "own"
"""The origin of configs about a user's layer."""

SAMPLED_SHARE = 15
"""Of this many drawn configs one is drawn for backends that are asked for a selection only."""


def results_path(out: Path) -> Path:
    """Where a run writes its results, a line as soon as it is known."""
    return out / "results.jsonl"


def execute(
    session: Session,
    out: Path,
    asked: Parameters,
    *,
    baseline: Path = BASELINE,
    progress: Progress = lambda *_: None,
    found: Found = lambda *_: None,
    resume: bool = False,
    fail_fast: bool = False,
    reproducing: float = 0.0,
    judging: Judging = judged,
    origin: str = "corpus",
) -> Outcome:
    """Judge corpus and drawn configs with all backends of the session.

    Differences do not stop it, unless it is to `fail_fast`: then the first unexpected one does.
    Ctrl-C (KeyboardInterrupt) ends it with what is there.

    Args:
        baseline: what is expected; results do not depend on it.
        found: sees the results of every config.
        resume: keep what stands in `out`, and judge the rest; begin where there is nothing.
        reproducing: seconds that the reproducers of a whole run may take; with 0 none are made.
        judging: how corpus and drawn configs are judged; `harness.executors` has another way.
        origin: of the configs of a corpus, for the record; those of another corpus than the pinned
            one need not show known differences.

    Raises:
        ResultsError: what stands there is of a run with other parameters or versions, another run
            is writing it, or it can no longer be written; all results up to there are kept.
        OSError: `out` cannot be written.
    """
    every = stages(session, asked, origin)
    planned = len({pair for stage in every for task in stage.tasks for pair in task.pairs})
    header = describe(session.runners, asked) | {"planned": planned}
    path, expected = results_path(out), expectations_of(header, baseline)
    with locked(out):
        outcome = Outcome(header, known=expected.by_id)
        with _journal(path, expected, outcome, resume) as journal:
            complete = journal is None or _completed(
                path,
                outcome,
                lambda: _Run(
                    session, journal, expected, outcome, every, progress, found, judging, fail_fast
                ).all(),
            )
        conclude(outcome, expected, complete=complete)
        if complete:
            outcome.alone = _asked_alone(session, outcome, expected)
        with contextlib.suppress(OSError):  # the reports of this run have it
            store_asides(out, outcome)
        unexpected = len(outcome.unexpected)
        finish(
            session,
            outcome,
            expected,
            out,
            reproducing if complete else 0.0,
            lambda done, total: progress("reproducing", done, total, unexpected),
            known=asked.corpus != str(QUICK) and origin != OWN,
        )
    return outcome


def _asked_alone(session: Session, outcome: Outcome, expected: Expectations) -> dict[str, bool]:
    """By finding whether its smallest config shows it in a new worker, as far as there was time."""
    found: dict[str, bool] = {}
    until = time.monotonic() + ALONE
    for finding in questions(outcome.results):
        if time.monotonic() > until:
            break
        try:
            alone = asked_alone(session, expected, finding)
        except KeyboardInterrupt:
            break
        except (BackendUnavailable, Disturbed) as error:
            noted(error, f"{finding.slug} asked alone")
            break
        if alone is not None:
            found[finding.slug] = alone
    return found


def _completed(path: Path, outcome: Outcome, work: Callable[[], None]) -> bool:
    """Whether the work was done; False if Ctrl-C ended it, or a result. Raises as `execute`."""
    try:
        work()
    except KeyboardInterrupt:
        return False
    except _Stopped:
        outcome.stopped = True
        return False
    except OSError as error:
        if error.errno not in FULL:
            raise
        count = len({result.config_id for result in outcome.results})
        raise ResultsError(
            f"{path} cannot be written any more ({error.strerror}); {count:,} configs are in it. "
            f"Make room and resume with: rnn-parity run --resume --out {path.parent}"
        ) from error
    return True


@contextlib.contextmanager
def _journal(
    path: Path, expected: Expectations, outcome: Outcome, resume: bool
) -> Iterator[Journal | None]:
    """Where results go; None if they are complete. What is recorded goes into the outcome."""
    if not (resume and has_header(path)):
        with Journal.begin(path, outcome.header) as journal:
            yield journal
        return
    recorded = read_run(path)
    for name, value in outcome.header.items():
        if name != "date" and recorded.header.get(name) != value:
            raise ResultsError(
                f"{path} cannot be resumed: its run had {name} = {recorded.header.get(name)!r}, "
                f"this one has {value!r}; begin anew, without --resume"
            )
    outcome.header = recorded.header
    if recorded.complete:
        outcome.results = expected.join(recorded.results)
        yield None
        return
    outcome.results = expected.join(recorded.results[: recorded.whole])
    with Journal.resume(path, recorded) as journal:
        yield journal


class _Stopped(Exception):
    """An unexpected result ends a run that is to fail fast."""


@dataclass
class _Run:
    """A run under way: every pair of config and backend is judged once."""

    session: Session
    journal: Journal
    expected: Expectations
    outcome: Outcome
    stages: Sequence[Stage]
    progress: Progress
    found: Found
    judging: Judging
    fail_fast: bool

    def __post_init__(self) -> None:
        self.kept = time.monotonic()
        self.judged = {(r.config_id, r.backend) for r in self.outcome.results}
        self.unexpected = len(self.outcome.unexpected)

    def all(self) -> None:
        for stage in self.stages:
            self._stage(stage)
        self._shorten_lives()
        self._test_dependence()
        self.journal.finish(self.outcome.results)

    def _test_dependence(self) -> None:
        """Configs are chosen that tell on what an unexpected finding depends."""
        findings = questions(self._without(TESTED))
        for count, finding in enumerate(findings):
            self._progress("testing findings", count, len(findings))
            try:
                chosen(finding, self._ask)
            except FATAL:
                raise
            except Exception as error:  # the finding stands as it is
                noted(error, f"testing {finding.slug}")
        if findings:
            self._progress("testing findings", len(findings), len(findings))

    def _ask(self, config: Config, backend: str) -> Sequence[Judged]:
        if (config.id, backend) not in self.judged:
            self._judge(Task(config, (backend,), TESTED))
        asked = config.id, backend
        return [r for r in self.outcome.results if (r.config_id, r.backend) == asked]

    def _shorten_lives(self) -> None:
        """The shortest life that shows a finding is judged too, so that the finding names it."""
        of_lives = [r for r in self._without(*UNPLANNED) if Config.parse(r.config_id).life]
        findings = [finding for finding in find(of_lives) if finding.unexpected]
        for count, finding in enumerate(findings):
            self._progress("shortening lives", count, len(findings))
            try:
                shortest = shortest_life(self.session, self.expected, finding)
            except FATAL:
                raise
            except Exception:  # the finding stands as it is
                continue
            if (shortest.id, finding.backend) not in self.judged:
                self._judge(Task(shortest, (finding.backend,), SHORTENED, repeat=False))

    def _without(self, *origins: str) -> list[Judged]:
        """Results but those of these origins: a resumed run asks what an undisturbed one does."""
        return [result for result in self.outcome.results if result.origin not in origins]

    def _stage(self, stage: Stage) -> None:
        left = [task for task in stage.tasks if not self.judged.issuperset(task.pairs)]
        done, total = len(stage.tasks) - len(left), len(stage.tasks)
        self._progress(stage.title, done, total)
        for task, results in self.judging(self.session, left):
            self._keep(task, results)
            done += 1
            self._progress(stage.title, done, total)

    def _judge(self, task: Task) -> None:
        self._keep(task, judged_anyway(self.session, task))

    def _keep(self, task: Task, results: Sequence[Result]) -> None:
        self.journal.append(results)
        joined = self.expected.join(results)
        self.outcome.results.extend(joined)
        self.judged |= set(task.pairs)
        self.unexpected += sum(result.unexpected for result in joined)
        self.found(joined, self.outcome.known)
        now = time.monotonic()
        self.outcome.seconds[task.config.id] = round(now - self.kept, 6)
        self.kept = now
        if self.fail_fast and self.unexpected:
            raise _Stopped

    def _progress(self, stage: str, done: int, total: int) -> None:
        self.progress(stage, done, total, self.unexpected)


@dataclass(frozen=True)
class Stage:
    """Configs of one origin."""

    title: str
    tasks: Sequence[Task]


def stages(session: Session, asked: Parameters, origin: str = "corpus") -> list[Stage]:
    """What a run judges, in its order. Raises ConfigError where that is nothing."""
    examples, layers = asked.examples, asked.layers
    corpus = Path(asked.corpus) if asked.corpus else None
    every = [runner.about for runner in session.runners.values()]
    sampled = tuple(about.name for about in every if about.sampled)
    others = tuple(about.name for about in every if not about.sampled)
    pinned: dict[tuple[str, ...], Sequence[Config]] = {}
    drawn: dict[tuple[str, ...], Sequence[Config]] = {}
    if others:
        pinned[others] = load_corpus(corpus or CORPUS)
        drawn[others] = _drawn(configs(layers=layers), examples, asked.seed)
    if sampled:
        sample = load_corpus(SAMPLE)
        chosen = load_corpus(corpus) if corpus else sample
        pinned[sampled] = [one for one in chosen if one in sample] if corpus == QUICK else chosen
        small = configs(layers=layers, max_steps=4, max_layers=2)
        drawn[sampled] = _drawn(small, examples // SAMPLED_SHARE, asked.seed)
    if layers:
        pinned = {of: [c for c in every if c.layer in layers] for of, every in pinned.items()}
    if asked.select:
        every_one = [c for lists in (pinned, drawn) for of in lists.values() for c in of]
        holds = selected(asked.select, every_one, (*others, *sampled))
        for lists in (pinned, drawn):
            lists |= {of: list(filter(holds, some)) for of, some in lists.items()}
    return [
        Stage(origin, _tasks(origin, lists)) for origin, lists in ((origin, pinned), (DRAWN, drawn))
    ]


def _drawn(strategy: SearchStrategy[Config], count: int, seed: int) -> list[Config]:
    return draw_configs(strategy, count, seed) if count else []


def _tasks(origin: str, lists: Mapping[tuple[str, ...], Sequence[Config]]) -> list[Task]:
    """A second call of every corpus config, and of an eighth of the drawn ones."""
    parts = [
        [Task(one, backends, origin, origin != DRAWN or one.seed % 8 == 0) for one in chosen]
        for backends, chosen in lists.items()
    ]
    return functools.reduce(merged, parts, [])
