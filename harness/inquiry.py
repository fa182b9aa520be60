"""What a run asks of its own unexpected findings: on what do they depend, and do they show alone?

Configs are chosen in which rules that explain all results so far disagree, one after the other, and
judged like any other; their results stand beside the others, with an origin of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from harness.causes import Cause
from harness.config import SIZES, Config, ConfigError
from harness.dependence import Rule, rules
from harness.expectations import Expectations, Judged
from harness.findings import Finding, find, key_of
from harness.groups import group
from harness.judge import Session
from harness.runners import Isolated
from harness.verdicts import FAILED, Verdict

__all__ = ["MOST_FINDINGS", "asked_alone", "chosen", "questions"]

MOST_CONFIGS = 6
"""Configs that are judged for a finding."""

MOST_FINDINGS = 8
"""Findings of a run that are asked about, those that most configs show."""

LARGEST = 2**16
"""Product of the sizes of a config that is chosen: those are many, and must be cheap."""

ENDING = (Cause.HUNG, Cause.CRASHED, Cause.ENVIRONMENT)
"""Causes that cost a worker, or a time limit, each time."""

NUMBERS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 63, 64, 65)

Ask = Callable[[Config, str], Sequence[Judged]]
"""Judges a config with one backend, and keeps the results."""


def questions(results: Sequence[Judged]) -> list[Finding]:
    """One finding of each unexpected difference, as far as more configs could say something."""
    heads = [one.head for one in group(find(results)) if one.unexpected]
    able = [one for one in heads if not one.key[3] and one.cause not in ENDING]
    return sorted(able, key=lambda one: -one.configs)[:MOST_FINDINGS]


def chosen(finding: Finding, ask: Ask) -> None:
    """Judge up to `MOST_CONFIGS` configs that tell the rules for a finding apart."""
    showing, passing = finding.sides
    pool = list(_near(showing[0], {config.id for config in (*showing, *passing)}))
    for _ in range(MOST_CONFIGS):
        left = rules(showing, passing)
        config = _telling(left, pool, showing[0])
        if config is None:
            return
        pool.remove(config)
        results = [r for r in ask(config, finding.backend) if r.check == finding.check]
        if any(r.verdict in FAILED and key_of(r) == finding.key for r in results):
            showing.append(config)
        elif any(r.verdict is Verdict.PASS for r in results):
            passing.append(config)


def _telling(left: Sequence[Rule], pool: Sequence[Config], base: Config) -> Config | None:
    """The config that as many rules expect to show it as not to; the smallest of such."""
    if not left or not pool:
        return None

    def undecided(config: Config) -> tuple[float, tuple[int, ...]]:
        expecting = sum(rule.holds(config) for rule in left)
        return abs(expecting - len(left) / 2), config.size

    best = min(pool, key=undecided)
    if 0 < sum(rule.holds(best) for rule in left) < len(left):
        return best
    # All agree: just outside what they say, with all else as it was; else anywhere inside.
    outside = [config for config in pool if not left[0].holds(config)]
    return min(outside or pool, key=lambda config: _distance(config, base))


def _distance(one: Config, other: Config) -> int:
    return sum(abs(getattr(one, name) - getattr(other, name)) for name in SIZES)


def _near(base: Config, known: set[str]) -> Iterator[Config]:
    """The config with one thing changed, or with two sizes; none where arrays are given."""
    if base.arrays:
        return
    changes: list[dict[str, object]] = [
        {name: n} for name in (*SIZES, "num_layers") for n in _numbers(base, name)
    ]
    for option in base.record.options:
        changes += [{option.name: value} for value in option.words]
    changes += [{name: not getattr(base, name)} for name in ("bias", "bidirectional", "states")]
    changes += [{"layout": name} for name in ("timefirst", "batchfirst")]
    changes += [{"lengths": name} for name in ("nolengths", "fulllengths", "ragged")]
    sizes = [one for one in changes if next(iter(one)) in SIZES]
    pairs = [a | b for a, b in itertools.combinations(sizes, 2) if a.keys() != b.keys()]
    seen = set(known)
    for change in (*changes, *pairs[::7]):
        try:
            config = base.replace(**change)
        except ConfigError:
            continue
        if config.id not in seen and _product(config) <= LARGEST:
            seen.add(config.id)
            yield config


def _numbers(base: Config, name: str) -> list[int]:
    own = getattr(base, name)
    if name == "num_layers":
        return [1, 2, 3]
    return sorted({*NUMBERS, max(1, own - 1), own + 1, 2 * own, max(1, own // 2)} - {own})


def _product(config: Config) -> int:
    product = config.num_layers * config.directions
    for name in SIZES:
        product *= getattr(config, name)
    return product


def asked_alone(session: Session, expected: Expectations, finding: Finding) -> bool | None:
    """Whether its smallest config shows it in a new worker; None where there are no workers."""
    runner = session.runner_named(finding.backend)
    if not isinstance(runner, Isolated) or finding.cause is Cause.HUNG:
        return None
    runner.close()
    config = Config.parse(finding.smallest.config_id)
    results = expected.join(session.judge(config, only=[finding.backend]))
    return any(r.verdict in FAILED and key_of(r) == finding.key for r in results)
