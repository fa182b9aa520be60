"""The reference on one case, and how far correct rounding may carry it from start to end."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.calibrated_gradients import Calibrated
from harness.case import Case
from harness.data import NUMPY_DTYPES
from harness.probes import Probe
from reference import Arithmetic, Exact, Moved, allowance, evaluate, exact_activation
from reference.arrays import Array, Float64Array
from reference.layer import Outputs

__all__ = ["Oracle", "has_state"]

EXPERIMENTS = 2


class Oracle:
    """The reference on one case; shared by all backends, each evaluation done once.

    Outputs are by name, time first: `output` (T, B, D * H), final states (L * D, B, H).
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self._gradients: dict[tuple[tuple[str, bytes], ...], Calibrated] = {}

    def gradients(self, cotangents: Mapping[str, Array]) -> Calibrated:
        """Of the sum of the products of outputs and cotangents, by name of output."""
        key = tuple((name, array.tobytes()) for name, array in sorted(cotangents.items()))
        if key not in self._gradients:
            self._gradients[key] = Calibrated(self.case, cotangents)
        return self._gradients[key]

    @functools.cached_property
    def exact(self) -> Outputs:
        """Everything in float64."""
        return self.evaluate()

    def evaluate(
        self,
        case: Case | None = None,
        dtype: npt.DTypeLike = np.float64,
        arithmetic: Arithmetic[Any] | None = None,
        *,
        stale: bool = False,
    ) -> Outputs:
        """The reference on this case, or on a varied one, in another precision or reading."""
        case = case or self.case
        config = case.config
        return evaluate(
            config.cell,
            case.x,
            case.initial,
            case.weights,
            num_layers=config.num_layers,
            bias=config.bias,
            bidirectional=config.bidirectional,
            lengths=case.lengths,
            dtype=dtype,
            arithmetic=arithmetic,
            stale=stale,
        )

    @functools.cached_property
    def faulty(self) -> Mapping[Probe, Outputs]:
        """What the commonest faults would make of the case; those that cannot occur are left out.

        bias: the biases of the recurrent part are dropped, in every layer and direction.
        state: every step takes the state before last; the first one takes 0 in place of h_0.
        row: every batch row has the answer of the row before it.

        A comparison that lets such an output pass has no power against the fault.
        """
        config = self.case.config
        if not self.case.valid.any():
            return {}
        found = {}
        with np.errstate(all="ignore"):
            if config.bias:
                found[Probe.BIAS] = self.evaluate(without_recurrent_biases(self.case))
            if has_state(self.case):
                found[Probe.STATE] = self.evaluate(stale=True)
            if self.case.rows_differ:
                found[Probe.ROW] = {n: np.roll(a, 1, axis=1) for n, a in self.exact.items()}
        return found

    @functools.cached_property
    def working_precision(self) -> Outputs:
        """Everything in the config's own precision."""
        dtype = NUMPY_DTYPES[self.case.config.dtype]
        if self.case.config.dtype != "bf16":
            return self.evaluate(dtype=dtype)

        # NumPy has no arithmetic in bfloat16: sums in float32, as hardware does, states stored.
        def stored(name: str, a: Array) -> Array:
            value: Array = exact_activation(name, a.astype(np.float64)).astype(dtype)
            return value.astype(np.float32)

        return self.evaluate(dtype=np.float32, arithmetic=Exact(stored))

    @functools.cached_property
    def terms(self) -> int:
        """The largest number of terms that a sum of any step has."""
        config = self.case.config
        below = config.output_size * config.directions if config.num_layers > 1 else 1
        return config.hidden_size + 2 + max(config.input_size, below)

    @functools.cached_property
    def tolerance(self) -> Outputs:
        """Absolute tolerance of every output, calibrated by the case itself.

        The oracle is moved three times: evaluated in the working precision once, and twice
        with every input and weight moved by one ulp (random signs) and every activation by
        what it may err. D is the largest distance from the exact oracle seen at an element's
        batch row, up to its step (over all steps if bidirectional or stacked: an error of any
        step reaches it; of a final state over those of the output too). A sum of n terms whose
        roundings have random signs errs by about sqrt(n) u; the correct worst case is n u. So
        D may be exceeded by sqrt(n), and the tolerance is 2 sqrt(n) D plus the error of the last
        activation and of storing it.
        """
        config, fmt = self.case.config, self.case.fmt
        running = config.num_layers == 1 and not config.bidirectional
        far = {name: self._distance(name) for name in self.exact}
        of_rows = far["output"].max(axis=(0, 2), keepdims=True)

        def bound(name: str, exact: Array) -> Float64Array:
            with np.errstate(all="ignore"):
                errs = [allowance(one, exact, fmt) for one in config.cell.activations]
            if running and name == "output":
                widest = np.maximum.accumulate(far[name].max(axis=2, keepdims=True), axis=0)
            else:
                widest = np.maximum(far[name].max(axis=(0, 2), keepdims=True), of_rows)
            last = np.max(errs, axis=0) + fmt.ulp(exact)
            found: Float64Array = 2 * math.sqrt(self.terms) * widest + last
            return found

        return {name: bound(name, exact) for name, exact in self.exact.items()}

    def _distance(self, name: str) -> Float64Array:
        """How far the moved oracles are from the exact one, at most; infinite where one is NaN."""
        with np.errstate(all="ignore"):
            moved = [one[name].astype(np.float64) for one in self._experiments]
            distance = np.max([np.abs(other - self.exact[name]) for other in moved], axis=0)
        found: Float64Array = np.where(np.isnan(distance), np.inf, distance)
        return found

    @functools.cached_property
    def surely_nan(self) -> Mapping[str, Array]:
        """Where the oracle is NaN, however it is moved: True in place of the numbers."""
        every = [self.exact, *self._experiments]
        return {name: np.all([np.isnan(one[name]) for one in every], axis=0) for name in self.exact}

    @functools.cached_property
    def _experiments(self) -> list[Outputs]:
        return [self.working_precision, *(self._moved(k) for k in range(EXPERIMENTS))]

    def _moved(self, experiment: int) -> Outputs:
        """The oracle with inputs and weights moved by one ulp, activations by their error."""
        reading = Moved(self.case.fmt, np.random.PCG64([self.case.config.seed, experiment]))
        inputs = {
            name: array if name == "lengths" else reading.moved(array)
            for name, array in self.case.inputs.items()
        }
        weights = {name: reading.moved(array) for name, array in self.case.weights.items()}
        case = dataclasses.replace(self.case, inputs=inputs, weights=weights)
        return self.evaluate(case, arithmetic=reading)


def has_state(case: Case) -> bool:
    """Whether any step starts from another state than zeros that nobody gave."""
    return bool((case.last_step >= (0 if case.config.states else 1)).any())


def without_recurrent_biases(case: Case) -> Case:
    """The case with biases of 0 beside W_hh."""
    weights = {
        name: np.zeros_like(array) if name.startswith("bias_hh") else array
        for name, array in case.weights.items()
    }
    return dataclasses.replace(case, weights=weights)
