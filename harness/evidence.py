"""What the checks look at: one case, what the oracle says, what the backends gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from harness.activation import OwnActivations
from harness.axes import axes_of
from harness.bits import same_bits
from harness.case import Case
from harness.comparison import Worst
from harness.config import Config
from harness.observe import Observation, Outputs
from harness.oracle import Oracle

__all__ = ["Evidence", "locate"]


@dataclass(frozen=True)
class Evidence:
    """Everything about one backend on one case.

    `own_activations` measures the backend's activations alone, when first asked; None if they
    cannot be measured. `peer` is the observation that the backend is compared with directly;
    `eager` that of the same framework in its ordinary execution mode, where it is asked in
    another. `gradients_are_none` asks for its simplest gradients. `made` keeps what several checks
    derive from it.
    """

    case: Case
    oracle: Oracle
    observation: Observation
    own_activations: Callable[[], OwnActivations | None]
    peer: Observation | None = None
    peer_activations: Callable[[], OwnActivations | None] = lambda: None
    eager: Observation | None = None
    gradients_are_none: Callable[[], bool] = lambda: False
    made: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def config(self) -> Config:
        return self.case.config

    @property
    def outputs(self) -> Outputs:
        """By name. Raises RuntimeError where there are none."""
        if self.observation.outputs is None:
            raise RuntimeError(f"{self.observation.backend} gave no output to judge")
        return self.observation.outputs

    @cached_property
    def under_autograd(self) -> Evidence | None:
        """The same, at the outputs of the very call that gave the gradients.

        None where gradients come without outputs, or with those that the forward call gave.
        """
        derivatives = self.observation.derivatives
        if derivatives is None or derivatives.outputs is None:
            return None
        if all(same_bits(a, self.outputs[name]) for name, a in derivatives.outputs.items()):
            return None
        seen = msgspec.structs.replace(
            self.observation, outputs=derivatives.outputs, hidden=derivatives.hidden
        )
        return replace(self, observation=seen, made={})

    @cached_property
    def unspoiled(self) -> Evidence | None:
        """The same, at the outputs of the call with finite numbers in the padding of x, if made."""
        finite = self.observation.unspoiled
        if finite is None:
            return None
        seen = msgspec.structs.replace(
            self.observation, outputs=finite.outputs, hidden=finite.hidden, unspoiled=None
        )
        return replace(self, observation=seen, made={})


def locate(config: Config, name: str) -> Callable[[tuple[int, ...]], Worst]:
    """From an index into an array, by its name, to where that is."""
    axes = axes_of(config, name)

    def place(index: tuple[int, ...]) -> Worst:
        at = dict(zip(axes, index, strict=True))
        layer, side, unit = None, None, at.get("units", at.get("projected", at.get("features")))
        if "outputs" in at:
            layer = config.num_layers - 1
            side, unit = divmod(at["outputs"], config.output_size)
        elif "stack" in at:
            layer, side = divmod(at["stack"], config.directions)
        direction = None if side is None else ("forward", "reverse")[side]
        return Worst(name, layer, direction, at.get("steps"), at.get("rows"), unit)

    return place
