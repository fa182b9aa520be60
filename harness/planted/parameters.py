"""Mistakes with fresh weights, and with weights on their way through files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness.backends.protocol import Backend
from harness.config import Config, LayerOptions
from harness.planted.record import Area
from harness.planted.right import CompleteBackend, CompleteLayer
from harness.planted.wrapping import Full, WrappedBackend
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("parameters")


def _through_files(config: Config) -> bool:
    return config.aspect == "files"


class Fresh(CompleteLayer):
    """Fresh weights changed, once all are drawn."""

    def __init__(self, options: LayerOptions, rng: np.random.Generator) -> None:
        super().__init__(options, rng)
        self.weights = self.fresh(self.weights)

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        return weights


@AREA.on_oracle("fresh-normal")
class NormalWeights(CompleteLayer):
    """Fresh weights are normal, cut off at the right limit."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.clip(self.rng.normal(0, limit / 2, shape), -limit, limit)


@AREA.on_oracle("fresh-wider")
class WiderWeights(CompleteLayer):
    """Fresh weights reach 10% further than 1/sqrt(hidden_size)."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return 1.1 * super().drawn(limit, shape)


@AREA.on_oracle("fresh-positive")
class PositiveWeights(CompleteLayer):
    """Fresh weights are all positive."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.abs(super().drawn(limit, shape))


@AREA.on_oracle("fresh-limit-of-input-size")
class LimitOfInputs(CompleteLayer):
    """The limit of fresh W_ih is 1/sqrt(its columns), as of a dense layer."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return super().drawn(1 / np.sqrt(shape[-1]), shape)


@AREA.on_oracle("fresh-equal")
class EqualWeights(CompleteLayer):
    """All parameters are drawn from the same place of the generator."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng(5).uniform(-limit, limit, shape)


@AREA.on_oracle("fresh-biases-zero")
class ZeroBiases(Fresh):
    """Fresh biases are 0."""

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {n: a * 0 if "bias" in n else a for n, a in weights.items()}


@AREA.on_oracle("fresh-biases-cancel")
class CancellingBiases(Fresh):
    """Fresh b_hh is -b_ih."""

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        other = {n: n.replace("bias_hh", "bias_ih") for n in weights}
        return {n: -weights[other[n]] if other[n] != n else a for n, a in weights.items()}


@AREA.on_oracle("fresh-rows-repeat")
class RepeatedRows(Fresh):
    """Every second row of fresh W_hh is the one above it, turned round in sign."""

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        for name, array in weights.items():
            if name.startswith("weight_hh"):
                array[1::2] = -array[: len(array) - 1 : 2]
        return weights


@AREA.on_oracle("fresh-symmetric")
class SymmetricRecurrence(Fresh):
    """Fresh W_hh is symmetric."""

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        return {
            n: np.triu(a) + np.triu(a, 1).T if n.startswith("weight_hh") else a
            for n, a in weights.items()
        }


@AREA.on_oracle("fresh-of-few-values")
class FewValues(CompleteLayer):
    """Fresh weights are drawn from 2,000 values."""

    def drawn(self, limit: float, shape: tuple[int, ...]) -> Array:
        return limit * (self.rng.integers(0, 2000, shape) / 1000 - 0.9995)


@AREA.on_oracle("fresh-in-float64")
class FreshInDoubles(Fresh):
    """Fresh weights are float64 until others are loaded."""

    def fresh(self, weights: dict[str, Array]) -> dict[str, Array]:
        if self.options.dtype == "fp64":
            return weights
        return {n: a.astype(np.float64) for n, a in weights.items()}


@AREA.on_oracle("renamed")
class Renamed(CompleteLayer):
    """Parameters are called weight_ih_layer0 and so on."""

    def read_weights(self) -> Mapping[str, Array]:
        return {name.replace("_l", "_layer"): array for name, array in self.weights.items()}


@AREA.wrapping("alphabetical", bases=("torch", "oracle"))
class Alphabetical(Full):
    """Parameters come in the order of the alphabet."""

    def read_weights(self) -> Mapping[str, Array]:
        return dict(sorted(super().read_weights().items()))


@AREA.on_backend("seed-ignored")
class SeedIgnored(WrappedBackend):
    """Seeding has no effect on fresh weights."""

    def seed(self, value: int) -> None:
        pass


@AREA.on_backend("one-seed")
class OneSeed(WrappedBackend):
    """All seeds are one seed."""

    def seed(self, value: int) -> None:
        super().seed(1)


@AREA.on_backend("numpy-generator-moved", bases=("torch", "oracle"))
class DrawsFromNumpy(WrappedBackend):
    """Building a layer draws from NumPy's global generator, and uses nothing of it."""

    def build(self, options: LayerOptions) -> Any:
        np.random.random()
        return super().build(options)


@AREA.wrapping("signs-of-zero-lost", shows=_through_files)
class SignsOfZeroLost(Full):
    """-0.0 is 0.0 behind a file."""

    def save(self, directory: Path) -> None:
        assert self.given is not None
        self.inner.load_weights({n: a + a.dtype.type(0) for n, a in self.given.items()})
        self.inner.save(directory)


@AREA.wrapping("subnormals-lost", shows=_through_files)
class SubnormalsLost(Full):
    """Subnormal numbers are 0 behind a file."""

    def load(self, directory: Path) -> None:
        super().load(directory)
        assert self.given is not None
        for array in self.given.values():
            array[np.abs(array) < 1e-30] = 0


@AREA.wrapping("file-loaded-for-show", shows=_through_files)
class LoadedForShow(Full):
    """What is read back is what was loaded from the file; what is computed with is not."""

    def load(self, directory: Path) -> None:
        before = {n: a.copy() for n, a in self.inner.read_weights().items()}
        super().load(directory)
        self.inner.load_weights(before)


@AREA.wrapping("saving-spoils-the-layer", shows=_through_files)
class SavesAndForgets(Full):
    """Saving takes the weights out of the layer: it answers with zeros from then on."""

    def save(self, directory: Path) -> None:
        super().save(directory)
        assert self.given is not None
        self.inner.load_weights({n: np.zeros_like(a) for n, a in self.given.items()})


def _other_order() -> tuple[Backend, ...]:
    class Alphabetically(CompleteLayer):
        def read_weights(self) -> Mapping[str, Array]:
            return dict(sorted(self.weights.items()))

    return (cast(Backend, CompleteBackend(Alphabetically, "sorted")),)


@AREA.on_oracle("file-without-names", peers=_other_order)
class FileWithoutNames(CompleteLayer):
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
        self.load_weights(
            {
                n: a.reshape(shapes[n]) if a.size == np.prod(shapes[n]) else np.resize(a, shapes[n])
                for n, a in zip(shapes, arrays, strict=True)
            }
        )


FAULTS = tuple(AREA.faults)
