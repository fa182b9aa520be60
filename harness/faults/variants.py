"""Correct implementations that compute otherwise than the oracle, within the law: no faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.chained import Chained, Stepped
from harness.faults.correct import CorrectLayer, ForwardLayer
from harness.faults.layers import FusedStack
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference import Block, Exact, exact_activation
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("variants")


@AREA.fault("the-oracle-rounded")
class Rounded(CorrectLayer):
    """The oracle's values, rounded once."""


@AREA.fault("the-layer-itself")
class Itself(WrappedLayer):
    """The layer inside, wrapped by nothing."""


@AREA.fault("a-chain-of-single-layers")
class Chain(Chained):
    """Every direction of every layer is a real layer of its own."""


@AREA.fault("step-by-step", bases=("torch", "oracle"))
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
        if dtype is None:
            return super().evaluate(given)

        def stored(name: str, a: Array) -> Array:
            return exact_activation(name, a.astype(np.float64)).astype(dtype).astype(np.float32)

        return self.compute(given, arithmetic=Deferred(stored, self.total), dtype=np.float32)


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
