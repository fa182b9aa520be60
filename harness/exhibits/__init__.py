"""What the pictures of a report are drawn from, and no result line holds; beside the results."""

from harness.exhibits.making import make_exhibits
from harness.exhibits.records import (
    ActivationError,
    ErrorMap,
    Exhibits,
    load_exhibits,
    store_exhibits,
)

__all__ = [
    "ActivationError",
    "ErrorMap",
    "Exhibits",
    "load_exhibits",
    "make_exhibits",
    "store_exhibits",
]
