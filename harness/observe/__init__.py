"""Calling a backend: everything that is measured of one case, and nothing judged.

No exception of a backend leaves this package: it becomes an `Observation` that says what
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from harness.aspects import CALLS
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.case import Case
from harness.floating_point import disturbances, restore
from harness.observe.calls import observe_call
from harness.observe.dropping import observe_dropping
from harness.observe.forward import observe_forward
from harness.observe.gradients import observe_gradients
from harness.observe.parameters import carried, observe_files, observe_fresh
from harness.observe.records import (
    Change,
    Derivatives,
    Dropping,
    Forward,
    FreshWeights,
    Observation,
    Repeat,
    Reply,
    Series,
    Steady,
    Stored,
)
from harness.observe.steady import observe_steady
from harness.observe.wording import Malformed, NotOffered, told
from harness.text import text_of
from reference.arrays import Array

__all__ = [
    "Change",
    "Derivatives",
    "Dropping",
    "Forward",
    "FreshWeights",
    "Observation",
    "Repeat",
    "Reply",
    "Series",
    "Steady",
    "Stored",
    "observe",
    "observe_carried",
    "told",
]


def observe(backend: Backend, case: Case, *, repeat: bool) -> Observation:
    """Run one backend on one case.

    Args:
        repeat: make the second call that some checks of values need.
    """
    return _guarded(backend, case, lambda: _observe(backend, case, repeat))


def observe_carried(backend: Backend, case: Case, weights: Mapping[str, Array]) -> Observation:
    """Weights, from anywhere, through the backend's own files; `facts` is a `Stored`."""
    return _guarded(backend, case, lambda: carried(backend, case, weights))


def _guarded(backend: Backend, case: Case, ask: Callable[[], Observation]) -> Observation:
    """What came of it, whatever the backend raised; and whether its thread was left as it was.

    A thread that was not is put right: the next config is none of this one's business.
    """
    before = disturbances()
    observation = _contained(backend, case, ask)
    behind = disturbances()
    if before or behind:
        restore()
        return msgspec.structs.replace(observation, disturbed=(before, behind))
    return observation


def _name(backend: Backend) -> str:
    """What it calls itself now; who asked knows it by the name that it was loaded with."""
    try:
        return text_of(backend.name, 60)
    except Exception:
        return "?"


def _contained(backend: Backend, case: Case, ask: Callable[[], Observation]) -> Observation:
    name = _name(backend)
    try:
        reason = unsupported_reason(backend, case.config)
        if reason is not None and case.config.aspect not in CALLS:
            return Observation(name, unsupported=reason)
        with np.errstate(all="ignore"):  # overflow and NaN are meant here
            return ask()
    except NotOffered as error:
        return Observation(name, unsupported=f"{name} {text_of(error)}")
    except Malformed as error:
        return Observation(name, trouble=text_of(error), malformed=True)
    except (KeyboardInterrupt, MemoryError):
        raise  # the runner's business
    except BaseException as error:  # a backend may raise SystemExit, or anything
        return Observation(name, trouble=told(error))


def _observe(backend: Backend, case: Case, repeat: bool) -> Observation:
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
        return observe_files(backend, case)
    if aspect == "steady":
        return observe_steady(backend, case)
    return observe_forward(backend, case, repeat)
