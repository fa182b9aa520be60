"""Backends that installed packages offer, this project's own among them, by entry points.

Nothing here imports a framework: an entry point is a name until somebody loads it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata

from harness.backends.protocol import BackendUnavailable

__all__ = [
    "BACKENDS",
    "DISTRIBUTION",
    "PEER",
    "SCRIPTS",
    "default_backends",
    "entry_points",
    "package_of",
]

BACKENDS = "rnn_parity.backends"
"""Entry point group of backends: a class, or a function that makes one."""

SCRIPTS = "rnn_parity.scripts"
"""Entry point group of what reproducers call, by the same names."""

DISTRIBUTION = "rnn-parity"

PEER = "torch"
"""The layer whose documentation the requirements quote: others are compared with it."""


@functools.cache
def entry_points(group: str) -> Mapping[str, metadata.EntryPoint]:
    """By name.

    Raises:
        BackendUnavailable: two packages offer the same name.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for entry in metadata.entry_points(group=group):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise BackendUnavailable(
                f"two packages offer a backend {entry.name!r}: {package_of(other)} and "
                f"{package_of(entry)}; uninstall one of them"
            )
    return found


def default_backends() -> tuple[str, ...]:
    """Those of this project, the peer first: what a run judges does not depend on other packages.

    Raises:
        BackendUnavailable: this project is not installed.
    """
    every = entry_points(BACKENDS).values()
    own = sorted(entry.name for entry in every if package_of(entry) == DISTRIBUTION)
    if not own:
        raise BackendUnavailable(
            f"no entry points of {DISTRIBUTION} are installed; install it: pip install -e ."
        )
    return tuple(sorted(own, key=lambda name: name != PEER))


def package_of(entry: metadata.EntryPoint) -> str:
    """The distribution that an entry point belongs to."""
    return entry.dist.name if entry.dist is not None else ""
