"""Synthetic results, as a run records them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from harness.causes import Cause
from harness.config import Config
from harness.expectations import Judged
from harness.results import FORMAT_VERSION, Place, Result
from harness.verdicts import Verdict

R = TypeVar("R", bound=Result)


def line(seed: int, ratio: float, **changes: object) -> Judged:
    """A failure of torch at a pinned config of this seed."""
    made = Judged(
        config_id=Config.of(seed=seed).id,
        backend="torch",
        check="step_residual",
        requirement="equation",
        verdict=Verdict.FAIL,
        compared=3,
        max_abs=1e-4,
        max_rel=1e-4,
        max_ulp=900.0,
        ratio=ratio,
        worst=Place("output", 0, "forward", 0, 0, 0, 1.0, 1.5),
        message="",
        replay="",
        cause=Cause.ACTIVATION,
        origin="corpus",
    )
    return changed(made, **changes)


def changed(result: R, **changes: Any) -> R:
    """The same with other fields; verdicts and causes may be given by their values."""
    if "verdict" in changes:
        changes["verdict"] = msgspec.convert(changes["verdict"], Verdict)
    if changes.get("cause") is not None:
        changes["cause"] = msgspec.convert(changes["cause"], Cause)
    return msgspec.structs.replace(result, **changes)


def header(**versions: str) -> dict[str, Any]:
    """Of a run on Linux, on a processor without any flag, with these versions."""
    return {
        "versions": versions,
        "machine": "linux-x86_64",
        "cpu_flags": [],
        "backends": {},
    }


def written_header(*backends: str) -> dict[str, Any]:
    """The first line of the results of a run of one config."""
    return {
        "kind": "run",
        "format_version": FORMAT_VERSION,
        "date": "2026-01-01T00:00:00+00:00",
        "platform": "here",
        "cpu": "one",
        "cpu_count": 1,
        **header(numpy="1.0", torch="2.13.0", mindspore="2.10.0"),
        "backends": {name: {"name": name, "versions": {}} for name in backends},
        "parameters": {"examples": 0, "seed": 0, "corpus": "mine.txt"},
        "planned": len(backends),
    }
