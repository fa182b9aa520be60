"""What the harness asks of a backend, wherever the backend runs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from harness.backends.loading import versions_of, wrapped_by
from harness.backends.protocol import Backend, BackendUnavailable
from harness.backends.reference import name_in, variant_in
from harness.case import Case
from harness.config import Config
from harness.observe import Observation
from reference.arrays import Array

__all__ = ["AHEAD", "About", "Runner", "about", "arrays_of"]

AHEAD = 16
"""Requests that may wait in a worker: it goes on while the harness judges, or waits for another."""


def arrays_of(log: Path) -> Path:
    """Where a worker with this log puts large arrays of its answers, until they are taken."""
    return log.with_suffix(".arrays")


class About(msgspec.Struct, frozen=True):
    """What a worker says of the backend that it holds.

    `name` is the one in results; `versions` are those of the worker's own interpreter and
    packages. `variant_of` names the backend whose other execution mode or device it is; a `sampled`
    one is asked for a selection of configs only. A run that names no backends judges the
    `default_variants` too. `wraps` names the framework whose layers it calls: what is known of that
    is expected of it too. A worker takes `max_requests` in its life; with 0, any number.
    """

    name: str
    versions: dict[str, str] = {}
    variant_of: str = ""
    sampled: bool = False
    default_variants: tuple[str, ...] = ()
    wraps: str = ""
    max_requests: int = 0

    @property
    def variant(self) -> str:
        return variant_in(self.name)


def about(backend: Backend) -> About:
    """The same of a backend that is loaded in this process."""
    own = {"python": platform.python_version(), "numpy": np.__version__}
    wraps = wrapped_by(backend)
    return About(
        backend.name,
        _version_of(name_in(wraps)) | versions_of(backend) | own,
        str(getattr(backend, "variant_of", None) or ""),
        bool(getattr(backend, "sampled", False)),
        tuple(map(str, getattr(backend, "default_variants", None) or ())),
        wraps,
        max_requests(backend),
    )


def max_requests(backend: Backend) -> int:
    """Raises BackendUnavailable where it is no number of requests."""
    most = getattr(backend, "max_requests", None) or 0
    if not isinstance(most, int) or most < 0:
        raise BackendUnavailable(
            f"backend {backend.name!r}: max_requests = {most!r}, expected an int from 0"
        )
    return int(most)


def _version_of(package: str) -> dict[str, str]:
    """The installed version of what is wrapped, for wrappers that do not report it themselves."""
    try:
        return {package: metadata.version(package)} if package else {}
    except metadata.PackageNotFoundError:
        return {}


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

    def round_trip(self, config: Config, weights: Mapping[str, Array]) -> Observation:
        """As `harness.observe.observe_round_trip`: weights through the backend's own files."""

    def close(self) -> None:
        """End what was started; whatever is asked after that starts it anew."""
