"""Every numeric finding of a run: minimised, written as a script, and kept if that confirms it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import msgspec
import numpy as np

from harness.backends.reference import name_in
from harness.case import Case, changed, cotangents, make_case
from harness.checks import Check, Partner, SecondCall
from harness.config import Config, ConfigError
from harness.expectations import Expectations
from harness.findings import Finding
from harness.judge import Session
from harness.limits import BUDGET
from harness.minimise.arrays import derived
from harness.minimise.failure import Failure, FailureTest
from harness.minimise.forms import form_of
from harness.minimise.numbers import entries, filled, simplified
from harness.minimise.script import MOST_NUMBERS, Script, write_script
from harness.minimise.shape import cut, reduced
from harness.minimise.verify import confirms, run_script
from harness.observe import headline
from harness.oracle import Oracle
from harness.reproducers import Reproducer
from harness.runners import Isolated

__all__ = ["Attempt", "initial_case", "minimised", "reproduce"]

POLLED = 0.5
"""Seconds between two reports of progress, which also end the work on Ctrl-C."""

EACH = 20.0
"""Seconds that minimising one finding may take."""

LARGE = 1000
"""A case of more numbers is first tried with one number throughout each array."""

ENVIRONMENTS = ((1, 0), (16, 0), (1, 24), (65536, 0))
"""How many times the rows of the case a script has, and how many calls it makes first: some
differences depend on the size of tensors, or on what ran before. The first that shows it is taken.
"""

NOT_SHOWN = "the config, judged alone, does not show it"

OF_A_LIFE = (
    "a script makes one call, and this takes several: its shortest life is in the config's id"
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Attempt:
    """What came of a finding: a reproducer, or the reason why there is none; and what it cost."""

    finding: Finding
    reproducer: Reproducer | None
    reason: str = ""
    seconds: float = 0.0
    calls: int = 0


def reproduce(
    session: Session,
    expected: Expectations,
    findings: Sequence[Finding],
    *,
    budget: float = BUDGET,
    progress: Progress = lambda *_: None,
) -> Iterator[Attempt]:
    """One for each numeric finding; the time that is left is shared by those that are left.

    Backends in processes of their own work side by side. What an activation alone shows comes
    first, for it has the simplest cases. What was made for others is tried first each time.

    Args:
        expected: the known differences, by which findings differ; scripts carry their statements.
    """
    numeric = [finding for finding in findings if finding.numeric and not finding.key[3]]
    lived = [finding for finding in numeric if Config.parse(finding.worst.config_id).life]
    for finding in lived:
        yield Attempt(finding, None, OF_A_LIFE)
    numeric = [finding for finding in numeric if finding not in lived]
    present = [finding for finding in numeric if form_of(finding.backend) is not None]
    ordered = sorted(present, key=lambda f: f.check != "activation")
    for finding in numeric:
        if finding not in ordered:
            yield Attempt(finding, None, f"no script calls {finding.backend}: it has no known form")
    deadline = time.monotonic() + budget
    if all(isinstance(runner, Isolated) for runner in session.runners.values()):
        yield from _side_by_side(session, expected, ordered, deadline, progress)
        return
    reproduction = _Reproduction(session, expected, deadline)
    for count, finding in enumerate(ordered):
        progress(count, len(ordered))
        yield _guarded(reproduction, finding, len(ordered) - count)
    progress(len(ordered), len(ordered))


def _side_by_side(
    session: Session,
    expected: Expectations,
    ordered: Sequence[Finding],
    deadline: float,
    progress: Progress,
) -> Iterator[Attempt]:
    """The findings of each backend in a thread of their own, as they come."""
    total = len(ordered)
    lanes = {name: [f for f in ordered if f.backend == name] for name in _backends(ordered)}
    made = {name: _Reproduction(session, expected, deadline) for name in lanes}
    threads = {name: ThreadPoolExecutor(1) for name in lanes}
    left = {
        threads[name].submit(_guarded, made[name], finding, len(lane) - count)
        for name, lane in lanes.items()
        for count, finding in enumerate(lane)
    }
    try:
        while left:
            progress(total - len(left), total)
            done, left = wait(left, timeout=POLLED, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        progress(total, total)
    finally:
        for reproduction in made.values():
            reproduction.stop()
        for thread in threads.values():  # nothing asks a worker after its session has ended
            thread.shutdown(cancel_futures=True)


def _backends(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.backend for finding in findings))


def _guarded(reproduction: _Reproduction, finding: Finding, share: int) -> Attempt:
    """What cannot be written, whatever the numbers, costs the script of this finding alone."""
    try:
        return reproduction.attempt(finding, share)
    except Exception as error:
        return Attempt(finding, None, f"making its script failed: {headline(error)}")


def minimised(test: FailureTest, config: Config) -> Failure | None:
    """The simplest case, from that of a config, that shows the finding; None if it shows none."""
    case = initial_case(config, test.check)
    if not test.fails(case):
        return None
    if len(entries(case)) > LARGE and config.batch < LARGE:
        case = filled(test, case)
    for _ in range(2):
        before = case
        case = simplified(test, reduced(test, case))
        if case is before:
            break
    return test.failure(case)


def initial_case(config: Config, check: Check) -> Case:
    """The case of a config, with everything in it that a run would draw on the way."""
    case = make_case(config)
    if config.arrays:  # of any fewer of its numbers a case is no config's own
        case = dataclasses.replace(case, config=config.replace(arrays=""))
    if config.aspect == "gradient":
        case = dataclasses.replace(case, given_cotangents=cotangents(case))
    case = _with_second_x(case, check)
    # Any number of the points of a sweep is a case as well.
    return derived(case, data="plain") if config.data == "sweep" else case


def _with_second_x(case: Case, check: Check) -> Case:
    """The case with x of the second call, for checks that change it there.

    Raises:
        ConfigError: there is no such case.
    """
    padding = check.second_call is SecondCall.PADDING
    if not padding and check.second_call is not SecondCall.NEIGHBOURS:
        return dataclasses.replace(case, second_x=None)
    if padding and case.lengths is None:
        return _padded(case)
    if not padding and case.config.batch == 1:
        return _accompanied(case)
    other, _ = changed(case, padding=padding, neighbours=not padding)
    return dataclasses.replace(case, second_x=other.x)


def _padded(case: Case) -> Case:
    """One more step, which is padding: 0 in the first call, 1 in the second."""
    steps, rows = case.x.shape[:2]
    last = np.zeros_like(case.x[:1])
    arrays = {
        "x": np.concatenate([case.x, last]),
        "second_x": np.concatenate([case.x, last + last.dtype.type(1)]),
        "lengths": np.full(rows, steps),
    }
    return derived(case, arrays, steps=steps + 1, lengths="ragged")


def _accompanied(case: Case) -> Case:
    """One more row: 0 in the first call, 1 in the second."""
    two = cut(case, "rows", [0, 0])
    x, second = two.x.copy(), two.x.copy()
    x[:, 1], second[:, 1] = 0, 1
    return derived(two, {"x": x, "second_x": second})


def _by_rows(failure: Failure) -> Iterator[Failure]:
    """As it is; and the row alone in which it is furthest off.

    Whether that fails is for its script to show, which may have the row many times.
    """
    yield failure
    case, place = failure.case, failure.result.worst
    plain = case.lengths is None and case.second_x is None and not case.given_cotangents
    if case.config.batch == 1 or not plain or place is None or place.batch is None:
        return
    row = cut(case, "rows", [place.batch])
    worst = msgspec.structs.replace(place, batch=0)
    result = msgspec.structs.replace(failure.result, worst=worst, config_id=row.config.id)
    yield Failure(failure.check, row, result, failure.observation, Oracle(row))


@dataclass
class _Reproduction:
    """What was made so far serves the findings after it: cases, and what scripts printed."""

    session: Session
    expected: Expectations
    deadline: float
    failures: list[tuple[str, Failure]] = field(default_factory=list)
    printed: dict[str, str | None] = field(default_factory=dict)
    reproduced: list[Finding] = field(default_factory=list)
    test: FailureTest | None = None

    def stop(self) -> None:
        """From another thread: what is under way ends after its next call or script."""
        self.deadline = 0.0
        if self.test is not None:
            self.test.deadline = 0.0

    def attempt(self, finding: Finding, share: int) -> Attempt:
        """The first of several ways to a case whose script confirms the finding."""
        begun = time.monotonic()
        left = self.deadline - begun
        deadline = begun + min(EACH, 2 * left / share)
        calls, reason = 0, "no time was left" if left <= 0 else NOT_SHOWN
        ways = (self._from_others, self._minimised, self._in_a_fresh_process)
        for way in ways if left > 0 else ():
            deadline = min(deadline, self.deadline)
            test = self.test = FailureTest.of(self.session, self.expected, finding, deadline)
            failure = way(test, finding)
            calls += test.calls
            if failure is None:
                continue
            self.failures.append((finding.cause, failure))
            reproducer, reason = self._proven(finding, failure)
            if reproducer is not None:
                self.reproduced.append(finding)
                return Attempt(finding, reproducer, "", time.monotonic() - begun, calls)
            if time.monotonic() > deadline:
                break
        same = (finding.backend, finding.cause)
        alike = (one for one in self.reproduced if (one.backend, one.cause) == same)
        reason += next((f"; the script of {one.slug} shows its cause" for one in alike), "")
        return Attempt(finding, None, reason, time.monotonic() - begun, calls)

    def _from_others(self, test: FailureTest, finding: Finding) -> Failure | None:
        """A case that was made for another finding of the same cause, if it shows this one."""
        aspect = Config.parse(finding.smallest.config_id).aspect
        alike = [
            (len(entries(failure.case)), failure.case.x.size, failure.case)
            for cause, failure in self.failures
            if cause == finding.cause and failure.case.config.aspect == aspect
        ]
        for numbers, _, case in sorted(alike, key=lambda one: one[:2])[:6]:
            if numbers > MOST_NUMBERS:
                continue
            try:
                case = _with_second_x(case, test.check)
            except ConfigError:
                continue
            if test.fails(case):
                return test.failure(simplified(test, case) if case.second_x is not None else case)
        return None

    def _minimised(self, test: FailureTest, finding: Finding) -> Failure | None:
        ids = (finding.smallest.config_id, finding.worst.config_id)
        tried = (minimised(test, Config.parse(config_id)) for config_id in dict.fromkeys(ids))
        return next((failure for failure in tried if failure is not None), None)

    def _in_a_fresh_process(self, test: FailureTest, finding: Finding) -> Failure | None:
        """What ran before may hide it."""
        self.session.runner_named(finding.backend).close()
        return self._from_others(test, finding) or self._minimised(test, finding)

    def _proven(self, finding: Finding, failure: Failure) -> tuple[Reproducer | None, str]:
        """The first script that shows the difference when it is run; or why there is none."""
        reason = "no script showed the difference"
        for one, (times, calls) in itertools.product(_by_rows(failure), ENVIRONMENTS):
            script = self._script(finding, one, times, calls)
            if script.refused:
                reason = script.refused
                continue
            printed = self._run(script.text)
            if printed is not None and confirms(printed, one):
                config_id = finding.smallest.config_id
                return Reproducer(finding.slug, config_id, script.text, printed), ""
            reason = "no script showed the difference"
            if time.monotonic() > self.deadline:
                break
        return None, reason

    def _run(self, text: str) -> str | None:
        """Scripts that differ in their comments only are run once."""
        code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        if code not in self.printed:
            self.printed[code] = run_script(text)
        return self.printed[code]

    def _script(self, finding: Finding, failure: Failure, times: int, calls: int) -> Script:
        statement = _statement(self.expected, finding)
        own = self.session.runner_named(finding.backend)
        versions = dict(own.about.versions)
        for runner in self.session.runners.values():  # a script may compare with another one
            versions = runner.about.versions | versions
        return write_script(
            failure,
            finding.backend,
            statement,
            versions,
            rows=times,
            calls=calls,
            peer=self._peer(finding) if failure.check.partner is Partner.BACKEND else "",
        )

    def _peer(self, finding: Finding) -> str:
        """Another framework of the session whose scripts are known, if there is one."""
        own = name_in(finding.backend)
        others = (runner.about.name for runner in self.session.runners.values())
        return next((one for one in others if name_in(one) != own and form_of(one)), "")


def _statement(expected: Expectations, finding: Finding) -> str:
    """That of the known difference; of an unexpected one, what failing the check means."""
    found = [expected.by_id[name].statement for name in finding.known if name in expected.by_id]
    return found[0] if found and not finding.unexpected else finding.difference
