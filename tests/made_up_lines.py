"""Results as a run records them, made up."""

from __future__ import annotations

import msgspec

from harness.config import Config
from harness.results import Place, Result

__all__ = ["line"]


def line(seed: int, ratio: float, **changes: object) -> Result:
    """A failure of torch at a pinned config of this seed."""
    made = Result(
        config_id=Config(seed=seed).id,
        backend="torch",
        check="step_residual",
        requirement="equation",
        verdict="fail",
        compared=3,
        max_abs=1e-4,
        max_rel=1e-4,
        max_ulp=900.0,
        ratio=ratio,
        worst=Place("output", 0, "forward", 0, 0, 0, 1.0, 1.5),
        message="",
        replay="",
        cause="activation",
        origin="corpus",
    )
    return msgspec.structs.replace(made, **changes)
