"""Mistakes in the wiring of a stack, and in what is said of its hidden layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.planted.chained import Chained
from harness.planted.record import Area
from harness.planted.right import CompleteLayer
from harness.planted.wrapping import Full, Lengths
from reference import rnn
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("layers")


@AREA.wrapping("deeper-layers-in-other-order")
class DeeperLayersTurned(Full):
    """The layers behind the first one are used in the opposite order."""

    def changed(self, weights: dict[str, Array]) -> dict[str, Array]:
        layers = self.options.num_layers

        def other(name: str) -> str:
            kind, _, rest = name.partition("_l")
            number = int(rest.partition("_")[0])
            return f"{kind}_l{layers - number if number else 0}{rest[len(str(number)) :]}"

        return {name: weights[other(name)] for name in weights}


@AREA.wrapping("third-layer-reads-the-first")
class ThirdReadsFirst(Chained):
    """Layers from the third on get the output of the layer before last."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        return outputs[layer - 1] if layer >= 2 else outputs[layer]


@AREA.wrapping("layers-added-up")
class LayersAddedUp(Chained):
    """Layers from the third on get the sum of the two layers before, as residual stacks do."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        return outputs[layer] + outputs[layer - 1] if layer >= 2 else outputs[layer]


@AREA.wrapping("layers-beyond-the-fifth-left-out", shows=lambda c: c.num_layers > 5)
class FiveLayersAtMost(Chained):
    """Layers beyond the fifth hand on what they get."""

    def direction(
        self, layer: int, reverse: bool, x: Array, start: Array | None, lengths: Lengths
    ) -> tuple[Array, Array]:
        output, last = super().direction(layer, reverse, x, start, lengths)
        hidden = self.options.hidden_size
        return (x[..., hidden * reverse :][..., :hidden] if layer >= 5 else output), last


@AREA.wrapping("h-n-of-the-first-layer")
class FinalStateOfFirstLayer(Full):
    """h_n has the first layer's state in every layer's place."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        first = h_n[: self.options.directions]
        return output, np.concatenate([first] * self.options.num_layers)


@AREA.wrapping("h-n-of-hidden-layers-turned")
class HiddenStatesTurned(Full):
    """The hidden layers' rows of h_n stand in the opposite order, and are halved."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        rows = len(h_n) - self.options.directions
        h_n[:rows] = h_n[:rows][::-1] * h_n.dtype.type(0.5)
        return output, h_n


@AREA.wrapping(
    "h-n-of-hidden-layers-without-nan",
    shows=lambda c: c.data == "special" and c.num_layers > 1 and c.nonlinearity == "tanh",
)
class HiddenStatesWithoutNan(Full):
    """NaN in a hidden layer's row of h_n is given out as 0."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        hidden = h_n[: len(h_n) - self.options.directions]
        hidden[np.isnan(hidden)] = 0
        return output, h_n


@AREA.wrapping("h-n-of-the-last-layer-only")
class FinalStateOfLastLayer(Full):
    """h_n has the last layer's state in every layer's place."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = self.run(x, h_0, lengths)
        last = h_n[-self.options.directions :]
        return output, np.concatenate([last] * self.options.num_layers)


class FusedStack(CompleteLayer):
    """Stacks of tanh layers are computed at once: the first layer's states are rounded down."""

    def behind(self, weights: dict[str, Array]) -> dict[str, Array]:
        """The weights that the layers behind the first compute with."""
        return weights

    def evaluate(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        o = self.options
        if o.num_layers == 1 or o.nonlinearity == "relu" or self.drops():
            return super().evaluate(x, h_0, lengths)
        weights = dict(self.used_weights())
        first = {n: a for n, a in weights.items() if "_l0" in n}
        others = {one_below(n): a for n, a in self.behind(weights).items() if "_l0" not in n}
        sides = o.directions
        starts = (None, None) if h_0 is None else (h_0[:sides], h_0[sides:])
        same: dict[str, Any] = {
            "bias": o.bias,
            "batch_first": o.batch_first,
            "bidirectional": o.bidirectional,
            "lengths": lengths,
        }
        hidden, state = rnn(x, starts[0], first, **same)
        output, h_n = rnn(self.down(hidden), starts[1], others, num_layers=o.num_layers - 1, **same)
        given = np.zeros(state.shape[1:-1], bool) if lengths is None else lengths == 0
        state = np.where(given[..., None], state, self.down(state))
        return output, np.concatenate([state, h_n])

    def down(self, states: Array) -> Array:
        """Towards 0 by one unit in the last place of the layer's precision, which is legal."""
        narrow = states.astype(NUMPY_DTYPES[self.options.dtype])
        return np.nextafter(narrow, narrow.dtype.type(0)).astype(np.float64)


def one_below(name: str) -> str:
    """A parameter's name in a stack that lacks the first layer."""
    kind, _, place = name.partition("_l")
    number, _, side = place.partition("_")
    return f"{kind}_l{int(number) - 1}" + (f"_{side}" if side else "")


@AREA.on_oracle("fused-stack-drops-b-hh")
class FusedStackDropsBias(FusedStack):
    """tanh layers behind another one, computed at once with it, lose their b_hh."""

    def behind(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {n: a * (not n.startswith("bias_hh")) for n, a in weights.items()}


FAULTS = tuple(AREA.faults)
