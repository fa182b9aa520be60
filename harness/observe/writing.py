"""Writing to what a backend gave: nothing else may change by it.

Users scale, mask and clip what they get, in place. An array that may not be written to is fine.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.backends.protocol import Layer
from harness.memory import whole
from harness.observe.arrays import parameters
from reference.arrays import Array

__all__ = ["overwrite_parameters", "overwritten"]


def overwritten(returned: Mapping[str, Any], given: Mapping[str, Array]) -> list[str]:
    """Fill every array returned with NaN, one after another; what else changed by it."""
    found = []
    for name, array in returned.items():
        others = {n: a for n, a in returned.items() if n != name}
        before = {n: a.tobytes() for n, a in others.items()}
        inputs = {n: whole(a) for n, a in given.items()}
        if not _filled(array):
            continue
        changed = [n for n, a in others.items() if a.tobytes() != before[n]]
        changed += [n for n, a in given.items() if whole(a) != inputs[n]]
        found += [f"{other}, by writing to {name} that was returned" for other in changed]
    return found


def overwrite_parameters(layer: Layer) -> list[str]:
    """The same with what `read_weights` gives; the layer is of no use afterwards if it shows."""
    before = parameters(layer.read_weights())
    for array in layer.read_weights().values():
        _filled(array)
    after = parameters(layer.read_weights())
    changed = [name for name, array in before.items() if after[name].tobytes() != array.tobytes()]
    return [f"{name} of the layer, by writing to what read_weights gave" for name in changed]


def _filled(array: Array) -> bool:
    """Whether the array could be filled with NaN."""
    if not array.flags.writeable or array.dtype.kind in "iub":
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of arrays that share elements
        try:
            array[...] = np.nan
        except ValueError:
            return False
    return True
