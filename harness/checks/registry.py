"""The register of checks: a check is one file of this package that registers itself.

@check(
    requirement="h-n",
    difference="h_n is not the last valid output",
    applies=NUMBERS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.STATE,),
)
def last_state(evidence: Evidence) -> Iterator[Comparison]:
    ...
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from harness.aspects import CallAspect, aspect_of
from harness.case import Case
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import When
from harness.judging.attributed import attributed
from harness.judging.unusable import where_gradients_are_none
from harness.probes import Probe
from harness.requirements import REQUIREMENTS

__all__ = [
    "Check",
    "Need",
    "Partner",
    "Run",
    "SecondCall",
    "check",
    "check_named",
    "checks_for",
    "every_check",
    "temporary_checks",
]

Run = Callable[[Evidence], Iterator[Comparison]]


class Need(Enum):
    """What must have been observed before a check is asked."""

    OUTPUTS = "well-formed outputs"
    SECOND_CALL = "a second call"
    GRADIENTS = "gradients"


class Partner(Enum):
    """Whom a check compares a backend with, beside the oracle."""

    BACKEND = "another backend"
    MODE = "the same framework in another execution mode"


class SecondCall(Enum):
    """What a check compares with another call of the same layer; what is other in that."""

    SAME = "the same call again"
    PADDING = "other numbers in the padding"
    NEIGHBOURS = "other numbers in other rows"


@dataclass(frozen=True)
class Check:
    """A property: what failing it means, when it applies, what it needs, the test.

    Attributes:
        name: of its file, its function and its results.
        requirement: a key of `harness.requirements.REQUIREMENTS`; empty where the call says which.
        difference: what failing it means, in half a sentence.
        also: other requirements that its comparisons may speak about.
        probes: what its comparisons state power against; without any it sees every difference in
            what it compared.
        partner: whom some of its comparisons are against; with `compares_two` all of them.
        second_call: what its comparisons expect is another answer of the same layer.
        admits: whether it may be asked of a case with arrays of its own, which need not be what a
            config draws.
        consequence: what users meet, where that does not follow from the numbers.
        first: its line stands for a config of which nothing was asked.
    """

    name: str
    requirement: str
    difference: str
    run: Run
    applies: When
    needs: frozenset[Need] = frozenset()
    probes: tuple[Probe, ...] = ()
    also: tuple[str, ...] = ()
    partner: Partner | None = None
    compares_two: bool = False
    second_call: SecondCall | None = None
    admits: Callable[[Case], bool] = lambda case: True
    consequence: str | None = None
    first: bool = False

    @property
    def requirements(self) -> tuple[str, ...]:
        """All that it may speak about; of a call, that depends on the call."""
        return (self.requirement, *self.also) if self.requirement else ()

    def comparisons(self, evidence: Evidence) -> Iterator[Comparison]:
        """What the check gives; of one that looks at outputs alone, at those that came with
        gradients too, where they are others.
        """
        yield from attributed(evidence, self._found, self.applies)

    def _found(self, evidence: Evidence) -> Iterator[Comparison]:
        for comparison in self.run(evidence):
            about = Need.GRADIENTS in self.needs
            yield where_gradients_are_none(evidence, comparison) if about else comparison
        training = evidence.under_autograd if self.needs == {Need.OUTPUTS} else None
        if training is not None and self.second_call is None:
            for comparison in self.run(training):
                comparison = where_gradients_are_none(evidence, comparison)
                yield replace(comparison, part=f"{comparison.part}, under autograd")

    def requirement_of(self, config: Config, comparison: Comparison) -> str:
        if comparison.requirement is not None:
            return comparison.requirement
        about = aspect_of(config)
        return self.requirement or (about.requirement if isinstance(about, CallAspect) else "")


_REGISTER: dict[str, Check] = {}


def check(
    *,
    requirement: str,
    difference: str,
    applies: When,
    needs: tuple[Need, ...] = (),
    probes: tuple[Probe, ...] = (),
    also: tuple[str, ...] = (),
    partner: Partner | None = None,
    compares_two: bool = False,
    second_call: SecondCall | None = None,
    admits: Callable[[Case], bool] = lambda case: True,
    consequence: str | None = None,
    first: bool = False,
    name: str | None = None,
) -> Callable[[Run], Run]:
    """Register a function as the check of its name; its arguments are those of `Check`.

    Raises:
        ValueError: a name that is taken, or a requirement that does not exist.
    """

    def register(run: Run) -> Run:
        own = name or run.__name__
        unknown = {requirement, *also} - {*REQUIREMENTS, ""}
        if own in _REGISTER:
            raise ValueError(f"check {own!r} exists already, expected another name")
        if unknown:
            raise ValueError(f"check {own!r}: requirements {sorted(unknown)}, expected known ones")
        _REGISTER[own] = Check(
            name=own,
            requirement=requirement,
            difference=difference,
            run=run,
            applies=applies,
            needs=frozenset(needs),
            probes=probes,
            also=also,
            partner=partner,
            compares_two=compares_two,
            second_call=second_call,
            admits=admits,
            consequence=consequence,
            first=first,
        )
        return run

    return register


@contextlib.contextmanager
def temporary_checks(*, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Whatever is registered inside is gone afterwards; `without` leaves checks out meanwhile."""
    before = dict(_REGISTER)
    try:
        for name in without:
            del _REGISTER[name]
        yield
    finally:
        _REGISTER.clear()
        _REGISTER.update(before)


def every_check() -> tuple[Check, ...]:
    """All checks as they are reported: in the order of the requirements, then by name."""
    place = {key: number for number, key in enumerate(("", *REQUIREMENTS))}
    return tuple(
        sorted(
            _REGISTER.values(), key=lambda one: (not one.first, place[one.requirement], one.name)
        )
    )


def check_named(name: str) -> Check | None:
    """None where there is none: results may be of another version."""
    return _REGISTER.get(name)


def checks_for(config: Config) -> tuple[Check, ...]:
    """The checks that apply to a config, in the order they are reported."""
    return tuple(one for one in every_check() if one.applies(config))
