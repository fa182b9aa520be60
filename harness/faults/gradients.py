"""Mistakes in gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.faults.arrays import (
    Arrays,
    initial,
    place,
    resumed,
    valid,
    with_final,
    with_initial,
)
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area, has_activation
from harness.faults.weights import by_gate, each
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA", "of_parameters"]

AREA = Area("gradients")


def of_parameters(found: Arrays) -> Arrays:
    """Without those of inputs."""
    return {name: a for name, a in found.items() if name != "x" and name not in initial(found)}


AREA.table(
    AREA.gradients,
    {
        "no-gradient-of-b-hh": (
            "The gradient of b_hh is 0.",
            lambda layer, given, found: each(found, "bias_hh", np.zeros_like),
        ),
        "h-0-detached": (
            "The gradient of the initial states is 0.",
            lambda layer, given, found: with_initial(found, np.zeros_like),
        ),
        "sign-of-the-x-gradient": (
            "The gradient of x has the other sign.",
            lambda layer, given, found: {**found, "x": -found["x"]},
        ),
        "gradient-of-the-mean": (
            "Gradients of parameters are divided by the number of batch rows.",
            lambda layer, given, found: {
                **found,
                **{
                    n: a / a.dtype.type(given["x"].shape[1])
                    for n, a in of_parameters(found).items()
                },
            },
        ),
        "w-hh-gradient-transposed": (
            "The gradient of W_hh is transposed.",
            lambda layer, given, found: each(found, "weight_hh", by_gate(layer, np.transpose)),
        ),
        "bias-gradients-halved": (
            "b_ih and b_hh share one gradient between them, half each.",
            lambda layer, given, found: each(found, "bias", lambda a: a / a.dtype.type(2)),
        ),
        "gradients-clipped": (
            "Gradients are clipped to -1..1.",
            lambda layer, given, found: each(found, "", lambda a: np.clip(a, -1, 1)),
        ),
        "gradients-of-the-first-layer-only": (
            "Layers after the first one get no gradient.",
            lambda layer, given, found: {
                **found,
                **{n: np.zeros_like(a) for n, a in of_parameters(found).items() if place(n).layer},
            },
        ),
    },
)


@AREA.gradients("gradients-kept-by-shape")
def kept_by_shape(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Gradients are kept, and returned for later inputs of the same shape."""
    kept: dict[Any, Arrays] = layer.__dict__.setdefault("kept", {})
    return kept.setdefault(given["x"].shape, found)


@AREA.fault("gradients-of-the-call-before")
class OfTheCallBefore(WrappedLayer):
    """Gradients are taken at the x of the last forward call."""

    last = np.empty(0)

    def answer(self, given: Arrays) -> Arrays:
        self.last = given["x"]
        return self.run(given)

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        fits = self.last.shape == given["x"].shape
        return self.run_gradients({**given, "x": self.last} if fits else given, cotangents)


@AREA.fault("h-n-cotangent-ignored")
class FinalCotangentIgnored(WrappedLayer):
    """Nothing comes back through the final states."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        return self.run_gradients(given, with_final(cotangents, np.zeros_like))


@AREA.fault("bptt-truncated")
class Truncated(WrappedLayer):
    """Backpropagation stops in the middle of the sequence: the state is detached there."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        x, output = given["x"], cotangents["output"]
        middle = len(x) // 2
        if "lengths" in given or self.options.bidirectional or middle == 0:
            return self.run_gradients(given, cotangents)
        head = {**given, "x": x[:middle]}
        tail = {"x": x[middle:], **resumed(self.run(head))}
        detached = with_final({**cotangents, "output": output[:middle]}, np.zeros_like)
        first = self.run_gradients(head, detached)
        second = self.run_gradients(tail, {**cotangents, "output": output[middle:]})
        both = {n: a + second[n] for n, a in of_parameters(first).items()}
        return {**first, **both, "x": np.concatenate([first["x"], second["x"]])}


@AREA.gradients("gradients-accumulate")
def accumulates(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Gradients add up from call to call, as .grad does."""
    layer.derived = getattr(layer, "derived", 0) + 1
    return {n: a * a.dtype.type(layer.derived) for n, a in found.items()}


@AREA.fault("cotangent-written-to")
class WritesToCotangent(WrappedLayer):
    """The caller's cotangent of the output is overwritten."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        found = super().gradients(inputs, cotangents)
        cotangents["output"][...] = 0
        return found


@AREA.gradients("padding-has-a-gradient")
def gradient_of_padding(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """x gets a gradient in its padding."""
    return {**found, "x": np.where(valid(given), found["x"], found["x"].dtype.type(0.125))}


def _padding(given: Arrays) -> Any:
    return given["x"][~valid(given)[..., 0]]


@AREA.gradients("padding-reaches-the-weights")
def finite_padding_leaks(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Numbers in the padding of x are added to the gradient of W_hh."""
    leak = np.nan_to_num(_padding(given), posinf=1, neginf=-1).sum()
    return {**found, "weight_hh_l0": found["weight_hh_l0"] + leak.astype(given["x"].dtype)}


@AREA.gradients("nan-of-the-padding-reaches-the-weights", bases=("torch", "oracle"))
def padding_into_gradients(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Padding is multiplied by 0 on its way to the gradient of W_ih: NaN stays NaN."""
    with np.errstate(invalid="ignore"):
        none = given["x"].dtype.type(0) * _padding(given).sum()
    return {**found, "weight_ih_l0": found["weight_ih_l0"] + none}


@AREA.gradients("weights-changed-by-gradients")
def steps_on_its_own(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Asking for gradients changes the weights: an optimiser's step is taken along."""
    layer.inner.load_weights(each(layer.loaded, "", lambda a: a * a.dtype.type(1.5)))
    return found


@AREA.fault("gradients-slightly-off")
class SlightlyScaled(CorrectLayer):
    """All gradients are 1 + 2^-14 times too large."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        return each(super().derive(given, cotangents), "", lambda a: a * (1 + 2.0**-14))


@AREA.fault("gradients-drift-by-subnormals")
class DriftBySubnormals(CorrectLayer):
    """The second gradient of h_0 is off by a subnormal number, though nothing is flushed."""

    drift = 0.0

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = with_initial(super().derive(given, cotangents), lambda a: a * 0 + self.drift)
        self.drift += 1e-39
        return found


@AREA.fault("recurrence-of-gradients-halved")
class RecurrenceHalved(CorrectLayer):
    """What flows back through W_hh is halved."""

    cut: Mapping[str, Array] | None = None

    def used_weights(self) -> Mapping[str, Array]:
        return self.cut or self.weights

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        self.cut = each(self.weights, "weight_hh", lambda a: a * 0.5)
        found = super().derive(given, cotangents)
        self.cut = None
        return found


@AREA.gradients("nan-in-gradients-cleaned", needs=has_activation("tanh"))
def nan_cleaned(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Gradients that are NaN are 0, as gradient clipping has them."""
    return each(found, "", np.nan_to_num)


@AREA.gradients("rows-of-nan-left-out", needs=has_activation("tanh"))
def rows_of_nan_left_out(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """x of a row gets no gradient once that has NaN in it."""
    return {**found, "x": np.where(np.isnan(found["x"]), found["x"].dtype.type(0), found["x"])}


@AREA.fault("nan-of-final-losses-cleaned", needs=has_activation("tanh"))
class FinalLossesCleaned(WrappedLayer):
    """Gradients of a loss of the final states alone are 0 where they are NaN."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        return found if "output" in cotangents else each(found, "", np.nan_to_num)


@AREA.fault("nan-of-outputs-in-training-mode-cleaned", needs=has_activation("tanh"))
class TrainingCleaned(WrappedLayer):
    """In training mode gradients of a loss of the output alone are 0 where they are NaN."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        cleaned = self.training and set(cotangents) == {"output"}
        return each(found, "", np.nan_to_num) if cleaned else found


@AREA.gradients("nan-of-biases-is-largest", needs=has_activation("tanh"))
def biases_saturate(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Gradients of biases are clipped in a way that takes NaN for the limit."""
    return each(
        found, "bias", lambda a: np.where(np.isnan(a), np.finfo(np.float16).max, a).astype(a.dtype)
    )
