"""What an implementation under test must offer, and may offer: NumPy arrays in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.config import Config, LayerOptions
from harness.refusal import Refusal
from reference.arrays import Array

__all__ = [
    "OUTPUTS",
    "Backend",
    "BackendUnavailable",
    "FullBackend",
    "FullLayer",
    "Layer",
    "NotOffered",
    "named_outputs",
    "offers",
    "positional",
    "require_parameters",
]


V = TypeVar("V")


class BackendUnavailable(Refusal):
    """A backend that was asked for cannot be used at all; the message says how to mend it."""


class NotOffered(Exception):
    """A backend lacks what an aspect needs; the message follows its name."""


class Layer(Protocol):
    """One built layer, in evaluation mode."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Take parameters by torch's names; raise on a missing, extra or misshapen one."""

    def read_weights(self) -> Mapping[str, Array]:
        """Give the parameters back, by the same names, bit for bit, in the layer's own order."""

    def forward(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name, in the dtype of x and in the shapes that torch documents.

        `inputs` has `x`: (T, B, I), or (B, T, I) with batch_first, or (T, I); where initial states
        are given `h_0`; and where lengths are given `lengths` (B,). With them the output is
        zero in the padding, the reverse direction starts at each row's last valid step, and the
        final states are those after each row's last valid step.

        Returned are `output` and the final states, `h_n` (and `c_n`).
        """


class Backend(Protocol):
    """Builds layers.

    An implementation may also offer `versions()`, a dict for the report's header, and
    `unsupported(config)`: the reason, from its documentation, why it does not do what a
    config asks for, or None. What else it may offer is in `FullBackend` and `FullLayer`;
    requirements that need a method it lacks are `unsupported` for it.
    """

    name: str

    def build(self, options: LayerOptions) -> Layer:
        """A layer with these options, in evaluation mode; see `harness.config.LayerOptions`."""


class FullLayer(Layer, Protocol):
    """What a layer may offer beyond its values; each method by itself is optional."""

    def gradients(
        self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> Mapping[str, Array]:
        """Vector-Jacobian product: of `x`, of initial states that are given, of every parameter.

        `inputs` as `forward` takes them, `cotangents` by name of output; an output that has none is
        no part of the loss. It is asked in evaluation mode and in training mode.

        Return the outputs with the gradients, by name: then gradients are judged at the states of
        this very call, and its outputs like those of `forward`. Without them they are judged at the
        states that `forward` gives for the same input; where only correct states that `forward`
        did not give explain a gradient (another order of summation may decide on which side of 0
        an argument of relu is), nothing is concluded of it.
        """

    def train(self, training: bool) -> None:
        """Switch to training mode, or back to evaluation mode."""

    def call(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Call with (x, hx, lengths), as far as given, and keywords, checking nothing.

        A NumPy array becomes a tensor of its dtype; everything else is passed as it is. Returned
        are the outputs in their order.
        """

    def save(self, directory: Path) -> None:
        """Write the parameters into a directory, in the framework's own file format."""

    def load(self, directory: Path) -> None:
        """Read what `save` wrote."""

    def copy(self) -> FullLayer:
        """A layer of its own with the same weights and mode, as the framework documents copies."""

    def pickled(self) -> FullLayer:
        """The same through the framework's documented way to pickle a layer."""


class FullBackend(Backend, Protocol):
    """What a backend may offer beyond `build`; each member by itself is optional.

    `variant_of` names the backend that is the same implementation in its ordinary execution mode
    or on its ordinary device; `sampled` says that a call is so expensive that a run should ask for
    a small selection only. `seeds_dropout` says that `seed` makes dropout repeat, `concurrent` that
    several threads may call layers at once, both as documented;
    `gradients_in_training_only` that there are none in evaluation mode: all are then asked in
    training mode. `wraps` names the framework whose layers it calls ("torch"): what is known of
    that framework, in the version that the worker has, is expected of the wrapper too.
    `merges_biases` says that layers keep b_ih + b_hh, rounded once, in place of both: of the biases
    that they read back, as bias_ih and zeros say, the sum alone is judged, and initial weights only
    without biases. A worker takes `max_requests` configs; then a new process replaces it, for what
    grows in one.

    The class of an installed backend declares `variants`, and is called with the name of one where
    a reference has it. A run that names no backends judges the `default_variants` too. The loader
    sets `name` and `variant_of` of an installed backend after its reference; the first of its
    `versions()` is the one that a reference's `==VERSION` asks for.
    """

    variants: Sequence[str]
    default_variants: Sequence[str]
    variant_of: str
    sampled: bool
    seeds_dropout: bool
    gradients_in_training_only: bool
    concurrent: bool
    wraps: str
    merges_biases: bool
    max_requests: int

    def build_with(self, options: LayerOptions, weights: Mapping[str, Array]) -> Layer:
        """As `build` and `load_weights`, for one that cannot build without them; in place of both.

        It is called again when other weights are loaded.
        """

    def construct(
        self,
        layer: str,
        positional: Sequence[Any],
        keywords: Mapping[str, Any],
        *,
        literal: bool = False,
    ) -> Layer:
        """Build as a user does: nothing checked, the mode left as it comes.

        `layer` names a record of `harness.layers`. Keywords carry torch's names, and are
        translated unless `literal`.
        """

    def seed(self, value: int) -> None:
        """Seed what initial weights and dropout are drawn from, as the framework documents it."""

    def single_core(self, config: Config) -> bool:
        """Whether its worker should be on one core for this config.

        For threads that spin while they wait for one another, where so little is computed that none
        is shared out among them. What runs on several threads must be seen on several cores.
        """

    def stored_weights(self, path: Path) -> Mapping[str, Array]:
        """All arrays of a file of weights in the framework's own format, by name.

        Nothing in the file is executed. Raises whatever says why it cannot be read.
        """

    def threads(self, count: int | None) -> None:
        """Compute with so many threads from now on; None for as many as there were at first."""


def offers(one: object, *members: str) -> bool:
    """Whether a backend, or a layer, has all of these; one that is None is not offered."""
    return all(getattr(one, name, None) is not None for name in members)


def positional(inputs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of a call as users give them: x, hx, and lengths where there are any.

    hx is the initial state, a tuple of them where a layer has several, or None.
    """
    states = [array for name, array in inputs.items() if name.endswith("_0")]
    hx: Any = None if not states else states[0] if len(states) == 1 else tuple(states)
    given = (inputs["x"], hx)
    return (*given, inputs["lengths"]) if "lengths" in inputs else given


OUTPUTS = ("output", "h_n", "c_n")
"""What layers of the frameworks return, in this order; those with one state no c_n."""


def named_outputs(outputs: Sequence[V]) -> dict[str, V]:
    """The outputs of a framework's layer by name."""
    return dict(zip(OUTPUTS, outputs, strict=False))


def require_parameters(given: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless names and shapes of the given parameters are as expected."""
    missing, extra = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
    if missing or extra:
        raise ValueError(f"parameters: missing {missing}, not expected {extra}")
    for name, shape in expected.items():
        if tuple(given[name].shape) != tuple(shape):
            raise ValueError(f"{name}.shape = {tuple(given[name].shape)}, expected {tuple(shape)}")
