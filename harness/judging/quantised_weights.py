"""What fails because weights are held in eight bits: judged again at the weights on their grid.

Only where such a grid was measured of the implementation (`harness.quantised`). Nothing else is
forgiven: the bounds are those of the layer's own format.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from harness.evidence import Evidence
from harness.observe import Observation
from harness.oracle import Oracle

__all__ = ["on_its_grid"]


def on_its_grid(evidence: Evidence) -> Evidence | None:
    """The evidence as if these weights had been asked for; None where there is no grid."""
    own = evidence.own_activations()
    grid = None if own is None else own.grid
    case = evidence.case
    if grid is None or not all(np.isfinite(array).all() for array in case.weights.values()):
        return None
    config = case.config.replace(data="plain") if case.config.data == "ints" else case.config
    other = replace(case, config=config, weights=grid.of(case.weights))
    oracle = Oracle(other)
    return replace(evidence, case=other, oracle=oracle, peer=_moved(evidence, oracle), made={})


def _moved(evidence: Evidence, oracle: Oracle) -> Observation | None:
    """What the other implementation gave, moved as the weights move what is exact."""
    peer = evidence.peer
    if peer is None or peer.outputs is None:
        return peer
    with np.errstate(all="ignore"):
        moved = {
            name: (array + (oracle.exact[name] - evidence.oracle.exact[name])).astype(array.dtype)
            for name, array in peer.outputs.items()
        }
    return msgspec.structs.replace(peer, outputs=moved)
