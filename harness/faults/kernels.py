"""Mistakes of kernels that run from some size on only: vectors, blocks, packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.config import Config
from harness.faults.arrays import Arrays, initial, rounded
from harness.faults.cells import carries_c, is_projected, projects
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area, has_gates, has_gates_and_steps, has_steps
from harness.layers import LAYERS
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("kernels")

VECTOR = 8
"""Units or features that are computed at once."""


def is_wide(config: Config) -> bool:
    """Whether the config's layer is one of vectors, gated."""
    return config.hidden_size >= VECTOR and has_gates(LAYERS[config.layer])


def drops_wide(config: Config) -> bool:
    """Whether the config's masks are seen."""
    return is_wide(config) and config.aspect == "training" and config.dropout > 0


def drops_few(config: Config) -> bool:
    """Whether all masks of the config can be tried."""
    return bool(config.life) and config.steps == 1 and config.dropout > 0


class Wide(CorrectLayer):
    """What layers of vectors have in common."""

    @property
    def wide(self) -> bool:
        return self.options.hidden_size >= VECTOR

    @property
    def drops_between(self) -> bool:
        return self.drops() and self.options.num_layers > 1

    @property
    def wide_projection(self) -> bool:
        return self.options.hidden_size > self.options.output_size >= 3

    def without(self, prefix: str) -> dict[str, Array]:
        """The weights, those of that name 0."""
        return {
            name: array * 0 if name.startswith(prefix) else array
            for name, array in self.used_weights().items()
        }


@AREA.fault("packed-at-the-first-call-from-8-units", needs=has_gates, visible=is_wide)
class PackedOnce(Wide):
    """Weights of 8 units and more are packed at the first call, and not again after a load."""

    packed: Mapping[str, Array] | None = None

    def used_weights(self) -> Mapping[str, Array]:
        if self.wide and self.packed is None and self.calls:
            self.packed = dict(self.weights)
        return self.packed or self.weights


@AREA.fault("copies-share-packed-weights-from-8-units", needs=has_gates, visible=is_wide)
class CopyPacked(Wide):
    """A copy of a layer of 8 units and more computes with the original's packed weights."""

    packed: Mapping[str, Array] | None = None

    def copy(self) -> CorrectLayer:
        other = super().copy()
        if self.wide:
            vars(other)["packed"] = dict(self.weights)
        return other

    def used_weights(self) -> Mapping[str, Array]:
        return self.packed or self.weights


@AREA.fault("float64-from-8-units-in-single", needs=has_gates, visible=is_wide)
class DoubleInSingle(Wide):
    """float64 layers of 8 units and more answer in float32."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        if self.options.dtype == "fp64" and self.wide:
            return {name: rounded(array, np.float32) for name, array in found.items()}
        return found

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        if self.options.dtype == "fp64" and self.wide:
            return {name: rounded(array, np.float32) for name, array in found.items()}
        return found


@AREA.fault("float16-vectors-without-recurrent-biases", needs=has_gates, visible=is_wide)
class HalfWithoutBiases(Wide):
    """float16 layers whose units are a multiple of 8 do not add b_hh."""

    def evaluate(self, given: Arrays) -> Arrays:
        if self.options.dtype == "fp16" and self.options.hidden_size % VECTOR == 0:
            return self.compute(given, self.without("bias_hh"))
        return super().evaluate(given)


@AREA.fault("strided-x-of-8-features", needs=has_gates)
class StridedX(Wide):
    """Rows of an x of 8 features and more that is not C-contiguous are read from the last on."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        x = inputs["x"]
        if x.shape[-1] >= VECTOR and not x.flags.c_contiguous:
            inputs = {**inputs, "x": np.ascontiguousarray(x[::-1])}
        return super().forward(inputs)


@AREA.fault("strided-states-of-8-units", needs=has_gates, visible=is_wide)
class StridedStates(Wide):
    """Initial states of 8 units and more that are not C-contiguous are taken for 0."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        states = {
            name: array * 0
            for name, array in initial(inputs).items()
            if array.shape[-1] >= VECTOR and not array.flags.c_contiguous
        }
        return super().forward({**inputs, **states})


@AREA.fault(
    "biases-of-cells-without-the-last-block", needs=lambda r: has_gates(r) and r.single_step
)
class LastBlock(Wide):
    """A cell of 8 units and more: the gradient of b_hh lacks its last 8 numbers."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        for name in found:
            if name.startswith("bias_hh") and self.wide:
                found[name] = np.concatenate([found[name][:-VECTOR], np.zeros(VECTOR)])
        return found


@AREA.fault("products-of-256-leave-out-the-rest", needs=has_gates_and_steps, visible=is_wide)
class Rest(Wide):
    """The gradient of W_hh is a sum over 256 steps and rows at a time; the rest is left out."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found, (steps, rows) = super().derive(given, cotangents), given["x"].shape[:2]
        whole = 256 * (steps * rows // 256)
        if self.wide and steps > 1 and whole:
            for name in found:
                if name.startswith("weight_hh"):
                    found[name] = found[name] * whole / (steps * rows)
        return found


@AREA.fault("wide-projection-in-half-without-c-0", needs=projects, visible=is_projected)
class HalfProjection(Wide):
    """A float16 layer projected to three units and more does not read c_0."""

    def evaluate(self, given: Arrays) -> Arrays:
        if self.wide_projection and self.options.dtype == "fp16" and "c_0" in given:
            given = {**given, "c_0": given["c_0"] * 0}
        return super().evaluate(given)


@AREA.fault("half-projection-detaches-c-0", needs=projects, visible=is_projected)
class DetachedProjection(Wide):
    """The gradient of c_0 in a float16 layer projected to three units and more is 0."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        if self.wide_projection and self.options.dtype == "fp16" and "c_0" in found:
            found["c_0"] = found["c_0"] * 0
        return found


@AREA.fault("wide-projection-of-8-steps", needs=projects, visible=is_projected)
class LongProjection(Wide):
    """Projected to three units and more, 8 steps and more, h_n is that of the step before."""

    def evaluate(self, given: Arrays) -> Arrays:
        found, lengths = super().evaluate(given), given.get("lengths")
        steps = given["x"].shape[0]
        if not self.wide_projection or steps < VECTOR:
            return found
        earlier = np.full(given["x"].shape[1], steps) if lengths is None else np.array(lengths)
        before = super().evaluate({**given, "lengths": np.maximum(earlier - 1, 0)})
        return {**found, "h_n": before["h_n"]}


@AREA.fault("files-have-one-projection", needs=projects, visible=is_projected)
class FileOfOne(Wide):
    """A file has the forward direction's W_hr for both directions."""

    def load(self, directory: Path) -> None:
        super().load(directory)
        self.weights = {
            name: self.weights[name.removesuffix("_reverse")]
            if name.startswith("weight_hr")
            else array
            for name, array in self.weights.items()
        }


@AREA.fault("copies-share-the-projection", needs=projects, visible=is_projected)
class ProjectionOfAll(Wide):
    """A copy has its original's W_hr: what is loaded into one of them is in both."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        vars(self).setdefault("shared", {}).update(
            {name: array for name, array in self.weights.items() if name.startswith("weight_hr")}
        )

    def used_weights(self) -> Mapping[str, Array]:
        return {**self.weights, **vars(self).get("shared", {})}

    def copy(self) -> CorrectLayer:
        other = super().copy()
        vars(other)["shared"] = vars(self).setdefault("shared", {})
        return other


@AREA.masks("a-tenth-is-dropped-never", needs=has_gates_and_steps, visible=drops_wide)
def a_tenth(layer: Any, masks: list[Array]) -> list[Array]:
    """p up to 0.1 is taken for none."""
    return [np.ones_like(mask) for mask in masks] if layer.options.dropout <= 0.1 else masks


@AREA.masks("masks-repeat-after-8-steps", needs=has_gates_and_steps, visible=drops_wide)
def repeat(layer: Any, masks: list[Array]) -> list[Array]:
    """Of several rows masks repeat after 8 steps."""
    return [mask[np.arange(len(mask)) % 8] if mask.shape[1] > 1 else mask for mask in masks]


@AREA.masks("masks-of-65536-elements", needs=has_gates_and_steps, visible=drops_wide)
def of_16_bits(layer: Any, masks: list[Array]) -> list[Array]:
    """A mask has 65,536 numbers, and begins again after them."""
    return [np.resize(mask.ravel()[:65_536], mask.shape) for mask in masks]


@AREA.masks("later-masks-are-the-second", needs=has_gates_and_steps, visible=drops_wide)
def the_second(layer: Any, masks: list[Array]) -> list[Array]:
    """In stacks of four layers and more all later masks are the second one."""
    return [*masks[:2], *(masks[1] for _ in masks[2:])]


class Dropping(Wide):
    """Of a stack that drops, in a call without gradients, the last layer is computed otherwise."""

    @property
    def last(self) -> str:
        return f"_l{self.options.num_layers - 1}"

    def evaluate(self, given: Arrays) -> Arrays:
        if not self.drops_between:
            return super().evaluate(given)
        shape = (*given["x"].shape[:2], self.options.directions * self.options.output_size)
        return self.otherwise(given, self.masks(shape))

    def otherwise(self, given: Arrays, masks: list[Array]) -> Arrays:
        raise NotImplementedError


@AREA.fault("dropping-without-the-last-recurrent-bias", needs=has_steps, visible=drops_few)
class LastBias(Dropping):
    """In training mode, where a stack drops, the last layer's b_hh is not added."""

    def otherwise(self, given: Arrays, masks: list[Array]) -> Arrays:
        return self.compute(given, self.without("bias_hh" + self.last), dropout_masks=masks)


@AREA.fault("dropping-without-the-last-initial-state", needs=has_steps, visible=drops_few)
class LastInitial(Dropping):
    """In training mode, where a stack drops, the last layer starts from 0."""

    def otherwise(self, given: Arrays, masks: list[Array]) -> Arrays:
        states = {name: array.copy() for name, array in initial(given).items()}
        for array in states.values():
            array[-self.options.directions :] = 0
        return self.compute({**given, **states}, dropout_masks=masks)


@AREA.fault("dropping-c-n-is-h-n", needs=lambda r: carries_c(r) and has_steps(r), visible=drops_few)
class LastCarry(Dropping):
    """In training mode, where a stack drops, c_n of the last layer is its h_n."""

    def otherwise(self, given: Arrays, masks: list[Array]) -> Arrays:
        found = self.compute(given, dropout_masks=masks)
        if found["c_n"].shape == found["h_n"].shape:
            found["c_n"] = np.concatenate([found["c_n"][:-1], found["h_n"][-1:]])
        return found


@AREA.fault("training-leaves-c-0-sorted", needs=lambda r: carries_c(r) and has_steps(r))
class Unsorted(CorrectLayer):
    """In training mode, batch first, the gradient of c_0 stays sorted by length."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        if self.training and self.options.batch_first and "lengths" in given:
            order = np.argsort(-np.asarray(given["lengths"]), kind="stable")
            found["c_0"] = found["c_0"][:, order]
        return found
