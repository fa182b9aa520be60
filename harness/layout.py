"""Between a config's layout and time first (T, B, features), in which all checks work."""

from __future__ import annotations

from harness.config import Config
from reference.arrays import Array

__all__ = ["from_layout", "states_from_layout", "states_to_layout", "to_layout"]


def to_layout(array: Array, config: Config) -> Array:
    """(T, B, F) to what the config's layer takes; a fresh contiguous copy."""
    if config.layout == "unbatched":
        return array[:, 0].copy()
    return (array.swapaxes(0, 1) if config.layout == "batchfirst" else array).copy()


def from_layout(array: Array, config: Config) -> Array:
    """What the config's layer takes or returns, as (T, B, F)."""
    if config.layout == "unbatched":
        return array[:, None]
    return array.swapaxes(0, 1) if config.layout == "batchfirst" else array


def states_to_layout(states: Array, config: Config) -> Array:
    """(L * D, B, H) to the config's layout; a fresh copy."""
    return (states[:, 0] if config.layout == "unbatched" else states).copy()


def states_from_layout(states: Array, config: Config) -> Array:
    """The config's layout to (L * D, B, H)."""
    return states[:, None] if config.layout == "unbatched" else states
