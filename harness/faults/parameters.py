"""Mistakes with initial weights, and with weights on their way through files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness.backends.protocol import Backend
from harness.config import Config, LayerOptions
from harness.faults.arrays import Arrays
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.faults.record import Area
from harness.faults.weights import by_gate, each
from harness.faults.wrapping import WrappedBackend, WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("parameters")


def _through_files(config: Config) -> bool:
    return config.aspect == "checkpoint"


AREA.table(
    AREA.drawn,
    {
        "fresh-normal": (
            "Initial weights are normal, cut off at the right limit.",
            lambda layer, limit, shape: np.clip(
                layer.rng.normal(0, limit / 2, shape), -limit, limit
            ),
        ),
        "fresh-wider": (
            "Initial weights reach 10% further than 1/sqrt(hidden_size).",
            lambda layer, limit, shape: 1.1 * layer.rng.uniform(-limit, limit, shape),
        ),
        "fresh-positive": (
            "Initial weights are all positive.",
            lambda layer, limit, shape: np.abs(layer.rng.uniform(-limit, limit, shape)),
        ),
        "fresh-limit-of-input-size": (
            "The limit of initial W_ih is 1/sqrt(its columns), as of a dense layer.",
            lambda layer, limit, shape: layer.rng.uniform(-1, 1, shape) / np.sqrt(shape[-1]),
        ),
        "fresh-equal": (
            "All parameters are drawn from the same place of the generator.",
            lambda layer, limit, shape: np.random.default_rng(5).uniform(-limit, limit, shape),
        ),
        "fresh-of-few-values": (
            "Initial weights are drawn from 2,000 values.",
            lambda layer, limit, shape: (
                limit * (layer.rng.integers(0, 2000, shape) / 1000 - 0.9995)
            ),
        ),
    },
)


def _other_signs(array: Array) -> Array:
    """Every second row the one above it with the other sign."""
    array[1::2] = -array[: len(array) - 1 : 2]
    return array


AREA.table(
    AREA.initial_weights,
    {
        "fresh-biases-zero": (
            "Initial biases are 0.",
            lambda layer, w: each(w, "bias", np.zeros_like),
        ),
        "fresh-biases-cancel": (
            "Initial b_hh is -b_ih.",
            lambda layer, w: {
                n: -w[n.replace("bias_hh", "bias_ih")] if n.startswith("bias_hh") else a
                for n, a in w.items()
            },
        ),
        "fresh-rows-repeat": (
            "Every second row of initial W_hh is the one above it with the other sign.",
            lambda layer, w: each(w, "weight_hh", _other_signs),
        ),
        "fresh-symmetric": (
            "Initial W_hh is symmetric.",
            lambda layer, w: each(
                w, "weight_hh", by_gate(layer, lambda a: np.triu(a) + np.triu(a, 1).T)
            ),
        ),
        "fresh-in-float64": (
            "Initial weights are float64 until others are loaded.",
            lambda layer, w: each(w, "", lambda a: a.astype(np.float64)),
        ),
    },
)


@AREA.fault("renamed")
class Renamed(CorrectLayer):
    """Parameters are called weight_ih_layer0 and so on."""

    def read_weights(self) -> Mapping[str, Array]:
        return {name.replace("_l", "_layer"): array for name, array in self.weights.items()}


@AREA.fault("alphabetical", bases=("torch", "oracle"))
class Alphabetical(WrappedLayer):
    """Parameters come in the order of the alphabet."""

    def read_weights(self) -> Mapping[str, Array]:
        return dict(sorted(super().read_weights().items()))


@AREA.fault("seed-ignored")
class SeedIgnored(WrappedBackend):
    """Seeding has no effect on initial weights."""

    def seed(self, value: int) -> None:
        pass


@AREA.fault("one-seed")
class OneSeed(WrappedBackend):
    """All seeds are one seed."""

    def seed(self, value: int) -> None:
        super().seed(1)


@AREA.fault("numpy-generator-moved", bases=("torch", "oracle"))
class DrawsFromNumpy(WrappedBackend):
    """Building a layer draws from NumPy's global generator, and uses nothing of it."""

    def build(self, options: LayerOptions) -> Any:
        np.random.random()
        return super().build(options)


@AREA.fault("signs-of-zero-lost", visible=_through_files)
class SignsOfZeroLost(WrappedLayer):
    """-0.0 is 0.0 after a file."""

    def save(self, directory: Path) -> None:
        assert self.loaded is not None
        self.inner.load_weights(each(self.loaded, "", lambda a: a + a.dtype.type(0)))
        self.inner.save(directory)


@AREA.fault("subnormals-lost", visible=_through_files)
class SubnormalsLost(WrappedLayer):
    """Subnormal numbers are 0 after a file."""

    def load(self, directory: Path) -> None:
        super().load(directory)
        assert self.loaded is not None
        for array in self.loaded.values():
            array[np.abs(array) < 1e-30] = 0


@AREA.fault("file-loaded-for-show", visible=_through_files)
class LoadedForShow(WrappedLayer):
    """What is read back is what was loaded from the file; what is computed with is not."""

    def load(self, directory: Path) -> None:
        before = {n: a.copy() for n, a in self.inner.read_weights().items()}
        super().load(directory)
        self.inner.load_weights(before)


@AREA.fault("saving-spoils-the-layer", visible=_through_files)
class SavesAndForgets(WrappedLayer):
    """Saving takes the weights out of the layer: it answers with zeros from then on."""

    def save(self, directory: Path) -> None:
        super().save(directory)
        assert self.loaded is not None
        self.inner.load_weights(each(self.loaded, "", np.zeros_like))


class _Alphabetically(CorrectLayer):
    def read_weights(self) -> Mapping[str, Array]:
        return dict(sorted(self.weights.items()))


def _other_order() -> tuple[Backend, ...]:
    return (cast(Backend, CorrectBackend(_Alphabetically, "sorted")),)


@AREA.fault("file-without-names", peers=_other_order)
class FileWithoutNames(CorrectLayer):
    """A file holds arrays in the order of loading, and is read in the layer's own order."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.order = list(weights)
        super().load_weights(weights)

    def save(self, directory: Path) -> None:
        arrays = [self.weights[name] for name in self.order]
        np.savez(directory / "weights.npz", *arrays)

    def load(self, directory: Path) -> None:
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            arrays = [stored[f"arr_{k}"] for k in range(len(self.weights))]
        shapes = self.options.parameter_shapes()
        named: Arrays = {n: np.resize(a, shapes[n]) for n, a in zip(shapes, arrays, strict=True)}
        self.load_weights(named)
