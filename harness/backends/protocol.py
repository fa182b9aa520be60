"""What an implementation under test must offer: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from harness.config import LayerOptions
from reference.arrays import Array, IntArray

__all__ = ["Backend", "BackendUnavailable", "Layer", "require_parameters"]


class BackendUnavailable(Exception):
    """A backend that was asked for cannot be used at all; the message says how to mend it."""


class Layer(Protocol):
    """One built layer, in evaluation mode."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Take parameters by torch's names; raise on a missing, extra or misshapen one."""

    def read_weights(self) -> Mapping[str, Array]:
        """Give the parameters back, by the same names, bit for bit."""

    def forward(self, x: Array, h_0: Array | None, lengths: IntArray | None) -> tuple[Array, Array]:
        """Output and h_n, in the dtype of x and in the shapes that torch.nn.RNN documents.

        x is (T, B, I), or (B, T, I) with batch_first, or (T, I). lengths is (B,): with it the
        output is zero in the padding, the reverse direction starts at each row's last valid
        step, and h_n is each row's state after its last valid step.
        """


class Backend(Protocol):
    """Builds layers.

    An implementation may also offer `versions()`, a dict for the report's header, and
    `unsupported(config)`: the reason, from its documentation, why it does not do what a
    config asks for, or None.
    """

    name: str

    def build(self, options: LayerOptions) -> Layer:
        """A layer with these options, in evaluation mode; see `harness.config.LayerOptions`."""


def require_parameters(given: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless names and shapes of the given parameters are as expected."""
    missing, extra = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
    if missing or extra:
        raise ValueError(f"parameters: missing {missing}, not expected {extra}")
    for name, shape in expected.items():
        if tuple(given[name].shape) != tuple(shape):
            raise ValueError(f"{name}.shape = {tuple(given[name].shape)}, expected {tuple(shape)}")
