"""Calling a backend: everything that is measured of one case, and nothing judged.

No exception of a backend leaves this package: it becomes an `Observation` that says what
happened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.aspects import CALLS
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.case import Case
from harness.observe.calls import observe_call
from harness.observe.dropping import observe_dropping
from harness.observe.forward import observe_forward
from harness.observe.gradients import observe_gradients
from harness.observe.parameters import observe_files, observe_fresh
from harness.observe.records import (
    Derivatives,
    Dropping,
    Forward,
    FreshWeights,
    Observation,
    Repeat,
    Reply,
    Stored,
)
from harness.observe.wording import Malformed, NotOffered, printable, told

__all__ = [
    "Derivatives",
    "Dropping",
    "Forward",
    "FreshWeights",
    "Observation",
    "Repeat",
    "Reply",
    "Stored",
    "observe",
    "told",
]


def observe(
    backend: Backend, case: Case, *, repeat: bool, others: Sequence[Backend] = ()
) -> Observation:
    """Run one backend on one case.

    Args:
        repeat: make the second call that some checks of values need.
        others: the other backends of the run, for weights that travel.
    """
    name = backend.name
    try:
        reason = unsupported_reason(backend, case.config)
        if reason is not None and case.config.aspect not in CALLS:
            return Observation(name, unsupported=printable(reason))
        with np.errstate(all="ignore"):  # overflow and NaN are meant here
            return _observe(backend, case, repeat, others)
    except NotOffered as error:
        return Observation(name, unsupported=f"{name} {error}")
    except Malformed as error:
        return Observation(name, trouble=str(error), malformed=True)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # a backend may raise SystemExit, or anything
        return Observation(name, trouble=told(error))


def _observe(backend: Backend, case: Case, repeat: bool, others: Sequence[Backend]) -> Observation:
    aspect = case.config.aspect
    if aspect in CALLS:
        return observe_call(backend, case)
    if aspect == "gradient":
        return observe_gradients(backend, case)
    if aspect == "training":
        return observe_dropping(backend, case)
    if aspect == "fresh":
        return observe_fresh(backend, case)
    if aspect == "files":
        return observe_files(backend, case, others)
    return observe_forward(backend, case, repeat)
