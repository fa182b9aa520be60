"""One config, all backends, all checks: what the command line and the test suite both run."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeGuard, cast

import msgspec
import numpy as np

from harness.activation import OwnActivation, measure_activation
from harness.aspects import FORWARD
from harness.backends.protocol import Backend, BackendUnavailable
from harness.case import make_case
from harness.checks import CHECKS, Check, checks_for
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.floating_point import disturbances
from harness.known import KnownDifferences
from harness.observe import Observation, Stored, told
from harness.oracle import Oracle
from harness.results import Result, from_comparison
from harness.runners import InProcess, Runner

__all__ = ["Disturbed", "Session", "replay_command"]


class Disturbed(RuntimeError):
    """The process of the oracle no longer computes as IEEE 754 has it; nothing can be judged."""


class Session:
    """The backends of a run, what was measured of each once, and the known differences.

    Args:
        backends: reference -> runner, or a loaded backend, which then runs in this
            process; the first is the peer that the others are compared with directly.
        known: the baseline; none for judging without excuses.
        oracles: for sessions that share the oracle of a config; by default it is made anew.

    Raises:
        BackendUnavailable: a backend cannot be loaded, or two carry the same name.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend | Runner],
        known: KnownDifferences | None = None,
        oracles: Callable[[Config], Oracle] = lambda config: Oracle(make_case(config)),
    ) -> None:
        self.runners: dict[str, Runner] = {
            key: one if _is_runner(one) else InProcess(cast(Backend, one))
            for key, one in backends.items()
        }
        names = [runner.about.name for runner in self.runners.values()]
        if len(set(names)) != len(names):
            raise BackendUnavailable(f"backends are named {names}, expected different names")
        self.known, self.oracles = known or KnownDifferences(()), oracles
        self.own_activation = functools.cache(self._own_activation)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self.runners.values():
            runner.close()

    def begin(
        self, config: Config, *, repeat: bool = True, only: Sequence[str] | None = None
    ) -> None:
        """Let the backends that `judge` will ask begin; they go on while others are judged."""
        for runner in self._needed(only):
            runner.begin(config, repeat=repeat)

    def judge(
        self,
        config: Config,
        *,
        repeat: bool = True,
        only: Sequence[str] | None = None,
        origin: str = "given",
    ) -> list[Result]:
        """Every result of one config.

        Args:
            repeat: make the second call that three checks need.
            only: names of backends to report on; the peer is run with them where needed.
            origin: where the config came from, for the record.
        """
        self.begin(config, repeat=repeat, only=only)
        results: list[Result] = []
        for runner, evidence in self._evidence(config, repeat, only):
            for check, comparison in _comparisons(evidence):
                result = from_comparison(
                    comparison,
                    config_id=config.id,
                    backend=runner.about.name,
                    check=check.name,
                    requirement=check.requirement_of(config, comparison),
                    replay=replay_command(config, *self._shown_by(check.name, comparison, runner)),
                    origin=origin,
                )
                results.append(self.known.mark(result))
        return results

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
        for runner in self._needed(only):
            name = runner.about.name
            observation = self._observe(runner, config, repeat)
            peer = next(iter(observations.values()), None)
            observations[name] = observation
            if only is not None and name not in only:
                continue
            yield (
                runner,
                Evidence(
                    oracle.case,
                    oracle,
                    observation,
                    self.measured(name, config),
                    peer,
                    self.measured(peer.backend, config) if peer else lambda: None,
                    observations.get(runner.about.variant_of),
                ),
            )

    def _needed(self, only: Sequence[str] | None) -> list[Runner]:
        """Who has to run: reported on, the first one, or the other mode of one reported on."""
        every = list(self.runners.values())
        if only is None:
            return every
        modes = {runner.about.variant_of for runner in every if runner.about.name in only}
        wanted = {every[0].about.name, *only, *modes}
        return [runner for runner in every if runner.about.name in wanted]

    def _observe(self, runner: Runner, config: Config, repeat: bool) -> Observation:
        observation = runner.observe(config, repeat=repeat)
        if isinstance(observation.facts, Stored):
            observation = self._across(runner, config, observation, observation.facts)
        disturbed = disturbances()
        if disturbed:
            raise Disturbed(
                f"{runner.about.name} changed the thread of the oracle: {', '.join(disturbed)}; "
                "judge it in a process of its own (without --in-process)"
            )
        return observation

    def _across(
        self, runner: Runner, config: Config, observation: Observation, own: Stored
    ) -> Observation:
        """The weights to the first other backend that has files, and back."""
        for other in self.runners.values():
            if other is runner:
                continue
            there = other.carry(config, own.own).facts
            if not isinstance(there, Stored):
                continue  # it cannot, or fails: told of it where it is asked itself
            back = runner.carry(config, there.own)
            if not isinstance(back.facts, Stored):
                return back
            peer = other.about.name
            stored = msgspec.structs.replace(own, peer=peer, there=there.own, back=back.facts.own)
            return msgspec.structs.replace(observation, facts=stored)
        return observation

    def _shown_by(self, check: str, comparison: Comparison, runner: Runner) -> list[str]:
        """Names on the command line of the backends that show a result again."""
        keys = list(self.runners)
        key = next(k for k, r in self.runners.items() if r is runner)
        two = check == "forward_error" and " against " in comparison.part
        if two or check in ("call_parity", "across"):
            others = [name for name in keys if name != key]
            return [keys[0], key] if keys[0] != key else [key, *others[:1]]
        if check == "modes":
            variant_of = runner.about.variant_of
            return [k for k, r in self.runners.items() if r.about.name == variant_of] + [key]
        return [key]

    def runner_named(self, name: str) -> Runner:
        """The backend that calls itself so."""
        return next(runner for runner in self.runners.values() if runner.about.name == name)

    def measured(self, name: str, config: Config) -> Callable[[], OwnActivation | None]:
        """The activation of a backend alone; measured when first asked for."""
        return lambda: self.own_activation(name, config.nonlinearity, config.dtype)

    def _own_activation(self, name: str, nonlinearity: str, dtype: str) -> OwnActivation | None:
        return measure_activation(self.runner_named(name), nonlinearity, dtype)


def _is_runner(one: Backend | Runner) -> TypeGuard[Runner]:
    return not hasattr(one, "build")


def replay_command(config: Config, *backends: str) -> str:
    """The command line that shows a config's tolerance report again."""
    named = "".join(f" --backend {shlex.quote(name)}" for name in backends)
    return f"rnn-parity replay {config.id}{named}"


def _comparisons(evidence: Evidence) -> Iterator[tuple[Check, Comparison]]:
    observation = evidence.observation
    applying = checks_for(evidence.config)
    if observation.unsupported is not None:
        yield from _unsupported(evidence.config, applying, observation.unsupported)
        return
    for check in applying:
        if check.needs_forward and observation.forward is None:
            continue
        if check.needs_repeat and not observation.repeats:
            continue
        yield from _guarded(check, evidence)


def _guarded(check: Check, evidence: Evidence) -> Iterator[tuple[Check, Comparison]]:
    """A check's comparisons; what it cannot even look at is an error of that config alone."""
    try:
        with np.errstate(all="ignore"):
            for comparison in check.run(evidence):
                yield check, comparison
    except Exception as error:
        message = f"what came back cannot be judged: {told(error)}"
        for requirement in check.requirements or (None,):
            yield check, Comparison("check", "error", 0, message, requirement=requirement)


def _unsupported(
    config: Config, applying: Sequence[Check], reason: str
) -> Iterator[tuple[Check, Comparison]]:
    """One line is enough for values; another aspect has requirements of its own."""
    for check in CHECKS[:1] if config.aspect == FORWARD else applying:
        for requirement in check.requirements or (None,):
            yield check, Comparison("call", "unsupported", 0, reason, requirement=requirement)
