"""A right implementation of everything that a backend may offer, and ones with one fault each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faulty import OracleLayer

from harness.case import NUMPY_DTYPES
from harness.config import LayerOptions
from reference import exact_activation, rnn
from reference.gradient import rnn_gradients

Array = Any


class CompleteLayer(OracleLayer):
    """The oracle with gradients, dropout, files, and the checks of arguments that torch makes."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options)
        self.training, self.rng = True, rng
        limit = 1 / np.sqrt(options.hidden_size)
        dtype = NUMPY_DTYPES[options.dtype]
        self.weights = {
            name: self.drawn(limit, shape).astype(dtype)
            for name, shape in options.parameter_shapes().items()
        }

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return self.rng.uniform(-limit, limit, shape)

    def train(self, training: bool) -> None:
        self.training = training

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.weights = {name: weights[name] for name in self.weights}

    def probability(self) -> float:
        return self.options.dropout

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        p = self.probability()
        return [(self.rng.random(shape) >= p) / (1 - p) for _ in range(self.options.num_layers - 1)]

    def drops(self) -> bool:
        return self.training and self.options.dropout > 0

    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        o = self.options
        directions = 2 if o.bidirectional else 1
        steps, batch = (x.shape[1], x.shape[0]) if o.batch_first else x.shape[:2]
        if x.ndim == 2:
            steps, batch = len(x), 1
        shape = (steps, batch, directions * o.hidden_size)
        return rnn(
            x,
            h_0,
            self.used_weights(),
            num_layers=o.num_layers,
            nonlinearity=self.activation,
            bias=o.bias,
            batch_first=o.batch_first,
            bidirectional=o.bidirectional,
            lengths=lengths,
            dropout_masks=self.masks(shape) if self.drops() else None,
        )

    def gradients(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        o = self.options
        flat, swap = x.ndim == 2, o.batch_first and x.ndim == 3
        if swap:
            x, output = x.swapaxes(0, 1), output.swapaxes(0, 1)
        if flat:
            x, output, h_n = x[:, None], output[:, None], h_n[:, None]
            h_0 = None if h_0 is None else h_0[:, None]
        found = self.derive(x, h_0, lengths, output, h_n)
        if h_0 is None:
            del found["h_0"]
        if swap:
            found["x"] = found["x"].swapaxes(0, 1)
        if flat:
            found |= {name: found[name][:, 0] for name in ("x", "h_0") if name in found}
        return {name: array.astype(x.dtype) for name, array in found.items()}

    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        o = self.options
        return rnn_gradients(
            x,
            h_0,
            self.used_weights(),
            output,
            h_n,
            num_layers=o.num_layers,
            nonlinearity=o.nonlinearity,
            bias=o.bias,
            bidirectional=o.bidirectional,
            lengths=lengths,
        )

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        x, h_0, lengths = self.arguments(*inputs, **named)
        self.validate(x, h_0, lengths)
        return self.forward(x, h_0, None if lengths is None else np.asarray(lengths))

    def arguments(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:  # noqa: A002
        return input, hx, lengths

    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        dtype = NUMPY_DTYPES[self.options.dtype]
        for name, array in (("x", x), ("h_0", h_0)):
            if array is None and name == "h_0":
                continue
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                raise TypeError(f"{name} must be an array of {dtype}")
        if x.ndim not in (2, 3) or x.shape[-1] != self.options.input_size or 0 in x.shape:
            raise ValueError(f"x has shape {x.shape}")
        if lengths is not None:
            batch = x.shape[0 if self.options.batch_first else 1]
            steps = x.shape[1 if self.options.batch_first else 0]
            lengths = np.asarray(lengths)
            if lengths.dtype.kind != "i" or lengths.shape != (batch,):
                raise ValueError("lengths must be integers, one for each row")
            if lengths.min() < 1 or lengths.max() > steps:
                raise ValueError("lengths must be in 1..T")

    def save(self, directory: Path) -> None:
        np.savez(directory / "weights.npz", **self.weights)

    def load(self, directory: Path) -> None:
        with np.load(directory / "weights.npz") as stored:
            self.weights = {name: stored[name] for name in self.weights}


class CompleteBackend:
    """Builds layers as torch does, with torch's checks of the arguments."""

    name = "complete"

    def __init__(self, layer: type[CompleteLayer] = CompleteLayer, name: str = "complete") -> None:
        self.layer, self.name = layer, name
        self.rng = np.random.default_rng(0)

    def build(self, options: LayerOptions) -> CompleteLayer:
        layer = self.layer(options, self.rng)
        layer.train(False)
        return layer

    def seed(self, value: int) -> None:
        self.rng = np.random.default_rng(value)

    def unsupported(self, config: Any) -> str | None:
        return "NumPy has no bfloat16" if config.dtype == "bf16" else None

    def construct(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], *, literal: bool = False
    ) -> CompleteLayer:
        return self.layer(self.options(*positional, **keywords), self.rng)

    def options(
        self,
        input_size: Any,
        hidden_size: Any,
        num_layers: Any = 1,
        nonlinearity: Any = "tanh",
        bias: Any = True,
        batch_first: Any = False,
        dropout: Any = 0.0,
        bidirectional: Any = False,
    ) -> LayerOptions:
        for size in (input_size, hidden_size, num_layers):
            if type(size) is not int or size < 1:
                raise TypeError(f"sizes must be positive integers, got {size!r}")
        for flag in (bias, batch_first, bidirectional):
            if type(flag) is not bool:
                raise TypeError(f"flags must be bool, got {flag!r}")
        if type(dropout) not in (int, float) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be within 0 and 1, got {dropout!r}")
        exact_activation(nonlinearity, np.zeros(1))
        return LayerOptions(
            input_size,
            hidden_size,
            num_layers,
            nonlinearity,
            bias,
            batch_first,
            float(dropout),
            bidirectional,
            "fp32",
        )


# Values.


class ReluOfNan(CompleteLayer):
    def activation(self, a: Array) -> Array:
        if self.options.nonlinearity == "relu":
            return np.where(a > 0, a, 0.0)
        return super().activation(a)


class TanhOfInfinity(CompleteLayer):
    def activation(self, a: Array) -> Array:
        return np.where(np.isinf(a), np.sign(a) * 2, super().activation(a))


# Gradients.


class NoBiasGradient(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        return {k: v * (not k.startswith("bias_hh")) for k, v in found.items()}


class DetachedState(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        return {**found, "h_0": found["h_0"] * 0}


class TruncatedInTime(CompleteLayer):
    """No gradient flows through the recurrence."""

    def used_weights(self) -> Mapping[str, Array]:
        return self.cut if hasattr(self, "cut") else self.weights

    def derive(self, *given: Array) -> dict[str, Array]:
        self.cut = {
            k: v * (0.5 if k.startswith("weight_hh") else 1) for k, v in self.weights.items()
        }
        found = super().derive(*given)
        del self.cut
        return found


class FlippedSign(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        return {**found, "x": -found["x"]}


class IgnoresStateCotangent(CompleteLayer):
    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        return super().derive(x, h_0, lengths, output, 0 * h_n)


class SlightlyScaled(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        return {k: v * (1 + 2.0**-14) for k, v in super().derive(*given).items()}


class PaddingIntoGradients(CompleteLayer):
    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        found = super().derive(x, h_0, lengths, output, h_n)
        if lengths is not None:
            padding = np.arange(len(x))[:, None] >= lengths
            with np.errstate(invalid="ignore"):
                found["weight_ih_l0"] = found["weight_ih_l0"] + 0 * x[padding].sum()
        return found


class GradientOfPadding(CompleteLayer):
    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        found = super().derive(x, h_0, lengths, output, h_n)
        if lengths is not None:
            found["x"][np.arange(len(x))[:, None] >= lengths] = 0.125
        return found


class WritesToCotangent(CompleteLayer):
    def gradients(self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array) -> Any:
        found = super().gradients(x, h_0, lengths, output, h_n)
        output[...] = 0
        return found


class Accumulates(CompleteLayer):
    """Gradients add up from call to call, as in .grad."""

    calls_of_gradients = 0

    def derive(self, *given: Array) -> dict[str, Array]:
        self.calls_of_gradients += 1
        return {k: v * self.calls_of_gradients for k, v in super().derive(*given).items()}


class Drifts(CompleteLayer):
    """The second gradients are off by subnormal numbers, though nothing is ever flushed."""

    drift = 0.0

    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        found["h_0"] = found["h_0"] * 0 + self.drift
        self.drift += 1e-39
        return found


class StaysInTraining(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        self.weights = {k: v * v.dtype.type(1.5) for k, v in self.weights.items()}
        return super().derive(*given)


class FinitePaddingLeaks(CompleteLayer):
    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        found = super().derive(x, h_0, lengths, output, h_n)
        if lengths is not None:
            padding = x[np.arange(len(x))[:, None] >= lengths]
            found["bias_hh_l0"] = (
                found["bias_hh_l0"] + np.nan_to_num(padding, posinf=1, neginf=-1).sum()
            )
        return found


# Dropout.


class DropsInEvaluation(CompleteLayer):
    def drops(self) -> bool:
        return self.options.dropout > 0


class DropsTheLastLayer(CompleteLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if self.drops():
            output = output * (self.rng.random(output.shape) >= self.options.dropout)
        return output, h_n


class Unscaled(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [(mask != 0).astype(float) for mask in super().masks(shape)]


class HalfTheRate(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        p = self.options.dropout
        return [(mask != 0) / (1 - p) for mask in super().masks(shape)]

    def probability(self) -> float:
        return self.options.dropout / 2


class ConstantInTime(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [np.repeat(mask[:1], shape[0], axis=0) for mask in super().masks(shape)]


class SameForAllRows(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [np.repeat(mask[:, :1], shape[1], axis=1) for mask in super().masks(shape)]


class NeighboursShare(CompleteLayer):
    """Units 1 and 2, 3 and 4, ... fare alike."""

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [mask[..., (np.arange(shape[2]) + 1) // 2] for mask in super().masks(shape)]


class HalvesShare(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        return [mask[:, np.arange(shape[1]) % (shape[1] // 2)] for mask in super().masks(shape)]


class DropsByDefault(CompleteBackend):
    def construct(self, positional: Any, keywords: Any, *, literal: bool = False) -> CompleteLayer:
        return super().construct(positional, {"dropout": 0.5, **keywords})


class SameEveryCall(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.rng = np.random.default_rng(3)
        return super().masks(shape)


class SharedByLayers(CompleteLayer):
    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        masks = super().masks(shape)
        return masks[:1] * len(masks)


class StatesDropped(CompleteLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if self.drops() and self.options.num_layers > 1:
            h_n[:1] *= self.rng.random(h_n[:1].shape) >= self.options.dropout
        return output, h_n


class ComesInEvaluation(CompleteBackend):
    def construct(self, *given: Any, literal: bool = False) -> CompleteLayer:
        layer = super().construct(*given)
        layer.train(False)
        return layer


# Parameters.


class Renamed(CompleteLayer):
    def read_weights(self) -> Mapping[str, Array]:
        return {name.replace("_l", "_layer"): array for name, array in self.weights.items()}


class ReadsInOtherOrder(CompleteLayer):
    def read_weights(self) -> Mapping[str, Array]:
        return dict(sorted(self.weights.items()))


class NormalWeights(CompleteLayer):
    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.clip(self.rng.normal(0, limit / 2, shape), -limit, limit)


class WiderWeights(CompleteLayer):
    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return 1.1 * super().drawn(limit, shape)


class PositiveWeights(CompleteLayer):
    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.abs(super().drawn(limit, shape))


class EqualWeights(CompleteLayer):
    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng(5).uniform(-limit, limit, shape)


class IgnoresTheSeed(CompleteBackend):
    def seed(self, value: int) -> None:
        pass


class OneSeed(CompleteBackend):
    def seed(self, value: int) -> None:
        super().seed(1)


class DrawsFromNumpy(CompleteLayer):
    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.random.uniform(-limit, limit, shape)


class LosesSignsOfZero(CompleteLayer):
    def save(self, directory: Path) -> None:
        np.savez(directory / "weights.npz", **{k: v + 0.0 for k, v in self.weights.items()})


class LosesSubnormals(CompleteLayer):
    def load(self, directory: Path) -> None:
        super().load(directory)
        for array in self.weights.values():
            array[np.abs(array) < np.finfo(array.dtype).tiny] = 0


class SwapsOnTheWay(CompleteLayer):
    """What comes from elsewhere is stored under other names; own files are consistent."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        self.weights["weight_hh_l0"] = self.weights["weight_hh_l0"][::-1].copy()


class LoadsForShow(CompleteLayer):
    """What is read back is what was loaded from the file; what is computed with is not."""

    def load(self, directory: Path) -> None:
        self.before = dict(self.weights)
        super().load(directory)

    def used_weights(self) -> Mapping[str, Array]:
        return getattr(self, "before", self.weights)


class SavesAndForgets(CompleteLayer):
    def save(self, directory: Path) -> None:
        super().save(directory)
        self.weights = {name: array * 0 for name, array in self.weights.items()}


# Calls.


class ReturnsOneArray(CompleteLayer):
    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return super().call(inputs, named)[0]


class ReturnsThree(CompleteLayer):
    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return (*super().call(inputs, named), None)


class ShorterInTraining(CompleteLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return (output[:, :-1] if self.training else output), h_n


class AcceptsEverything(CompleteLayer):
    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        pass

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        try:
            return super().forward(x, h_0, lengths)
        except Exception:
            return np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)


class RefusesTwoDimensions(CompleteLayer):
    def validate(self, x: Any, h_0: Any, lengths: Any) -> None:
        super().validate(x, h_0, lengths)
        if x.ndim == 2:
            raise ValueError("3-D x only")


class WrongForTwoDimensions(CompleteLayer):
    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        output, h_n = super().call(inputs, named)
        return (output * np.float32(0.75), h_n) if output.ndim == 2 else (output, h_n)


class OtherDefaults(CompleteBackend):
    def construct(self, positional: Any, keywords: Any, *, literal: bool = False) -> CompleteLayer:
        return super().construct(positional, {"nonlinearity": "relu", **keywords})


class PoisonedByErrors(CompleteLayer):
    poisoned = False

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, Any]:
        try:
            return super().call(inputs, named)
        except Exception:
            PoisonedByErrors.poisoned = True
            raise

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        if PoisonedByErrors.poisoned:
            PoisonedByErrors.poisoned = False
            raise RuntimeError("an error from before")
        return super().forward(x, h_0, lengths)


class OtherMode(CompleteBackend):
    """The same implementation in another mode, a little off."""

    mode_of = "complete"


class OtherModeLayer(CompleteLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        return output * (1 + 1e-4), h_n


complete = CompleteBackend()
