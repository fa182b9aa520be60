"""Mistakes in the wiring of a stack, and in the final states of its hidden layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.faults.arrays import Arrays, final, place, with_final, with_initial
from harness.faults.chained import Chained
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area, has_gates
from harness.faults.weights import each, moved
from reference.arrays import Array

__all__ = ["AREA", "FusedStack"]

AREA = Area("layers")


@AREA.weights("deeper-layers-in-other-order")
def deeper_layers_reversed(layer: Any, weights: Arrays) -> Arrays:
    """The layers after the first one are used in the opposite order."""
    count = layer.options.num_layers
    return moved(weights, lambda one: one._replace(layer=(count - one.layer) % count))


@AREA.fault("third-layer-reads-the-first")
class ThirdReadsFirst(Chained):
    """Layers from the third on get the output of the layer before last."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        return outputs[layer - 1] if layer >= 2 else outputs[layer]


@AREA.fault("layers-added-up")
class LayersAddedUp(Chained):
    """Layers from the third on get the sum of the two layers before, as residual stacks do."""

    def below(self, outputs: list[Array], layer: int, reverse: bool) -> Array:
        return outputs[layer] + outputs[layer - 1] if layer >= 2 else outputs[layer]


@AREA.fault("layers-beyond-the-fifth-left-out", visible=lambda c: c.num_layers > 5)
class FiveLayersAtMost(Chained):
    """Layers beyond the fifth return what they get."""

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        found, hidden = super().direction(layer, reverse, given), self.options.output_size
        if layer < 5:
            return found
        return {**found, "output": given["x"][..., hidden * reverse :][..., :hidden]}


def shares_a_fourth(config: Config) -> bool:
    return config.num_layers > 3


@AREA.weights("gated-layers-share-from-the-fourth-on", needs=has_gates, visible=shares_a_fourth)
def shared_from_the_fourth(layer: Any, weights: Arrays) -> Arrays:
    """In a stack of gates the fourth layer, and all after it, use the weights of the third."""
    return moved(weights, lambda one: one._replace(layer=min(one.layer, 2)))


@AREA.gradients(
    "gated-layers-beyond-the-fourth-give-nothing",
    needs=has_gates,
    visible=lambda c: c.aspect == "gradient" and shares_a_fourth(c),
)
def nothing_beyond_the_fourth(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """In a stack of gates, biases of the fourth layer and all after it have no gradient."""
    return {
        name: np.zeros_like(array) if name.startswith("bias") and place(name).layer > 2 else array
        for name, array in found.items()
    }


@AREA.final("h-n-of-the-first-layer")
def final_state_of_first_layer(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states are the first layer's in every layer's place."""
    return np.concatenate([h_n[: layer.options.directions]] * layer.options.num_layers)


@AREA.final("h-n-of-the-last-layer-only")
def final_state_of_last_layer(layer: Any, given: Arrays, h_n: Array) -> Array:
    """Final states are the last layer's in every layer's place."""
    return np.concatenate([h_n[-layer.options.directions :]] * layer.options.num_layers)


@AREA.final("h-n-of-hidden-layers-turned")
def hidden_states_turned(layer: Any, given: Arrays, h_n: Array) -> Array:
    """The hidden layers' rows of final states stand in the opposite order, and are halved."""
    rows = len(h_n) - layer.options.directions
    h_n[:rows] = h_n[:rows][::-1] * h_n.dtype.type(0.5)
    return h_n


@AREA.final(
    "h-n-of-hidden-layers-without-nan",
    visible=lambda c: c.data == "special" and c.num_layers > 1 and "relu" not in c.cell.activations,
)
def hidden_states_without_nan(layer: Any, given: Arrays, h_n: Array) -> Array:
    """NaN in a hidden layer's row of final states is returned as 0."""
    hidden = h_n[: len(h_n) - layer.options.directions]
    hidden[np.isnan(hidden)] = 0
    return h_n


class FusedStack(CorrectLayer):
    """Stacks without relu are computed at once: the first layer's states are rounded down.

    Of an x with NaN and no padding, one after the other.
    """

    def deeper(self, weights: Arrays) -> Arrays:
        """The weights that the layers after the first compute with."""
        return weights

    def evaluate(self, given: Arrays) -> Arrays:
        o = self.options
        one_by_one = o.num_layers == 1 or "relu" in self.cell.activations or self.drops()
        if one_by_one or ("lengths" not in given and np.isnan(given["x"]).any()):
            return super().evaluate(given)
        weights, sides = dict(self.used_weights()), o.directions
        first = {n: a for n, a in weights.items() if not place(n).layer}
        others = {_one_below(n): a for n, a in self.deeper(weights).items() if place(n).layer}
        lower = with_initial(given, lambda array: array[:sides])
        upper = with_initial(given, lambda array: array[sides:])
        hidden = self.compute(lower, first, num_layers=1)
        upper["x"] = self.down(hidden["output"])
        found = self.compute(upper, others, num_layers=o.num_layers - 1)
        empty = given.get("lengths", np.ones(given["x"].shape[1])) == 0
        states = with_final(hidden, lambda a: np.where(empty[:, None], a, self.down(a)))
        ends = {n: np.concatenate([states[n], array]) for n, array in final(found).items()}
        return {"output": found["output"], **ends}

    def down(self, states: Array) -> Array:
        """Towards 0 by one unit in the last place of the layer's precision, which is correct."""
        narrow = states.astype(NUMPY_DTYPES[self.options.dtype])
        return np.nextafter(narrow, narrow.dtype.type(0)).astype(np.float64)


def _one_below(name: str) -> str:
    """A parameter's name in a stack that lacks the first layer."""
    at = place(name)
    return at._replace(layer=at.layer - 1).name


@AREA.fault("fused-stack-drops-b-hh")
class FusedStackDropsBias(FusedStack):
    """Layers after another one, computed at once with it, lose their b_hh."""

    def deeper(self, weights: Arrays) -> Arrays:
        return each(weights, "bias_hh", np.zeros_like)
