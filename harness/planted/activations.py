"""Mistakes in tanh and relu."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import WrappedBackend, rounded
from reference import FORMATS
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("activations")


class Tanh(CompleteLayer):
    """A layer with a tanh of its own."""

    @property
    def ulp(self) -> float:
        """Above 1, in the layer's precision."""
        return 2 * FORMATS[self.options.dtype].unit_roundoff

    def activation(self, a: Array) -> Array:
        exact = super().activation(a)
        return self.tanh(a, exact) if self.options.nonlinearity == "tanh" else exact

    def tanh(self, a: Array, exact: Array) -> Array:
        return exact


class Relu(CompleteLayer):
    """A layer with a relu of its own."""

    def activation(self, a: Array) -> Array:
        exact = super().activation(a)
        return self.relu(a, exact) if self.options.nonlinearity == "relu" else exact

    def relu(self, a: Array, exact: Array) -> Array:
        return exact


@AREA.on_backend("nonlinearity-swapped")
class NonlinearitySwapped(WrappedBackend):
    """relu is taken for tanh, and tanh for relu."""

    def build(self, options: LayerOptions) -> Any:
        other = "relu" if options.nonlinearity == "tanh" else "tanh"
        return super().build(dataclasses.replace(options, nonlinearity=other))


@AREA.on_backend("nonlinearity-ignored")
class NonlinearityIgnored(WrappedBackend):
    """The nonlinearity is always the default, tanh."""

    def build(self, options: LayerOptions) -> Any:
        return super().build(dataclasses.replace(options, nonlinearity="tanh"))


@AREA.on_oracle("leaky-relu")
class LeakyRelu(Relu):
    """relu lets 1/100 of negative numbers through."""

    def relu(self, a: Array, exact: Array) -> Array:
        return np.where(a < 0, 0.01 * a, exact)


@AREA.on_oracle("relu-capped")
class CappedRelu(Relu):
    """relu is cut off at 6, as relu6 is."""

    def relu(self, a: Array, exact: Array) -> Array:
        return np.minimum(exact, 6)


@AREA.on_oracle("softplus")
class Softplus(Relu):
    """relu is smooth: log(1 + exp(50 a)) / 50."""

    def relu(self, a: Array, exact: Array) -> Array:
        return np.where(np.isfinite(a), np.logaddexp(0, 50 * a) / 50, exact)


@AREA.on_oracle("hard-tanh")
class HardTanh(Tanh):
    """tanh is a clipped to -1..1."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.clip(a, -1, 1)


@AREA.on_oracle("rational-tanh")
class RationalTanh(Tanh):
    """tanh is a Pade approximant [7/6], cut off at 5: within 1e-3."""

    def tanh(self, a: Array, exact: Array) -> Array:
        a = np.clip(a, -5, 5)
        s = a * a
        above = a * (135135 + s * (17325 + s * (378 + s)))
        quotient: Array = above / (135135 + s * (62370 + s * (3150 + s * 28)))
        return quotient


@AREA.on_oracle("tanh-by-exponentials")
class TanhByExponentials(Tanh):
    """tanh is (e^2a - 1) / (e^2a + 1) in float32: NaN beyond 44, no digits left near 0."""

    def tanh(self, a: Array, exact: Array) -> Array:
        e = np.exp(2 * a.astype(np.float32))
        quotient: Array = ((e - 1) / (e + 1)).astype(np.float64)
        return quotient


@AREA.on_oracle("tanh-in-half")
class TanhInHalf(Tanh):
    """tanh is evaluated in float16."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return rounded(exact, np.float16)


@AREA.on_oracle("tanh-from-a-table")
class TanhFromTable(Tanh):
    """tanh is interpolated between 4096 points."""

    def tanh(self, a: Array, exact: Array) -> Array:
        points = np.linspace(-9, 9, 4096)
        return np.interp(a, points, np.tanh(points))


@AREA.on_oracle("tanh-of-the-negative-half")
class TanhOfNegativeHalf(Tanh):
    """tanh is off by 2^-18 below -1."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.where(a < -1, exact * (1 + 2.0**-18), exact)


@AREA.on_oracle("tanh-not-odd")
class TanhNotOdd(Tanh):
    """tanh is an ulp too small for negative numbers only: no odd function any more."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.where((a < 0) & np.isfinite(a), exact * (1 - self.ulp), exact)


@AREA.on_oracle("tanh-beyond-one")
class TanhBeyondOne(Tanh):
    """tanh of several units at once ends an ulp beyond 1."""

    def tanh(self, a: Array, exact: Array) -> Array:
        if self.options.hidden_size == 1:
            return exact
        ends = (np.abs(exact) > 1 - self.ulp / 4) & np.isfinite(a)
        return np.where(ends, np.sign(exact) * (1 + self.ulp), exact)


@AREA.on_oracle("tanh-saturates-roughly")
class SaturatesRoughly(Tanh):
    """tanh of several units at once is 12 ulp off beyond 3, where nothing downstream shows it."""

    def tanh(self, a: Array, exact: Array) -> Array:
        if self.options.hidden_size == 1:
            return exact
        return np.where((np.abs(a) > 3) & np.isfinite(a), exact * (1 - 6 * self.ulp), exact)


@AREA.on_oracle("tanh-twice")
class TanhTwice(Tanh):
    """tanh is applied twice."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.tanh(exact)


@AREA.on_oracle("tanh-of-infinity")
class TanhOfInfinity(Tanh):
    """tanh of an infinity is 2."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.where(np.isinf(a), np.sign(a) * 2, exact)


@AREA.on_oracle("relu-of-nan")
class ReluOfNan(Relu):
    """relu is `a if a > 0 else 0`, which makes NaN 0."""

    def relu(self, a: Array, exact: Array) -> Array:
        return np.where(a > 0, a, 0.0)


@AREA.on_oracle("tanh-of-nan")
class TanhOfNan(Tanh):
    """NaN is 0 behind tanh."""

    def tanh(self, a: Array, exact: Array) -> Array:
        return np.where(np.isnan(a), 0.0, exact)


FAULTS = tuple(AREA.faults)
