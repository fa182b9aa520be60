"""What a result depends on besides the code: versions, platform, CPU, time."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from harness import __version__
from harness.results import FORMAT_VERSION, Parameters
from harness.runners import About, Runner

__all__ = ["cpu_flags", "cpu_model", "describe"]

CPUINFO = Path("/proc/cpuinfo")


def describe(runners: Mapping[str, Runner], parameters: Parameters | None = None) -> dict[str, Any]:
    """The header of a results file; `parameters` are those of the run.

    `backends` has what every worker says of itself, by reference; `versions` is all of that
    together with what draws the configs, and `oracle` is about this process.
    """
    return {
        "kind": "run",
        "format_version": FORMAT_VERSION,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": _versions([runner.about for runner in runners.values()]),
        "oracle": {"python": platform.python_version(), "numpy": metadata.version("numpy")},
        "platform": platform.platform(),
        "machine": f"{sys.platform}-{platform.machine()}".lower(),
        "cpu": cpu_model(),
        "cpu_flags": sorted(cpu_flags()),
        "cpu_count": os.cpu_count(),
        "backends": {key: _backend(runner.about) for key, runner in runners.items()},
        "parameters": _as_written(parameters or Parameters()),
    }


def _as_written(parameters: Parameters) -> Any:
    """As the file has it, so that a run that is resumed finds the same: a tuple is a list there."""
    return msgspec.json.decode(msgspec.json.encode(parameters))


def _backend(about: About) -> dict[str, Any]:
    said: dict[str, Any] = {"name": about.name, "versions": about.versions}
    return {**said, "wraps": about.wraps} if about.wraps else said


def _versions(backends: Sequence[About]) -> dict[str, str]:
    """Of all workers; where two have different ones, the later is named with its backend."""
    versions = {"rnn-parity": __version__, "hypothesis": metadata.version("hypothesis")}
    for about in backends:
        for package, version in about.versions.items():
            if versions.setdefault(package, version) != version:
                versions[f"{package} ({about.name})"] = version
    return versions


def cpu_model() -> str:
    """The model's name from Linux, else what Python knows."""
    return _described(CPUINFO).get("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Names of what it can do, as Linux has them, such as 'avx512_bf16'; empty elsewhere."""
    described = _described(CPUINFO)
    return frozenset((described.get("flags") or described.get("Features") or "").split())


@functools.cache
def _described(path: Path) -> dict[str, str]:
    """The first core's lines of /proc/cpuinfo: x86 says `flags`, ARM `Features`."""
    try:
        lines = path.read_text("utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
