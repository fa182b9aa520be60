"""Mistakes about threads: what a call leaves changed in its own, and what it does in others."""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.faults.arrays import Arrays
from harness.faults.correct import CorrectLayer
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA", "UPWARD", "set_rounding"]

AREA = Area("threads")

TO_NEAREST = 0
UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}
"""FE_UPWARD of <fenv.h>."""


def set_rounding(mode: int) -> None:
    """Of the calling thread; C99, section 7.6.3."""
    ctypes.CDLL(None).fesetround(mode)


@AREA.fault("rounding-left-upward", visible=lambda c: c.steps == 1000 and c.aspect == "values")
class LeavesRoundingUpward(WrappedLayer):
    """The rounding mode is changed after a long computation, and not put back."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        set_rounding(TO_NEAREST)
        found = super().forward(inputs)
        if 1000 in inputs["x"].shape:
            set_rounding(UPWARD[platform.machine()])
        return found


def _ulp_more(array: Any) -> Any:
    return np.nextafter(array, array.dtype.type(2))


@AREA.returned("other-in-another-thread")
def other_in_a_thread(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Called in evaluation mode from another thread than the first one: one ulp off."""
    here, output = threading.get_ident(), found["output"]
    if here != layer.__dict__.setdefault("first", here) and not layer.training:
        output.flat[-1] = _ulp_more(output.flat[-1])
    return found


@AREA.output("other-now-and-then")
def other_now_and_then(layer: Any, given: Arrays, output: Array) -> Array:
    """A race: one call in 17 adds its last terms in another order."""
    if layer.calls % 17 == 0:
        output[..., -1] = _ulp_more(output[..., -1])
    return output


_SCRATCH: dict[str, Any] = {}

AT_ONCE: dict[str, Any] = {
    "bases": ("torch", "oracle"),  # of the other one it is not documented
    "visible": lambda c: c.aspect == "repeated",
}


def _racing(where: dict[str, Any], layer: Any, given: Arrays) -> Arrays:
    """Inputs that lie, while others run, where others put theirs."""
    where["given"] = given
    time.sleep(1e-4)
    mine: Arrays = where["given"]
    same = {n: a.shape for n, a in mine.items()} == {n: a.shape for n, a in given.items()}
    return mine if same else given


@AREA.inputs("scratch-of-the-process", **AT_ONCE)
def scratch_of_the_process(layer: Any, given: Arrays) -> Arrays:
    """All layers copy their inputs to one scratch buffer, which threads race for."""
    return _racing(_SCRATCH, layer, given)


@AREA.inputs("scratch-of-the-layer", **AT_ONCE)
def scratch_of_the_layer(layer: Any, given: Arrays) -> Arrays:
    """A layer keeps its inputs in itself while it computes; two threads overwrite each other's."""
    return _racing(layer.__dict__.setdefault("scratch", {}), layer, given)


@AREA.fault("row-order-of-the-process", **AT_ONCE)
class OrderOfTheProcess(WrappedLayer):
    """The order in which rows are sorted by length is kept once for all layers."""

    def answer(self, given: Arrays) -> Arrays:
        order = np.argsort(-given["x"][0, :, 0], kind="stable")
        _SCRATCH["order"] = order
        found = self.run({n: a[order] if a.ndim == 1 else a[:, order] for n, a in given.items()})
        time.sleep(1e-4)
        back = _SCRATCH["order"]
        if len(back) != len(order):
            back = order
        return {name: array[:, np.argsort(back)] for name, array in found.items()}


def _is_large(config: Any) -> bool:
    return bool(config.aspect == "repeated" and config.batch == 256)


@AREA.outputs("outputs-kept-for-ever", visible=_is_large)
def outputs_kept(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """A list of all answers is kept, for a backward pass that never comes."""
    layer.__dict__.setdefault("tape", []).append(found["output"].copy())
    return found


@AREA.inputs("states-of-all-steps-kept", visible=_is_large)
def states_kept(layer: Any, given: Arrays) -> Arrays:
    """A workspace of the size of all states is allocated by each call, and never freed."""
    steps, rows = given["x"].shape[:2]
    size = (steps, rows, layer.options.hidden_size)
    layer.__dict__.setdefault("workspaces", []).append(np.ones(size, given["x"].dtype))
    return given


@AREA.fault("plans-per-address", visible=_is_large)
class PlansPerAddress(WrappedLayer):
    """A plan with copies of the weights and inputs is kept for each x, by its address."""

    def answer(self, given: Arrays) -> Arrays:
        plans = self.__dict__.setdefault("plans", {})
        plans[len(plans)] = [a.copy() for a in given.values()], [given["x"].repeat(2, axis=2)]
        return self.run(given)


@AREA.fault("mode-of-the-thread")
class ModeOfThread(CorrectLayer):
    """Evaluation mode is that of the thread that set it: in others a layer drops."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options, rng)
        self.evaluating = threading.get_ident()

    def drops(self) -> bool:
        here = threading.get_ident() == self.evaluating
        return super().drops() or (self.options.dropout > 0 and not here)
