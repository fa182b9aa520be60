"""Backends that installed packages offer, this project's own among them, by entry points.

Nothing here imports a framework: an entry point is a name until somebody loads it.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from importlib import metadata

from harness.backends.protocol import BackendUnavailable

__all__ = [
    "BACKENDS",
    "DISTRIBUTION",
    "PEER",
    "SCRIPTS",
    "absent_backends",
    "default_backends",
    "entry_points",
    "is_installed",
    "is_shipped",
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
    """Those of this project whose framework is installed, the peer first; nobody else's.

    Raises:
        BackendUnavailable: this project is not installed, or no framework is.
    """
    own = _own()
    found = tuple(name for name in own if is_installed(name))
    if not found:
        raise BackendUnavailable(
            f"none of {', '.join(own)} is installed; install one: pip install "
            f"'{DISTRIBUTION}[{own[0]}]'"
        )
    return found


def absent_backends() -> tuple[str, ...]:
    """Those of this project whose framework is not installed."""
    return tuple(name for name in _own() if not is_installed(name))


def is_installed(framework: str) -> bool:
    """Whether there is a package of that name to import."""
    return importlib.util.find_spec(framework) is not None


def is_shipped(name: str) -> bool:
    """Whether this project offers the backend of that name."""
    entry = entry_points(BACKENDS).get(name)
    return entry is not None and package_of(entry) == DISTRIBUTION


def _own() -> tuple[str, ...]:
    every = entry_points(BACKENDS).values()
    own = sorted(entry.name for entry in every if is_shipped(entry.name))
    if not own:
        raise BackendUnavailable(
            f"no entry points of {DISTRIBUTION} are installed; install it: pip install -e ."
        )
    return tuple(sorted(own, key=lambda name: name != PEER))


def package_of(entry: metadata.EntryPoint) -> str:
    """The distribution that an entry point belongs to."""
    return entry.dist.name if entry.dist is not None else ""
