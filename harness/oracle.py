"""The reference on one case, and how far legal rounding may carry it from start to end."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from harness.case import NUMPY_DTYPES, Case
from harness.faults import faulty
from harness.observe import Forward
from harness.probes import Probe
from reference import exact_activation, rnn
from reference.arrays import Array, Float64Array
from reference.rounding import TANH_ULPS

__all__ = ["Oracle"]


EXPERIMENTS = 2


class Oracle:
    """The reference on one case; shared by all backends, each evaluation done once."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @functools.cached_property
    def exact(self) -> Forward:
        """Everything in float64."""
        return self.evaluate()

    @functools.cached_property
    def faulty(self) -> Mapping[Probe, Forward]:
        """What the commonest faults would give in its place, see `harness.faults`."""
        return faulty(self.case, self.exact)

    def evaluate(
        self,
        case: Case | None = None,
        dtype: npt.DTypeLike = np.float64,
        activation: Callable[[Array], Array] | None = None,
    ) -> Forward:
        """The reference on this case, or on a varied one, in another precision or activation."""
        case = case or self.case
        config = case.config
        output, h_n = rnn(
            case.x,
            case.h_0,
            case.weights,
            num_layers=config.num_layers,
            nonlinearity=activation or config.nonlinearity,
            bias=config.bias,
            bidirectional=config.bidirectional,
            lengths=case.lengths,
            dtype=dtype,
        )
        return Forward(output, h_n)

    @functools.cached_property
    def working_precision(self) -> Forward:
        """Everything in the config's own precision."""
        dtype, nonlinearity = NUMPY_DTYPES[self.case.config.dtype], self.case.config.nonlinearity
        if self.case.config.dtype != "bf16":
            return self.evaluate(dtype=dtype)

        # NumPy has no arithmetic in bfloat16: sums in float32, as hardware does, states stored.
        def stored(a: Array) -> Array:
            value: Array = exact_activation(nonlinearity, a.astype(np.float64)).astype(dtype)
            return value.astype(np.float32)

        return self.evaluate(dtype=np.float32, activation=stored)

    @functools.cached_property
    def tolerance(self) -> Forward:
        """Absolute tolerance for output and h_n, calibrated by the case itself.

        The oracle is moved three times: evaluated in the working precision once, and twice
        with every input and weight moved by one ulp (random signs) and every activation by
        what it may err. D is the largest distance from the exact oracle seen at an element's
        batch row, up to its step (over all steps if bidirectional or stacked: an error of any
        step reaches it). A sum of n terms whose roundings have random signs errs by about
        sqrt(n) u; the legal worst case is n u. So D may be exceeded by sqrt(n), and the
        tolerance is 2 sqrt(n) D plus the error of the last activation and of storing it.
        """
        config, fmt, moved = self.case.config, self.case.fmt, self._experiments
        n = (
            config.hidden_size
            + 2
            + max(
                config.input_size,
                config.hidden_size * config.directions if config.num_layers > 1 else 1,
            )
        )
        cumulative = config.num_layers == 1 and not config.bidirectional

        def bound(exact: Array, others: list[Array], running: bool) -> Float64Array:
            with np.errstate(all="ignore"):
                distance = np.max([np.abs(o.astype(np.float64) - exact) for o in others], axis=0)
            distance = np.where(np.isnan(distance), np.inf, distance)
            if running:
                widest = np.maximum.accumulate(distance.max(axis=2, keepdims=True), axis=0)
            else:
                widest = distance.max(axis=(0, 2), keepdims=True)
            last = (TANH_ULPS if config.nonlinearity == "tanh" else 0.0) + 1.0
            return 2 * math.sqrt(n) * widest + last * fmt.ulp(exact)

        return Forward(
            bound(self.exact.output, [m.output for m in moved], cumulative),
            bound(self.exact.h_n, [m.h_n for m in moved], False),
        )

    @functools.cached_property
    def surely_nan(self) -> Forward:
        """Where the oracle is NaN, however it is moved: True in place of the numbers."""
        every = [self.exact, *self._experiments]
        return Forward(
            np.all([np.isnan(one.output) for one in every], axis=0),
            np.all([np.isnan(one.h_n) for one in every], axis=0),
        )

    @functools.cached_property
    def _experiments(self) -> list[Forward]:
        return [self.working_precision, *(self._moved(k) for k in range(EXPERIMENTS))]

    def _moved(self, experiment: int) -> Forward:
        """The oracle with inputs and weights moved by one ulp, activations by their error."""
        fmt, nonlinearity = self.case.fmt, self.case.config.nonlinearity
        bits = np.random.PCG64([self.case.config.seed, experiment])

        def signs(shape: tuple[int, ...]) -> Float64Array:
            raw = bits.random_raw(math.prod(shape)) >> np.uint64(63)
            values: Float64Array = (raw * 2.0 - 1.0).reshape(shape)
            return values

        def moved(array: Array) -> Float64Array:
            exact = array.astype(np.float64)
            with np.errstate(invalid="ignore"):
                return exact + signs(array.shape) * fmt.ulp(exact)

        def activation(a: Array) -> Float64Array:
            value = exact_activation(nonlinearity, a.astype(np.float64))
            ulps = TANH_ULPS if nonlinearity == "tanh" else 0.5
            erring: Float64Array = value + ulps * signs(value.shape) * fmt.ulp(value) * (value != 0)
            return erring

        case = dataclasses.replace(
            self.case,
            x=moved(self.case.x),
            h_0=None if self.case.h_0 is None else moved(self.case.h_0),
            weights={name: moved(array) for name, array in self.case.weights.items()},
        )
        return self.evaluate(case, activation=activation)
