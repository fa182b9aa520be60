"""What a result depends on besides the code: versions, platform, CPU, time."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from harness import __version__
from harness.processor import cpu_flags, cpu_model
from harness.results import FORMAT_VERSION
from harness.runners import About, Runner

__all__ = ["describe"]


def describe(runners: Mapping[str, Runner], **parameters: Any) -> dict[str, Any]:
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
        "backends": {
            key: {"name": runner.about.name, "versions": runner.about.versions}
            for key, runner in runners.items()
        },
        "parameters": parameters,
    }


def _versions(backends: Sequence[About]) -> dict[str, str]:
    """Of all workers; where two have different ones, the later is named with its backend."""
    versions = {"rnn-parity": __version__, "hypothesis": metadata.version("hypothesis")}
    for about in backends:
        for package, version in about.versions.items():
            if versions.setdefault(package, version) != version:
                versions[f"{package} ({about.name})"] = version
    return versions
