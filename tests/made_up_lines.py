"""Results as a run records them, made up."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from harness.causes import Cause
from harness.config import Config
from harness.expectations import Judged
from harness.results import Place, Result
from harness.verdicts import Verdict

__all__ = ["changed", "header", "line"]

R = TypeVar("R", bound=Result)


def line(seed: int, ratio: float, **changes: object) -> Judged:
    """A failure of torch at a pinned config of this seed."""
    made = Judged(
        config_id=Config(seed=seed).id,
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
        changes["verdict"] = Verdict(changes["verdict"])
    if changes.get("cause") is not None:
        changes["cause"] = Cause(changes["cause"])
    return msgspec.structs.replace(result, **changes)


def header(**versions: str) -> dict[str, Any]:
    """Of a run on Linux, on a processor without any flag, with these versions."""
    return {
        "versions": versions,
        "machine": "linux-x86_64",
        "cpu_flags": [],
        "backends": {},
    }
