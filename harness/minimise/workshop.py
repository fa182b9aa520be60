"""All numeric findings of a run: minimised, written as scripts, run, and kept if they show it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from harness.aspects import CALLS
from harness.case import Case, cotangents, make_case, perturb
from harness.checks import Check, SecondCall
from harness.config import Config
from harness.expectations import Expectations
from harness.findings import Finding
from harness.judge import Session
from harness.minimise.dialect import dialect_of
from harness.minimise.numbers import filled, simplified, spots
from harness.minimise.question import Answer, Question
from harness.minimise.script import MOST_NUMBERS, Script, write_script
from harness.minimise.shape import reduced, rows
from harness.minimise.verify import printed_by, shown_by
from harness.oracle import Oracle
from harness.reproducers import Reproducer

__all__ = ["BUDGET", "Made", "minimised", "reproduce"]

BUDGET = 300.0
"""Seconds that the reproducers of a run may take, all together."""

EACH = 20.0
"""Seconds that minimising one finding may take."""

LARGE = 1000
"""Numbers of a case of which it is first asked whether it may be of one number throughout."""

PRESENTATIONS = ((1, 0), (16, 0), (1, 24), (65536, 0))
"""How often the rows stand there, and how many calls go before: what a long run had, and a script
has not. The first that shows the difference is taken."""

NOT_SHOWN = "the config, asked alone, does not show it"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """What came of a finding: a reproducer, or why there is none; and what it cost."""

    finding: Finding
    reproducer: Reproducer | None
    why_not: str = ""
    seconds: float = 0.0
    asked: int = 0


def reproduce(
    session: Session,
    expected: Expectations,
    findings: Sequence[Finding],
    *,
    budget: float = BUDGET,
    progress: Progress = lambda *_: None,
) -> Iterator[Made]:
    """One for each numeric finding; the time that is left is shared by those that are left.

    What an activation alone shows comes first, for it has the simplest cases; backends of which a
    call is expensive come last. What was made for others is tried first each time.

    Args:
        expected: the known differences, by which findings differ; scripts carry their statements.
    """
    numeric = [finding for finding in findings if finding.numeric and finding.key[3] not in CALLS]
    present = [finding for finding in numeric if dialect_of(finding.backend) is not None]
    ordered = sorted(
        present,
        key=lambda f: (session.runner_named(f.backend).about.sampled, f.check != "activation"),
    )
    for finding in numeric:
        if finding not in ordered:
            yield Made(finding, None, f"no script calls {finding.backend}: it has no known form")
    workshop = _Workshop(session, expected, time.monotonic() + budget)
    for count, finding in enumerate(ordered):
        progress(count, len(ordered))
        yield workshop.make(finding, share=len(ordered) - count)
    progress(len(ordered), len(ordered))


def minimised(question: Question, config: Config) -> Answer | None:
    """The simplest case, from that of a config, that shows the finding; None if it shows none."""
    case = start(config, question.check)
    if not question.holds(case):
        return None
    if len(spots(case)) > LARGE and config.batch < LARGE:
        case = filled(question, case)
    for _ in range(2):
        before = case
        case = simplified(question, reduced(question, case))
        if case is before:
            break
    return question.answer(case)


def start(config: Config, check: Check) -> Case:
    """The case of a config, with everything in it that a run would draw on the way."""
    case = make_case(config)
    if config.aspect == "gradient":
        case = dataclasses.replace(case, given_cotangents=cotangents(case))
    case = again(case, check)
    if config.data == "sweep":  # any number of its points is a case as well
        case = dataclasses.replace(case, config=dataclasses.replace(config, data="plain"))
    return dataclasses.replace(case, twins=None)


def again(case: Case, check: Check) -> Case:
    """The case with x of the second call, for checks that change it there."""
    padding = check.second_call is SecondCall.PADDING
    if not padding and check.second_call is not SecondCall.NEIGHBOURS:
        return dataclasses.replace(case, again=None)
    if padding and case.lengths is None:
        return _padded(case)
    if not padding and case.config.batch == 1:
        return _accompanied(case)
    x, _, _ = perturb(case, padding=padding, neighbours=not padding)
    return dataclasses.replace(case, again=x)


def _padded(case: Case) -> Case:
    """One more step, which is padding: 0 in the first call, 1 in the second."""
    steps, rows = case.x.shape[:2]
    zero, one = np.zeros_like(case.x[:1]), np.ones_like(case.x[:1])
    return dataclasses.replace(
        case,
        config=dataclasses.replace(case.config, steps=steps + 1, lengths="ragged"),
        x=np.concatenate([case.x, zero]),
        again=np.concatenate([case.x, one]),
        lengths=np.full(rows, steps),
    )


def _accompanied(case: Case) -> Case:
    """One more row: 0 in the first call, 1 in the second."""
    two = rows(dataclasses.replace(case, again=case.x), [0, 0])
    x, other = two.x.copy(), two.x.copy()
    x[:, 1], other[:, 1] = 0, 1
    return dataclasses.replace(two, x=x, again=other)


def _by_rows(answer: Answer) -> Iterator[Answer]:
    """As it is; and the row alone in which it is furthest off.

    Whether that shows it is for its script to say, which may have the row many times.
    """
    yield answer
    case, place = answer.case, answer.result.worst
    alone = case.lengths is None and case.again is None and case.given_cotangents is None
    if case.config.batch == 1 or not alone or place is None or place.batch is None:
        return
    row = rows(case, [place.batch])
    worst = msgspec.structs.replace(place, batch=0)
    result = msgspec.structs.replace(answer.result, worst=worst, config_id=row.config.id)
    yield Answer(answer.check, row, result, answer.observation, Oracle(row))


@dataclass
class _Workshop:
    """What was made so far serves the findings behind: their cases, and what scripts printed."""

    session: Session
    expected: Expectations
    until: float
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    printed: dict[str, str | None] = field(default_factory=dict)
    shown: list[Finding] = field(default_factory=list)

    def make(self, finding: Finding, share: int) -> Made:
        """The first of several ways to a case whose script shows the finding."""
        begun = time.monotonic()
        left = self.until - begun
        until = begun + min(EACH, 2 * left / share)
        asked, why = 0, "no time was left" if left <= 0 else NOT_SHOWN
        ways = (self._from_others, self._minimised, self._in_a_fresh_process)
        for way in ways if left > 0 else ():
            question = Question.about(self.session, self.expected, finding, until)
            answer = way(question, finding)
            asked += question.asked
            if answer is None:
                continue
            self.answers.append((finding.cause, answer))
            reproducer, why = self._proven(finding, answer)
            if reproducer is not None:
                self.shown.append(finding)
                return Made(finding, reproducer, "", time.monotonic() - begun, asked)
            if time.monotonic() > until:
                break
        alike = (f for f in self.shown if (f.backend, f.cause) == (finding.backend, finding.cause))
        why += next((f"; its cause is shown by that of {other.slug}" for other in alike), "")
        return Made(finding, None, why, time.monotonic() - begun, asked)

    def _from_others(self, question: Question, finding: Finding) -> Answer | None:
        """A case that was made for another finding of the same cause, if it shows this one."""
        aspect = Config.parse(finding.smallest.config_id).aspect
        alike = [
            (len(spots(answer.case)), answer.case.x.size, answer.case)
            for cause, answer in self.answers
            if cause == finding.cause and answer.case.config.aspect == aspect
        ]
        for numbers, _, case in sorted(alike, key=lambda one: one[:2])[:6]:
            if numbers > MOST_NUMBERS:
                continue
            case = again(case, question.check)
            if question.holds(case):
                simpler = simplified(question, case) if case.again is not None else case
                return question.answer(simpler)
        return None

    def _minimised(self, question: Question, finding: Finding) -> Answer | None:
        ids = (finding.smallest.config_id, finding.worst.config_id)
        for config_id in dict.fromkeys(ids):
            answer = minimised(question, Config.parse(config_id))
            if answer is not None:
                return answer
        return None

    def _in_a_fresh_process(self, question: Question, finding: Finding) -> Answer | None:
        """What ran before may hide it."""
        self.session.runner_named(finding.backend).close()
        return self._from_others(question, finding) or self._minimised(question, finding)

    def _proven(self, finding: Finding, answer: Answer) -> tuple[Reproducer | None, str]:
        """The first script that shows the difference when it is run; or why there is none."""
        why = "no script showed the difference"
        for shown, (times, calls) in itertools.product(_by_rows(answer), PRESENTATIONS):
            script = self._script(finding, shown, times, calls)
            if script.refused:
                why = script.refused
                continue
            printed = self._run(script.text)
            if printed is not None and shown_by(printed, shown):
                config_id = finding.smallest.config_id
                return Reproducer(finding.slug, config_id, script.text, printed), ""
            why = "no script showed the difference"
            if time.monotonic() > self.until:
                break
        return None, why

    def _run(self, text: str) -> str | None:
        """Scripts that differ in their comments only are run once."""
        code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        if code not in self.printed:
            self.printed[code] = printed_by(text)
        return self.printed[code]

    def _script(self, finding: Finding, answer: Answer, times: int, calls: int) -> Script:
        statement = _statement(self.expected, finding)
        own = self.session.runner_named(finding.backend)
        versions = dict(own.about.versions)
        for runner in self.session.runners.values():  # a script may compare with another one
            versions = runner.about.versions | versions
        return write_script(answer, finding.backend, statement, versions, rows=times, calls=calls)


def _statement(expected: Expectations, finding: Finding) -> str:
    """What is known to be different; of what nobody stated yet, what failing the check means."""
    stated = [expected.by_id[name].statement for name in finding.known if name in expected.by_id]
    return stated[0] if stated and not finding.unexpected else finding.difference
