"""Mistakes in what is accepted, what is refused, and what a refusal leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from harness.backends.protocol import Backend
from harness.config import LayerOptions
from harness.planted.record import Area
from harness.planted.right import CompleteBackend, CompleteLayer
from harness.planted.wrapping import Full, Lengths, WrappedBackend
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("calls")


@AREA.on_backend("other-default-nonlinearity", bases=("torch", "mindspore", "oracle"))
class OtherDefault(WrappedBackend):
    """The nonlinearity that comes without asking is relu."""

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> Any:
        default = {} if len(positional) > 2 else {"nonlinearity": "relu"}
        return super().construct(positional, {**default, **keywords}, literal=literal)


@AREA.on_backend("drops-by-default", bases=("torch", "mindspore", "oracle"))
class DropsByDefault(WrappedBackend):
    """The dropout that comes without asking is 0.5."""

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> Any:
        default = {} if len(positional) > 2 else {"dropout": 0.5}
        return super().construct(positional, {**default, **keywords}, literal=literal)


@AREA.wrapping("two-dimensions-refused", bases=("torch", "oracle"))
class RefusesTwoDimensions(Full):
    """An unbatched x is refused, though it is documented."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if inputs and getattr(inputs[0], "ndim", 3) == 2:
            raise ValueError("3-D x only")
        return super().call(inputs, named)


@AREA.wrapping("two-dimensions-answered-wrongly", bases=("torch", "oracle"))
class WrongForTwoDimensions(Full):
    """The answer to an unbatched x is a quarter too small."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        output, h_n = super().call(inputs, named)
        return (output * output.dtype.type(0.75), h_n) if output.ndim == 2 else (output, h_n)


@AREA.wrapping("one-array-returned")
class ReturnsOneArray(Full):
    """A call returns the output alone."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return super().call(inputs, named)[0]


@AREA.wrapping("three-values-returned")
class ReturnsThree(Full):
    """A call returns a third value."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return (*super().call(inputs, named), None)


@AREA.wrapping("h-0-broadcast", bases=("torch", "oracle"))
class BroadcastsState(Full):
    """An h_0 with one batch row is taken for all rows."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        given = list(inputs)
        if len(given) > 1 and isinstance(given[1], np.ndarray) and given[1].ndim == 3:
            rows = np.shape(given[0])[0 if self.options.batch_first else 1]
            if given[1].shape[1] == 1:
                given[1] = np.repeat(given[1], rows, axis=1)
        return super().call(tuple(given), named)


@AREA.on_oracle("everything-accepted")
class AcceptsEverything(CompleteLayer):
    """No argument is checked; what cannot be computed is answered with zeros."""

    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        pass

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        try:
            return super().forward(x, h_0, lengths)
        except Exception:
            return np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)


class Unvalidated(CompleteLayer):
    """Arguments are not checked."""

    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        if lengths is None:
            super().validate(x, h_0, lengths)


@AREA.on_oracle("lengths-clipped-silently")
class ClipsLengths(Unvalidated):
    """Lengths out of range are clipped to 0..T without a word."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        if lengths is not None:
            lengths = np.clip(lengths, 0, x.shape[1 if self.options.batch_first else 0])
        return super().forward(x, h_0, lengths)


@AREA.on_oracle("poisoned-by-errors")
class PoisonedByErrors(CompleteLayer):
    """After a refused call, the next call of any layer raises."""

    poisoned = False

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        try:
            return super().call(inputs, named)
        except Exception:
            PoisonedByErrors.poisoned = True
            raise

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        if PoisonedByErrors.poisoned:
            PoisonedByErrors.poisoned = False
            raise RuntimeError("an error from before")
        return super().forward(x, h_0, lengths)


@AREA.wrapping("ruined-by-a-refusal")
class RuinedByRefusal(Full):
    """A layer that refused a call answers wrongly from then on; other layers are unharmed."""

    refused = False

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        try:
            output, h_n = super().call(inputs, named)
        except Exception:
            self.refused = True
            raise
        return (output * output.dtype.type(0.5), h_n) if self.refused else (output, h_n)


class TakesIntegers(CompleteBackend):
    """Right too: sizes may be numpy.int64, of which nothing is documented."""

    def options(self, *positional: Any, **keywords: Any) -> LayerOptions:
        def plain(value: Any) -> Any:
            return int(value) if isinstance(value, np.integer) else value

        return super().options(
            *map(plain, positional), **{name: plain(v) for name, v in keywords.items()}
        )


def _lenient() -> tuple[Backend, ...]:
    return (cast(Backend, TakesIntegers(name="lenient")),)


def _strict_and_eager() -> tuple[Backend, ...]:
    both = (CompleteBackend(name="strict"), TakesIntegers(name="eager"))
    return cast(tuple[Backend, ...], both)


@AREA.on_oracle("numpy-sizes-refused", peers=_lenient)
class RefusesNumpySizes(CompleteBackend):
    """Sizes that are numpy.int64 are refused, which others take."""


@AREA.on_oracle("modes-differ", peers=_strict_and_eager)
class OtherMode(CompleteBackend):
    """One execution mode refuses numpy.int64 as a size, where the other one takes it."""

    variant_of = "eager"


FAULTS = tuple(AREA.faults)
