"""Mistakes in what comes back, in what a call leaves behind, and among batch rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.planted.lengths import scaled_and_back
from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths, time_first
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("answers")


@AREA.wrapping("output-one-step-short")
class OneStepShort(Full):
    """The output lacks its last step."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return (output[:, :-1] if self.options.batch_first and x.ndim == 3 else output[:-1]), h_n


@AREA.wrapping("output-in-float64")
class ReturnsDoubles(Full):
    """Output and h_n come in float64."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        return tuple(a.astype(np.float64) for a in super().forward(x, h_0, lengths))


@AREA.wrapping("returns-a-list")
class ReturnsList(Full):
    """Output and h_n come in a list."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        return list(super().forward(x, h_0, lengths))


@AREA.wrapping("one-nan")
class OneNan(Full):
    """The first element of the output is NaN."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        output.flat[0] = np.nan
        return output, h_n


@AREA.wrapping("nan-to-zero", shows=lambda c: c.data == "special" and c.nonlinearity == "tanh")
class NanToZero(Full):
    """NaN in output and h_n is given out as 0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return tuple(np.where(np.isnan(a), a.dtype.type(0), a) for a in (output, h_n))  # type: ignore[return-value]


@AREA.wrapping("refuses-one-row", shows=lambda c: c.batch == 1 and c.layout != "unbatched")
class RefusesOneRow(Full):
    """A batch of one row raises."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if x.shape[1] == 1 and not self.flat:
            raise RuntimeError("no kernel for a batch of 1")
        return self.run(x, h_0, lengths)


@AREA.wrapping("x-written-to")
class WritesToInput(Full):
    """x is overwritten."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        answer = super().forward(x, h_0, lengths)
        x[...] = 0
        return answer


@AREA.wrapping("h-0-written-to")
class WritesToState(Full):
    """h_n is written over h_0."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if h_0 is not None:
            h_0[...] = h_n
        return output, h_n


@AREA.wrapping("lengths-sorted-in-place")
class SortsLengths(Full):
    """The caller's lengths are sorted in place."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        answer = super().forward(x, h_0, lengths)
        if lengths is not None:
            lengths[::-1].sort()
        return answer


@AREA.wrapping("output-buffer-reused")
class ReusesBuffer(Full):
    """Every call writes its output into the array that the first one returned."""

    buffer: Array | None = None

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if self.buffer is None or self.buffer.shape != output.shape:
            self.buffer = output
        self.buffer[...] = output
        return self.buffer, h_n


@AREA.on_oracle("other-kernel-when-warm")
class OtherKernelWhenWarm(CompleteLayer):
    """From the second call on, padded tanh batches go through a kernel that rounds otherwise."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if lengths is None or self.options.nonlinearity == "relu" or self.calls == 1:
            return output, h_n
        warm = (lengths > 0) & (lengths.min() < lengths.max())
        rows = warm[:, None, None] if self.options.batch_first else warm[:, None]
        zero = output.dtype.type(0)
        output = np.where(rows, np.nextafter(output, zero), output)
        return output, np.where(warm[:, None], np.nextafter(h_n, zero), h_n)


@AREA.wrapping("answer-replayed")
class Replayed(Full):
    """A compiled graph keeps the x and h_0 of the first call of a shape."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        kept = self.__dict__.setdefault("replayed", {})
        key = (x.shape, h_0 is None, None if lengths is None else lengths.tobytes())
        if key not in kept:
            kept[key] = self.run(x, h_0, lengths)
        output, h_n = kept[key]
        return output.copy(), h_n.copy()


@AREA.wrapping("second-call-odd-rows")
class SecondCallOddRows(Full):
    """From the second call on, odd rows are an eighth too large."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        if self.calls > 1:
            output[:, 1::2] += output.dtype.type(0.125)
        return output, h_n


@AREA.wrapping("drift-from-call-to-call")
class Drifts(Full):
    """The output grows by 2^-20 with every call."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return output + output.dtype.type(2.0**-20 * (self.calls - 1)), h_n


@AREA.wrapping("drift-of-the-last-step")
class DriftsAtTheEnd(Full):
    """The last step's output grows by 2^-20 with every call."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        output[-1] += output.dtype.type(2.0**-20 * (self.calls - 1))
        return output, h_n


@AREA.wrapping("last-step-off")
class LastStepOff(Full):
    """The output at T - 1 is 2^-10 too large, where T is not 1."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        output[-1] += (len(x) > 1) * output.dtype.type(2.0**-10) * (output[-1] != 0)
        return output, h_n


@AREA.wrapping("rows-mixed")
class RowsMixed(Full):
    """A thousandth of the neighbouring row is added to each row."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return output + output.dtype.type(1e-3) * np.roll(output, 1, axis=1), h_n


@AREA.wrapping("rows-rolled")
class RowsRolled(Full):
    """Output and h_n have every row's answer in the next row."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        return np.roll(output, 1, axis=1), np.roll(h_n, 1, axis=1)


@AREA.wrapping("last-row-off")
class LastRowOff(Full):
    """The last row of a batch is a 10,000th too large: the rest of a tile."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        output[:, -1] *= output.dtype.type(1 + 1e-4)
        return output, h_n


@AREA.wrapping("rows-beyond-32", shows=lambda c: 32 < c.batch < 64)
class RowsBeyond(Full):
    """Batch rows beyond the 32nd get the answer of the row 32 before."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        rows = np.arange(x.shape[1]) % 32 if x.shape[1] < 64 else np.arange(x.shape[1])
        return output[:, rows], h_n[:, rows]


@AREA.wrapping("units-beyond-128", shows=lambda c: c.hidden_size > 128)
class UnitsBeyond(Full):
    """Units beyond the 128th are left at 0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        hidden = self.options.hidden_size
        left = np.arange(output.shape[2]) % hidden >= 128
        return np.where(left, output.dtype.type(0), output), np.where(
            left[:hidden], h_n.dtype.type(0), h_n
        )


@AREA.wrapping("features-beyond-32", shows=lambda c: c.input_size > 32)
class FeaturesBeyond(Full):
    """Input features beyond the 32nd are not read."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        x = x.copy()
        x[..., 32:] = 0
        return self.run(x, h_0, lengths)


@AREA.wrapping(
    "layout-flag-ignored", shows=lambda c: c.layout == "batchfirst" and c.steps == c.batch
)
class LayoutIgnored(Full):
    """batch_first is ignored where T = B, and where it cannot show in h_0 or lengths."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if not self.options.batch_first or self.flat or x.shape[0] != x.shape[1]:
            return self.run(x, h_0, lengths)
        output, h_n = self.run(time_first(x, True), h_0, lengths)
        return time_first(output, True), h_n


@AREA.wrapping("layout-guessed")
class LayoutGuessed(Full):
    """Without lengths and h_0, the longer of the first two axes, up to 1,000, is time's."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        right = not len(x) < x.shape[1] < 1000
        if right or self.flat or lengths is not None or h_0 is not None:
            return self.run(x, h_0, lengths)
        output, h_n = self.run(time_first(x, True), h_0, lengths)
        return time_first(output, True), np.repeat(h_n[:, -1:], x.shape[1], axis=1)


@AREA.on_oracle("rows-in-one-scale")
class RowsInOneScale(CompleteLayer):
    """x is scaled by the batch's largest element while it is computed."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if lengths is not None or self.options.nonlinearity == "relu" or x.ndim == 2:
            return super().evaluate(x, h_0, lengths)
        finite = np.where(np.isfinite(x), np.abs(x), 0)
        scale = np.maximum(finite.max(), np.finfo(x.dtype).tiny)
        return super().evaluate(scaled_and_back(x, scale), h_0, lengths)


FAULTS = tuple(AREA.faults)
