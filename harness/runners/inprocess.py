"""A backend in this process: for debuggers, and for implementations that are trusted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.backends.protocol import Backend
from harness.case import Case, make_case
from harness.config import Config
from harness.observe import Observation, described, observe, observe_round_trip
from harness.runners.protocol import About, about
from reference.arrays import Array

__all__ = ["InProcess"]


@dataclass(frozen=True)
class InProcess:
    """A crash of the backend is a crash of the harness here; answers are the same as elsewhere."""

    backend: Backend

    @functools.cached_property
    def about(self) -> About:
        return about(self.backend)

    def begin(self, config: Config, *, repeat: bool) -> None:
        """Nothing runs beside the caller here."""

    def observe(self, config: Config, *, repeat: bool) -> Observation:
        return self._within_memory(lambda: observe(self.backend, make_case(config), repeat=repeat))

    def examine(self, case: Case, *, repeat: bool) -> Observation:
        return self._within_memory(lambda: observe(self.backend, case, repeat=repeat))

    def round_trip(self, config: Config, weights: Mapping[str, Array]) -> Observation:
        return self._within_memory(
            lambda: observe_round_trip(self.backend, make_case(config), weights)
        )

    def _within_memory(self, ask: Callable[[], Observation]) -> Observation:
        """Too much memory asked for costs its own config only."""
        try:
            return ask()
        except MemoryError as error:
            return Observation(self.about.name, trouble=f"out of memory: {described(error)}")

    def close(self) -> None:
        """Nothing was started."""
