"""What the pictures of a report are drawn from, and no result line holds; beside the results."""

from harness.figures.making import make_figures
from harness.figures.records import (
    ActivationError,
    ErrorMap,
    Figures,
    load_figures,
    store_figures,
)

__all__ = [
    "ActivationError",
    "ErrorMap",
    "Figures",
    "load_figures",
    "make_figures",
    "store_figures",
]
