"""What observations hold: everything measured of one backend on one case, nothing judged.

These records travel between processes (`harness.runners.wire`): arrays, numbers and texts only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.causes import Cause
from reference.arrays import Array, BoolArray

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
]


class Change(msgspec.Struct, frozen=True):
    """Something that was given otherwise the second time: gradients, or the answer after them.

    A `subnormal` change is no larger than subnormal numbers: flushing them to zero may explain it.
    """

    of_gradients: bool
    subnormal: bool

    def __str__(self) -> str:
        what = (
            "what gradients give the second time"
            if self.of_gradients
            else "what a call after gives"
        )
        return what + (", by no more than subnormal numbers" if self.subnormal else "")


class Forward(msgspec.Struct, frozen=True):
    """What one call returned, time first: output (T, B, D * H), h_n (L * D, B, H)."""

    output: Array
    h_n: Array


class Repeat(msgspec.Struct, frozen=True):
    """A second call: what was changed, what came back, and which rows must not have moved."""

    padding: bool
    neighbours: bool
    kept: BoolArray
    forward: Forward


class Derivatives(msgspec.Struct, frozen=True):
    """Gradients for the cotangents given: `x` and `h_0` time first, parameters by name.

    `found` is with the case's own padding, `clean` with zeros in the padding (the same object
    where there is no padding), `finite` with the finite numbers of the padding alone, where what is
    not finite reached gradients, and `again` the second time, where that is other than `found`.
    """

    output_cotangent: Array
    h_n_cotangent: Array
    found: Mapping[str, Array]
    clean: Mapping[str, Array]
    again: Mapping[str, Array] | None = None
    finite: Mapping[str, Array] | None = None


class Reply(msgspec.Struct, frozen=True, tag=True):
    """What came of a call made as a user makes it.

    `error` tells who refused: "TypeError: ..."; None if it was accepted. `stage` is "build" or
    "call": where it was refused, else where it ended. `returned` holds whatever came back,
    in the layout of the call. `weights` are those that the accepted layer had.
    `afterwards` says what was wrong with an ordinary call right behind it; None if nothing was.
    `ended` says that there was no answer at all (crashed or hung), and `error` what is known
    of it. `trained` is what the same call gave in training mode, where that must be the same.
    """

    stage: str
    error: str | None
    returned: tuple[Any, Any] | None
    weights: Mapping[str, Array]
    afterwards: str | None
    ended: Cause | None = None
    trained: tuple[Any, Any] | None = None


class Dropping(msgspec.Struct, frozen=True, tag=True):
    """A stack whose layers behind the first are identities, in both modes.

    `first` is the first layer alone, evaluated; `evaluated` the stack in evaluation mode;
    `without` the stack built with dropout 0, in evaluation mode; `trained` three calls in training
    mode; `later` more of them; `again` evaluation mode after them; `fresh` two calls of a layer
    with these weights, in the mode that it comes in and in evaluation mode (only in float32,
    which needs no constructor argument).
    """

    weights: Mapping[str, Array]
    first: Forward
    evaluated: Forward
    without: Forward
    trained: tuple[Forward, ...]
    later: tuple[Forward, ...]
    again: Forward
    fresh: tuple[Forward, Forward] | None


class FreshWeights(msgspec.Struct, frozen=True, tag=True):
    """Parameters of layers as they are built, one after the other, in the layers' own order.

    `seeded` are three more: two built behind the same seed, one behind another.
    `advanced` says whether building, seeded by the framework's own function, moved the state of
    NumPy's global generator.
    """

    layers: tuple[Mapping[str, Array], ...]
    seeded: tuple[Mapping[str, Array], Mapping[str, Array], Mapping[str, Array]]
    advanced: bool


class Stored(msgspec.Struct, frozen=True, tag=True):
    """Parameters before, after a file of the own format, and after a round trip through a peer's.

    `there` is what the peer read from its own file, `back` what came back from there.
    `computes` says whether answers were the same before saving, behind it, and when loaded.
    """

    given: Mapping[str, Array]
    own: Mapping[str, Array]
    computes: bool
    peer: str | None = None
    there: Mapping[str, Array] | None = None
    back: Mapping[str, Array] | None = None


class Series(msgspec.Struct, frozen=True):
    """Identical calls: how many, how many gave other bits than the very first, the first such.

    They were computed by so many `threads`, where that was set; `own_thread`: each was made in a
    thread of its own.
    """

    title: str
    calls: int
    differing: int
    other: Forward | None
    threads: int | None = None
    own_thread: bool = False


class Steady(msgspec.Struct, frozen=True, tag=True):
    """Identical calls, made in several ways."""

    series: tuple[Series, ...]


class Observation(msgspec.Struct, frozen=True, tag=True):
    """One backend on one case.

    `trouble` says why there is no (usable) answer: an exception, or a return value that is
    not two arrays of the right shapes and dtype; `malformed` tells the second from the first.
    `hidden[k]` is what the first k + 1 layers alone gave, for all k but the last.
    `transferred` counts the weights that were read back and found equal, bit for bit.
    `modified` names the inputs that a call wrote to, `changed` what other calls than those in
    `repeats` gave otherwise the second time. `facts` is what other aspects than values
    and gradients measured. `ended` says that there was no answer (crashed or hung).
    `disturbed` tells what was wrong with the floating-point environment of the calling thread
    before, and behind.
    """

    backend: str
    unsupported: str | None = None
    trouble: str | None = None
    malformed: bool = False
    forward: Forward | None = None
    hidden: tuple[Forward, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    transferred: int = 0
    modified: tuple[str, ...] = ()
    changed: tuple[Change, ...] | None = None
    derivatives: Derivatives | None = None
    facts: Reply | Dropping | FreshWeights | Stored | Steady | None = None
    ended: Cause | None = None
    disturbed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
