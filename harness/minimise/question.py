"""Is the same finding still there? Asked of a case, judged by the check itself with its bound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from harness.case import Case
from harness.checks import Check, Need, Partner, check_named
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.expectations import Expectations, Judged
from harness.findings import Finding, Key, key_of
from harness.judge import Session, replay_command
from harness.minimise.arrays import arrays_of
from harness.observe import Observation
from harness.oracle import Oracle
from harness.results import as_float, from_comparison
from harness.verdicts import Verdict

__all__ = ["Answer", "Question"]


@dataclass(frozen=True)
class Answer:
    """A case that shows the finding: the check, its result that does, what the backend gave."""

    check: Check
    case: Case
    result: Judged
    observation: Observation
    oracle: Oracle


@dataclass
class Question:
    """Whether a case shows a finding: the same backend, check, cause and known difference.

    `until` is when it stops asking (`time.monotonic`): every later answer is no. `asked` counts
    calls of the backend.
    """

    session: Session
    expected: Expectations
    key: Key
    known: str | None
    until: float = float("inf")
    asked: int = 0
    _seen: dict[bytes, Answer | None] = field(default_factory=dict)

    @classmethod
    def about(
        cls,
        session: Session,
        expected: Expectations,
        finding: Finding,
        until: float = float("inf"),
    ) -> Question:
        known = None if finding.unexpected else next(iter(finding.known), None)
        return cls(session, expected, finding.key, known, until)

    @property
    def check(self) -> Check:
        """Raises LookupError where there is none of the name."""
        found = check_named(self.key[1])
        if found is None:
            raise LookupError(f"no check is called {self.key[1]!r}")
        return found

    @property
    def late(self) -> bool:
        return time.monotonic() > self.until

    def holds(self, case: Case) -> bool:
        return self.answer(case) is not None

    def answer(self, case: Case) -> Answer | None:
        """The failing result that is furthest off; None if the finding is not there."""
        if not _admitted(self.check, case):
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
        observation = runner.examine(case, repeat=check.second_call is not None)
        if observation.unsupported is not None or observation.trouble is not None:
            return None
        if Need.FORWARD in check.needs and observation.forward is None:
            return None
        oracle = Oracle(case)
        for evidence in self._evidence(case, oracle, observation):
            lines = [self._line(comparison, case) for comparison in _run(check, evidence)]
            shown = [r for r in lines if r.verdict is Verdict.FAIL and self._same(r)]
            if shown:
                return Answer(check, case, max(shown, key=_clearest), observation, oracle)
        return None

    def _evidence(self, case: Case, oracle: Oracle, observation: Observation) -> Iterator[Evidence]:
        """Alone; and beside the other mode, or the first other backend, where that may show it."""
        about, measured = self.session.runner_named(self.key[0]).about, self.session.measured
        own = measured(about.name, case.config)
        partner = self.check.partner
        if not self.check.compares_two:
            yield Evidence(case, oracle, observation, own)
        others = [r for r in self.session.runners.values() if r.about.name != about.name]
        if partner is Partner.MODE:
            for other in others:
                if other.about.name == about.variant_of:
                    eager = other.examine(case, repeat=False)
                    yield Evidence(case, oracle, observation, own, eager=eager)
        elif partner is Partner.BACKEND and others:
            peer = others[0].examine(case, repeat=False)
            theirs = measured(others[0].about.name, case.config)
            yield Evidence(case, oracle, observation, own, peer, theirs)

    def _line(self, comparison: Comparison, case: Case) -> Judged:
        line = from_comparison(
            comparison,
            config_id=case.config.id,
            backend=self.key[0],
            check=self.key[1],
            requirement=self.check.requirement_of(case.config, comparison),
            replay=replay_command(case.config, self.key[0]),
            origin="minimised",
        )
        return self.expected.join([line])[0]

    def _same(self, line: Judged) -> bool:
        return key_of(line) == self.key and line.known == self.known


def _run(check: Check, evidence: Evidence) -> list[Comparison]:
    """What a check cannot even look at does not show the finding."""
    try:
        with np.errstate(all="ignore"):
            return list(check.run(evidence))
    except Exception:
        return []


def _clearest(line: Judged) -> tuple[bool, bool, float]:
    """Sort key: what a script can print, then the largest finite ratio."""
    ratio = as_float(line.ratio)
    printable = line.worst is not None and line.worst.output != "hidden output"
    return printable, ratio < float("inf"), ratio if ratio < float("inf") else 0.0


def _admitted(check: Check, case: Case) -> bool:
    """Whether the check may be asked of such arrays: what it takes for granted must hold."""
    arrays = arrays_of(case)
    if case.config.data == "ints" and not all((a == np.rint(a)).all() for a in arrays.values()):
        return False
    return check.admits(case)
