"""What backends and scripts may take, where the command line says nothing else."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGET", "Limits"]

BUDGET = 300.0
"""Seconds that all reproducers of a run may take."""


@dataclass(frozen=True)
class Limits:
    """What one config may take: seconds, and MiB beyond what the loaded backend holds."""

    seconds: float = 120.0
    mebibytes: int = 4096
