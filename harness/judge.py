"""One config, all backends, all checks: what the command line and the test suite both run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.activation import OwnActivation, measure_activation
from harness.aspects import CALLS, FORWARD
from harness.backends.protocol import Backend, BackendUnavailable
from harness.case import Case, make_case
from harness.checks import CHECKS, Check, checks_for
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.known import KnownDifferences
from harness.observe import Observation, observe, told
from harness.oracle import Oracle
from harness.results import Result, from_comparison
from harness.workers import Workers

__all__ = ["Session", "replay_command"]


class Session:
    """The backends of a run, what was measured of each once, and the known differences.

    Args:
        backends: name on the command line -> loaded backend; the first is the peer that the
            others are compared with directly.
        known: the baseline; none for judging without excuses.
        workers: run calls that users may make, aspects `call.*`, in these processes; in this
            one if None.

    Raises:
        BackendUnavailable: two backends carry the same name.
    """

    def __init__(
        self,
        backends: dict[str, Backend],
        known: KnownDifferences | None = None,
        workers: Workers | None = None,
    ) -> None:
        names = [backend.name for backend in backends.values()]
        if len(set(names)) != len(names):
            raise BackendUnavailable(f"backends are named {names}, expected different names")
        self.backends = backends
        self.known = known or KnownDifferences(())
        self.workers = workers
        self.own_activation = functools.cache(self._own_activation)

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
        case = make_case(config)
        oracle = Oracle(case)
        observations: dict[str, Observation] = {}
        results: list[Result] = []
        peer_key = next(iter(self.backends))
        for key, backend in self.backends.items():
            if not self._is_needed(backend, only, bool(observations)):
                continue
            observation = self._observe(key, case, repeat)
            peer = next(iter(observations.values()), None)
            observations[backend.name] = observation
            if only is not None and backend.name not in only:
                continue
            evidence = Evidence(
                case,
                oracle,
                observation,
                self._measured(backend.name, config),
                peer,
                self._measured(peer.backend, config) if peer else lambda: None,
                observations.get(getattr(backend, "mode_of", "")),
            )
            for check, comparison in _comparisons(evidence):
                result = from_comparison(
                    comparison,
                    config_id=config.id,
                    backend=backend.name,
                    check=check.name,
                    requirement=check.requirement_of(config, comparison),
                    replay=replay_command(config, *self._needed(check.name, peer_key, key)),
                    origin=origin,
                )
                results.append(self.known.mark(result))
        return results

    def _observe(self, key: str, case: Case, repeat: bool) -> Observation:
        backend = self.backends[key]
        if self.workers is not None and case.config.aspect in CALLS:
            return self.workers.observe(key, backend.name, case.config)
        others = [other for other in self.backends.values() if other is not backend]
        return observe(backend, case, repeat=repeat, others=others)

    def _is_needed(self, backend: Backend, only: Sequence[str] | None, peered: bool) -> bool:
        """Whether to run a backend: reported on, the first one, or the other mode of one."""
        if only is None or not peered or backend.name in only:
            return True
        chosen = [other for other in self.backends.values() if other.name in only]
        return any(getattr(other, "mode_of", None) == backend.name for other in chosen)

    def _needed(self, check: str, peer: str, key: str) -> list[str]:
        """Names on the command line of the backends that show a result again."""
        if check in ("parity", "call_parity", "across"):
            others = [name for name in self.backends if name != key]
            return [peer, key] if peer != key else [key, *others[:1]]
        if check == "modes":
            mode_of = getattr(self.backends[key], "mode_of", "")
            return [name for name, b in self.backends.items() if b.name == mode_of] + [key]
        return [key]

    def backend_named(self, name: str) -> Backend:
        """The backend that calls itself so."""
        return next(b for b in self.backends.values() if b.name == name)

    def _measured(self, name: str, config: Config) -> Callable[[], OwnActivation | None]:
        return lambda: self.own_activation(name, config.nonlinearity, config.dtype)

    def _own_activation(self, name: str, nonlinearity: str, dtype: str) -> OwnActivation | None:
        return measure_activation(self.backend_named(name), nonlinearity, dtype)


def replay_command(config: Config, *backends: str) -> str:
    """The command line that shows a config's tolerance report again."""
    return f"rnn-parity replay {config.id}" + "".join(f" --backend {name}" for name in backends)


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
