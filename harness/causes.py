"""Why a comparison failed: every cause that a check can establish, the gravest first.

A cause is established by evidence of its own: what fails is judged again with exactly that cause
forgiven. What no such test explains is `unexplained`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Cause"]


@dataclass(frozen=True)
class _About:
    """Texts and properties of a cause.

    `sentence` follows the name of a backend. `explanation` says what was established.
    `consequence` is what users meet, where that does not follow from the worst number.
    `requirement` is the key of the only one that such a failure counts against, if there is one.
    `excusable` says whether a baseline may name it.
    """

    sentence: str
    explanation: str
    consequence: str | None = None
    requirement: str | None = None
    excusable: bool = True


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
            "no check emits it: it stands for the verdict `error`",
            "no verdict",
            excusable=False,
        ),
    )
    UNEXPLAINED = (
        "unexplained",
        _About("differs, and no cause is established", "no cause is established", excusable=False),
    )
    CRASHED = "crashed", _About("crashes the process", "the process ends", "crash")
    HUNG = "hung", _About("gives no answer in time", "there is no answer in time", "no answer")
    ENVIRONMENT = (
        "environment",
        _About(
            "changes how the calling thread computes, or finds it changed",
            "the thread's floating-point environment is not the default one",
            "another rounding or underflow",
            excusable=False,
        ),
    )
    NAN = "nan", _About("turns NaN into a number", "NaN comes out as 0", requirement="nan")
    PADDING = (
        "padding",
        _About(
            "lets the padding of x reach gradients",
            "what is not finite in the padding makes them not finite",
        ),
    )
    DEPENDENT = (
        "dependent",
        _About(
            "does not drop elements independently",
            "elements are not dropped independently",
        ),
    )
    SHARED = (
        "shared",
        _About(
            "drops the same elements after several layers",
            "as many elements come through as if several layers dropped the same ones",
        ),
    )
    WRONG = "wrong", _About("answers a call wrongly", "an accepted call is answered wrongly")
    ACCEPTED = (
        "accepted",
        _About(
            "answers a call that means nothing",
            "a call that means nothing is answered",
            "silently accepted",
        ),
    )
    ACTIVATION = (
        "activation",
        _About(
            "differs because of its activation",
            "its activation, measured alone, gives exactly this",
            requirement="activation",
        ),
    )
    FLUSH = (
        "flush",
        _About(
            "differs because it flushes subnormal numbers to zero",
            "it flushes subnormal numbers to zero",
            requirement="subnormals",
        ),
    )
    ROUNDING = (
        "rounding",
        _About(
            "rounds otherwise",
            "as far apart as two orders of summation may be, and no further",
            "other last bits",
        ),
    )
    MODE = (
        "mode",
        _About("builds layers in another mode", "a fresh layer is in another mode", "another mode"),
    )
    ORDER = (
        "order",
        _About(
            "has its parameters in another order",
            "parameters come in another order",
            "another order",
        ),
    )
    NUMPY = (
        "numpy",
        _About(
            "draws from NumPy's global generator",
            "NumPy's global generator is drawn from",
            "side effect",
        ),
    )
    REFUSED = (
        "refused",
        _About("refuses a documented call", "a documented call raises", "refused"),
    )
    DISAGREES = (
        "disagrees",
        _About(
            "answers otherwise than the other",
            "two that accept a call answer differently",
            "another answer than the other's",
            excusable=False,
        ),
    )
    DIFFERS = (
        "differs",
        _About(
            "refuses what the other accepts, or the other way round",
            "one refuses what the other accepts",
            "one refuses what the other accepts",
        ),
    )

    def __str__(self) -> str:
        return str(self.value)

    @property
    def severity(self) -> int:
        """0 for the gravest."""
        return list(Cause).index(self)
