"""Does a case still fail in the same way? Judged by the check itself, with its bound."""

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

__all__ = ["Failure", "FailureTest"]


@dataclass(frozen=True)
class Failure:
    """A case that fails: the check, its failing result, what the backend gave, the oracle."""

    check: Check
    case: Case
    result: Judged
    observation: Observation
    oracle: Oracle


@dataclass
class FailureTest:
    """Tests whether a case shows a finding: the same backend, check, cause and known difference.

    After `deadline` (`time.monotonic`) no case fails that was not tested before. `calls` counts
    how often the backend was asked.
    """

    session: Session
    expected: Expectations
    key: Key
    known: str | None
    deadline: float = float("inf")
    calls: int = 0
    _tested: dict[bytes, Failure | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        session: Session,
        expected: Expectations,
        finding: Finding,
        deadline: float = float("inf"),
    ) -> FailureTest:
        known = None if finding.unexpected else next(iter(finding.known), None)
        return cls(session, expected, finding.key, known, deadline)

    @property
    def check(self) -> Check:
        """Raises LookupError where there is none of the name."""
        found = check_named(self.key[1])
        if found is None:
            raise LookupError(f"no check is called {self.key[1]!r}")
        return found

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() > self.deadline

    def fails(self, case: Case) -> bool:
        return self.failure(case) is not None

    def failure(self, case: Case) -> Failure | None:
        """The failing result that is furthest off; None if the case does not show the finding."""
        if not _admitted(self.check, case):
            return None
        identity = _identity(case)
        if identity not in self._tested:
            if self.out_of_time:
                return None
            self._tested[identity] = self._failure(case)
        return self._tested[identity]

    def _failure(self, case: Case) -> Failure | None:
        self.calls += 1
        runner, check = self.session.runner_named(self.key[0]), self.check
        observation = runner.examine(case, repeat=check.second_call is not None)
        if observation.unsupported is not None or observation.trouble is not None:
            return None
        if Need.OUTPUTS in check.needs and observation.outputs is None:
            return None
        oracle = Oracle(case)
        for evidence in self._evidence(case, oracle, observation):
            results = [self._result(comparison, case) for comparison in _run(check, evidence)]
            failing = [r for r in results if r.verdict is Verdict.FAIL and self._same(r)]
            if failing:
                return Failure(check, case, max(failing, key=_clearest), observation, oracle)
        return None

    def _evidence(self, case: Case, oracle: Oracle, observation: Observation) -> Iterator[Evidence]:
        """Alone; and beside the other mode, or the first other backend, where that may fail."""
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

    def _result(self, comparison: Comparison, case: Case) -> Judged:
        result = from_comparison(
            comparison,
            config_id=case.config.id,
            backend=self.key[0],
            check=self.key[1],
            requirement=self.check.requirement_of(case.config, comparison),
            replay=replay_command(case.config, self.key[0]),
            origin="minimised",
        )
        return self.expected.join([result])[0]

    def _same(self, result: Judged) -> bool:
        return key_of(result) == self.key and result.known == self.known


def _identity(case: Case) -> bytes:
    arrays = {**case.inputs, **arrays_of(case)}
    named = (f"{name}{array.shape}".encode() + array.tobytes() for name, array in arrays.items())
    return case.config.id.encode() + b"".join(named)


def _run(check: Check, evidence: Evidence) -> list[Comparison]:
    """What a check cannot even look at does not show the finding."""
    try:
        with np.errstate(all="ignore"):
            return list(check.comparisons(evidence))
    except Exception:
        return []


def _clearest(result: Judged) -> tuple[bool, bool, float]:
    """Sort key: what a script can print, then the largest finite ratio."""
    ratio = as_float(result.ratio)
    printable = result.worst is not None and result.worst.output != "hidden output"
    return printable, ratio < float("inf"), ratio if ratio < float("inf") else 0.0


def _admitted(check: Check, case: Case) -> bool:
    """Whether the check may be asked of such arrays: what it takes for granted must hold."""
    arrays = arrays_of(case)
    if case.config.data == "ints" and not all((a == np.rint(a)).all() for a in arrays.values()):
        return False
    return check.admits(case)
