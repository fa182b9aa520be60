"""Calling a backend: everything that is measured of one case, and nothing judged.

No exception of a backend leaves this package: it becomes an `Observation` that says what
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.calls import make_call
from harness.case import Case
from harness.config import Config
from harness.floating_point import disturbances, restore
from harness.logs import noted
from harness.observe.calls import observe_call
from harness.observe.checkpoint import observe_checkpoint, round_trip
from harness.observe.dropout import observe_dropout
from harness.observe.errors import Malformed, NotOffered, described, headline
from harness.observe.gradients import observe_gradients
from harness.observe.initial import observe_initial
from harness.observe.life import observe_life
from harness.observe.records import (
    Answer,
    CallOutcome,
    Change,
    Checkpoint,
    Derivatives,
    DropoutCalls,
    Growth,
    InitialWeights,
    Lived,
    Observation,
    Outputs,
    RepeatedCalls,
    Rerun,
    Series,
)
from harness.observe.repeated import observe_repeated
from harness.observe.values import observe_values
from reference.arrays import Array

__all__ = [
    "Answer",
    "CallOutcome",
    "Change",
    "Checkpoint",
    "Derivatives",
    "DropoutCalls",
    "Growth",
    "InitialWeights",
    "Lived",
    "Observation",
    "Outputs",
    "RepeatedCalls",
    "Rerun",
    "Series",
    "described",
    "headline",
    "observe",
    "observe_round_trip",
]

_OBSERVERS: Mapping[str, Callable[[Backend, Case], Observation]] = {
    "gradient": observe_gradients,
    "training": observe_dropout,
    "initial": observe_initial,
    "checkpoint": observe_checkpoint,
    "repeated": observe_repeated,
    "life": observe_life,
}


def observe(backend: Backend, case: Case, *, repeat: bool) -> Observation:
    """Run one backend on one case.

    Args:
        repeat: make the second call that some checks of values need.
    """
    return _guarded(backend, case, lambda: _observe(backend, case, repeat))


def observe_round_trip(backend: Backend, case: Case, weights: Mapping[str, Array]) -> Observation:
    """Weights, from anywhere, through the backend's own files; `details` is a `Checkpoint`."""
    return _guarded(backend, case, lambda: round_trip(backend, case, weights))


def _guarded(backend: Backend, case: Case, ask: Callable[[], Observation]) -> Observation:
    """What came of it, whatever the backend raised; and whether its thread was left as it was.

    A thread that was not is put right: the next config is none of this one's business.
    """
    before = disturbances()
    observation = _contained(backend, case, ask)
    after = disturbances()
    if before or after:
        restore()
        return msgspec.structs.replace(observation, disturbed=(before, after))
    return observation


def _contained(backend: Backend, case: Case, ask: Callable[[], Observation]) -> Observation:
    name = backend.name
    try:
        reason = unsupported_reason(backend, _asked(case.config))
        if reason is not None:
            return Observation(name, unsupported=reason)
        with np.errstate(all="ignore"):  # overflow and NaN are meant here
            return ask()
    except NotOffered as error:
        return Observation(name, unsupported=f"{name} {error}")
    except Malformed as error:
        return Observation(name, trouble=str(error), malformed=True)
    except (KeyboardInterrupt, MemoryError):
        raise  # the runner's business
    except BaseException as error:  # a backend may raise SystemExit, or anything
        noted(error, f"{name}, {case.config.id}")
        return Observation(name, trouble=described(error))


def _asked(config: Config) -> Config:
    """What must be supported: of a call the ordinary one that it is changed from.

    What the call changes is what is asked, and no reason not to ask it: whether 2-D x is taken, or
    x of another dtype, is for the call to show.
    """
    made = make_call(config) if config.is_call else None
    if made is None or made.ordinary is None:
        return config
    return made.ordinary.replace(aspect=config.aspect)


def _observe(backend: Backend, case: Case, repeat: bool) -> Observation:
    if case.config.is_call:
        return observe_call(backend, case)
    if case.config.aspect in _OBSERVERS:
        return _OBSERVERS[case.config.aspect](backend, case)
    return observe_values(backend, case, repeat)
