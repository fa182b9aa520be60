"""What a comparison can state power against: common faults, and sizes of effects of chance."""

from __future__ import annotations

from enum import Enum

__all__ = ["Probe"]


class Probe(str, Enum):
    """A fault, and what it stands for.

    Its power is the share of the elements compared at which the fault would have shown. Of a
    probe that `is_size` it is the smallest effect that would have been noticed every second time.
    """

    meaning: str
    is_size: bool

    def __new__(cls, value: str, meaning: str, is_size: bool = False) -> Probe:
        self = str.__new__(cls, value)
        self._value_, self.meaning, self.is_size = value, meaning, is_size
        return self

    BIAS = "bias", "b_hh dropped"
    INPUT = "input", "W_ih x dropped"
    STATE = "state", "the state before last in place of the last one"
    ROW = (
        "row",
        "the neighbouring row in place of the own one; of sums over rows: a row left out",
    )
    STEP = "step", "a step left out of a sum over steps"
    CARRY = (
        "carry",
        "nothing carried over: from the later step (gradients), or from the call before",
    )
    ZERO = "zero", "0 in place of the value"
    SIGN = "sign", "the other sign"
    END = "end", "the state at the last step of all in place of the last valid one"
    HELD = "held", "the last state held through the padding"
    PADDING = "padding", "what stands in the padding counted"
    NEIGHBOURS = "neighbours", "what stands in the neighbouring rows counted"
    LAYER = "layer", "the state of the next layer in place of the own one"
    ERROR = "error", "an error of twice what is allowed, 1 ulp where nothing is"
    DROPPED = "dropped", "an element dropped"
    UNSCALED = "unscaled", "kept values not scaled by 1 / (1 - p)"
    SMALLEST_DEVIATION = (
        "smallest_deviation",
        "size: of a probability, from what it should be",
        True,
    )
    SMALLEST_DISTANCE = (
        "smallest_distance",
        "size: between the distributions (Kolmogorov-Smirnov)",
        True,
    )

    def __str__(self) -> str:
        return str(self.value)
