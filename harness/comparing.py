"""Two runs side by side: what appeared, disappeared, grew and shrank; read after an upgrade.

Only what both runs judged is compared: a finding of configs that one run did not have says
nothing about what changed between them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.causes import Cause
from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.findings import Finding, Key, find, key_of
from harness.results import Result, as_float
from harness.verdicts import CONCLUDED, FAILED, Verdict

__all__ = ["KINDS", "Change", "Difference", "compare_runs"]

Kind = Literal["appeared", "disappeared", "grew", "shrank"]

KINDS: dict[Kind, str] = {
    "appeared": "not shown by the older run",
    "grew": "larger, or shown by more configs, than in the older run",
    "shrank": "smaller, or shown by fewer configs, than in the older run",
    "disappeared": "shown by the older run only",
}

ROOM = 1.25
"""What is larger or smaller by no more than this factor has not changed."""
FEW = 2
"""Nor has what so many more, or fewer, configs show."""


Turn = tuple[str, str, str, str]
"""Of comparisons: backend, check, older verdict, newer one, which may be "gone"."""


@dataclass(frozen=True)
class Change:
    """One finding (backend, check, cause, call) that is not what it was.

    `entries` are the known differences that it is, in either run.
    """

    kind: Kind
    key: Key
    old: Finding | None
    new: Finding | None
    entries: tuple[str, ...] = ()

    @property
    def finding(self) -> Finding:
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def title(self) -> str:
        """What changed, in words."""
        backend, _, cause, _ = self.key
        return f"{backend} {cause.about.sentence}: {self.finding.difference}"


@dataclass(frozen=True)
class Difference:
    """All changes between two runs, and how much of them could be compared.

    `verdicts` counts comparisons (config, backend, check, part) of both runs by their verdicts
    where those differ: (backend, check, older, newer) -> count. `versions` are those that differ,
    None where a package was not there. `shown` has a result of the smallest such config, the newer
    one where there is one. `only_old` and `only_new` count configs of one run, for
    each backend.
    """

    changes: tuple[Change, ...]
    verdicts: Mapping[Turn, int]
    shown: Mapping[Turn, Result]
    versions: Mapping[str, tuple[str | None, str | None]]
    common: Mapping[str, int]
    only_old: Mapping[str, int]
    only_new: Mapping[str, int]

    @property
    def weaker(self) -> Mapping[Turn, int]:
        """What was concluded before, and is not any more."""
        return {
            at: n
            for at, n in self.verdicts.items()
            if at[2] in CONCLUDED and at[3] not in CONCLUDED
        }

    @property
    def exit_code(self) -> int:
        return 1 if self.changes or self.weaker else 0


def compare_runs(
    old: Sequence[Result], new: Sequence[Result], versions: Sequence[Mapping[str, Any]]
) -> Difference:
    """What changed from one run's results to another's; `versions` are of the old and new run."""
    judged = [{(r.config_id, r.backend) for r in results} for results in (old, new)]
    both = judged[0] & judged[1]
    before, after = (
        [r for r in results if (r.config_id, r.backend) in both] for results in (old, new)
    )
    nothing_expected = Expectations()
    changes = _changes(*(nothing_expected.join(results) for results in (before, after)))
    return Difference(
        tuple(sorted(changes, key=lambda c: (list(KINDS).index(c.kind), c.key))),
        *_verdicts(before, after),
        {
            name: (versions[0].get(name), versions[1].get(name))
            for name in sorted({*versions[0], *versions[1]})
            if versions[0].get(name) != versions[1].get(name)
        },
        *(
            Counter(backend for _, backend in pairs)
            for pairs in (both, judged[0] - both, judged[1] - both)
        ),
    )


def _changes(before: Sequence[Judged], after: Sequence[Judged]) -> list[Change]:
    """The gravest first; what changed only where something graver did is a consequence of that.

    A fault that makes a state wrong takes its place from whatever was found there before.
    """
    changes: list[Change] = []
    covered: set[tuple[str, str]] = set()
    for cause in Cause:
        old, new = (
            _by_key([r for r in results if (r.config_id, r.backend) not in covered])
            for results in (before, after)
        )
        here = [
            change
            for key in sorted({*old, *new})
            if key[2] is cause and (change := _change(key, old.get(key, ()), new.get(key, ())))
        ]
        changes += here
        keys = {change.key for change in here}
        for results in (before, after):
            covered |= {
                (r.config_id, r.backend)
                for r in results
                if r.verdict in FAILED and key_of(r) in keys
            }
    return changes


def _by_key(results: Sequence[Judged]) -> dict[Key, list[Finding]]:
    by_key: dict[Key, list[Finding]] = defaultdict(list)
    for finding in find(results):
        by_key[finding.key].append(finding)
    return by_key


def _change(key: Key, before: Sequence[Finding], after: Sequence[Finding]) -> Change | None:
    old, new = (max(one, key=_size, default=None) for one in (before, after))
    kind: Kind
    if old is None:
        kind = "appeared"
    elif new is None:
        kind = "disappeared"
    elif _beyond(_size(new), _size(old)) or _more(after, before):
        kind = "grew"
    elif _beyond(_size(old), _size(new)) or _more(before, after):
        kind = "shrank"
    else:
        return None
    return Change(kind, key, old, new)


def _size(finding: Finding) -> float:
    """The largest ratio, infinity too; 0 where there is none."""
    ratio = as_float(finding.worst.ratio) if finding.worst.ratio is not None else 0.0
    return 0.0 if math.isnan(ratio) else ratio


def _beyond(larger: float, smaller: float) -> bool:
    return larger > ROOM * smaller


def _more(many: Sequence[Finding], few: Sequence[Finding]) -> bool:
    counts = [sum(finding.configs for finding in findings) for findings in (many, few)]
    return counts[0] > ROOM * counts[1] + FEW


def _verdicts(
    before: Sequence[Result], after: Sequence[Result]
) -> tuple[dict[Turn, int], dict[Turn, Result]]:
    """How many comparisons turned from one verdict to another, and one of each."""

    def by_place(results: Sequence[Result]) -> dict[tuple[str, str, str, str], Result]:
        worst: dict[tuple[str, str, str, str], Result] = {}
        for r in results:  # a failing part may have a line for each cause
            at = (r.config_id, r.backend, r.check, r.part)
            worst[at] = r if at not in worst or worst[at].verdict is Verdict.PASS else worst[at]
        return worst

    old, new = by_place(before), by_place(after)
    turned: dict[Turn, list[Result]] = defaultdict(list)
    for at, was in old.items():
        now = new.get(at)
        verdict = "gone" if now is None else now.verdict
        if was.verdict != verdict:
            turned[was.backend, was.check, was.verdict, verdict].append(now or was)
    ordered = sorted(turned.items(), key=lambda item: -len(item[1]))
    size = lambda r: Config.parse(r.config_id).size  # noqa: E731
    return (
        {turn: len(results) for turn, results in ordered},
        {turn: min(results, key=size) for turn, results in ordered},
    )
