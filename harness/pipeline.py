"""Configs are judged in order, while every backend works ahead on what it will be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.backends.protocol import BackendUnavailable
from harness.checks import checks_for
from harness.comparison import Comparison
from harness.config import Config
from harness.judge import Disturbed, Session, replay_command
from harness.logs import noted
from harness.observe import described
from harness.results import Result, from_comparison
from harness.runners.protocol import AHEAD
from harness.verdicts import Verdict

__all__ = ["FATAL", "Task", "judged", "judged_anyway", "merged"]

FATAL = (Disturbed, BackendUnavailable, OSError)
"""Nothing more can be judged, and the message says what to do."""


@dataclass(frozen=True)
class Task:
    """A config, and the names of the backends that are reported on."""

    config: Config
    backends: tuple[str, ...]
    origin: str = "given"
    repeat: bool = True

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(self.config.id, backend) for backend in self.backends]


def judged(session: Session, tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Result]]]:
    """Every task with its results, in the order of the tasks. Raises one of FATAL."""
    waiting = {name: [t for t in tasks if _asks(session, t, name)] for name in _names(session)}
    done = dict.fromkeys(waiting, 0)
    for task in tasks:
        for name, own in waiting.items():
            runner = session.runner_named(name)
            for ahead in own[done[name] : done[name] + AHEAD]:
                runner.begin(ahead.config, repeat=ahead.repeat)
        yield task, judged_anyway(session, task)
        for name in waiting:
            done[name] += _asks(session, task, name)


def _names(session: Session) -> list[str]:
    return [runner.about.name for runner in session.runners.values()]


def _asks(session: Session, task: Task, name: str) -> bool:
    return any(runner.about.name == name for runner in session.needed(task.backends))


def judged_anyway(session: Session, task: Task) -> list[Result]:
    """Where the harness itself fails, it costs this config, and no run. Raises one of FATAL."""
    config = task.config
    try:
        return session.judge(config, repeat=task.repeat, origin=task.origin, only=task.backends)
    except FATAL:
        raise
    except Exception as error:
        noted(error, f"the harness itself, {config.id}")
        return [_not_judged(task, backend, described(error)) for backend in task.backends]


def _not_judged(task: Task, backend: str, why: str) -> Result:
    first = checks_for(task.config)[0]
    comparison = Comparison("check", Verdict.ERROR, 0, f"the harness itself failed: {why}")
    return from_comparison(
        comparison,
        config_id=task.config.id,
        backend=backend,
        check=first.name,
        requirement=first.requirement_of(task.config, comparison),
        replay=replay_command(task.config, backend),
        origin=task.origin,
    )


def merged(many: Sequence[Task], few: Sequence[Task]) -> list[Task]:
    """Both in their order, the few spread evenly, so that slow backends work beside fast ones.

    A config of both becomes one task for the backends of both.
    """
    also = {task.config: task.backends for task in few}
    joined = [replace(t, backends=(*t.backends, *also.pop(t.config, ()))) for t in many]
    own = [task for task in few if task.config in also]
    places = [(number / len(joined), task) for number, task in enumerate(joined)]
    places += [((number + 0.5) / len(own), task) for number, task in enumerate(own)]
    return [task for _, task in sorted(places, key=lambda one: one[0])]
