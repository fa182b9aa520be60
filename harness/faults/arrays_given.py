"""Mistakes with how arrays lie in memory, and with whose memory an answer is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, initial
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("arrays given")


def _buffer(array: Array) -> tuple[Array, int]:
    """The bytes that an array is part of, and where it begins in them."""
    owner: Any = array
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    content: Array = owner.ravel(order="K").view(np.uint8)
    return content, array.ctypes.data - content.ctypes.data


def _read(array: Array, start: int) -> Array:
    """As many elements as the array has, one after the other from there; 0 beyond the end."""
    content, _ = _buffer(array)
    found = np.zeros(array.nbytes, np.uint8)
    part = content[max(start, 0) : start + array.nbytes]
    found[: len(part)] = part
    read: Array = found.view(array.dtype).reshape(array.shape)
    return read


def _from_pointer(array: Array) -> Array:
    """What is read from the address of the first element on, in C order."""
    return _read(array, _buffer(array)[1])


class _Reads(WrappedLayer):
    """A layer that reads what it is given in a way of its own."""

    def reads(self, inputs: Arrays) -> Arrays:
        raise NotImplementedError

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        return super().forward({**inputs, **self.reads(dict(inputs))})


@AREA.fault("h-0-read-in-c-order")
class StateInCOrder(_Reads):
    """Initial states are read in C order, whatever their strides."""

    def reads(self, inputs: Arrays) -> Arrays:
        return {name: _from_pointer(array) for name, array in initial(inputs).items()}


@AREA.fault("offset-in-the-buffer-ignored")
class OffsetIgnored(_Reads):
    """An x inside of a larger buffer is loaded from the multiple of 64 bytes before it."""

    def reads(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        start = _buffer(x)[1]
        if start == 0 or not x.flags.c_contiguous:
            return {}
        return {"x": _read(x, start - x.ctypes.data % 64)}


@AREA.fault("lengths-without-strides")
class LengthsWithoutStrides(_Reads):
    """Lengths are read one after the other, whatever their stride."""

    def reads(self, inputs: Arrays) -> Arrays:
        if "lengths" not in inputs or inputs["lengths"].flags.c_contiguous:
            return {}
        steps = inputs["x"].shape[1 if self.options.batch_first else 0]
        return {"lengths": _from_pointer(inputs["lengths"]).clip(1, steps)}


@AREA.fault("strides-without-sign")
class StridesWithoutSign(_Reads):
    """Negative strides of x are taken for positive ones."""

    def reads(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        return {"x": x[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides)]}


@AREA.fault("strides-of-the-batch-first-layout")
class FirstAxesPermuted(_Reads):
    """An x whose first two axes are permuted in memory is read as if they were not."""

    def reads(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        permuted = x.ndim == 3 and x.strides[0] < x.strides[1] and x.strides[2] == x.itemsize
        return {"x": _from_pointer(x)} if permuted else {}


@AREA.fault("stride-0-computed-once")
class ComputedOnce(_Reads):
    """An x that repeats along a stride of 0 has lengths that do, too."""

    def reads(self, inputs: Arrays) -> Arrays:
        repeats = 0 in inputs["x"].strides and "lengths" in inputs
        return {"lengths": np.full_like(inputs["lengths"], 1)} if repeats else {}


@AREA.fault("cleared-though-read-only")
class ClearsReadOnly(_Reads):
    """What is read-only cannot be the caller's, so its first element is used as scratch."""

    def reads(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        if not x.flags.writeable and x.size:
            kept = x.copy()
            content, start = _buffer(x)
            content[start] = 255 - content[start]
            return {"x": kept}
        return {}


@AREA.weights("w-hh-read-in-c-order")
def weights_in_c_order(layer: Any, weights: Arrays) -> Arrays:
    """W_hh is read in C order, whatever its strides."""
    return {n: _from_pointer(a) if n.startswith("weight_hh") else a for n, a in weights.items()}


@AREA.fault("biases-of-stride-0")
class BiasesOfStride0(WrappedLayer):
    """A bias with a stride of 0 is taken for none."""

    def used_weights(self, weights: dict[str, Array]) -> Mapping[str, Array]:
        return {n: a * 0 if a.size > 1 and 0 in a.strides else a for n, a in weights.items()}


@AREA.fault("cotangents-in-c-order")
class CotangentsInCOrder(WrappedLayer):
    """Cotangents are read in C order: those of a sum, expanded, are rubbish but the first."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        read = {name: _from_pointer(array) for name, array in cotangents.items()}
        return super().gradients(inputs, read)


@AREA.returned("h-n-inside-of-the-output")
def final_state_in_output(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """h_n of one layer without lengths is the last step of the output, not a copy of it."""
    plain = layer.options.num_layers == 1 and not layer.options.bidirectional
    output = found["output"]
    if plain and "lengths" not in inputs and output.ndim == 3 and not layer.options.batch_first:
        name = f"{layer.states[0]}_n"
        same = output[-1:].tobytes() == found[name].tobytes()
        return {**found, name: output[-1:]} if same else found
    return found


@AREA.fault("answers-remembered")
class AnswersRemembered(WrappedLayer):
    """The answer to the input before is given out once more, the very arrays."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        if self.training:
            return super().forward(inputs)
        key = tuple((name, array.tobytes()) for name, array in inputs.items())
        known = self.__dict__.setdefault("known", {})
        if key not in known:
            known.clear()
            known[key] = super().forward(inputs)
        return known[key]


@AREA.fault("buffer-shared-by-shapes")
class BufferShared(WrappedLayer):
    """An answer lies in a buffer that the next call of another shape gets, too."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        found = super().forward(inputs)
        output = found["output"]
        pool = self.__dict__.setdefault("pool", {"shape": None, "buffer": None})
        if pool["shape"] != output.shape:
            pool["shape"] = output.shape
            if pool["buffer"] is None or pool["buffer"].size < output.size:
                pool["buffer"] = np.empty(4 * output.size, output.dtype)
            part = pool["buffer"][: output.size].reshape(output.shape)
            part[...] = output
            return {**found, "output": part}
        return found


@AREA.fault("weights-given-out")
class WeightsGivenOut(WrappedLayer):
    """`read_weights` gives the layer's own arrays, not copies."""

    def read_weights(self) -> Mapping[str, Array]:
        return super().read_weights() if self.loaded is None else self.loaded


@AREA.fault("gradients-of-both-biases-in-one-array")
class BiasesShareGradients(WrappedLayer):
    """The gradients of b_ih and b_hh are one array."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        found = dict(super().gradients(inputs, cotangents))
        for name in [n for n in found if n.startswith("bias_hh")]:
            other = found[name.replace("_hh", "_ih")]
            if other.tobytes() == found[name].tobytes():
                found[name] = other
        return found


@AREA.fault("only-x-asked-whether-contiguous")
class OnlyXAsked(_Reads):
    """Where x is contiguous, initial states are taken to be so, too."""

    def reads(self, inputs: Arrays) -> Arrays:
        if not inputs["x"].flags.c_contiguous:
            return {}
        return {name: _from_pointer(array) for name, array in initial(inputs).items()}


@AREA.weights("w-hh-in-the-order-of-w-ih")
def in_the_order_of_the_other(layer: Any, weights: Arrays) -> Arrays:
    """W_hh is read in C order where W_ih is in C order."""
    return {
        n: _from_pointer(a)
        if n.startswith("weight_hh") and weights[n.replace("_hh", "_ih")].flags.c_contiguous
        else a
        for n, a in weights.items()
    }


@AREA.fault("windows-read-as-rows")
class WindowsAsRows(_Reads):
    """An x whose steps overlap in memory is copied as if they did not."""

    def reads(self, inputs: Arrays) -> Arrays:
        x = inputs["x"]
        overlap = x.strides[-1] == x.itemsize and 0 < min(x.strides[:-1]) < x.shape[-1] * x.itemsize
        return {"x": _from_pointer(x)} if overlap else {}


@AREA.fault("cotangents-counted-once")
class CountedOnce(WrappedLayer):
    """Cotangents are collected by address: of two that are one array, one is lost."""

    def gradients(
        self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]
    ) -> Mapping[str, Array]:
        seen = {array.ctypes.data: name for name, array in cotangents.items()}
        kept = {n: a if seen[a.ctypes.data] == n else a * 0 for n, a in cotangents.items()}
        return super().gradients(inputs, kept)


@AREA.weights("parameters-by-address")
def by_address(layer: Any, weights: Arrays) -> Arrays:
    """Of two parameters that are one array, one is loaded, the other is 0."""
    seen = {array.ctypes.data: name for name, array in weights.items()}
    return {n: a if seen[a.ctypes.data] == n else a * 0 for n, a in weights.items()}


@AREA.fault("h-0-that-is-x-updated-in-place")
class UpdatedInPlace(_Reads):
    """The first state is written where h_0 is, and read from there as x."""

    def reads(self, inputs: Arrays) -> Arrays:
        same = any(np.shares_memory(inputs["x"], a) for a in initial(inputs).values())
        return {"x": np.tanh(inputs["x"])} if same else {}
