"""What the checks look at: one case, what the oracle says, what the backends gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.activation import OwnActivation
from harness.case import Case
from harness.comparison import Worst
from harness.config import Config
from harness.observe import Forward, Observation
from harness.oracle import Oracle

__all__ = ["Evidence", "locate_output", "locate_states"]


@dataclass(frozen=True)
class Evidence:
    """Everything about one backend on one case.

    `own_activation` measures the backend's activation alone, when first asked; None if it
    cannot be measured. `peer` is the observation that the backend is compared with directly;
    `eager` that of the same framework in its other execution mode, where there is one.
    """

    case: Case
    oracle: Oracle
    observation: Observation
    own_activation: Callable[[], OwnActivation | None]
    peer: Observation | None = None
    peer_activation: Callable[[], OwnActivation | None] = lambda: None
    eager: Observation | None = None

    @property
    def config(self) -> Config:
        return self.case.config

    @property
    def forward(self) -> Forward:
        if self.observation.forward is None:
            raise RuntimeError(f"{self.observation.backend} gave no output to judge")
        return self.observation.forward


def locate_output(config: Config) -> Callable[[tuple[int, ...]], Worst]:
    """From an index into an output (T, B, D * H) to where that is."""

    def locate(index: tuple[int, ...]) -> Worst:
        step, batch, feature = index
        direction, unit = divmod(feature, config.hidden_size)
        return Worst(
            "output", config.num_layers - 1, ("forward", "reverse")[direction], step, batch, unit
        )

    return locate


def locate_states(config: Config) -> Callable[[tuple[int, ...]], Worst]:
    """From an index into states (L * D, B, H) to where that is."""

    def locate(index: tuple[int, ...]) -> Worst:
        layer, direction = divmod(index[0], config.directions)
        return Worst("h_n", layer, ("forward", "reverse")[direction], None, index[1], index[2])

    return locate
