"""Why a comparison failed: every cause that a check can establish, the gravest first.

A cause is established by evidence of its own: what fails is judged again with exactly that cause
forgiven. What no such test explains is `unexplained`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Cause", "Harm"]


class Harm(Enum):
    """What a difference does to who ports a model, the gravest first.

    `predicate` follows the number of differences in a sentence, `of_one` where that is 1.
    """

    title: str
    predicate: str
    of_one: str

    def __new__(cls, value: str, title: str, predicate: str, of_one: str) -> Harm:
        self = object.__new__(cls)
        self._value_, self.title, self.predicate, self.of_one = value, title, predicate, of_one
        return self

    NUMBERS = (
        *("numbers", "Changes numbers, or crashes"),
        *("change numbers or crash", "changes numbers or crashes"),
    )
    SILENT = (
        *("silent", "Accepts silently"),
        *("accept silently what should be refused", "accepts silently what should be refused"),
    )
    CALL = (
        *("call", "The call and its arguments"),
        *("concern the call and its arguments", "concerns the call and its arguments"),
    )

    def counted(self, count: int) -> str:
        """'1 changes numbers or crashes', '2 change numbers or crash'."""
        return f"{count} {self.of_one if count == 1 else self.predicate}"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class _About:
    """Texts and properties of a cause.

    `sentence` follows the name of a backend. `consequence` is what users meet, where that does not
    follow from the worst number.
    `requirement` is the key of the only one that such a failure counts against, if there is one.
    `excusable` says whether a baseline may name it. `harm` is what it does to a user, and `weight`
    how much: of two differences that as many configs show, the heavier comes first.
    """

    sentence: str
    consequence: str | None = None
    requirement: str | None = None
    excusable: bool = True
    harm: Harm = Harm.NUMBERS
    weight: float = 4.0


class Cause(str, Enum):
    """In the order of their gravity."""

    about: _About

    def __new__(cls, value: str, about: _About) -> Cause:
        self = str.__new__(cls, value)
        self._value_, self.about = value, about
        return self

    ERROR = (
        "error",
        _About(
            "could not be judged: it raised, or its weights did not arrive",
            "no verdict",
            excusable=False,
            weight=16.0,
        ),
    )
    UNEXPLAINED = (
        "unexplained",
        _About("differs, and no cause is established", excusable=False, weight=16.0),
    )
    CRASHED = "crashed", _About("crashes the process", "crash", weight=16.0)
    HUNG = "hung", _About("gives no answer in time", "no answer", weight=16.0)
    UNUSABLE = (
        "unusable",
        _About(
            "gives gradients that are none: those of the simplest call are off by more than half",
            "whatever the memory held",
            weight=16.0,
        ),
    )
    ENVIRONMENT = (
        "environment",
        _About(
            "changes how the calling thread computes, or finds it changed",
            "another rounding or underflow",
            excusable=False,
            weight=8.0,
        ),
    )
    NAN = "nan", _About("turns NaN into a number", requirement="nan", weight=8.0)
    PADDING = (
        "padding",
        _About("lets what stands in the padding of x reach other values", weight=8.0),
    )
    SPREAD = (
        "spread",
        _About("lets NaN of valid steps reach the gradient of the padding of x", weight=2.0),
    )
    DEPENDENT = "dependent", _About("does not drop elements independently", weight=8.0)
    SHARED = "shared", _About("drops the same elements after several layers", weight=8.0)
    WRONG = "wrong", _About("answers a call wrongly", weight=8.0)
    ACCEPTED = (
        "accepted",
        _About("answers a call that means nothing", "silently accepted", harm=Harm.SILENT),
    )
    KEPT = (
        "kept",
        _About(
            "keeps memory with every call",
            "memory runs out after many calls",
            requirement="growth",
        ),
    )
    PRECISION = (
        "precision",
        _About("computes in a lower precision than the layer's", requirement="fp64"),
    )
    ACTIVATION = (
        "activation",
        _About("differs because of its activation", requirement="activation", weight=8.0),
    )
    FLUSH = (
        "flush",
        _About(
            "differs because it flushes subnormal numbers to zero",
            requirement="subnormals",
            weight=0.25,
        ),
    )
    SLOPE = (
        "slope",
        _About(
            "takes another slope of relu at 0",
            "other gradients where a pre-activation is exactly 0",
            requirement="relu-at-0",
            weight=2.0,
        ),
    )
    UNWRITTEN = (
        "unwritten",
        _About(
            "gives neither the initial state nor 0 as the final one of a row without steps",
            "whatever the memory held",
            requirement="empty-rows",
            weight=8.0,
        ),
    )
    EMPTY = (
        "empty",
        _About(
            "does not give the initial state as the final one of a row without steps",
            requirement="empty-rows",
        ),
    )
    STALE = (
        "stale",
        _About(
            "computes with weights that were replaced",
            "the weights of an earlier step",
            weight=16.0,
        ),
    )
    ROUNDING = (
        "rounding",
        _About("rounds otherwise", "other last bits", weight=0.125),
    )
    MODE = (
        "mode",
        _About("builds layers in another mode", "another mode", weight=16.0),
    )
    ORDER = (
        "order",
        _About("has its parameters in another order", "another order", harm=Harm.CALL, weight=8.0),
    )
    NUMPY = (
        "numpy",
        _About("draws from NumPy's global generator", "side effect", harm=Harm.CALL, weight=2.0),
    )
    REFUSED = (
        "refused",
        _About("refuses a documented call", "refused", harm=Harm.CALL, weight=1.0),
    )
    DISAGREES = (
        "disagrees",
        _About(
            "answers otherwise than the other",
            "another answer than the other's",
            excusable=False,
            weight=8.0,
        ),
    )
    DIFFERS = (
        "differs",
        _About(
            "refuses what the other accepts, or the other way round",
            "one refuses what the other accepts",
            harm=Harm.CALL,
            weight=1.0,
        ),
    )

    def __str__(self) -> str:
        return str(self.value)

    @property
    def severity(self) -> int:
        """0 for the gravest."""
        return list(Cause).index(self)
