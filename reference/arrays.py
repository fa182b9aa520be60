"""Names for the array types that annotations use."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "BoolArray", "Float64Array", "IntArray"]

Array = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
