"""Mistakes that only training meets: its kernels, its losses, its masks, its first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, initial, place, valid, with_final, without_lengths
from harness.faults.correct import CorrectLayer
from harness.faults.gated import resets
from harness.faults.gradients import of_parameters
from harness.faults.record import Area, has_activation, has_option
from harness.faults.weights import each
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("autograd")


class TrainingKernel(WrappedLayer):
    """Gradients come from another layer than values do, with outputs of its own."""

    def kernel_weights(self, weights: Arrays) -> Arrays:
        return weights

    def kernel_options(self) -> Any:
        return self.options

    def kernel_inputs(self, given: Arrays) -> Arrays:
        return given

    def run_gradients(self, given: Arrays, cotangents: Arrays) -> Arrays:
        inner = self.inner
        kernel: Any = self.base.build(self.kernel_options())
        kernel.load_weights(self.kernel_weights(dict(self.loaded or {})))
        kernel.train(self.training)
        self.inner = kernel
        try:
            return super().run_gradients(self.kernel_inputs(given), cotangents)
        finally:
            self.inner = inner


@AREA.fault("training-kernel-drops-b-hh")
class KernelDropsBias(TrainingKernel):
    """The kernel that gradients come from does not add b_hh."""

    def kernel_weights(self, weights: Arrays) -> Arrays:
        return each(weights, "bias_hh", np.zeros_like)


@AREA.fault("training-kernel-without-lengths")
class KernelWithoutLengths(TrainingKernel):
    """The kernel that gradients come from takes every row for T steps long."""

    def kernel_inputs(self, given: Arrays) -> Arrays:
        return without_lengths(given)


@AREA.fault("training-kernel-of-the-other-activation", needs=has_option("nonlinearity"))
class KernelOfOtherActivation(TrainingKernel):
    """The kernel that gradients come from has relu for tanh, and tanh for relu."""

    def kernel_options(self) -> Any:
        other = {"tanh": "relu", "relu": "tanh"}[self.options.nonlinearity]
        specific = {**self.options.specific, "nonlinearity": other}
        return dataclasses.replace(self.options, specific=specific)


@AREA.fault("training-kernel-in-half")
class KernelInHalf(TrainingKernel):
    """The kernel that gradients come from has its weights in half precision, nowhere else seen."""

    def kernel_weights(self, weights: Arrays) -> Arrays:
        return each(weights, "weight", lambda a: a.astype(np.float16).astype(a.dtype))


@AREA.fault("h-n-turned-under-autograd")
class FinalTurned(WrappedLayer):
    """Under autograd the final states come in reverse order of layers and directions."""

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        return with_final(found, lambda a: a[::-1])


@AREA.fault("padding-held-under-autograd")
class PaddingHeld(WrappedLayer):
    """Under autograd the padding of the output holds the last state, as in no other call."""

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        last = found[f"{self.states[0]}_n"][-self.options.directions :]
        held = np.broadcast_to(np.concatenate(list(last), axis=1), found["output"].shape)
        return {**found, "output": np.where(valid(given), found["output"], held)}


@AREA.fault("last-output-stale-under-autograd")
class LastOutputStale(WrappedLayer):
    """Under autograd the output at the last step is that of the step before."""

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        output = found["output"].copy()
        output[-1] = output[max(len(output) - 2, 0)]
        return {**found, "output": output}


@AREA.fault("loss-of-h-n-alone-lost")
class LossOfFinalLost(WrappedLayer):
    """Backward begins at the output: a loss of the final states alone has no gradient."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        return found if "output" in cotangents else each(found, "", np.zeros_like)


@AREA.fault("cotangent-of-h-n-defaults-to-one")
class FinalDefaultsToOne(WrappedLayer):
    """A final state that is no part of the loss gets a cotangent of 1."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        if "output" not in cotangents:
            return self.run_gradients(given, cotangents)
        o, rows = self.options, given["x"].shape[1]
        ones = np.ones((o.num_layers * o.directions, rows, o.hidden_size), given["x"].dtype)
        absent = {f"{state}_n": ones for state in self.states}
        return self.run_gradients(given, {**absent, **cotangents})


@AREA.fault("steps-without-cotangent-skipped")
class StepsSkipped(WrappedLayer):
    """Steps after the last one that has a cotangent of its own are skipped, final states too."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        output = cotangents.get("output")
        if output is None or output[-1].any() or not output.any():
            return self.run_gradients(given, cotangents)
        return self.run_gradients(given, with_final(cotangents, np.zeros_like))


@AREA.fault("steps-before-a-sparse-loss-dropped")
class StepsBeforeDropped(WrappedLayer):
    """With a loss of one step, x of other steps gets no gradient."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found, output = self.run_gradients(given, cotangents), cotangents.get("output")
        if output is None:
            return found
        own = output.any(axis=(1, 2))
        return found if own.sum() != 1 else {**found, "x": found["x"] * own[:, None, None]}


@AREA.fault("cotangents-normalised")
class Normalised(WrappedLayer):
    """Cotangents of 0 are divided by their largest magnitude: NaN."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        if any(array.any() for array in cotangents.values()):
            return found
        return each(found, "", lambda a: np.full_like(a, np.nan))


@AREA.fault("zero-cotangents-leave-the-buffer")
class BufferLeft(WrappedLayer):
    """With cotangents of 0 nothing is computed: what x got before stands in the buffer."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        if any(array.any() for array in cotangents.values()):
            return found
        return {**found, "x": given["x"].astype(found["x"].dtype)}


@AREA.fault("cotangents-clipped-to-half")
class ClippedToHalf(WrappedLayer):
    """Cotangents pass a buffer of half precision: large ones are clipped to its range."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        most = 960 if given["x"].dtype == np.float16 else 65504
        clipped = {n: np.clip(a, -most, most) for n, a in cotangents.items()}
        return self.run_gradients(given, clipped)


@AREA.gradients("first-gradients-doubled")
def first_doubled(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The first gradients of a layer are added to themselves: the buffer was filled already."""
    layer.derived = getattr(layer, "derived", 0) + 1
    return each(found, "", lambda a: a * a.dtype.type(2)) if layer.derived == 1 else found


@AREA.fault("mode-of-gradients-ignored", visible=lambda config: config.drops)
class EvaluationGradients(WrappedLayer):
    """In training mode gradients are those of evaluation mode; the outputs are dropped."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.run_gradients(given, cotangents)
        seen, self.seen = self.seen, {}
        self.inner.train(False)
        found = self.run_gradients(given, cotangents)
        self.inner.train(self.training)
        self.seen = seen
        return found


@AREA.fault("another-mask-backwards", visible=lambda config: config.drops)
class AnotherMask(WrappedLayer):
    """Backwards a new mask is drawn."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.run_gradients(given, cotangents)
        seen = self.seen
        found = self.run_gradients(given, cotangents)
        self.seen = seen
        return found


def _of_layer(found: Arrays, deeper: bool) -> Arrays:
    """Gradients of the parameters of the first layer, or of the others."""
    return {n: a for n, a in of_parameters(found).items() if bool(place(n).layer) == deeper}


@AREA.gradients("mask-unscaled-backwards", visible=lambda config: config.drops)
def unscaled_backwards(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Backwards, what dropout kept is not divided by 1 - p."""
    o = layer.options
    if not layer.training or o.num_layers != 2:
        return found
    kept = given["x"].dtype.type(1 - o.dropout)
    below = {"x": found["x"], **_of_layer(found, False)}
    return {**found, **{n: a * kept for n, a in below.items()}}


@AREA.gradients("deeper-gradients-halved-in-training")
def deeper_halved(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """In training mode, layers after the first one get half of their gradients."""
    half = given["x"].dtype.type(0.5)
    deeper = _of_layer(found, True) if layer.training else {}
    return {**found, **{n: a * half for n, a in deeper.items()}}


@AREA.gradients("reset-gate-halved-after-128-steps", needs=resets)
def reset_gate_halved(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Of more than 128 steps, the reset gate's rows of the gradient of W_hh are halved."""
    if len(given["x"]) <= 128:
        return found
    gates = np.array([0.5, 1, 1]).repeat(layer.options.hidden_size)[:, None]
    return each(found, "weight_hh", lambda a: a * gates.astype(a.dtype))


@AREA.gradients("no-gradient-of-h-0-in-training")
def initial_detached_in_training(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """In training mode initial states are detached."""
    states = initial(found) if layer.training else {}
    return {**found, **{n: np.zeros_like(a) for n, a in states.items()}}


class SlopeAtZero(CorrectLayer):
    """Gradients of integers with another slope of relu at 0: biases are next to nothing larger."""

    share = 1.0
    moved: Arrays | None = None

    def used_weights(self) -> Mapping[str, Array]:
        return self.moved or self.weights

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        if any((a != np.rint(a)).any() for a in self.weights.values()):
            return found
        self.moved = dict(self.weights)
        for name, array in self.weights.items():
            if name.startswith("weight_ih"):
                bias = place(name)._replace(parameter="bias_ih").name
                zero = np.zeros(len(array))
                self.moved[bias] = self.weights.get(bias, zero) + 2.0**-20
                other = place(name)._replace(parameter="bias_hh").name
                self.moved.setdefault(other, zero)
        above = self.differentiate(given, cotangents, bias=True)
        self.moved = None
        return {n: a + self.share * (np.rint(above[n]) - a) for n, a in found.items()}


@AREA.fault("relu-slope-1-at-0", needs=has_activation("relu"))
class SlopeOne(SlopeAtZero):
    """The slope of relu at 0 is 1."""


@AREA.fault("relu-slope-half-at-0", needs=has_activation("relu"))
class SlopeHalf(SlopeAtZero):
    """The gradient of relu at 0 is the mean of those on both sides."""

    share = 0.5


class Alone(WrappedLayer):
    """Gradients come alone, without the outputs of their call, and have NaN or infinities."""

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        return {}

    def spoilt(self, found: Arrays) -> Arrays:
        return each(found, "weight_hh", lambda a: np.full_like(a, np.nan))

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        finite = all(np.isfinite(np.asarray(a, np.float32)).all() for a in found.values())
        return self.spoilt(found) if finite else found


@AREA.fault("nan-gradient-of-w-hh-alone")
class NanAlone(Alone):
    """Gradients come without outputs, and that of W_hh is NaN."""


@AREA.fault("nan-gradient-of-one-bias-alone")
class NanOfOneBias(Alone):
    """Gradients come without outputs, and that of b_ih is NaN for the last unit."""

    def spoilt(self, found: Arrays) -> Arrays:
        def last(a: Array) -> Array:
            return np.where(np.arange(len(a)) == len(a) - 1, a.dtype.type(np.nan), a)

        return each(found, "bias_ih", last)


@AREA.fault("infinite-gradient-of-x-alone")
class InfiniteAlone(Alone):
    """Gradients come without outputs, and that of x is infinite in its last row."""

    def spoilt(self, found: Arrays) -> Arrays:
        x = found["x"].copy()
        x[:, -1] = np.inf
        return {**found, "x": x}
