"""How one call is seen that drops: its hidden layers, and a forward call that drops the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from harness.backends.protocol import Backend, FullBackend, offers
from harness.config import Config
from harness.observe.calling import same_outputs
from harness.observe.errors import NotOffered
from harness.observe.records import Outputs
from reference.arrays import Array

__all__ = ["seeded", "states_of"]


def states_of(config: Config, outputs: Outputs) -> tuple[Outputs, ...]:
    """The outputs of all layers but the last, of a call of one step: made of its final states."""
    first, sides = f"{config.cell.states[0]}_n", config.directions
    found = []
    for layer in range(config.num_layers - 1):
        own = outputs[first][layer * sides : (layer + 1) * sides]
        finals = {n: a[: (layer + 1) * sides] for n, a in outputs.items() if n != "output"}
        found.append({"output": np.concatenate(list(own), axis=1)[None], **finals})
    return tuple(found)


def seeded(
    backend: Backend,
    seed: int,
    forward: Callable[[], Outputs],
    gradients: Callable[[], Mapping[str, Array]],
) -> tuple[Outputs, Mapping[str, Array]]:
    """Outputs and gradients of two calls that drop the same elements.

    Raises:
        NotOffered: the same seed does not make two calls drop the same elements.
    """
    if not offers(backend, "seed"):
        raise NotOffered("returns no outputs with its gradients, and has no method seed(value)")
    full = cast(FullBackend, backend)
    full.seed(seed)
    first = forward()
    full.seed(seed)
    if not same_outputs(forward(), first):
        raise NotOffered("returns no outputs with its gradients, and a seed repeats no dropout")
    full.seed(seed)
    return first, gradients()
