"""Mistakes of precision: operands, sums or results with fewer digits than they should have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.config import LayerOptions
from harness.planted.lengths import scaled_and_back
from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths, WrappedBackend, rounded
from reference import FORMATS, rnn
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("precision")


def ten_bits(array: Array) -> Array:
    """The float32 with 10 bits of mantissa that lies towards 0, as TF32 units read operands."""
    if array.dtype != np.float32:
        return array
    return (array.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


@AREA.wrapping("x-in-half")
class InputInHalf(Full):
    """x is rounded to float16."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return self.run(rounded(x, np.float16), h_0, lengths)


@AREA.wrapping("operands-of-ten-bits")
class TenBits(Full):
    """Weights, x and h_0 are read with 10 bits of mantissa (TF32); sums are made in float32."""

    def changed(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        return {n: ten_bits(a) if "weight" in n else a for n, a in weights.items()}

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return self.run(ten_bits(x), None if h_0 is None else ten_bits(h_0), lengths)


@AREA.wrapping("output-off-by-2-15")
class OutputScaled(Full):
    """Outputs and states given out are 1 + 2^-15 times too large."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        factor = output.dtype.type(1 + 2.0**-15)
        with np.errstate(over="ignore"):
            return output * factor, h_n * factor


@AREA.on_backend("float64-in-float32", bases=("torch", "oracle"))
class DoubleInSingle(WrappedBackend):
    """float64 layers compute in float32."""

    def build(self, options: LayerOptions) -> Any:
        if options.dtype != "fp64":
            return super().build(options)
        single = super().build(dataclasses.replace(options, dtype="fp32"))
        return Casting(single, options, self.base)


class Casting(Full):
    """A float32 layer behind the interface of a float64 one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.training = False

    def changed(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        return {n: a.astype(np.float32) for n, a in weights.items()}

    def run(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        states = None if h_0 is None else h_0.astype(np.float32)
        output, h_n = super().run(x.astype(np.float32), states, lengths)
        return output.astype(np.float64), h_n.astype(np.float64)

    def run_gradients(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> dict[str, Array]:
        states = None if h_0 is None else h_0.astype(np.float32)
        narrow = (a.astype(np.float32) for a in (output, h_n))
        found = super().run_gradients(x.astype(np.float32), states, lengths, *narrow)
        return {name: array.astype(np.float64) for name, array in found.items()}

    def read_weights(self) -> Mapping[str, Array]:
        read = super().read_weights()
        return {n: a.astype(np.float64) for n, a in read.items()}

    def save(self, directory: Any) -> None:
        raise NotImplementedError("float64 layers cannot be saved here")


class Sums(CompleteLayer):
    """Matrix kernels (more than one unit) that work in another way."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        if self.options.hidden_size == 1 or self.drops():
            return super().evaluate(x, h_0, lengths)
        return self.summed(x, h_0, lengths)

    def summed(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        return super().evaluate(x, h_0, lengths)

    def with_activation(
        self, activation: Any, x: Array, h_0: Array | None, lengths: Lengths, dtype: Any = float
    ) -> tuple[Array, Array]:
        o = self.options
        return rnn(
            x,
            h_0,
            self.used_weights(),
            num_layers=o.num_layers,
            nonlinearity=activation,
            bias=o.bias,
            batch_first=o.batch_first,
            bidirectional=o.bidirectional,
            lengths=lengths,
            dtype=dtype,
        )


@AREA.on_oracle("sums-in-half")
class SumsInHalf(Sums):
    """Everything is computed in float16, in a float32 layer."""

    def summed(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        def stored(a: Array) -> Array:
            exact = CompleteLayer.activation(self, a.astype(np.float64))
            return rounded(exact, np.float16).astype(np.float32)

        with np.errstate(over="ignore"):
            return self.with_activation(stored, x, h_0, lengths, np.float16)


@AREA.on_oracle("pre-activation-in-bfloat16")
class PreActivationInBfloat16(Sums):
    """The pre-activation is stored in bfloat16 before the activation."""

    def summed(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        narrow = NUMPY_DTYPES["bf16"]
        return self.with_activation(lambda a: self.activation(rounded(a, narrow)), x, h_0, lengths)


@AREA.on_oracle("sums-with-an-offset")
class SumsWithOffset(Sums):
    """Sums are made around an offset of 64, which costs six bits where they are small."""

    def summed(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        dtype = NUMPY_DTYPES[self.options.dtype]

        def shifted(a: Array) -> Array:
            with np.errstate(over="ignore"):
                there = (a + 64).astype(dtype).astype(np.float64) - 64
            return self.activation(np.where(np.isfinite(there), there, a))

        return self.with_activation(shifted, x, h_0, lengths)


@AREA.on_oracle("states-flushed-when-wide")
class FlushedWhenWide(Sums):
    """Subnormal states of more than one unit are flushed to zero."""

    def summed(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        fmt = FORMATS[self.options.dtype]

        def flushed(a: Array) -> Array:
            value = self.activation(a)
            return np.where(np.abs(value) < fmt.smallest_normal, 0, value)

        return self.with_activation(flushed, x, h_0, lengths)


@AREA.on_oracle("states-through-a-scale")
class StatesThroughScale(Sums):
    """States of relu layers are divided by a scale of 49 when they are stored, and multiplied."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if self.options.hidden_size == 1 or self.options.nonlinearity == "tanh":
            return output, h_n
        scale = np.asarray(output.dtype.type(49))
        empty = np.zeros(1, bool) if lengths is None else lengths == 0
        rows = empty[:, None] if x.ndim == 3 else empty
        return scaled_and_back(output, scale), np.where(rows, h_n, scaled_and_back(h_n, scale))


FAULTS = tuple(AREA.faults)
