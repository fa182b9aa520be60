"""Correct implementations that compute otherwise than the oracle, within the law: no faults."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.faults.arrays import Arrays, clean, valid
from harness.faults.calls import RuinedByRefusal
from harness.faults.chained import Chained, Stepped
from harness.faults.correct import CorrectLayer, ForwardLayer
from harness.faults.layers import FusedStack
from harness.faults.record import Area
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from harness.layers import LayerRecord
from reference import FORMATS, Block, Exact, exact_activation
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("variants")


@AREA.fault("the-oracle-rounded")
class Rounded(CorrectLayer):
    """The oracle's values, rounded once."""


@AREA.fault("the-layer-itself")
class Itself(WrappedLayer):
    """The layer inside, wrapped by nothing."""


@AREA.fault("rounded-otherwise-after-a-refusal")
class OtherKernelAfterRefusal(RuinedByRefusal):
    """Calls after a refused one take another kernel, which rounds otherwise."""

    def after(self, output: Any) -> Any:
        unit = np.finfo(output.dtype).eps if output.dtype.kind == "f" else 0
        return output * output.dtype.type(1 + unit)


def has_steps(record: LayerRecord) -> bool:
    """Whether a call takes several steps, which a cell does not."""
    return not record.single_step


@AREA.fault("a-chain-of-single-layers", needs=has_steps)
class Chain(Chained):
    """Every direction of every layer is a real layer of its own."""


@AREA.fault("step-by-step", bases=("torch", "oracle"), needs=has_steps)
class StepByStep(Stepped):
    """One call of a real layer for each step."""


@AREA.returned("other-memory-layout", bases=("torch", "oracle"))
def other_memory(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Arrays come back in Fortran's order, and read-only."""
    found = {name: np.asfortranarray(array) for name, array in found.items()}
    for array in found.values():
        array.flags.writeable = False
    return found


@AREA.returned("views", bases=("torch", "oracle"))
def views(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Arrays come back as every second element of larger ones."""
    return {name: np.repeat(array, 2, axis=-1)[..., ::2] for name, array in found.items()}


@AREA.fault("a-fused-stack")
class Fused(FusedStack):
    """Hidden layers of a stack sum in another order than the same layers alone."""


@AREA.fault("states-kept-in-double")
class DoubleStates(CorrectLayer):
    """As the oracle: all states of a call are kept in float64, and rounded when returned."""


@AREA.fault("gradients-without-outputs")
class WithoutOutputs(WrappedLayer):
    """Gradients come alone, without the outputs of their call."""

    def training_values(self, given: Arrays, found: Arrays) -> Arrays:
        return {}


class TrainingOnly(WrappedLayer):
    """In evaluation mode there are no gradients."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        if not self.training:
            raise RuntimeError("backward can only be called in training mode")
        return self.run_gradients(given, cotangents)


@AREA.fault("gradients-in-training-mode-only")
class GradientsInTrainingOnly(WrappedBackend):
    """A backend that says that it gives gradients in training mode only."""

    gradients_in_training_only = True

    def __init__(self, base: Any) -> None:
        super().__init__(base, TrainingOnly)


Update = Callable[[Array, Array, Array], Array]


class Sum:
    """A sum of products W v + b that is not computed yet."""

    def __init__(self, products: list[tuple[Block, Array]]) -> None:
        self.products = products


class Deferred(Exact):
    """Sums are computed where their values are needed, from all their products at once."""

    def __init__(self, activation: Any, total: Callable[[Sum], Array]) -> None:
        super().__init__(activation)
        self.total = total

    def value(self, one: Any) -> Array:
        return self.total(one) if isinstance(one, Sum) else one

    def linear(self, block: Block, value: Array) -> Any:
        return Sum([(block, value)])

    def add(self, *terms: Any) -> Any:
        if all(isinstance(term, Sum) for term in terms):
            return Sum([product for term in terms for product in term.products])
        return super().add(*map(self.value, terms))

    def multiply(self, one: Any, other: Any) -> Array:
        return super().multiply(self.value(one), self.value(other))

    def activation(self, name: str, value: Any) -> Array:
        return super().activation(name, self.value(value))


class Float32(ForwardLayer):
    """Everything in the layer's own precision, in float32 where it has less; values only."""

    def total(self, one: Sum) -> Array:
        raise NotImplementedError

    def evaluate(self, given: Arrays) -> Arrays:
        dtype = {"fp16": np.float16, "fp32": np.float32}.get(self.options.dtype)
        if dtype is None or self.cell.projection is not None:
            return super().evaluate(given)

        def stored(name: str, a: Array) -> Array:
            return exact_activation(name, a.astype(np.float64)).astype(dtype).astype(np.float32)

        return self.compute(given, arithmetic=self.reading(stored), dtype=np.float32)

    def reading(self, activation: Any) -> Deferred:
        return Deferred(activation, self.total)


def carries_c(record: LayerRecord) -> bool:
    """Whether the layer has a cell state."""
    return "c" in record.cell(Config.of(record.name)).states


class Unrounded(Deferred):
    """Products of gates are kept in float64 until they are added up, and rounded then, once."""

    def multiply(self, one: Any, other: Any) -> Array:
        exact: Array = self.value(one).astype(np.float64) * self.value(other).astype(np.float64)
        return exact

    def add(self, *terms: Any) -> Any:
        found = super().add(*terms)
        return found if isinstance(found, Sum) else found.astype(np.float32)

    def linear(self, block: Block, value: Array) -> Any:
        return super().linear(block, value.astype(np.float32))


@AREA.fault("cell-update-rounded-once", needs=carries_c)
class UpdateRoundedOnce(Float32):
    """c' = f c + i g is rounded once, as a double accumulator does it; sums are one product."""

    def total(self, one: Sum) -> Array:
        return OneProduct.total(self, one)  # type: ignore[arg-type]

    def reading(self, activation: Any) -> Deferred:
        return Unrounded(activation, self.total)


@AREA.fault("gates-in-one-product", needs=carries_c)
class GatesInOneProduct(CorrectLayer):
    """All gates are one matrix product of x and h side by side, and one of each step."""

    def evaluate(self, given: Arrays) -> Arrays:
        if self.drops() or self.options.dtype != "fp32" or self.cell.projection is not None:
            return super().evaluate(given)
        return fused_lstm(self, given)


def fused_lstm(layer: CorrectLayer, given: Arrays) -> Arrays:
    """An LSTM in float32 as kernels compute it, written without `reference`."""
    o, y, one = layer.options, clean(given)["x"], np.float32(1)
    shape = (o.num_layers * o.directions, y.shape[1], o.hidden_size)
    ends = {n: given.get(f"{n}_0", np.zeros(shape, np.float32)).copy() for n in "hc"}
    if {array.shape for array in ends.values()} != {shape}:
        raise ValueError(f"initial states, expected of shape {shape}")
    keep = valid(given)
    with np.errstate(all="ignore"):
        for number in range(o.num_layers):
            sides = []
            for reverse in (False, True)[: o.directions]:
                suffix, row = f"_l{number}" + "_reverse" * reverse, number * o.directions + reverse
                used = layer.used_weights()
                matrix = np.concatenate([used["weight_ih" + suffix], used["weight_hh" + suffix]], 1)
                bias = used.get("bias_ih" + suffix, 0) + used.get("bias_hh" + suffix, np.float32(0))
                h, c = ends["h"][row], ends["c"][row]
                states = np.zeros((*y.shape[:2], o.hidden_size), np.float32)
                for t in range(len(y))[:: -1 if reverse else 1]:
                    a = np.concatenate([y[t], h], axis=1) @ matrix.T + bias
                    i, f, g, out = np.split(a, 4, axis=1)
                    i, f, out = (one / (one + np.exp(-v)) for v in (i, f, out))
                    new = f * c + i * np.tanh(g)
                    c = np.where(keep[t], new, c)
                    h = np.where(keep[t], out * np.tanh(new), h)
                    states[t] = np.where(keep[t], h, 0)
                ends["h"][row], ends["c"][row] = h, c
                sides.append(states)
            y = np.concatenate(sides, axis=2)
    return {"output": y, "h_n": ends["h"], "c_n": ends["c"]}


@AREA.fault("sums-shuffled")
class Shuffled(Float32):
    """Sums are made term by term in float32, in an order drawn for each layer."""

    def total(self, one: Sum) -> Array:
        terms: list[Array] = []
        for block, value in one.products:
            terms += [value[:, j : j + 1] * block.weight[:, j] for j in range(value.shape[1])]
            terms += [] if block.bias is None else [block.bias[None]]
        order = np.random.default_rng(len(terms)).permutation(len(terms))
        total = np.zeros(terms[0].shape, np.float32)
        for place in order:
            total = total + terms[place]
        return total


@AREA.fault("one-product")
class OneProduct(Float32):
    """x and h stand side by side in one matrix product; both biases are added up beforehand."""

    def total(self, one: Sum) -> Array:
        values = np.concatenate([value for _, value in one.products], axis=1)
        matrix = np.concatenate([block.weight for block, _ in one.products], axis=1)
        product: Array = values @ matrix.T
        biases = [block.bias for block, _ in one.products if block.bias is not None]
        return product + sum(biases) if biases else product


def updates(record: LayerRecord) -> bool:
    """Whether the cell has an update gate, which weighs the old state and a new one."""
    return "z" in record.cell(Config.of(record.name)).gates


class Updating(Deferred):
    """With another form of (1 - z) n + z h; sums as one product."""

    def __init__(self, activation: Any, total: Callable[[Sum], Array], update: Update) -> None:
        super().__init__(activation, total)
        self.update = update

    def blend(self, weight: Any, one: Any, other: Any) -> Array:
        return self.update(self.value(weight), self.value(one), self.value(other))


class OtherUpdate(OneProduct):
    """Everything in float32, and the update in another form."""

    def update(self, z: Array, n: Array, h: Array) -> Array:
        raise NotImplementedError

    def reading(self, activation: Any) -> Deferred:
        return Updating(activation, self.total, self.update)


@AREA.fault("update-by-difference", needs=updates)
class UpdateByDifference(OtherUpdate):
    """h' = n + z (h - n)."""

    def update(self, z: Array, n: Array, h: Array) -> Array:
        found: Array = n + z * (h - n)
        return found


@AREA.fault("update-from-the-old-state", needs=updates)
class UpdateFromOld(OtherUpdate):
    """h' = n - z n + z h, each product by itself."""

    def update(self, z: Array, n: Array, h: Array) -> Array:
        found: Array = n - z * n + z * h
        return found


@AREA.fault("update-fused", needs=updates)
class UpdateFused(OtherUpdate):
    """h' = fma(z, h, (1 - z) n), the last product unrounded."""

    def update(self, z: Array, n: Array, h: Array) -> Array:
        kept = ((z.dtype.type(1) - z) * n).astype(np.float64)
        fused: Array = (z.astype(np.float64) * h + kept).astype(z.dtype)
        return fused


AREA.table(
    functools.partial(AREA.activation, of="sigmoid"),
    {
        "sigmoid-by-tanh": (
            "Sigmoid is (1 + tanh(a / 2)) / 2, in the layer's precision.",
            lambda layer, a, exact: _in_own(layer, a, lambda a: (1 + np.tanh(a / 2)) / 2),
        ),
        "sigmoid-by-exp": (
            "Sigmoid is 1 / (1 + exp(-a)), in the layer's precision.",
            lambda layer, a, exact: _in_own(layer, a, lambda a: 1 / (1 + np.exp(-a))),
        ),
        "sigmoid-by-exp-of-a": (
            "Sigmoid is exp(a) / (1 + exp(a)), of negative arguments and else 1 minus that.",
            lambda layer, a, exact: _in_own(
                layer,
                a,
                lambda a: np.where(
                    a < 0, np.exp(-abs(a)) / (1 + np.exp(-abs(a))), 1 / (1 + np.exp(-abs(a)))
                ),
            ),
        ),
    },
)


def _in_own(layer: Any, a: Array, of: Callable[[Array], Array]) -> Array:
    dtype = NUMPY_DTYPES[layer.options.dtype].type
    with np.errstate(all="ignore"):
        found: Array = of(a.astype(dtype)).astype(np.float64)
    return found


@AREA.fault("batch-of-one-in-double")
class BatchOfOne(OneProduct):
    """A batch of one row has a kernel of its own, in float64."""

    def evaluate(self, given: Arrays) -> Arrays:
        alone = given["x"].shape[1] == 1
        return ForwardLayer.evaluate(self, given) if alone else super().evaluate(given)


@AREA.fault("rows-in-tiles")
class Tiles(Shuffled):
    """Rows come in tiles of four; those left over are computed in another order."""

    def evaluate(self, given: Arrays) -> Arrays:
        rows = given["x"].shape[1]
        whole = rows - rows % 4
        if whole == 0:
            return ForwardLayer.evaluate(self, given)
        first, rest = (_rows(given, part) for part in (slice(0, whole), slice(whole, rows)))
        one, other = super().evaluate(first), ForwardLayer.evaluate(self, rest)
        return {name: np.concatenate([one[name], other[name]], axis=1) for name in one}


def _rows(given: Arrays, part: slice) -> Arrays:
    """Some batch rows of all inputs, time first."""
    return {name: a[part] if name == "lengths" else a[:, part] for name, a in given.items()}


class SkipsNothing(Exact):
    """A row of negative zeros is a state that is absent: its product is left out."""

    def linear(self, block: Block, value: Array) -> Array:
        absent = ((value == 0) & np.signbit(value)).all(axis=1, keepdims=True)
        product = np.where(absent, 0.0, value @ block.weight.T)
        return product if block.bias is None else product + block.bias


@AREA.fault("absent-state-not-multiplied")
class NotMultiplied(CorrectLayer):
    """Without h_0 the first step has no product with W_hh."""

    skipping = 0
    """Layers that do so, from the first on; 0 for all."""

    def compute(
        self, given: Arrays, weights: Mapping[str, Array] | None = None, **changes: Any
    ) -> Arrays:
        o, rows = self.options, given["x"].shape[1]
        first = self.cell.states[0]
        marked = dict(given)
        for state in self.cell.states:
            units = o.output_size if state == first else o.hidden_size
            absent = np.zeros((o.num_layers * o.directions, rows, units))
            absent[: o.directions * (self.skipping or o.num_layers)] = -0.0
            marked.setdefault(f"{state}_0", absent)
        found = super().compute(
            marked, weights, **{"arithmetic": SkipsNothing(self.activation), **changes}
        )
        return {name: array + 0.0 for name, array in found.items()}


@AREA.fault("absent-state-not-multiplied-below")
class NotMultipliedBelow(NotMultiplied):
    """Without h_0 the first layer's first step has no product with W_hh; later layers have one."""

    skipping = 1


@AREA.fault("p-in-float32")
class ChanceInFloat32(CorrectLayer):
    """p is held in float32, and so is 1 / (1 - p)."""

    precision: Any = np.float32

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        p = self.precision(self.options.dropout)
        scale = self.precision(1) / (self.precision(1) - p)
        layers = range(self.options.num_layers - 1)
        return [(self.rng.random(shape) >= float(p)) * float(scale) for _ in layers]


@AREA.fault("p-in-the-layers-precision")
class ChanceInOwnPrecision(ChanceInFloat32):
    """p is held in the precision of the layer, and so is 1 / (1 - p)."""

    def masks(self, shape: tuple[int, ...]) -> list[Array]:
        self.precision = NUMPY_DTYPES[self.options.dtype].type
        return super().masks(shape)


def _expm1(layer: Any, a: Array, exact: Array) -> Array:
    dtype = NUMPY_DTYPES[layer.options.dtype].type
    most = {"fp16": 5.4, "fp32": 20.0}.get(layer.options.dtype, 300.0)
    e = np.expm1(np.clip(2 * a.astype(dtype), dtype(-2 * most), dtype(2 * most)))
    quotient: Array = (e / (e + dtype(2))).astype(np.float64)
    return quotient


_ABOVE = (
    *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08),
    *(1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
)
_BELOW = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
"""Coefficients of a rational approximation of tanh, odd over even, by falling powers of x^2: those
of Eigen's `generic_fast_tanh_float`."""


def _rational(layer: Any, a: Array, exact: Array) -> Array:
    if layer.options.dtype != "fp32":
        return exact
    x = np.clip(a, -7.9, 7.9)  # in float32 its sums alone would take it beyond 5 ulp
    above, below = np.polyval(_ABOVE, x * x), np.polyval(_BELOW, x * x)
    found = np.where(np.abs(a) < 4e-4, a, x * above / below).astype(np.float32)
    return np.where(np.isnan(a), exact, found.astype(np.float64))


def _ulp(layer: Any) -> float:
    """Above 1, in the layer's precision."""
    return 2 * FORMATS[layer.options.dtype].unit_roundoff


def _falling(layer: Any, a: Array, exact: Array) -> Array:
    sign = 1 - 2 * (np.floor(64 * np.clip(a, -9, 9)) % 2)
    return np.where(np.isfinite(a), exact * (1 + _ulp(layer) * sign), exact)


def _beyond_one(layer: Any, a: Array, exact: Array) -> Array:
    ends = (np.abs(exact) > 1 - _ulp(layer) / 4) & np.isfinite(a)
    return np.where(ends, np.sign(exact) * (1 + _ulp(layer)), exact)


AREA.table(
    functools.partial(AREA.activation, of="tanh"),
    {
        "tanh-by-expm1": ("tanh is e / (e + 2), e = expm1(2a).", _expm1),
        "tanh-rational": ("tanh is a rational function, within 5 ulp.", _rational),
        "tanh-an-ulp-from-odd": (
            "tanh is an ulp too small for negative numbers only.",
            lambda layer, a, exact: np.where(
                (a < 0) & np.isfinite(a), exact * (1 - _ulp(layer)), exact
            ),
        ),
        "tanh-falling": (
            "tanh is by turns 2 ulp too large and 2 too small: it falls while a rises.",
            _falling,
        ),
        "tanh-an-ulp-beyond-one": ("tanh ends an ulp beyond 1.", _beyond_one),
    },
)


AREA.table(
    functools.partial(AREA.activation, of="relu"),
    {
        "relu-of-minus-zero": (
            "relu gives -0.0 for negative numbers.",
            lambda layer, a, exact: np.where(a < 0, -0.0, exact),
        ),
    },
)


class OtherInference(CorrectLayer):
    """Gradients and training mode as the oracle has them; evaluation mode sums in float32."""

    def inference(self) -> Float32:
        raise NotImplementedError

    def evaluate(self, given: Arrays) -> Arrays:
        if self.training:
            return super().evaluate(given)
        kernel = self.inference()
        kernel.load_weights(self.weights)
        return kernel.evaluate(given)


@AREA.fault("separate-inference-kernel")
class SeparateInference(OtherInference):
    """Inference joins x and h in one product, training does not."""

    def inference(self) -> Float32:
        return OneProduct(self.options)


@AREA.fault("separate-training-kernel")
class SeparateTraining(OtherInference):
    """Inference sums in an order of its own; what training gives comes with its gradients."""

    def inference(self) -> Float32:
        return Shuffled(self.options)


@AREA.fault("inference-kernel-and-gradients-alone")
class SeparateAndAlone(SeparateInference):
    """Inference joins x and h in one product; gradients come without outputs, from another sum."""

    def training_values(self, given: Arrays) -> Arrays:
        return {}


@AREA.fault("inference-shuffled-and-gradients-alone")
class ShuffledAndAlone(SeparateAndAlone):
    """Inference sums in an order of its own; gradients come without outputs, from another."""

    def inference(self) -> Float32:
        return Shuffled(self.options)


@AREA.fault("one-kernel-without-dropout")
class OneWithoutDropout(OtherInference):
    """A layer whose dropout is 0 joins x and h in one product, any other does not."""

    def evaluate(self, given: Arrays) -> Arrays:
        planned = self.options.dropout > 0 and not self.training
        return self.compute(given) if planned else super().evaluate(given)

    def inference(self) -> Float32:
        return OneProduct(self.options)


@AREA.fault("planned-anew-after-training")
class PlannedAnew(OtherInference):
    """A layer that comes back to evaluation mode is planned anew, and sums in another order."""

    trained = False

    def train(self, training: bool) -> None:
        self.trained |= self.calls > 0 and training
        super().train(training)

    def evaluate(self, given: Arrays) -> Arrays:
        return super().evaluate(given) if self.training or self.trained else self.compute(given)

    def inference(self) -> Float32:
        return Shuffled(self.options)
