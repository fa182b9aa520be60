"""The processor of this machine, as Linux tells of it: its model, and what it can do."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

__all__ = ["cpu_flags", "cpu_model"]

CPUINFO = Path("/proc/cpuinfo")


def cpu_model() -> str:
    """The model's name where Linux tells it, else what Python knows."""
    return _described().get("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Names of what it can do, as Linux has them, such as 'avx512_bf16'; empty elsewhere."""
    described = _described()
    return frozenset((described.get("flags") or described.get("Features") or "").split())


@functools.cache
def _described() -> dict[str, str]:
    """The first core's lines of /proc/cpuinfo: x86 says `flags`, ARM `Features`."""
    try:
        lines = CPUINFO.read_text("utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
