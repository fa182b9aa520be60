"""What a result depends on besides the code: versions, platform, CPU, time."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from harness import __version__
from harness.processor import cpu_model
from harness.results import FORMAT_VERSION
from harness.runners import Runner

__all__ = ["describe"]


def describe(runners: Mapping[str, Runner], **parameters: Any) -> dict[str, Any]:
    """The header of a results file; `parameters` are those of the run."""
    versions = {"rnn-parity": __version__, "python": platform.python_version()}
    for name in ("numpy", "hypothesis"):
        versions[name] = metadata.version(name)
    for runner in runners.values():
        versions.update(runner.about.versions)
    return {
        "kind": "run",
        "format_version": FORMAT_VERSION,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": versions,
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
        "backends": {key: runner.about.name for key, runner in runners.items()},
        "parameters": parameters,
    }
