"""What rounding alone can explain: formats, gamma_n, and the bound on one step of an RNN.

Sources: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., SIAM 2002
(section 2.1 for the model with underflow, 3.1 for gamma_n and inner products); IEEE 754-2019
(formats); the OpenCL C 3.0 specification, "Relative Error as ULPs" (tanh within 5 ulp).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference.arrays import Float64Array

__all__ = [
    "FORMATS",
    "TANH_ULPS",
    "Format",
    "Interval",
    "activation_interval",
    "exact_activation",
    "gamma",
    "step_error",
]


TANH_ULPS = 5.0
"""Error allowed to a tanh, in ulp: what OpenCL C 3.0 grants. relu is exact, it gets 0."""

ORACLE_TANH_ULPS = 4.0
"""Error of `numpy.tanh` in float64, in ulp of float64 (NumPy's accuracy tests allow 4)."""


@dataclass(frozen=True)
class Format:
    """A binary floating-point format (IEEE 754-2019, table 3.5; bfloat16 likewise).

    `precision` is p, the bits of the significand with the hidden one; `emin` and `emax` are
    the exponents of the smallest and the largest normal number.
    """

    name: str
    precision: int
    emin: int
    emax: int

    @property
    def unit_roundoff(self) -> float:
        """u = 2^-p: the largest relative error of rounding to nearest."""
        return 2.0**-self.precision

    @property
    def smallest_subnormal(self) -> float:
        return float(np.ldexp(1.0, self.emin - self.precision + 1))

    @property
    def smallest_normal(self) -> float:
        return float(np.ldexp(1.0, self.emin))

    @property
    def largest(self) -> float:
        return float(np.ldexp(2.0 - 2.0 ** (1 - self.precision), self.emax))

    def ulp(self, value: npt.ArrayLike) -> Float64Array:
        """Distance between neighbours of this format at |value|; gradual underflow; float64."""
        _, exponent = np.frexp(np.abs(np.asarray(value, np.float64)))
        exponent = np.maximum(exponent - 1, self.emin)
        spacing: Float64Array = np.ldexp(1.0, exponent - self.precision + 1)
        return np.where(np.asarray(value) == 0, self.smallest_subnormal, spacing)


FORMATS = {
    "fp16": Format("fp16", precision=11, emin=-14, emax=15),
    "bf16": Format("bf16", precision=8, emin=-126, emax=127),
    "fp32": Format("fp32", precision=24, emin=-126, emax=127),
    "fp64": Format("fp64", precision=53, emin=-1022, emax=1023),
}


def gamma(n: int, unit_roundoff: float) -> float:
    """gamma_n = n u / (1 - n u) (Higham, lemma 3.1); infinite where n u >= 1: no bound exists."""
    if n < 0:
        raise ValueError(f"n = {n}, expected a number of roundings >= 0")
    product = n * unit_roundoff
    return product / (1.0 - product) if product < 1.0 else float("inf")


def step_error(
    magnitude: npt.ArrayLike, n: int, fmt: Format, *, stored: npt.ArrayLike = 0.0
) -> Float64Array:
    """Bound E on the error of a pre-activation summed in any order, in precision `fmt`.

    Derivation. In exact arithmetic a = W_ih x + b_ih + W_hh h' + b_hh is a sum of
    n = input_size + hidden_size + 2 terms, products counted as one term (2 less without
    biases). Whatever the order of evaluation (left to right, pairwise, blocked, the biases
    first, last or added to each other, with fused multiply-adds or without), each term passes
    through at most one rounding of its product and n - 1 roundings of additions. An
    implementation may also keep a state in a higher precision than it stores it in, as fused
    kernels do; the x and h' that are seen are then off by one more rounding. Hence (Higham,
    section 3.1)

        |computed - a| <= gamma_(n+1) m,   m = |W_ih||x| + |b_ih| + |W_hh||h'| + |b_hh|.

    Sums never underflow with an error (a subnormal sum is exact; Higham, section 2.1 and
    problem 2.19); a product may, by half the smallest subnormal eta, and so may a stored state,
    which its weight w then multiplies: (n + sum |w|) eta / 2 is added. The float64 evaluation
    of a and m here has the same bound with its own u, and that is added too, so that the bound
    also holds for fp64.

    Args:
        magnitude: m, any shape, float64, not negative.
        n: number of terms.
        fmt: working precision of the implementation under test.
        stored: sum of |w| over the terms whose x or h' is a state of the implementation;
            broadcasts against m.

    Returns:
        E, of the shape of m. Infinite where (n + 1) u >= 1.
    """
    oracle = FORMATS["fp64"]
    relative = gamma(n + 1, fmt.unit_roundoff) + gamma(n, oracle.unit_roundoff)
    half = 0.5 * (fmt.smallest_subnormal + oracle.smallest_subnormal)
    with np.errstate(invalid="ignore"):
        underflow = (n + np.asarray(stored, np.float64)) * half
        return np.asarray(magnitude, np.float64) * relative + underflow


@dataclass(frozen=True)
class Interval:
    """Every value a legal evaluation may give: [low, high] around `expected`, float64."""

    low: Float64Array
    expected: Float64Array
    high: Float64Array

    def ratio(self, actual: Float64Array) -> Float64Array:
        """|actual - expected| over the bound on that side; 0 for equal values, inf for NaN."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = actual - self.expected
            bound = np.where(error > 0, self.high - self.expected, self.expected - self.low)
            ratio = np.where(actual == self.expected, 0.0, np.abs(error) / bound)
        return np.where(np.isnan(ratio), np.inf, ratio)


def exact_activation(nonlinearity: str, a: Float64Array) -> Float64Array:
    """tanh or relu of float64 values. Raises ValueError for any other name."""
    if nonlinearity == "tanh":
        return np.tanh(a)
    if nonlinearity == "relu":
        return np.maximum(a, 0.0)
    raise ValueError(f"nonlinearity = {nonlinearity!r}, expected 'tanh' or 'relu'")


def activation_interval(
    nonlinearity: str, a: Float64Array, error: Float64Array, fmt: Format
) -> Interval:
    """[act(a - E), act(a + E)], widened at both ends by what the activation itself may err.

    The interval goes through the activation (both are monotone): adding E behind it would be
    blind wherever tanh saturates. The widening is c ulp of the working precision, c = 5 for
    tanh and 0 for relu, and the error of float64's own tanh, which only shows for fp64. An ulp
    is that of the exact value, which may lie anywhere in the interval: both ends get the
    largest there. It is never that of 1, which no tanh reaches, though float64's may round to it.

    Args:
        nonlinearity: "tanh" or "relu".
        a: exact pre-activations (float64, any shape).
        error: E of `step_error`, same shape.
        fmt: working precision.
    """
    low = exact_activation(nonlinearity, a - error)
    high = exact_activation(nonlinearity, a + error)
    expected = exact_activation(nonlinearity, a)
    if nonlinearity == "tanh":
        oracle = FORMATS["fp64"]
        largest = np.maximum(np.abs(low), np.abs(high))
        ulp = fmt.ulp(np.minimum(largest, 1.0 - fmt.unit_roundoff))
        widening = TANH_ULPS * ulp + ORACLE_TANH_ULPS * oracle.ulp(largest)
        low, high = low - widening, high + widening
    return Interval(low, expected, high)
