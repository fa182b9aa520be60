"""Mistakes in what is accepted, what is refused, and what a refusal leaves changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np

from harness.backends.protocol import Backend
from harness.faults.arrays import Arrays
from harness.faults.cells import carries_c
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.faults.record import Area, has_option, has_steps
from harness.faults.wrapping import WrappedBackend, WrappedLayer

__all__ = ["AREA"]

AREA = Area("calls")


class _OtherDefault(WrappedBackend):
    default: ClassVar[dict[str, Any]]

    def keywords(self, positional: Sequence[Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return given if len(positional) > 2 else {**self.default, **given}


@AREA.fault("other-default-nonlinearity", needs=has_option("nonlinearity"))
class OtherNonlinearity(_OtherDefault):
    """The nonlinearity that comes without asking is relu."""

    default: ClassVar[dict[str, Any]] = {"nonlinearity": "relu"}


@AREA.fault("drops-by-default")
class DropsByDefault(_OtherDefault):
    """The dropout that comes without asking is 0.5."""

    default: ClassVar[dict[str, Any]] = {"dropout": 0.5}


@AREA.fault("two-dimensions-refused", bases=("torch", "oracle"))
class RefusesTwoDimensions(WrappedLayer):
    """An unbatched x is refused, though it is documented."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if inputs and getattr(inputs[0], "ndim", 3) == 2:
            raise ValueError("3-D x only")
        return super().call(inputs, named)


@AREA.fault("two-dimensions-answered-wrongly", bases=("torch", "oracle"))
class WrongForTwoDimensions(WrappedLayer):
    """The answer to an unbatched x is a quarter too small."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        output, *states = super().call(inputs, named)
        return (output * output.dtype.type(0.75) if output.ndim == 2 else output, *states)


@AREA.fault("one-array-returned")
class ReturnsOneArray(WrappedLayer):
    """A call returns the output alone."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return super().call(inputs, named)[0]


@AREA.fault("three-values-returned")
class ReturnsOneMore(WrappedLayer):
    """A call returns one value too many."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return (*super().call(inputs, named), None)


@AREA.fault("h-0-broadcast", bases=("torch", "oracle"))
class BroadcastsState(WrappedLayer):
    """Initial states of one batch row are taken for all rows."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if len(inputs) < 2:
            return super().call(inputs, named)
        x, hx, *lengths = inputs

        def broadcast(array: Any) -> Any:
            if isinstance(array, np.ndarray) and array.ndim == 3 and array.shape[1] == 1:
                rows = np.shape(x)[0 if self.options.batch_first else 1]
                return np.repeat(array, rows, axis=1)
            return array

        hx = tuple(map(broadcast, hx)) if isinstance(hx, tuple) else broadcast(hx)
        return super().call((x, hx, *lengths), named)


@AREA.fault("everything-accepted")
class AcceptsEverything(CorrectLayer):
    """No argument is checked; what cannot be computed is answered with zeros."""

    def validate(self, given: Arrays) -> None:
        pass

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        try:
            return super().forward(inputs)
        except Exception:
            names = ("output", *(f"{state}_n" for state in self.states))
            return {name: np.zeros((2, 2), np.float32) for name in names}


@AREA.fault("lengths-clipped-silently")
class ClipsLengths(CorrectLayer):
    """Lengths out of range are clipped to 0..T without a word."""

    def validate(self, given: Arrays) -> None:
        if "lengths" not in given:
            super().validate(given)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        if "lengths" in inputs:
            steps = inputs["x"].shape[1 if self.options.batch_first else 0]
            inputs = {**inputs, "lengths": np.clip(inputs["lengths"], 0, steps)}
        return super().forward(inputs)


@AREA.fault("poisoned-by-errors")
class PoisonedByErrors(CorrectLayer):
    """After a refused call, the next call of any layer raises."""

    poisoned = False

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        try:
            return super().call(inputs, named)
        except Exception:
            PoisonedByErrors.poisoned = True
            raise

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        if PoisonedByErrors.poisoned:
            PoisonedByErrors.poisoned = False
            raise RuntimeError("an error from before")
        return super().forward(inputs)


@AREA.fault("ruined-by-a-refusal")
class RuinedByRefusal(WrappedLayer):
    """A layer that refused a call answers wrongly from then on; other layers are unharmed."""

    refused = False

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        try:
            output, *states = super().call(inputs, named)
        except Exception:
            self.refused = True
            raise
        return (self.after(output) if self.refused else output, *states)

    def after(self, output: Any) -> Any:
        """The output of a call after a refused one."""
        return output * output.dtype.type(0.5)


class TakesIntegers(CorrectBackend):
    """Correct too: sizes may be numpy.int64, of which nothing is documented."""

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> CorrectLayer:
        def plain(value: Any) -> Any:
            return int(value) if isinstance(value, np.integer) else value

        named = {name: plain(value) for name, value in keywords.items()}
        return super().construct(layer, tuple(map(plain, positional)), named)


def _lenient() -> tuple[Backend, ...]:
    return (cast(Backend, TakesIntegers(name="lenient")),)


def _strict_and_eager() -> tuple[Backend, ...]:
    both = (CorrectBackend(name="strict"), TakesIntegers(name="eager"))
    return cast(tuple[Backend, ...], both)


@AREA.fault("numpy-sizes-refused", peers=_lenient)
class RefusesNumpySizes(CorrectBackend):
    """Sizes that are numpy.int64 are refused, which others take."""


@AREA.fault("modes-differ", peers=_strict_and_eager)
class OtherMode(CorrectBackend):
    """One execution mode refuses numpy.int64 as a size, where the other one takes it."""

    variant_of = "eager"


class _Accepts(WrappedLayer):
    """A layer that makes a valid call of some that are none, with an x of so many axes."""

    axes = 3

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        raise NotImplementedError

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if not inputs or not isinstance(inputs[0], np.ndarray) or inputs[0].ndim != self.axes:
            return super().call(inputs, named)
        given = (*inputs, None, None)[:3]
        changed = self.made_valid(*given)
        return super().call(changed[: len(inputs)], named)

    def rows(self, x: Any) -> int:
        return int(x.shape[0 if self.options.batch_first else 1])


@AREA.fault("states-of-more-rows-for-one", bases=("mindspore", "oracle"))  # torch does it
class MoreRowsForOne(_Accepts):
    """For an x of one row, h_0 of several rows is taken: its first row."""

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        if self.rows(x) == 1 and isinstance(hx, np.ndarray) and hx.ndim == 3:
            hx = hx[:, :1].copy()
        return x, hx, lengths


@AREA.fault("one-unit-takes-any-state")
class OneUnitTakesAny(_Accepts):
    """A layer of one unit takes an h_0 of more units, and uses the first."""

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        if self.options.hidden_size == 1 and isinstance(hx, np.ndarray) and hx.ndim == 3:
            hx = hx[..., :1].copy()
        return x, hx, lengths


@AREA.fault("features-cut-with-lengths")
class FeaturesCut(_Accepts):
    """With lengths but no h_0 the size of x is not checked: features too many are cut off."""

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        if lengths is not None and hx is None:
            x = x[..., : self.options.input_size].copy()
        return x, hx, lengths


@AREA.fault("any-lengths-for-one-row")
class AnyLengthsForOneRow(_Accepts):
    """For one row, lengths of any shape and number are taken: the first counts."""

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        if self.rows(x) == 1 and isinstance(lengths, np.ndarray) and lengths.size:
            lengths = lengths.reshape(-1)[:1].copy()
        return x, hx, lengths


class _ZeroTakesTheOther(WrappedLayer):
    """A mistake where one of two initial states is zero."""

    place: int

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        given = list(inputs)
        if len(given) > 1 and isinstance(given[1], tuple) and len(given[1]) == 2:
            zero = given[1][self.place]
            if isinstance(zero, np.ndarray) and not zero.any():
                given[1] = tuple(map(np.zeros_like, given[1]))
        return super().call(given, named)


@AREA.fault("zero-c-0-takes-h-0-along", needs=carries_c)
class ZeroCellTakesState(_ZeroTakesTheOther):
    """A c_0 of zeros is taken for no initial states at all."""

    place = 1


@AREA.fault("zero-h-0-takes-c-0-along", needs=carries_c)
class ZeroStateTakesCell(_ZeroTakesTheOther):
    """An h_0 of zeros is taken for no initial states at all."""

    place = 0


@AREA.fault("states-of-a-batch-with-one-sequence", bases=("torch", "oracle"), needs=has_steps)
class BatchedStates(_Accepts):
    """An unbatched x takes states of a batch of one row."""

    axes = 2

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        if hx is not None:
            flat = [
                a[:, 0].copy() if np.ndim(a) == 3 else a
                for a in (hx if isinstance(hx, tuple) else (hx,))
            ]
            hx = tuple(flat) if isinstance(hx, tuple) else flat[0]
        return x, hx, lengths


@AREA.fault("features-of-one-sequence-cut", bases=("torch", "oracle"), needs=has_steps)
class FeaturesOfOneCut(_Accepts):
    """Of an unbatched x features beyond input_size are left out."""

    axes = 2

    def made_valid(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any, Any]:
        return x[:, : self.options.input_size].copy(), hx, lengths
