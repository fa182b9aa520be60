"""Whatever happened to a layer before, its answer is that of its weights, mode and inputs.

Every answer of a life is judged as a new layer's: by the checks of values and of gradients, with
their bounds. The same bits as a new layer's are not asked for: other kernels may be chosen later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.causes import Cause
from harness.checks.forward_error import forward_error
from harness.checks.gradient import gradient
from harness.checks.gradient_padding import gradient_padding
from harness.checks.last_state import last_state
from harness.checks.padding_zero import padding_zero
from harness.checks.registry import check
from harness.checks.step_residual import step_residual
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.attributed import attributed
from harness.judging.lives import (
    dropped,
    dropped_at,
    evidence_at,
    lived,
    repeated,
    until,
    with_moments,
)
from harness.moments import Moment, moments
from harness.observe import Answer, Lived
from harness.probes import Probe
from harness.verdicts import Verdict

__all__ = ["life"]

Found = list[Comparison]
Judged = list[tuple[int, Found]]
"""Steps, and what was found at each."""


@check(
    requirement="life",
    difference="an answer depends on what happened to the layer before",
    applies=aspect("life"),
    probes=(
        *(Probe.BIAS, Probe.INPUT, Probe.STATE, Probe.ROW, Probe.END, Probe.HELD),
        *(Probe.STEP, Probe.CARRY, Probe.ZERO, Probe.SIGN),
    ),
)
def life(evidence: Evidence) -> Iterator[Comparison]:
    """A comparison for each kind of answer; it names the step that went wrong first."""
    found = lived(evidence)
    if found is None:
        return
    for part, judge in _PARTS.items():
        yield from _first(evidence, part, [*judge(evidence, found)])
    yield from _kept(evidence, found)
    if evidence.observation.modified:
        names = ", ".join(sorted(set(evidence.observation.modified)))
        yield _failing("inputs", 1, f"a call changed: {names}")


def _first(evidence: Evidence, part: str, judged: Judged) -> Iterator[Comparison]:
    """All comparisons of one kind in one: the first failing step's, else the closest."""
    every = [one for _, comparisons in judged for one in comparisons]
    for step, comparisons in judged:
        failing = [one for one in comparisons if one.verdict is Verdict.FAIL]
        if failing:
            message = f"{until(evidence, step)}: {failing[0].message}"
            yield replace(failing[0], part=part, message=message, requirement=None)
            return
    concluded = [one for one in every if one.verdict is Verdict.PASS]
    if every:
        counted = concluded or every  # what nothing was concluded of was not compared
        closest = max(counted, key=lambda one: one.ratio or 0.0)
        compared = sum(one.compared for one in counted)
        yield replace(
            closest, part=part, compared=compared, power=_least(counted), requirement=None
        )


def _least(counted: Iterable[Comparison]) -> dict[Probe, float]:
    """Of each probe the least power that any of some comparisons states."""
    found: dict[Probe, float] = {}
    for one in counted:
        for probe, power in one.power.items():
            found[probe] = min(power, found.get(probe, power))
    return found


def _values(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    for moment, answer in with_moments(evidence, found):
        if answer.outputs is None or moment.of_gradients:
            continue
        if dropped_at(evidence, moment):
            yield moment.step, [*dropped(evidence, moment, answer)]
        else:
            yield moment.step, _attributed(evidence, moment, answer, _as_new)


def _as_new(at: Evidence) -> list[Comparison]:
    """By each step, where all layers were seen; else from start to end."""
    steps = [*step_residual(at)]
    if any(one.verdict is Verdict.INCONCLUSIVE for one in steps):
        steps += forward_error(at)
    return [*steps, *last_state(at), *padding_zero(at)]


def _gradients(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    """Those in which nothing was dropped; what was is seen with the masks of the same call only."""
    for moment, answer in with_moments(evidence, found):
        if answer.derivatives is not None and answer.outputs is not None:
            yield moment.step, _attributed(evidence, moment, answer, _derived)


def _derived(at: Evidence) -> list[Comparison]:
    training = at.under_autograd
    values = [] if training is None else _as_new(training)
    return [*gradient(at), *gradient_padding(at), *values]


def _attributed(
    evidence: Evidence, moment: Moment, answer: Answer, judge: Callable[[Evidence], Found]
) -> Found:
    """What is found; what is right at weights that the layer had before has a cause."""
    found = [*attributed(evidence_at(evidence, moment, answer), judge)]
    if not any(one.cause is Cause.UNEXPLAINED for one in found):
        return found
    earlier = {one.weights for one in moments(evidence.config)[: moment.step]} | {0}
    for weights in sorted(earlier - {moment.weights}):
        then = judge(evidence_at(evidence, replace(moment, weights=weights), answer))
        verdicts = {one.verdict for one in then}
        if Verdict.PASS in verdicts and Verdict.FAIL not in verdicts:
            return [
                replace(one, cause=Cause.STALE) if one.cause is Cause.UNEXPLAINED else one
                for one in found
            ]
    return found


def _seeds(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    if not found.seeded:
        return
    answers = {answer.step: answer for answer in found.answers}
    for moment, answer in with_moments(evidence, found):
        if moment.repeats is not None and answer.trouble is None:
            first = answers[moment.repeats]
            yield moment.step, [repeated(evidence, moment, answer, first)]


def _weights(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    count = sum(array.size for array in evidence.case.weights.values())
    for _, answer in with_moments(evidence, found):
        if answer.differing is not None:
            message = f"{', '.join(answer.differing)} read back: others than were loaded"
            failing = _failing("weights", count, message)
            passing = Comparison("weights", Verdict.PASS, count, ratio=0.0)
            yield answer.step, [failing if answer.differing else passing]


def _raised(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    yield from _answered(answer for answer in found.answers if not _refused(evidence, answer))


def _raised_later(evidence: Evidence, found: Lived) -> Iterator[tuple[int, list[Comparison]]]:
    yield from _answered(answer for answer in found.answers if _refused(evidence, answer))


def _refused(evidence: Evidence, answer: Answer) -> bool:
    """Whether gradients were refused before an answer."""
    return not {"x5", "x6"}.isdisjoint(evidence.config.life[: answer.step])


def _answered(answers: Iterable[Answer]) -> Iterator[tuple[int, list[Comparison]]]:
    for answer in answers:
        failing = _failing("answered", 1, answer.trouble or "", Cause.REFUSED)
        passing = Comparison("answered", Verdict.PASS, 1, ratio=0.0)
        yield answer.step, [passing if answer.trouble is None else failing]


_PARTS: dict[str, Callable[[Evidence, Lived], Iterable[tuple[int, list[Comparison]]]]] = {
    "answered": _raised,
    "answered after refused gradients": _raised_later,
    "values": _values,
    "gradients": _gradients,
    "same seed": _seeds,
    "weights": _weights,
}


def _kept(evidence: Evidence, found: Lived) -> Iterator[Comparison]:
    """Answers hold what they held."""
    answers = sum(answer.trouble is None for answer in found.answers)
    if found.spoiled is None:
        yield Comparison("kept", Verdict.PASS, answers, ratio=0.0)
        return
    step, earlier = found.spoiled
    where = until(evidence, step)
    yield _failing(
        "kept", answers, f"{where}: the answer of step {earlier + 1} holds other numbers"
    )


def _failing(
    part: str, compared: int, message: str, cause: Cause = Cause.UNEXPLAINED
) -> Comparison:
    return Comparison(part, Verdict.FAIL, compared, message, cause, ratio=float("inf"))
