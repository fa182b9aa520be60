"""Binary floating-point formats, and gamma_n.

Sources: IEEE 754-2019 (formats); N. J. Higham, *Accuracy and Stability of Numerical Algorithms*,
2nd ed., SIAM 2002, section 3.1 (gamma_n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference.arrays import Float64Array

__all__ = ["FORMATS", "Format", "gamma"]


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
