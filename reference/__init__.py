"""The oracle: recurrent layers in NumPy, and the error bounds that judge against them.

A cell is written once (`cells`), over an arithmetic (`arithmetic`) that is read in several ways:
values (`layer`), intervals (`intervals`), gradients (`reverse`, `gradient`). NumPy and the
standard library only; nothing here may import `harness` or a framework.
"""

from reference.activations import TANH_ULPS, allowance, exact_activation
from reference.arithmetic import Arithmetic, Block, Exact, Moved, Parameters
from reference.bounded import Bounded
from reference.cells import GRU, Cell, Parameter, elman, lstm, parameter_name, parameters_of, split
from reference.formats import FORMATS, Format, gamma
from reference.intervals import Interval, Rounded, sum_error
from reference.layer import evaluate, expected_parameters
from reference.selected import Known, Selected, saturation
from reference.tracked import tracked

__all__ = [
    "FORMATS",
    "GRU",
    "TANH_ULPS",
    "Arithmetic",
    "Block",
    "Bounded",
    "Cell",
    "Exact",
    "Format",
    "Interval",
    "Known",
    "Moved",
    "Parameter",
    "Parameters",
    "Rounded",
    "Selected",
    "allowance",
    "elman",
    "evaluate",
    "exact_activation",
    "expected_parameters",
    "gamma",
    "lstm",
    "parameter_name",
    "parameters_of",
    "saturation",
    "split",
    "sum_error",
    "tracked",
]
