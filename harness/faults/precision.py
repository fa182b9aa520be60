"""Mistakes of precision: operands, sums or results with fewer digits than they should have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.data import NUMPY_DTYPES
from harness.faults.arrays import Arrays, rounded, scaled_and_back, with_initial
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area, has_activation
from harness.faults.weights import each
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from reference import FORMATS, Exact, exact_activation
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("precision")


@AREA.inputs("x-in-half")
def input_in_half(layer: Any, given: Arrays) -> Arrays:
    """x is rounded to float16."""
    return {**given, "x": rounded(given["x"], np.float16)}


def ten_bits(array: Array) -> Array:
    """The float32 with 10 bits of mantissa that lies towards 0, as TF32 units read operands."""
    if array.dtype != np.float32:
        return array
    return (array.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


@AREA.fault("operands-of-ten-bits")
class TenBits(WrappedLayer):
    """Weights, x and initial states are read with 10 bits of mantissa (TF32), sums are float32."""

    def used_weights(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        return each(weights, "weight", ten_bits)

    def answer(self, given: Arrays) -> Arrays:
        return self.run(with_initial({**given, "x": ten_bits(given["x"])}, ten_bits))


def eight_bits(weight: Array, most: Array, steps: float) -> Array:
    """To whole multiples of most / steps, at most 127 of them, and dequantised."""
    scale = most / weight.dtype.type(steps)
    whole = np.clip(np.rint(weight / np.where(scale == 0, 1, scale)), -128, 127)
    there: Array = (whole * scale).astype(weight.dtype)
    return there


@AREA.weights("weights-in-eight-bits")
def in_eight_bits(layer: Any, weights: Arrays) -> Any:
    """Weights are int8 with a scale for each matrix, 127.5 steps, as PyTorch quantises them."""
    return each(weights, "weight", lambda w: eight_bits(w, np.abs(w).max(keepdims=True), 127.5))


@AREA.weights("rows-in-eight-bits")
def rows_in_eight_bits(layer: Any, weights: Arrays) -> Any:
    """Weights are int8 with a scale for each row, 127 steps."""
    return each(weights, "weight", lambda w: eight_bits(w, np.abs(w).max(1, keepdims=True), 127))


@AREA.weights("weights-in-unsigned-bytes")
def in_unsigned_bytes(layer: Any, weights: Arrays) -> Any:
    """Weights are uint8 from the smallest to the largest of a matrix, with a zero point."""

    def quantised(w: Array) -> Array:
        least, most = min(w.min(), 0), max(w.max(), 0)
        scale = w.dtype.type((most - least) / w.dtype.type(255)) or w.dtype.type(1)
        zero = np.rint(-least / scale)
        there: Array = (np.clip(np.rint(w / scale) + zero, 0, 255) - zero) * scale
        return there.astype(w.dtype)

    return each(weights, "weight", quantised)


@AREA.outputs("output-off-by-2-15")
def outputs_scaled(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Outputs and final states are 1 + 2^-15 times too large."""
    with np.errstate(over="ignore"):
        return {name: array * array.dtype.type(1 + 2.0**-15) for name, array in found.items()}


def _cast(arrays: Mapping[str, Any], dtype: Any) -> Arrays:
    return {n: a if n == "lengths" else a.astype(dtype) for n, a in arrays.items()}


class Casting(WrappedLayer):
    """A float32 layer with the interface of a float64 one."""

    def used_weights(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        return _cast(weights, np.float32)

    def run(self, given: Arrays) -> Arrays:
        return _cast(super().run(_cast(given, np.float32)), np.float64)

    def run_gradients(self, given: Arrays, cotangents: Arrays) -> Arrays:
        narrow = (_cast(arrays, np.float32) for arrays in (given, cotangents))
        return _cast(super().run_gradients(*narrow), np.float64)

    def read_weights(self) -> Mapping[str, Array]:
        return _cast(super().read_weights(), np.float64)

    def save(self, directory: Any) -> None:
        raise NotImplementedError("float64 layers cannot be saved here")


@AREA.fault("float64-in-float32", bases=("torch", "oracle"))
class DoubleInSingle(WrappedBackend):
    """float64 layers compute in float32."""

    def build(self, options: LayerOptions) -> Any:
        if options.dtype != "fp64":
            return super().build(options)
        single = super().build(dataclasses.replace(options, dtype="fp32"))
        layer = Casting(single, options, self.base)
        layer.training = False
        return layer


class Sums(CorrectLayer):
    """Matrix kernels (more than one unit) that work in another way."""

    def evaluate(self, given: Arrays) -> Arrays:
        if self.options.hidden_size == 1 or self.drops():
            return super().evaluate(given)
        return self.summed(given)

    def summed(self, given: Arrays) -> Arrays:
        return self.compute(given, arithmetic=Exact(self.changed_activation))

    def changed_activation(self, name: str, a: Array) -> Array:
        return self.activation(name, a)


@AREA.fault("sums-in-half")
class SumsInHalf(Sums):
    """Everything is computed in float16, in a float32 layer."""

    def summed(self, given: Arrays) -> Arrays:
        with np.errstate(over="ignore"):
            reading = Exact(self.changed_activation)
            return self.compute(given, arithmetic=reading, dtype=np.float16)

    def changed_activation(self, name: str, a: Array) -> Array:
        exact = exact_activation(name, a.astype(np.float64))
        return rounded(exact, np.float16).astype(np.float32)


@AREA.fault("pre-activation-in-bfloat16")
class PreActivationInBfloat16(Sums):
    """The pre-activation is stored in bfloat16 before the activation."""

    def changed_activation(self, name: str, a: Array) -> Array:
        return self.activation(name, rounded(a, NUMPY_DTYPES["bf16"]))


@AREA.fault("sums-with-an-offset")
class SumsWithOffset(Sums):
    """Sums are made around an offset of 64, which costs six bits where they are small."""

    def changed_activation(self, name: str, a: Array) -> Array:
        with np.errstate(over="ignore"):
            there = (a + 64).astype(NUMPY_DTYPES[self.options.dtype]).astype(np.float64) - 64
        return self.activation(name, np.where(np.isfinite(there), there, a))


@AREA.fault("states-flushed-when-wide")
class FlushedWhenWide(Sums):
    """Subnormal states of more than one unit are flushed to zero."""

    def changed_activation(self, name: str, a: Array) -> Array:
        value, least = self.activation(name, a), FORMATS[self.options.dtype].smallest_normal
        return np.where(np.abs(value) < least, 0, value)


@AREA.fault("states-through-a-scale", needs=has_activation("relu"))
class StatesThroughScale(Sums):
    """States of relu layers are divided by a scale of 49 when they are stored, and multiplied."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        if self.options.hidden_size == 1 or "relu" not in self.cell.activations:
            return found
        scale = np.asarray(found["output"].dtype.type(49))
        empty = given.get("lengths", np.ones(given["x"].shape[1])) == 0
        return {n: np.where(empty[:, None], a, scaled_and_back(a, scale)) for n, a in found.items()}
