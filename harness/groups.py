"""From findings to differences: findings that come from one root are one.

Known ones join by the known difference. Unexpected ones of a backend join where one of these holds,
and nothing weaker does, for two faults must stay two:

- They have the same established cause, whichever requirements it breaks.
- The same is said, numbers aside, by what is raised or refused; or no invalid call is ever refused.
- All of one show where the condition holds on which another depends, and none of those where it
  does not hold, beyond chance; of checks that hold what comes out against the equation in another
  way, the first is enough.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.aspects import CallAspect, Documented, aspect_of
from harness.calls import make_call
from harness.causes import Cause
from harness.config import Config
from harness.dependence import ALWAYS, CHANCE, condition
from harness.expectations import Judged
from harness.findings import Finding
from harness.observe.errors import MALFORMED

__all__ = ["Group", "group", "is_invalid"]


@dataclass(frozen=True)
class Group:
    """One difference, as several checks, calls and modes see it.

    `topic` is the id of the known difference, or "" where there is none.
    """

    topic: str
    backends: tuple[str, ...]
    cause: Cause
    findings: tuple[Finding, ...]

    @property
    def unexpected(self) -> bool:
        return any(finding.unexpected for finding in self.findings)

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(sorted({entry for finding in self.findings for entry in finding.known}))

    @property
    def configs(self) -> int:
        """How many show it."""
        return len(frozenset[str]().union(*(finding.showing for finding in self.findings)))

    @property
    def judged(self) -> int:
        """How many could have shown it."""
        sides = (finding.showing | finding.passing for finding in self.findings)
        together = len(frozenset[str]().union(*sides))
        return max(together, *(finding.judged for finding in self.findings))

    @property
    def smallest(self) -> Judged:
        results = [finding.smallest for finding in self.findings]
        return min(results, key=lambda line: Config.parse(line.config_id).size)

    @property
    def head(self) -> Finding:
        """The one that most configs show, of what is asked first."""
        return min(self.findings, key=_order)

    @property
    def title(self) -> str:
        """Of what no baseline names; where no cause tells two apart, the check does."""
        sentence = f"{' and '.join(self.backends)} {self.cause.about.sentence}"
        return sentence if self.cause.about.excusable else f"{sentence}: {self.head.difference}"


def group(findings: Iterable[Finding]) -> list[Group]:
    """Findings by known difference, the others by root; the gravest first."""
    known: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    others: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.known and not finding.unexpected:
            known[finding.known].append(finding)
        else:
            others[finding.backend, finding.cause, finding.requirement].append(finding)
    topics = [(", ".join(key), members) for key, members in known.items()]
    roots = [("", members) for members in _joined(list(others.values()))]
    found = [
        Group(
            topic,
            tuple(dict.fromkeys(finding.backend for finding in members)),
            members[0].cause,
            tuple(members),
        )
        for topic, members in (*roots, *topics)
    ]
    return sorted(found, key=lambda one: (not one.unexpected, one.cause.severity))


OPEN = frozenset(
    (
        *(Cause.ERROR, Cause.CRASHED, Cause.HUNG, Cause.UNEXPLAINED),
        *(Cause.WRONG, Cause.ACCEPTED, Cause.REFUSED, Cause.DIFFERS),
    )
)
"""Causes that say what is seen, and not why: two of them may be two differences."""

SPEAKING = (Cause.REFUSED, Cause.ERROR, Cause.CRASHED, Cause.HUNG)
"""Causes of which the message says what happened: the exception, or how the process ended."""

SAME_CALL = ("forward_error", "exact_lane", "special_values")
"""Checks that hold the answer of a call against the equation once more."""

OTHER_CALLS = (
    *("life", "gradient", "gradient_error", "dropout_values", "dropout_states", "dropout_none"),
    *("call", "call_contained"),
)
"""Checks of other calls of a layer that are answered by the same equation."""

GRADIENTS = ("gradient", "gradient_error")

MOSTLY = 0.9
"""Share of configs from which on a finding shows always."""


def _order(finding: Finding) -> tuple[int, int]:
    """Calls of other aspects are consequences of what a plain call shows."""
    if finding.check in OTHER_CALLS:
        return 2 + OTHER_CALLS.index(finding.check), -finding.configs
    return int(finding.check in SAME_CALL), -finding.configs


def _joined(parts: Sequence[list[Finding]]) -> list[list[Finding]]:
    """Each part to the first root that it follows from, or a root of its own."""
    roots: list[list[Finding]] = []
    parts = [*_by_sentence(parts)]
    for part in sorted(parts, key=lambda one: _order(min(one, key=_order))):
        root = next((one for one in roots if _follows(part, one)), None)
        if root is None:
            roots.append(list(part))
        else:
            root += part
    return roots


def _follows(part: Sequence[Finding], root: Sequence[Finding]) -> bool:
    if part[0].backend != root[0].backend:
        return False
    if part[0].cause is root[0].cause and part[0].cause not in OPEN:
        return True
    if part[0].cause is Cause.UNWRITTEN and root[0].cause is Cause.PADDING:
        # Where there is no h_0, NaN in an empty row does not tell which of the two it comes of.
        return not any(config.states for one in part for config in one.sides[0])
    plain = [one for one in root if one.check not in OTHER_CALLS]
    return all(any(_consequence(one, other) for other in plain) for one in part)


def _consequence(one: Finding, root: Finding) -> bool:
    """Whether what a call shows is what a plain call of the layer shows."""
    if one.check in SAME_CALL:
        return one.showing <= root.showing or (root.check in SAME_CALL and _under(one, root))
    if one.check not in OTHER_CALLS or (one.key[3] and one.cause is not Cause.WRONG):
        return False
    return _under(one, root)


def _under(one: Finding, root: Finding) -> bool:
    """Whether it shows where the condition of the root holds, and only there, beyond chance."""
    rule = condition(*root.sides)
    showing, passing = (list(map(_meant, side)) for side in one.sides)
    if not all(map(rule.holds, showing)):
        return False
    inside = len(showing) + sum(map(rule.holds, passing))
    outside = len(showing) + len(passing) - inside
    share = len(showing) / inside
    if not outside:  # nothing speaks against it; for it only that it shows throughout
        always = rule is not ALWAYS or root.configs >= MOSTLY * root.judged
        return always and share >= MOSTLY and one.check not in GRADIENTS
    return bool((1 - share) ** outside < CHANCE)


def _meant(config: Config) -> Config:
    """Of a call the config that it stands for: one that leaves `bias` out has the default."""
    made = make_call(config) if config.is_call else None
    return config if made is None or made.meaning is None else made.meaning.config


def _by_sentence(parts: Sequence[list[Finding]]) -> Iterable[list[Finding]]:
    """What says the same is one; so are invalid calls, if all are accepted."""
    raised: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    accepted: dict[str, list[Finding]] = defaultdict(list)
    for part in parts:
        rest: dict[str, list[Finding]] = defaultdict(list)
        for one in part:
            if one.cause in SPEAKING or one.check == "shape_dtype":
                raised[one.backend, _sentence(one)].append(one)
            elif one.cause is Cause.ACCEPTED or (one.cause is Cause.WRONG and is_invalid(one)):
                accepted[one.backend].append(one)
                rest["accepted"].append(one)
            elif one.key[3] and one.cause is Cause.WRONG:
                rest[one.key[3]].append(one)
            else:
                rest[""].append(one)
        yield from (members for kind, members in rest.items() if kind != "accepted")
    yield from raised.values()
    for calls in accepted.values():
        yield from _accepted(calls)


def _accepted(calls: Sequence[Finding]) -> Iterable[list[Finding]]:
    """All together where nothing that was judged is refused; else by what is asked for."""
    answered: dict[str, int] = defaultdict(int)  # wrongly, or at all
    for one in calls:
        answered[one.key[3]] += one.configs
    none_refused = all(answered[one.key[3]] == one.judged for one in calls)
    if none_refused and len({one.requirement for one in calls}) > 2:
        yield list(calls)
        return
    by_requirement: dict[str, list[Finding]] = defaultdict(list)
    for one in calls:
        by_requirement[one.requirement].append(one)
    yield from by_requirement.values()


def is_invalid(finding: Finding) -> bool:
    """Whether it is about a call that is documented to be refused."""
    about = aspect_of(Config.parse(finding.smallest.config_id))
    return isinstance(about, CallAspect) and about.documented is Documented.INVALID


def _sentence(finding: Finding) -> str:
    said = finding.worst.message.removeprefix("refused in the call: ").rpartition(MALFORMED)[2]
    return re.sub(r"(#, )+#", "#", re.sub(r"\d+", "#", said))
