"""Right implementations that compute otherwise than the oracle, within the law: none is a fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend
from harness.config import Config
from harness.planted.chained import Chained, Stepped
from harness.planted.layers import FusedStack
from harness.planted.record import Area
from harness.planted.right import CompleteBackend, CompleteLayer, OracleBackend, OracleLayer
from harness.planted.wrapping import Full, Lengths
from reference import exact_activation, layer_names
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("legal")


@AREA.on_oracle("the-oracle-rounded")
class Rounded(CompleteLayer):
    """The oracle's values, rounded once."""


@AREA.wrapping("the-layer-itself")
class Itself(Full):
    """The layer within, wrapped by nothing."""


@AREA.wrapping("a-chain-of-single-layers")
class Chain(Chained):
    """Every direction of every layer is a real layer of its own."""


@AREA.wrapping("step-by-step", bases=("torch", "oracle"))
class StepByStep(Stepped):
    """One call of a real layer for each step."""


@AREA.wrapping("other-memory-layout", bases=("torch", "oracle"))
class OtherMemory(Full):
    """Arrays come back in Fortran's order, and read-only."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        answer = tuple(np.asfortranarray(a) for a in super().forward(x, h_0, lengths))
        for array in answer:
            array.flags.writeable = False
        return answer


@AREA.wrapping("views", bases=("torch", "oracle"))
class Views(Full):
    """Arrays come back as every second element of larger ones."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        return tuple(np.repeat(a, 2, axis=-1)[..., ::2] for a in super().forward(x, h_0, lengths))


@AREA.on_oracle("a-fused-stack")
class Fused(FusedStack):
    """Hidden layers of a stack sum in another order than the same layers alone."""


@AREA.on_oracle("states-kept-in-double")
class DoubleStates(CompleteLayer):
    """As the oracle: all states of a call are kept in float64, and rounded when given out."""


class Float32(OracleLayer):
    """Everything in the layer's own precision, in float32 where it has less; values only."""

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        o = self.options
        if x.ndim == 2 or o.dtype not in ("fp32", "fp16"):
            return super().evaluate(x, h_0, lengths)
        y = np.asarray(x.swapaxes(0, 1) if o.batch_first else x, np.float32)
        batch = y.shape[1]
        valid = np.ones(y.shape[:2], bool)
        if lengths is not None:
            valid = np.arange(len(y))[:, None] < lengths
            y = np.where(valid[:, :, None], y, np.float32(0))
        h_n = np.zeros((o.num_layers * o.directions, batch, o.hidden_size), np.float32)
        if h_0 is not None:
            h_n[...] = h_0
        with np.errstate(all="ignore"):
            for layer in range(o.num_layers):
                sides = []
                for reverse in (False, True)[: o.directions]:
                    row = layer * o.directions + reverse
                    names = layer_names(layer, reverse, o.bias)
                    used = [self.used_weights()[n].astype(np.float32) for n in names]
                    out, h_n[row] = self.scan(y, h_n[row], used, valid, reverse)
                    sides.append(out)
                y = np.concatenate(sides, axis=2)
        return (y.swapaxes(0, 1) if o.batch_first else y), h_n

    def scan(
        self, x: Array, h: Array, used: list[Array], valid: Any, reverse: bool
    ) -> tuple[Array, Array]:
        output = np.zeros((*x.shape[:2], h.shape[1]), np.float32)
        for t in range(len(x))[:: -1 if reverse else 1]:
            a = self.pre_activation(x[t], h, used[0], used[1], used[2:])
            exact = exact_activation(self.options.nonlinearity, a.astype(np.float64))
            dtype = np.float16 if self.options.dtype == "fp16" else np.float32
            new = exact.astype(dtype).astype(np.float32)
            h = np.where(valid[t][:, None], new, h)
            output[t] = np.where(valid[t][:, None], new, 0)
        return output, h

    def pre_activation(
        self, x: Array, h: Array, w_ih: Array, w_hh: Array, biases: list[Array]
    ) -> Array:
        raise NotImplementedError


class Shuffled(Float32):
    """Sums term by term, in an order drawn for each layer."""

    def pre_activation(
        self, x: Array, h: Array, w_ih: Array, w_hh: Array, biases: list[Array]
    ) -> Array:
        terms = [x[:, j : j + 1] * w_ih[:, j] for j in range(w_ih.shape[1])]
        terms += [h[:, j : j + 1] * w_hh[:, j] for j in range(w_hh.shape[1])]
        terms += [np.broadcast_to(b, h.shape) for b in biases]
        total = np.zeros(h.shape, np.float32)
        for place in np.random.default_rng(len(terms)).permutation(len(terms)):
            total = total + terms[place]
        return total


class OneProduct(Float32):
    """x and h side by side in one matrix product."""

    def pre_activation(
        self, x: Array, h: Array, w_ih: Array, w_hh: Array, biases: list[Array]
    ) -> Array:
        both = np.concatenate([x, h], axis=1)
        product: Array = both @ np.concatenate([w_ih, w_hh], axis=1).T
        return product + sum(biases) if biases else product


class ValuesOnly(OracleBackend):
    """A backend of such layers."""

    of: type[OracleLayer]

    def __init__(self, base: Backend) -> None:
        super().__init__(self.of, base.name)

    def unsupported(self, config: Config) -> str | None:
        return unsupported_reason(CompleteBackend(), config)


@AREA.on_backend("sums-shuffled", bases=("oracle",))
class ShuffledSums(ValuesOnly):
    """Sums are made term by term in float32, in an order drawn for each layer."""

    of = Shuffled


@AREA.on_backend("one-product", bases=("oracle",))
class OneProductOfBoth(ValuesOnly):
    """x and h stand side by side in one matrix product; both biases are added up beforehand."""

    of = OneProduct


FAULTS = tuple(AREA.faults)
