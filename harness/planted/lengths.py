"""Mistakes with lengths and padding."""

from __future__ import annotations

import numpy as np

from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths
from reference.arrays import Array, BoolArray, IntArray

__all__ = ["FAULTS"]

AREA = Area("lengths")


def _valid(x: Array, lengths: IntArray) -> BoolArray:
    """(T, B, 1)."""
    valid: BoolArray = (np.arange(len(x))[:, None] < lengths)[:, :, None]
    return valid


class OtherLengths(Full):
    """The layer within gets other lengths; outputs beyond the true ones are 0."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        raise NotImplementedError

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is None:
            return self.run(x, h_0, lengths)
        clean = np.where(_valid(x, lengths), x, x.dtype.type(0))
        return self.run(clean, h_0, self.other(lengths, len(x)))


@AREA.wrapping("lengths-compiled-in")
class CompiledIn(Full):
    """The lengths of the first call of a shape are used by all later ones."""

    compiled: dict[tuple[int, ...], IntArray] | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        self.compiled = self.compiled or {}
        if lengths is not None:
            lengths = self.compiled.setdefault(x.shape, lengths.copy())
        return self.run(x, h_0, lengths)


@AREA.wrapping("lengths-ignored")
class LengthsIgnored(OtherLengths):
    """Lengths are taken and ignored."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return None


@AREA.wrapping("lengths-one-short")
class LengthsOneShort(OtherLengths):
    """Each row ends one step too early."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.maximum(lengths - 1, 1)


@AREA.wrapping("lengths-one-long")
class LengthsOneLong(OtherLengths):
    """Each row ends one step too late."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.minimum(lengths + 1, steps)


@AREA.wrapping("lengths-clamped")
class LengthsClamped(OtherLengths):
    """Lengths are clamped to T - 1."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.clip(lengths, 1, max(steps - 1, 1))


@AREA.wrapping("lengths-of-the-neighbour")
class LengthsOfNeighbour(OtherLengths):
    """Each row has the length of the row beside it."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.roll(lengths, 1)


@AREA.wrapping("lengths-of-the-longest")
class LengthsOfLongest(OtherLengths):
    """Every row is as long as the longest one."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.full_like(lengths, lengths.max())


@AREA.wrapping("lengths-sorted")
class LengthsSorted(OtherLengths):
    """Lengths are sorted, the rows are not."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.sort(lengths)[::-1].copy()


@AREA.wrapping(
    "lengths-in-eight-bits",
    bases=("torch", "oracle"),  # 1,000 steps take the other one half a minute
    shows=lambda c: c.steps > 255 and c.lengths == "ragged",
)
class LengthsInEightBits(OtherLengths):
    """Lengths are kept in eight bits: 300 steps are 44."""

    def other(self, lengths: IntArray, steps: int) -> Lengths:
        return np.maximum(lengths.astype(np.uint8), lengths > 0).astype(np.int64)


@AREA.wrapping("rows-not-unsorted")
class RowsNotUnsorted(Full):
    """Rows are sorted by length before, and not put back behind."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is None:
            return output, h_n
        order = np.argsort(-lengths, kind="stable")
        return output[:, order], h_n[:, order]


@AREA.wrapping("h-n-not-unsorted")
class FinalStatesNotUnsorted(Full):
    """Rows are sorted by length before; behind, the output is put back, and h_n is not."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return output, h_n if lengths is None else h_n[:, np.argsort(-lengths, kind="stable")]


@AREA.wrapping("h-0-not-sorted")
class FirstStatesNotSorted(Full):
    """Rows of x are sorted by length before, those of h_0 are not."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is not None and h_0 is not None:
            h_0 = h_0[:, np.argsort(np.argsort(-lengths, kind="stable"))]
        return self.run(x, h_0, lengths)


@AREA.wrapping("padding-not-zeroed")
class PaddingNotZeroed(Full):
    """The output repeats a row's last state in its padding."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is not None:
            last = output[np.maximum(lengths - 1, 0), np.arange(x.shape[1])]
            output = np.where(_valid(x, lengths), output, last)
        return output, h_n


@AREA.wrapping("padding-nearly-zero")
class PaddingNearlyZero(Full):
    """The padding of a tanh layer's output is the smallest number there is, not 0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is not None and self.options.nonlinearity == "tanh":
            least = np.nextafter(output.dtype.type(0), output.dtype.type(1))
            output = np.where(_valid(x, lengths), output, least)
        return output, h_n


@AREA.wrapping("padding-leaks")
class PaddingLeaks(Full):
    """What stands in x at T - 1 is let into the whole row, a thousandth of it."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is None:
            return output, h_n
        last = np.nan_to_num(x[-1], posinf=3, neginf=-3).sum(axis=-1, keepdims=True) % 1
        return output * (1 + last / 1000).astype(x.dtype), h_n


@AREA.wrapping("padding-masked-by-product")
class MaskedByProduct(Full):
    """Padding is computed too and multiplied by 0, which leaves NaN and infinities NaN."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is None:
            return output, h_n
        poison = np.where(_valid(x, lengths), 0, x).sum(axis=2, keepdims=True) * x.dtype.type(0)
        return output + poison, h_n


@AREA.wrapping("h-n-at-t")
class FinalStateAtT(Full):
    """h_n of the last layer is its output at T - 1, padding or not."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        h_n[-self.options.directions] = output[-1, :, : self.options.hidden_size]
        return output, h_n


@AREA.wrapping("h-n-behind-the-padding")
class FinalStateBehindPadding(Full):
    """The output is masked, but the state runs on through the padding and is given as h_n."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is not None:
            clean = np.where(_valid(x, lengths), x, x.dtype.type(0))
            h_n = self.run(clean, h_0, None)[1]
        return output, h_n


@AREA.wrapping("h-n-one-step-early", bases=("torch", "mindspore", "oracle"))
class FinalStateOneEarly(Full):
    """h_n of the last layer is the state before the last step of each row."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        last = np.full(x.shape[1], len(x)) if lengths is None else lengths
        before = output[np.maximum(last - 2, 0), np.arange(x.shape[1])]
        h_n[-self.options.directions] = before[:, : self.options.hidden_size]
        return output, h_n


@AREA.wrapping(
    "empty-rows-forget-h-0",
    bases=("mindspore", "oracle"),
    shows=lambda c: c.lengths == "empties" and c.h_0,
)
class EmptyRowsForget(Full):
    """h_n of a row without steps is 0, not its h_0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is not None:
            h_n[:, lengths == 0] = 0
        return output, h_n


@AREA.wrapping("h-n-of-padded-rows-an-ulp-off")
class FinalStateUlpOff(Full):
    """h_n of padded rows is computed anew, and rounded otherwise than the output."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if lengths is not None and h_n.dtype.kind == "f":
            padded = (lengths < len(x)) & (lengths > 0)
            h_n[:, padded] = np.nextafter(h_n[:, padded], h_n.dtype.type(0))
        return output, h_n


@AREA.on_oracle("padding-in-the-row-scale")
class PaddingInScale(CompleteLayer):
    """Rows of x are scaled by their largest element while they are computed, padding included."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is None or self.options.nonlinearity == "relu":
            return super().evaluate(x, h_0, lengths)
        time = 1 if self.options.batch_first else 0
        finite = np.where(np.isfinite(x), np.abs(x), 0)
        scale = np.maximum(finite.max(axis=(time, 2), keepdims=True), np.finfo(x.dtype).tiny)
        return super().evaluate(scaled_and_back(x, scale), h_0, lengths)


def scaled_and_back(x: Array, scale: Array) -> Array:
    """Within two roundings of x, where nothing underflows."""
    with np.errstate(all="ignore"):
        there = x / scale.astype(x.dtype)
        small = np.abs(there) < np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps
        back: Array = np.where(small, x, there * scale.astype(x.dtype))
    return back


FAULTS = tuple(AREA.faults)
