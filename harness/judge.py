"""One config, all backends, all checks: what the command line and the test suite both run."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard, cast

import msgspec
import numpy as np

from harness.activation import OwnActivations, measure_activation
from harness.aspects import VALUES
from harness.backends.protocol import Backend, BackendUnavailable, offers
from harness.blocks import case_of, joined, observation_of
from harness.case import Case, Part, make_case, row_blocks
from harness.checks import Check, Need, Partner, checks_for
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.floating_point import disturbances
from harness.given import folder_of
from harness.logs import noted
from harness.observe import Checkpoint, Observation, described
from harness.oracle import Oracle
from harness.quantised import measure_grid
from harness.refusal import Refusal
from harness.results import Result, from_comparison
from harness.runners import InProcess, Runner
from harness.simplest import gradients_are_none
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["Disturbed", "Session", "replay_command"]


class Disturbed(Refusal, RuntimeError):
    """The process of the oracle no longer computes as IEEE 754 has it; nothing can be judged."""


class Session:
    """The backends of a run, and what was measured of each once.

    Args:
        backends: reference -> runner, or a loaded backend, which then runs in this
            process; the first is the peer that the others are compared with directly.
        oracles: for sessions that share the oracle of a config; by default it is made anew.

    Attributes:
        on_part: called with what is done with a large config, and how many of how many parts are.
        most_rows: of a large config, how many rows of the batch are judged at least; all, if None.

    Raises:
        BackendUnavailable: a backend cannot be loaded, or two carry the same name.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend | Runner],
        oracles: Callable[[Config], Oracle] = lambda config: Oracle(make_case(config)),
    ) -> None:
        self.runners: dict[str, Runner] = {
            key: one if _is_runner(one) else InProcess(cast(Backend, one))
            for key, one in backends.items()
        }
        names = [runner.about.name for runner in self.runners.values()]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            keys = [key for key, one in self.runners.items() if one.about.name == twice]
            raise BackendUnavailable(
                f"backends are named {names}, expected different names; set another attribute "
                f"`name` in one of {' and '.join(keys)}, such as name = {twice + '2'!r}"
            )
        self.oracles = oracles
        self.on_part: Callable[[str, int, int], None] = lambda *_: None
        self.most_rows: int | None = None
        self.own_activations = functools.cache(self._own_activations)
        self.gradients_are_none = functools.cache(self._gradients_are_none)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self.runners.values():
            runner.close()

    def begin(
        self, config: Config, *, repeat: bool = True, only: Sequence[str] | None = None
    ) -> None:
        """Let the backends that `judge` will ask begin; they work while others are judged."""
        for runner in self.needed(only):
            runner.begin(config, repeat=repeat)

    def judge(
        self,
        config: Config,
        *,
        repeat: bool = True,
        only: Sequence[str] | None = None,
        origin: str = "given",
    ) -> list[Result]:
        """Every result of one config, as measured: no baseline has a say in it.

        Args:
            repeat: make the second call that three checks need.
            only: names of backends to report on; the peer is run with them where needed.
            origin: where the config came from, for the record.
        """
        every = self.judging(config, repeat=repeat, only=only, origin=origin)
        return [result for of_backend in every for result in of_backend]

    def judging(
        self,
        config: Config,
        *,
        repeat: bool = True,
        only: Sequence[str] | None = None,
        origin: str = "given",
    ) -> Iterator[list[Result]]:
        """The same, of one backend after the other, as soon as it is judged."""
        self.begin(config, repeat=repeat, only=only)
        for runner, compared in self._compared(config, repeat, only):
            yield [
                from_comparison(
                    comparison,
                    config_id=config.id,
                    backend=runner.about.name,
                    check=check.name,
                    requirement=check.requirement_of(config, comparison),
                    replay=replay_command(config, *self._shown_by(check, comparison, runner)),
                    origin=origin,
                )
                for check, comparison in compared
            ]

    def _compared(
        self, config: Config, repeat: bool, only: Sequence[str] | None
    ) -> Iterator[tuple[Runner, Iterable[tuple[Check, Comparison]]]]:
        """The comparisons of every backend that is reported on."""
        blocks = row_blocks(config)
        if len(blocks) == 1 or config.aspect not in (VALUES, "gradient"):
            for runner, evidence in self._evidence(config, repeat, only):
                yield runner, _comparisons(evidence)
        else:
            wanted = self.most_rows or config.batch
            judged = [rows for rows in blocks if rows.start < wanted]
            judged = blocks[:1] if config.aspect == "gradient" else judged
            yield from self._in_blocks(config, repeat, only, judged)

    def _in_blocks(
        self, config: Config, repeat: bool, only: Sequence[str] | None, blocks: Sequence[range]
    ) -> Iterator[tuple[Runner, Iterable[tuple[Check, Comparison]]]]:
        """The same of a large case: some rows of all backends at a time (`harness.blocks`)."""
        case = self.oracles(config).case
        seen: dict[str, Observation] = {}
        for runner in self.needed(only):
            self.on_part(f"{runner.about.name} computes {config.aspect}", 0, len(blocks))
            seen[runner.about.name] = self._observe(runner, config, repeat)
        parts: dict[str, list[tuple[range, list[tuple[Check, Comparison]]]]] = {}
        made: dict[tuple[bool, bool], tuple[Case, BoolArray]] = {}
        for count, rows in enumerate(blocks):
            self.on_part(f"judging {config.aspect}, blocks of {len(rows)} rows", count, len(blocks))
            oracle = Oracle(case_of(Part(case, rows, made)))
            cut = {name: observation_of(config, one, rows) for name, one in seen.items()}
            for runner in self.needed(only):
                name = runner.about.name
                if only is None or name in only:
                    evidence = self._evidence_of(runner, oracle, cut)
                    found = list(_comparisons(evidence, whole=count == 0))
                    parts.setdefault(name, []).append((rows, found))
        self.on_part(f"judging {config.aspect}", len(blocks), len(blocks))
        for runner in self.needed(only):
            if runner.about.name in parts:
                yield runner, joined(parts[runner.about.name])

    def evidence(self, config: Config, backend: str) -> Evidence:
        """What one backend gave for one config, for whoever wants to look closer."""
        self.begin(config, repeat=False, only=[backend])
        return next(
            evidence
            for runner, evidence in self._evidence(config, False, [backend])
            if runner.about.name == backend
        )

    def _evidence(
        self, config: Config, repeat: bool, only: Sequence[str] | None
    ) -> Iterator[tuple[Runner, Evidence]]:
        """For every backend that is reported on, one after the other."""
        oracle = self.oracles(config)
        observations: dict[str, Observation] = {}
        for runner in self.needed(only):
            name = runner.about.name
            observations[name] = self._observe(runner, config, repeat)
            if only is None or name in only:
                yield runner, self._evidence_of(runner, oracle, observations)

    def _evidence_of(
        self, runner: Runner, oracle: Oracle, observations: Mapping[str, Observation]
    ) -> Evidence:
        """What a backend gave, beside what the first one did, and its own in another mode."""
        name, config = runner.about.name, oracle.case.config
        peer = next(iter(observations.values()))
        other = None if peer is observations[name] else peer
        return Evidence(
            oracle.case,
            oracle,
            observations[name],
            self.measured(name, config),
            other,
            self.measured(other.backend, config) if other else lambda: None,
            observations.get(runner.about.variant_of),
            self.simplest(name, config),
        )

    def needed(self, only: Sequence[str] | None) -> list[Runner]:
        """Who has to run: reported on, the first one, or the other mode of one reported on."""
        every = list(self.runners.values())
        if only is None:
            return every
        modes = {runner.about.variant_of for runner in every if runner.about.name in only}
        wanted = {every[0].about.name, *only, *modes}
        return [runner for runner in every if runner.about.name in wanted]

    def _observe(self, runner: Runner, config: Config, repeat: bool) -> Observation:
        observation = self._named(runner, runner.observe(config, repeat=repeat))
        if isinstance(observation.details, Checkpoint):
            observation = self._across(runner, config, observation, observation.details)
        disturbed = disturbances()
        if disturbed:
            raise Disturbed(
                f"{runner.about.name} changed the thread of the oracle: {', '.join(disturbed)}; "
                "judge it in a process of its own (without --in-process)"
            )
        return observation

    @staticmethod
    def _named(runner: Runner, observation: Observation) -> Observation:
        """Under the name that the backend was loaded with, whatever it calls itself since."""
        name = runner.about.name
        if observation.backend == name:
            return observation
        return msgspec.structs.replace(observation, backend=name)

    def _across(
        self, runner: Runner, config: Config, observation: Observation, own: Checkpoint
    ) -> Observation:
        """The weights to the first other backend that has files, and back."""
        for other in self.runners.values():
            if other is runner:
                continue
            there = other.round_trip(config, own.own).details
            if not isinstance(there, Checkpoint):
                continue  # it cannot, or fails: reported where it is asked itself
            back = runner.round_trip(config, there.own)
            if not isinstance(back.details, Checkpoint):
                return back
            peer = other.about.name
            stored = msgspec.structs.replace(own, peer=peer, there=there.own, back=back.details.own)
            return msgspec.structs.replace(observation, details=stored)
        return observation

    def _shown_by(self, check: Check, comparison: Comparison, runner: Runner) -> list[str]:
        """Names on the command line of the backends that show a result again."""
        other = comparison.against
        if other is None and check.compares_two:
            eager = runner.about.variant_of if check.partner is Partner.MODE else None
            others = [r.about.name for r in self.runners.values() if r is not runner]
            other = eager or next(iter(others), None)
        return [
            key for key, one in self.runners.items() if one is runner or one.about.name == other
        ]

    def runner_named(self, name: str) -> Runner:
        """The backend that calls itself so."""
        return next(runner for runner in self.runners.values() if runner.about.name == name)

    def measured(self, name: str, config: Config) -> Callable[[], OwnActivations | None]:
        """The activations of a backend alone, on the path that the config takes: other code may
        run with lengths; measured when first asked for.
        """
        given = config.layer, config.cell.activations, config.dtype, config.lengths != "nolengths"
        return lambda: self.own_activations(name, *given)

    def simplest(self, name: str, config: Config) -> Callable[[], bool]:
        """Whether a backend's simplest gradients, on the path that the config takes, are none."""
        given = config.layer, config.dtype, config.lengths != "nolengths"
        return lambda: self.gradients_are_none(name, *given)

    def _gradients_are_none(self, name: str, layer: str, dtype: str, lengths: bool) -> bool:
        return gradients_are_none(self.runner_named(name), layer, dtype, lengths=lengths)

    def _own_activations(
        self, name: str, layer: str, activations: tuple[str, ...], dtype: str, lengths: bool
    ) -> OwnActivations | None:
        """None unless all can be measured."""
        found = {}
        for activation in activations:
            runner = self.runner_named(name)
            own = measure_activation(runner, layer, activation, dtype, lengths=lengths)
            if own is None:
                return None
            if lengths and not own.flushes:  # threads that flush compute whatever comes
                plain = measure_activation(runner, layer, activation, dtype)
                own = replace(own, flushes=plain is not None and plain.flushes)
            found[activation] = own
        return OwnActivations(found, lambda: measure_grid(runner, layer, activations[0], dtype))


def _is_runner(one: Backend | Runner) -> TypeGuard[Runner]:
    return not offers(one, "build")


def replay_command(config: Config, *backends: str) -> str:
    """The command line that shows a config's tolerance report again."""
    named = "".join(f" --backend {shlex.quote(name)}" for name in backends)
    folder = folder_of(config)
    arrays = f" --arrays {shlex.quote(folder)}" if folder else ""
    return f"rnn-parity replay {config.id}{arrays}{named}"


def _comparisons(evidence: Evidence, *, whole: bool = True) -> Iterator[tuple[Check, Comparison]]:
    """`whole`: also by checks that look at no outputs, and so at nothing that has rows."""
    observation = evidence.observation
    applying = checks_for(evidence.config)
    if observation.unsupported is not None:
        yield from _unsupported(evidence.config, applying, observation.unsupported)
        return
    for check in applying:
        if check.needs <= _observed(observation) and (whole or check.needs):
            yield from _guarded(check, evidence)


def _observed(observation: Observation) -> frozenset[Need]:
    """What there is of what checks may need."""
    found = {
        Need.OUTPUTS: observation.outputs is not None,
        Need.SECOND_CALL: bool(observation.reruns),
        Need.GRADIENTS: observation.derivatives is not None,
    }
    return frozenset(need for need, there in found.items() if there)


def _guarded(check: Check, evidence: Evidence) -> Iterator[tuple[Check, Comparison]]:
    """A check's comparisons; what it cannot even look at is an error of that config alone."""
    try:
        with np.errstate(all="ignore"):
            for comparison in check.comparisons(evidence):
                yield check, comparison
    except Exception as error:
        noted(error, f"check {check.name}, {evidence.observation.backend}, {evidence.config.id}")
        message = f"what came back cannot be judged: {described(error)}"
        for requirement in check.requirements or (None,):
            yield check, Comparison("check", Verdict.ERROR, 0, message, requirement=requirement)


def _unsupported(
    config: Config, applying: Sequence[Check], reason: str
) -> Iterator[tuple[Check, Comparison]]:
    """One line is enough for values; another aspect has requirements of its own."""
    for check in applying[:1] if config.aspect == VALUES else applying:
        for requirement in check.requirements or (None,):
            yield check, Comparison("call", Verdict.UNSUPPORTED, 0, reason, requirement=requirement)
