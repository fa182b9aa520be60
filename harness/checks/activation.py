"""The activation alone, over its whole range, through the layer itself.

One unit, one step, parameters with which the layer is its activation (of RNN W_ih = 1 and W_hh = 0;
of gated layers all gates but one saturated): any error is the activation's. Parts: ranges of |x|
from subnormal to beyond 5, against what each may err: relu nothing, tanh 5 ulp, sigmoid as much as
its exp and division.

No law of tanh is asked beside that, and none needs to be. Of two values that may each err c ulp the
later may be 2 c ulp less, two mirrored ones may differ by 2 c ulp, and one may exceed 1 by c ulp:
what breaks monotonicity, oddness or the bound of 1 by more than its accuracy explains is beyond
its accuracy somewhere. That they hold exactly no page of either framework promises, and correct
kernels (expm1(2x) / (expm1(2x) + 2), rational approximations) break them by an ulp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.activation import survives
from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, Worst, compare
from harness.config import Config, ConfigError
from harness.data import SWEEP_POINTS
from harness.evidence import Evidence
from harness.judging.applies import SWEEP, VALUES
from harness.judging.power import share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Interval, Rounded, allowance, exact_activation, parameters_of
from reference.arrays import Float64Array
from reference.intervals import Sum, Value

__all__ = ["activation"]

RANGES = (1.0, 2.0, 3.0, 4.0, 5.0, np.inf)
"""Upper ends of the ranges of |x| that are judged apart: an error is known where it was seen."""


def _is_its_activation(case: Case) -> bool:
    """One unit, one step, and the parameters with which the layer is its activation."""
    config, kind = case.config, case.config.record.kind("sweep")
    sizes = (config.num_layers, config.hidden_size, *case.x.shape[::2])
    return (
        sizes == (1, 1, 1, 1)
        and kind is not None
        and _fits(config)
        and all(
            (array == kind.weight(config, name, array.shape).astype(array.dtype)).all()
            for name, array in case.weights.items()
        )
        and all(
            (array == kind.state(config, name, array.shape)).all()
            for name, array in case.initial.items()
        )
    )


def _fits(config: Config) -> bool:
    try:
        config.replace(batch=SWEEP_POINTS, data="sweep")
    except ConfigError:
        return False
    return True


class _Selecting(Rounded):
    """Sums of one number and zeros, which every order of summation gives exactly; and gates that
    are shut or open in all rows.
    """

    def error(self, value: Sum) -> Float64Array:
        return np.zeros(np.shape(value.expected))

    def activation(self, name: str, value: Value) -> Interval:
        exact = exact_activation(name, self.close(value).expected)
        if not np.isin(exact, (-1.0, 0.0, 1.0)).all():
            return super().activation(name, value)
        return Interval(exact, exact, exact)


@check(
    requirement="activation",
    difference="the activation alone errs more than 5 ulp",
    applies=VALUES & SWEEP,
    needs=(Need.OUTPUTS,),
    probes=(Probe.ERROR,),
    admits=_is_its_activation,
)
def activation(evidence: Evidence) -> Iterator[Comparison]:
    """A comparison for each range, and one for subnormal numbers."""
    config, fmt = evidence.config, evidence.case.fmt
    x = evidence.case.x.ravel().astype(np.float64)
    actual = evidence.outputs["output"].ravel()
    name = config.record.swept(config)
    interval = _interval(evidence.case)
    ratio = interval.ratio(actual.astype(np.float64))
    allowed = allowance(name, interval.expected, fmt)
    off = interval.expected + np.maximum(2 * allowed, fmt.ulp(interval.expected))
    resolved = (off > interval.high) | np.isinf(off)

    def locate(index: tuple[int, ...]) -> Worst:
        return Worst("output", 0, "forward", 0, index[0], 0)

    subnormal = (np.abs(x) < fmt.smallest_normal) & (x != 0)
    parts, low = {"subnormal": subnormal}, 0.0
    for high in RANGES:
        inside = ~subnormal & (np.abs(x) >= low) & (np.abs(x) < high)
        inside |= np.isinf(x) & (high == np.inf)
        parts[f"{low:g} to {high:g}" if high < np.inf else f"beyond {low:g}"] = inside
        low = high
    for part, inside in parts.items():
        result = compare(part, actual, interval.expected, ratio, fmt, locate, defined=inside)
        if result.verdict == Verdict.FAIL and result.worst is not None:
            at = float(x[result.worst.batch or 0])
            message = f"{result.failing} of {result.compared} points; worst at x = {at!r}"
            result = replace(result, message=message, cause=Cause.ACTIVATION)
            # All that fails is 0, and normal numbers are kept.
            flushed = bool((actual[inside & ~(ratio <= 1)] == 0).all())
            if part == "subnormal" and flushed and survives(name, x, actual, fmt):
                result = replace(result, cause=Cause.FLUSH)
            elif _of_lower_precision(evidence):
                result = replace(result, cause=Cause.PRECISION)
        yield stated(result, {Probe.ERROR: share(resolved, inside)})


def _interval(case: Case) -> Interval:
    """What the step may give; products with other parameters than the sweep's may err."""
    config = case.config
    op: Rounded = _Selecting(case.fmt) if _is_its_activation(case) else Rounded(case.fmt)
    with np.errstate(all="ignore"):
        found = config.cell.equation(
            op,
            parameters_of(config.cell, case.weights, 0, False, config.bias),
            op.given(case.x[0]),
            {state: op.given(case.start(state, 0)) for state in config.cell.states},
        )
        one = op.close(found[config.cell.states[0]])
    return Interval(one.low[:, 0], one.expected[:, 0], one.high[:, 0])


def _of_lower_precision(evidence: Evidence) -> bool:
    own = evidence.own_activations()
    return own is not None and own.precision is not None
