"""What observations hold: everything measured of one backend on one case, nothing judged.

These records travel between processes (`harness.runners.wire`): arrays, numbers and texts only.
Outputs are by name, time first: `output` (T, B, D * H), final states such as `h_n` (L * D, B, H).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.causes import Cause
from reference.arrays import Array, BoolArray

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
    "Unspoiled",
]

Outputs = dict[str, Array]


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


class Rerun(msgspec.Struct, frozen=True):
    """A second call: what was changed, what came back, and which rows must not have moved."""

    padding: bool
    neighbours: bool
    kept: BoolArray
    outputs: Outputs


class Unspoiled(msgspec.Struct, frozen=True):
    """Outputs, and those of shorter stacks, of the same call with finite numbers in the padding."""

    outputs: Outputs
    hidden: tuple[Outputs, ...]


class Derivatives(msgspec.Struct, frozen=True):
    """Gradients for the cotangents given: of `x` and initial states time first, of parameters.

    `cotangents` are by name of output. `found` is with the case's own padding, `clean` with zeros
    in the padding (the same object where there is no padding), `finite` with the finite numbers of
    the padding alone, where what is not finite reached gradients, and `second` what the same call
    gave the second time, where that is other than `found`.

    `outputs` are those of the call that gave `clean`, and `hidden` those of shorter stacks asked in
    the same way (`Observation.hidden` in place of none); None where gradients come without.
    `padded` are those that came with `found`, where they are others, and `repeated` those that came
    the second time, where they are others than these. `after` are those of the last forward call,
    where they are others than those of the first one.
    """

    cotangents: Mapping[str, Array]
    found: Mapping[str, Array]
    clean: Mapping[str, Array]
    second: Mapping[str, Array] | None = None
    finite: Mapping[str, Array] | None = None
    outputs: Outputs | None = None
    hidden: tuple[Outputs, ...] = ()
    padded: Outputs | None = None
    repeated: Outputs | None = None
    after: Outputs | None = None


class CallOutcome(msgspec.Struct, frozen=True, tag=True):
    """What came of a call made as a user makes it.

    `error` tells who refused: "TypeError: ..."; None if it was accepted. `stage` is "build" or
    "call": where it was refused, else where it ended. `returned` holds whatever came back, in the
    order of the outputs and in the layout of the call. `weights` are those that the accepted layer
    had. `aftermath` says what was wrong with an ordinary call right after it; None if nothing was.
    `ended` says that there was no answer at all (crashed or hung), and `error` what is known of
    it. `trained` is what the same call gave in training mode, where that must be the same.
    `ordinary` is what the layer that accepted the call then gave for ordinary ones, in turn; after
    a refused call, what it and then a new layer gave, unless the bits are the same.
    """

    stage: str
    error: str | None
    returned: tuple[Any, ...] | None
    weights: Mapping[str, Array]
    aftermath: str | None
    ended: Cause | None = None
    trained: tuple[Any, ...] | None = None
    ordinary: tuple[tuple[Any, ...], ...] = ()


class DropoutCalls(msgspec.Struct, frozen=True, tag=True):
    """A stack whose layers after the first pass on what they get, in both modes.

    `first` is the first layer alone, in training mode; `evaluated` the stack in evaluation mode;
    `without` the stack built with dropout 0, in evaluation mode; `trained` three calls in training
    mode; `later` more of them; `evaluated_after` evaluation mode after them, `evaluated_later`
    more calls in it; `as_built` two calls of a layer with these weights, in the mode that it comes
    in and in evaluation mode (only in float32, which needs no constructor argument); `beside` calls
    in training mode of another layer with these weights, for which no seed was set.
    """

    weights: Mapping[str, Array]
    first: Outputs
    evaluated: Outputs
    without: Outputs
    trained: tuple[Outputs, ...]
    later: tuple[Outputs, ...]
    evaluated_after: Outputs
    as_built: tuple[Outputs, Outputs] | None
    evaluated_later: tuple[Outputs, ...] = ()
    beside: tuple[Outputs, ...] = ()


class InitialWeights(msgspec.Struct, frozen=True, tag=True):
    """Parameters of layers as they are built, one after the other, in the layers' own order.

    `seeded` are three more: two built after the same seed, one after another. `advanced` says
    whether building, seeded by the framework's own function, moved the state of NumPy's global
    generator.
    """

    layers: tuple[Mapping[str, Array], ...]
    seeded: tuple[Mapping[str, Array], Mapping[str, Array], Mapping[str, Array]]
    advanced: bool


class Checkpoint(msgspec.Struct, frozen=True, tag=True):
    """Parameters before, after a file of the own format, and after a round trip through a peer's.

    `there` is what the peer read from its own file, `back` what came back from there. `computes`
    says whether answers were the same before saving, after it, and when loaded.
    """

    given: Mapping[str, Array]
    own: Mapping[str, Array]
    computes: bool
    peer: str | None = None
    there: Mapping[str, Array] | None = None
    back: Mapping[str, Array] | None = None


class Series(msgspec.Struct, frozen=True):
    """Identical calls: how many, how many gave other bits than the very first, the furthest such.

    They were computed by so many `threads`, where that was set; `own_thread`: each was made in a
    thread of its own. `which` of the cases at once gave the furthest answer; `serial` is
    what it gave alone.
    """

    title: str
    calls: int
    differing: int
    other: Outputs | None
    threads: int | None = None
    own_thread: bool = False
    which: int | None = None
    serial: Outputs | None = None


class Growth(msgspec.Struct, frozen=True):
    """By how many bytes the process grew in so many calls, whose output has `size` bytes."""

    calls: int
    grown: int
    size: int


class RepeatedCalls(msgspec.Struct, frozen=True, tag=True):
    """Identical calls, made in several ways, and calls `at_once`: 0 if that is not allowed."""

    series: tuple[Series, ...]
    at_once: Series | None = None
    growth: Growth | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a step of a life gave; the step is its place in the life.

    `outputs` are what a call gave; of gradients, what a new layer with the same weights gives for
    the same inputs. `hidden` is as in `Observation`, of new layers too. `differing` names the
    weights that were read and are others than were loaded. `unspoiled` is as in `Observation`, of
    new layers. `trouble` says what the step raised, or what is wrong with the form of its answer:
    the life ended there. `given` are the inputs, time first, that were what an earlier call of the
    step had given, as it held then.
    """

    step: int
    outputs: Outputs | None = None
    hidden: tuple[Outputs, ...] = ()
    derivatives: Derivatives | None = None
    differing: tuple[str, ...] | None = None
    unspoiled: Unspoiled | None = None
    trouble: str | None = None
    given: Mapping[str, Array] = {}


class Lived(msgspec.Struct, frozen=True, tag=True):
    """A layer's life: its answers in their order.

    `spoiled` is the first step after which an earlier answer no longer held what it had held, and
    the step that had given it; None if all did. `seeded` says whether the backend documents that
    its seed makes dropout repeat.
    """

    answers: tuple[Answer, ...]
    spoiled: tuple[int, int] | None
    seeded: bool = False


class Observation(msgspec.Struct, frozen=True, tag=True):
    """One backend on one case.

    `trouble` says why there is no (usable) answer: an exception, or a return value that is not
    arrays of the right names, shapes and dtype; `malformed` tells the second from the first.
    `hidden[k]` is what the first k + 1 layers alone gave, for all k but the last. `transferred`
    counts the weights that were read back and found equal, bit for bit. `modified` names the
    inputs that a call wrote to, `changed` what other calls than those in `reruns` gave otherwise
    the second time. `unspoiled` is there where outputs are not finite, and neither is the padding.
    `details` is what other aspects than values and gradients measured. `ended`
    says that there was no answer (crashed or hung). `disturbed` tells what was wrong with the
    floating-point environment of the calling thread before, and after.
    """

    backend: str
    unsupported: str | None = None
    trouble: str | None = None
    malformed: bool = False
    outputs: Outputs | None = None
    hidden: tuple[Outputs, ...] = ()
    reruns: tuple[Rerun, ...] = ()
    transferred: int = 0
    modified: tuple[str, ...] = ()
    changed: tuple[Change, ...] | None = None
    unspoiled: Unspoiled | None = None
    derivatives: Derivatives | None = None
    details: (
        CallOutcome | DropoutCalls | InitialWeights | Checkpoint | RepeatedCalls | Lived | None
    ) = None
    ended: Cause | None = None
    disturbed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
