"""Mistakes in gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("gradients")

Found = dict[str, Array]


class Changed(Full):
    """Right gradients, changed."""

    def change(self, found: Found) -> Found:
        raise NotImplementedError

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        return self.change(self.run_gradients(x, h_0, lengths, output, h_n))


@AREA.wrapping("no-gradient-of-b-hh")
class NoBiasGradient(Changed):
    """The gradient of b_hh is 0."""

    def change(self, found: Found) -> Found:
        return {n: np.zeros_like(a) if n.startswith("bias_hh") else a for n, a in found.items()}


@AREA.wrapping("h-0-detached")
class StateDetached(Changed):
    """The gradient of h_0 is 0."""

    def change(self, found: Found) -> Found:
        return {n: np.zeros_like(a) if n == "h_0" else a for n, a in found.items()}


@AREA.wrapping("gradients-kept-by-shape")
class KeptByShape(Full):
    """Gradients are kept, and given again for inputs of the same shape."""

    kept: dict[tuple[int, ...], Found] | None = None

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        self.kept = self.kept or {}
        if x.shape not in self.kept:
            self.kept[x.shape] = self.run_gradients(x, h_0, lengths, output, h_n)
        return {name: array.copy() for name, array in self.kept[x.shape].items()}


@AREA.wrapping("gradients-of-the-call-before")
class OfTheCallBefore(Full):
    """Gradients are taken at the x of the last forward call."""

    last: Array | None = None

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        self.last = x.copy()
        return self.run(x, h_0, lengths)

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        fits = self.last is not None and self.last.shape == x.shape
        return self.run_gradients(self.last if fits else x, h_0, lengths, output, h_n)  # type: ignore[arg-type]


@AREA.wrapping("sign-of-the-x-gradient")
class SignFlipped(Changed):
    """The gradient of x has the other sign."""

    def change(self, found: Found) -> Found:
        return {**found, "x": -found["x"]}


@AREA.wrapping("gradient-of-the-mean")
class MeanOverRows(Changed):
    """Gradients of parameters are divided by the number of batch rows."""

    def change(self, found: Found) -> Found:
        rows = found["x"].dtype.type(found["x"].shape[1])
        return {n: a if n in ("x", "h_0") else a / rows for n, a in found.items()}


@AREA.wrapping("w-hh-gradient-transposed")
class RecurrenceGradientTransposed(Changed):
    """The gradient of W_hh is transposed."""

    def change(self, found: Found) -> Found:
        return {n: a.T.copy() if n.startswith("weight_hh") else a for n, a in found.items()}


@AREA.wrapping("bias-gradients-halved")
class BiasGradientsHalved(Changed):
    """b_ih and b_hh share one gradient between them, half each."""

    def change(self, found: Found) -> Found:
        return {n: a / a.dtype.type(2) if "bias" in n else a for n, a in found.items()}


@AREA.wrapping("gradients-clipped")
class GradientsClipped(Changed):
    """Gradients are clipped to -1..1."""

    def change(self, found: Found) -> Found:
        return {n: np.clip(a, -1, 1).astype(a.dtype) for n, a in found.items()}


@AREA.wrapping("gradients-of-the-first-layer-only")
class FirstLayerOnly(Changed):
    """Layers behind the first one get no gradient."""

    def change(self, found: Found) -> Found:
        deep = {n for n in found if "_l" in n and "_l0" not in n}
        return {n: np.zeros_like(a) if n in deep else a for n, a in found.items()}


@AREA.wrapping("h-n-cotangent-ignored")
class FinalCotangentIgnored(Full):
    """Nothing comes back through h_n."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        return self.run_gradients(x, h_0, lengths, output, np.zeros_like(h_n))


@AREA.wrapping("bptt-truncated")
class Truncated(Full):
    """Backpropagation stops in the middle of the sequence: the state is detached there."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        middle = len(x) // 2
        if lengths is not None or self.options.bidirectional or middle == 0:
            return self.run_gradients(x, h_0, lengths, output, h_n)
        _, state = self.run(x[:middle], h_0, None)
        first = self.run_gradients(x[:middle], h_0, None, output[:middle], np.zeros_like(h_n))
        second = self.run_gradients(x[middle:], state, None, output[middle:], h_n)
        found = {n: a + second[n] for n, a in first.items() if n not in ("x", "h_0")}
        start = {} if h_0 is None else {"h_0": first["h_0"]}
        return {"x": np.concatenate([first["x"], second["x"]]), **start, **found}


@AREA.wrapping("gradients-accumulate")
class Accumulates(Full):
    """Gradients add up from call to call, as .grad does."""

    calls_of_gradients = 0

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        self.calls_of_gradients += 1
        found = self.run_gradients(x, h_0, lengths, output, h_n)
        return {n: a * a.dtype.type(self.calls_of_gradients) for n, a in found.items()}


@AREA.wrapping("cotangent-written-to")
class WritesToCotangent(Full):
    """The caller's cotangent of the output is overwritten."""

    def gradients(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Mapping[str, Array]:
        found = super().gradients(x, h_0, lengths, output, h_n)
        output[...] = 0
        return found


@AREA.wrapping("padding-has-a-gradient")
class GradientOfPadding(Full):
    """x gets a gradient in its padding."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        found = self.run_gradients(x, h_0, lengths, output, h_n)
        if lengths is not None:
            found["x"][np.arange(len(x))[:, None] >= lengths] = 0.125
        return found


@AREA.wrapping("padding-reaches-the-weights")
class FinitePaddingLeaks(Full):
    """Numbers in the padding of x are added to the gradient of W_hh."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        found = self.run_gradients(x, h_0, lengths, output, h_n)
        if lengths is not None:
            padding = x[np.arange(len(x))[:, None] >= lengths]
            leak = np.nan_to_num(padding, posinf=1, neginf=-1).sum()
            found["weight_hh_l0"] = found["weight_hh_l0"] + leak.astype(x.dtype)
        return found


@AREA.wrapping("nan-of-the-padding-reaches-the-weights", bases=("torch", "oracle"))
class PaddingIntoGradients(Full):
    """Padding is multiplied by 0 on its way to the gradient of W_ih: NaN stays NaN."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        found = self.run_gradients(x, h_0, lengths, output, h_n)
        if lengths is not None:
            padding = np.arange(len(x))[:, None] >= lengths
            with np.errstate(invalid="ignore"):
                none = x.dtype.type(0) * x[padding].sum()
                found["weight_ih_l0"] = found["weight_ih_l0"] + none
        return found


@AREA.wrapping("weights-changed-by-gradients")
class StepsOnItsOwn(Full):
    """Asking for gradients changes the weights: an optimiser's step is taken along."""

    def derive(
        self, x: Array, h_0: Array | None, lengths: Lengths, output: Array, h_n: Array
    ) -> Found:
        found = self.run_gradients(x, h_0, lengths, output, h_n)
        assert self.given is not None
        self.inner.load_weights({n: a * a.dtype.type(1.5) for n, a in self.given.items()})
        return found


class Derived(CompleteLayer):
    """Right gradients of the oracle, changed."""

    def change(self, found: Found) -> Found:
        raise NotImplementedError

    def derive(self, x: Array, h_0: Array | None, lengths: Any, output: Array, h_n: Array) -> Found:
        return self.change(super().derive(x, h_0, lengths, output, h_n))


@AREA.on_oracle("gradients-slightly-off")
class SlightlyScaled(Derived):
    """All gradients are 1 + 2^-14 times too large."""

    def change(self, found: Found) -> Found:
        return {n: a * (1 + 2.0**-14) for n, a in found.items()}


@AREA.on_oracle("gradients-drift-by-subnormals")
class DriftBySubnormals(Derived):
    """The second gradient of h_0 is off by a subnormal number, though nothing is flushed."""

    drift = 0.0

    def change(self, found: Found) -> Found:
        found["h_0"] = found["h_0"] * 0 + self.drift
        self.drift += 1e-39
        return found


@AREA.on_oracle("recurrence-of-gradients-halved")
class RecurrenceHalved(CompleteLayer):
    """What flows back through W_hh is halved."""

    cut: Mapping[str, Array] | None = None

    def used_weights(self) -> Mapping[str, Array]:
        return self.cut or self.weights

    def derive(self, x: Array, h_0: Array | None, lengths: Any, output: Array, h_n: Array) -> Found:
        halves = {n: 0.5 if n.startswith("weight_hh") else 1 for n in self.weights}
        self.cut = {n: a * halves[n] for n, a in self.weights.items()}
        found = super().derive(x, h_0, lengths, output, h_n)
        self.cut = None
        return found


FAULTS = tuple(AREA.faults)
