"""What the harness asks of a backend, wherever the backend runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from harness.backends.loading import versions_of
from harness.backends.protocol import Backend
from harness.case import Case
from harness.config import Config
from harness.observe import Observation
from reference.arrays import Array

__all__ = ["About", "Runner", "about"]


class About(msgspec.Struct, frozen=True):
    """What a backend says of itself.

    `mode_of` names the backend whose other execution mode it is; a `sampled` one is asked for a
    selection of configs only.
    """

    name: str
    versions: dict[str, str] = {}
    mode_of: str = ""
    sampled: bool = False


def about(backend: Backend) -> About:
    """The same of a loaded backend."""
    return About(
        backend.name,
        versions_of(backend),
        str(getattr(backend, "mode_of", "")),
        bool(getattr(backend, "sampled", False)),
    )


class Runner(Protocol):
    """One backend, ready to be asked. No exception of the backend leaves it."""

    @property
    def about(self) -> About:
        """Raises BackendUnavailable where the backend cannot be loaded."""

    def begin(self, config: Config, *, repeat: bool) -> None:
        """Say what `observe` will ask for soon; it may be begun."""

    def observe(self, config: Config, *, repeat: bool) -> Observation:
        """As `harness.observe.observe`."""

    def examine(self, case: Case, *, repeat: bool) -> Observation:
        """As `observe`, of a case with arrays of its own."""

    def carry(self, config: Config, weights: Mapping[str, Array]) -> Observation:
        """As `harness.observe.observe_carried`: weights through the backend's own files."""

    def close(self) -> None:
        """End what was started; whatever is asked behind it starts it anew."""
