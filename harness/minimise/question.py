"""Is the same finding still there? Asked of a case, judged by the check itself with its bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from harness.case import Case
from harness.checks import CHECKS, Check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.findings import Finding, Key, key_of
from harness.judge import Session, replay_command
from harness.minimise.arrays import arrays_of
from harness.observe import Observation
from harness.oracle import Oracle
from harness.results import Result, as_float, from_comparison

__all__ = ["Answer", "Question"]

SECOND_CALL = ("repeatable", "padding_ignored", "rows_independent")
"""Checks that look at a second call."""


@dataclass(frozen=True)
class Answer:
    """A case that shows the finding: the result that does, and what the backend gave."""

    case: Case
    result: Result
    observation: Observation
    oracle: Oracle


@dataclass
class Question:
    """Whether a case shows a finding: the same backend, check, cause and known difference.

    `until` is when it stops asking (`time.monotonic`): every later answer is no. `asked` counts
    calls of the backend.
    """

    session: Session
    key: Key
    known: str | None
    until: float = float("inf")
    asked: int = 0
    _seen: dict[bytes, Answer | None] = field(default_factory=dict)

    @classmethod
    def about(cls, session: Session, finding: Finding, until: float = float("inf")) -> Question:
        known = None if finding.unexpected else next(iter(finding.known), None)
        return cls(session, finding.key, known, until)

    @property
    def check(self) -> Check:
        return next(check for check in CHECKS if check.name == self.key[1])

    @property
    def late(self) -> bool:
        return time.monotonic() > self.until

    def holds(self, case: Case) -> bool:
        return self.answer(case) is not None

    def answer(self, case: Case) -> Answer | None:
        """The failing result that is furthest off; None if the finding is not there."""
        if not _admitted(self.key[1], case):
            return None
        name = case.config.id.encode() + b"".join(
            f"{k}{a.shape}".encode() + a.tobytes() for k, a in arrays_of(case).items()
        )
        if case.lengths is not None:
            name += case.lengths.tobytes()
        if name not in self._seen:
            if self.late:
                return None
            self._seen[name] = self._answer(case)
        return self._seen[name]

    def _answer(self, case: Case) -> Answer | None:
        self.asked += 1
        runner, check = self.session.runner_named(self.key[0]), self.check
        observation = runner.examine(case, repeat=check.name in SECOND_CALL)
        if observation.unsupported is not None or observation.trouble is not None:
            return None
        if check.needs_forward and observation.forward is None:
            return None
        oracle = Oracle(case)
        for evidence in self._evidence(case, oracle, observation):
            lines = [self._line(comparison, case) for comparison in _run(check, evidence)]
            shown = [r for r in lines if r.verdict == "fail" and self._same(r)]
            if shown:
                return Answer(case, max(shown, key=_clearest), observation, oracle)
        return None

    def _evidence(self, case: Case, oracle: Oracle, observation: Observation) -> Iterator[Evidence]:
        """Alone; and beside the other mode, or the first other backend, where that may show it."""
        about, measured = self.session.runner_named(self.key[0]).about, self.session.measured
        own = measured(about.name, case.config)
        if self.key[1] != "modes":
            yield Evidence(case, oracle, observation, own)
        others = [r for r in self.session.runners.values() if r.about.name != about.name]
        if self.key[1] == "modes":
            for other in others:
                if other.about.name == about.variant_of:
                    eager = other.examine(case, repeat=False)
                    yield Evidence(case, oracle, observation, own, eager=eager)
        elif self.key[1] == "forward_error" and others:
            peer = others[0].examine(case, repeat=False)
            theirs = measured(others[0].about.name, case.config)
            yield Evidence(case, oracle, observation, own, peer, theirs)

    def _line(self, comparison: Comparison, case: Case) -> Result:
        line = from_comparison(
            comparison,
            config_id=case.config.id,
            backend=self.key[0],
            check=self.key[1],
            requirement=self.check.requirement_of(case.config, comparison),
            replay=replay_command(case.config, self.key[0]),
            origin="minimised",
        )
        return self.session.known.mark(line)

    def _same(self, line: Result) -> bool:
        return key_of(line) == self.key and line.known == self.known


def _run(check: Check, evidence: Evidence) -> list[Comparison]:
    """What a check cannot even look at does not show the finding."""
    try:
        with np.errstate(all="ignore"):
            return list(check.run(evidence))
    except Exception:
        return []


def _clearest(line: Result) -> tuple[bool, bool, float]:
    """Sort key: what a script can print, then the largest finite ratio."""
    ratio = as_float(line.ratio)
    printable = line.worst is not None and line.worst.output != "hidden output"
    return printable, ratio < float("inf"), ratio if ratio < float("inf") else 0.0


def _admitted(check: str, case: Case) -> bool:
    """Whether the check may be asked of such arrays: what it takes for granted must hold."""
    arrays = arrays_of(case)
    if case.config.data == "ints" and not all((a == np.rint(a)).all() for a in arrays.values()):
        return False
    return check not in _TAKEN_FOR_GRANTED or _TAKEN_FOR_GRANTED[check](case)


def _is_its_activation(case: Case) -> bool:
    """One unit, one step, weights 1 and 0: the layer is its activation; points in order."""
    sizes = (case.config.num_layers, case.config.hidden_size, *case.x.shape[::2])
    weights = {name: array.ravel().tolist() for name, array in case.weights.items()}
    points = case.x.ravel()
    return (
        sizes == (1, 1, 1, 1)
        and weights == {"weight_ih_l0": [1.0], "weight_hh_l0": [0.0]}
        and case.h_0 is None
        and bool((points[1:] >= points[:-1]).all())
        and not case.config.bidirectional
    )


def _has_padding(case: Case) -> bool:
    return not bool(case.valid.all())


def _has_other_padding(case: Case) -> bool:
    return _has_padding(case) and _other(case)


def _has_neighbours(case: Case) -> bool:
    return case.config.batch > 1 and _other(case)


def _other(case: Case) -> bool:
    """Whether the second call is given something else than the first."""
    return case.again is None or case.again.tobytes() != case.x.tobytes()


_TAKEN_FOR_GRANTED: dict[str, Callable[[Case], bool]] = {
    "activation": _is_its_activation,
    "gradient_padding": _has_padding,
    "padding_ignored": _has_other_padding,
    "rows_independent": _has_neighbours,
}
