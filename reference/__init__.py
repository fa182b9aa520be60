"""The oracle: an Elman RNN in NumPy and the error bounds that judge against it.

NumPy and the standard library only; nothing here may import `harness` or a framework.
"""

from reference.rnn import layer_names, rnn
from reference.rounding import (
    FORMATS,
    Format,
    Interval,
    activation_interval,
    exact_activation,
    gamma,
    step_error,
)

__all__ = [
    "FORMATS",
    "Format",
    "Interval",
    "activation_interval",
    "exact_activation",
    "gamma",
    "layer_names",
    "rnn",
    "step_error",
]
