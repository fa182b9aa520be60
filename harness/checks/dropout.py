"""Dropout between layers, read from outside (`harness.observe.dropping`).

In evaluation mode it does nothing. In training mode the outputs of all layers but the last are
dropped with probability p and scaled by 1 / (1 - p) where they are kept, each by itself; h_n is
made of the states, which are not dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.bits import same_bits
from harness.checks.power import share, stated
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison, compare
from harness.evidence import Evidence, locate_output
from harness.observe import Dropping, Forward
from reference import activation_interval, step_error
from reference.arrays import Float64Array

__all__ = ["fresh_mode", "inert", "one_layer", "states", "values"]

UNEXPLAINED = "unexplained"


def _facts(evidence: Evidence) -> Dropping | None:
    facts = evidence.observation.facts
    return facts if isinstance(facts, Dropping) else None


def _chance(evidence: Evidence) -> float:
    return evidence.config.dropout / 100


def _equal(part: str, one: Forward, other: Forward, message: str) -> Comparison:
    same = same_bits(one.output, other.output) and same_bits(one.h_n, other.h_n)
    count = one.output.size + one.h_n.size
    if same:
        result = Comparison(part, PASS, count, ratio=0.0)
        return stated(result, {"dropped": share(other.output != 0)})
    return Comparison(part, FAIL, count, message, UNEXPLAINED, ratio=float("inf"))


def inert(evidence: Evidence) -> Iterator[Comparison]:
    """Evaluation mode, before and after training mode, equals a layer without dropout, bitwise."""
    facts = _facts(evidence)
    if facts is None:
        return
    message = "in evaluation mode the answer is not that of the same layer with dropout 0"
    yield _equal("evaluation mode", facts.evaluated, facts.without, message)
    message = "evaluation mode behind training mode is not what it was before"
    yield _equal("evaluation mode again", facts.again, facts.evaluated, message)


def one_layer(evidence: Evidence) -> Iterator[Comparison]:
    """One layer is the last one: it never drops. Nor does a dropout of 0."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or (config.num_layers > 1 and config.dropout > 0):
        return
    message = "training mode changes an answer that no dropout applies to"
    none = "dropout-extremes" if config.num_layers > 1 else "dropout-one-layer"
    for result in _each_call(
        facts, "training mode", lambda part, call: _equal(part, call, facts.without, message)
    ):
        yield replace(result, requirement=none)


def _each_call(
    facts: Dropping, part: str, judge: Callable[[str, Forward], Comparison]
) -> Iterator[Comparison]:
    """A comparison for each of the first calls in training mode; of the later ones the worst."""
    for number, call in enumerate(facts.trained, start=1):
        yield judge(f"{part}, call {number}", call)
    later = [judge(part, call) for call in facts.later]
    if not later:
        return
    gravity = {FAIL: 2, PASS: 1}
    number, worst = max(
        enumerate(later, start=1 + len(facts.trained)),
        key=lambda one: (gravity.get(one[1].verdict, 0), one[1].ratio or 0.0),
    )
    message = f"call {number}: {worst.message}" if worst.message else ""
    compared = sum(result.compared for result in later)
    yield replace(worst, part=f"{part}, later calls", compared=compared, message=message)


def values(evidence: Evidence) -> Iterator[Comparison]:
    """Dropped elements are exactly 0; kept ones are scaled by 1 / (1 - p), then activated."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    state = facts.first.output.astype(np.float64)
    expected, low, high = _kept_values(evidence, state, config.num_layers - 1)
    legal = expected, low, high
    yield from _each_call(
        facts, "kept values", lambda part, call: _kept(evidence, facts, part, call, legal)
    )


def _kept(
    evidence: Evidence,
    facts: Dropping,
    part: str,
    call: Forward,
    legal: tuple[Float64Array, Float64Array, Float64Array],
) -> Comparison:
    """Each element of one call is 0, or what it is where all dropouts keep it."""
    (expected, low, high), config = legal, evidence.config
    exact = call.output.astype(np.float64)
    bound = np.where(exact > expected, high - expected, expected - low)
    with np.errstate(all="ignore"):
        ratio = np.abs(exact - expected) / bound
    dropped = call.output == 0
    result = compare(
        part,
        call.output,
        np.where(dropped, 0.0, expected),
        np.where(dropped, 0.0, ratio),
        evidence.case.fmt,
        locate_output(config),
    )
    if result.verdict == FAIL:
        message = f"{result.failing} elements are neither 0 nor the value over 1 - p"
        result = replace(result, message=message, cause=UNEXPLAINED)
    elif dropped.all():
        message = "everything was dropped: no kept value was seen"
        result = replace(result, verdict=INCONCLUSIVE, message=message)
    # A layer or a stack of them that does not scale: the state of the first one comes through.
    unscaled = facts.first.output.astype(np.float64)
    seen = ~dropped & ((unscaled < low) | (unscaled > high))
    result = stated(result, {"unscaled": share(seen)})
    return replace(result, requirement="dropout-extremes") if config.dropout >= 90 else result


def _kept_values(
    evidence: Evidence, state: Float64Array, times: int
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Value and legal range of a state of the first layer behind so many layers that kept it."""
    config, fmt = evidence.config, evidence.case.fmt
    scale = 1 / (1 - _chance(evidence))
    expected, low, high = state, state, state
    unit = 4 * fmt.unit_roundoff
    for _ in range(times):
        # W_ih is the identity and everything else is 0: one term. 1 / (1 - p) may be rounded,
        # or applied as a division, and the product is rounded.
        ends = []
        for value, sign in ((low, -1), (expected, 0), (high, 1)):
            a = value * scale + sign * np.abs(value * scale) * unit
            error = step_error(np.abs(a), 1, fmt, stored=1.0) * abs(sign)
            ends.append(activation_interval(config.nonlinearity, a, error, fmt))
        low, expected, high = ends[0].low, ends[1].expected, ends[2].high
        low = np.minimum(low, ends[1].low)
        high = np.maximum(high, ends[1].high)
    # Behind every layer the value is stored once more.
    return expected, low - fmt.ulp(low), high + fmt.ulp(high)


def states(evidence: Evidence) -> Iterator[Comparison]:
    """h_n: of the first layer what it is without dropout; of the last its last output; of those
    between, what comes through the dropouts below: 0 or kept by all, and 0 where one below is.
    """
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    yield from _each_call(facts, "h_n", lambda part, call: _states(evidence, facts, part, call))


def _states(evidence: Evidence, facts: Dropping, part: str, call: Forward) -> Comparison:
    """The same of one call."""
    sides, hidden = evidence.config.directions, evidence.config.hidden_size
    first = same_bits(call.h_n[:sides], facts.first.h_n)
    ends = [
        call.output[0 if side else -1][:, side * hidden : (side + 1) * hidden]
        for side in range(sides)
    ]
    last = all(
        same_bits(call.h_n[-sides + side], np.ascontiguousarray(ends[side]))
        for side in range(sides)
    )
    if first and last and _states_between(evidence, facts, call):
        result = Comparison(part, PASS, call.h_n.size, ratio=0.0)
        return stated(result, {"dropped": share(facts.evaluated.h_n != 0)})
    what = "last output" if first else "first layer's state"
    if first and last:
        what = "state of a layer between"
    message = f"h_n is not the {what}"
    return Comparison(part, FAIL, call.h_n.size, message, UNEXPLAINED, ratio=float("inf"))


def _states_between(evidence: Evidence, facts: Dropping, trained: Forward) -> bool:
    """Whether h_n of the layers behind the first can be what the dropouts below let through."""
    sides, hidden = evidence.config.directions, evidence.config.hidden_size
    for side in range(sides):
        last = facts.first.output[0 if side else -1][:, side * hidden : (side + 1) * hidden]
        below = np.ones(last.shape, bool)
        for layer in range(1, evidence.config.num_layers):
            own = trained.h_n[layer * sides + side].astype(np.float64)
            legal = below
            if layer < evidence.config.num_layers - 1:  # the last one's are outputs: `values`
                _, low, high = _kept_values(evidence, last.astype(np.float64), layer)
                legal = below & (own >= low) & (own <= high)
            if not ((own == 0) | legal).all():
                return False
            below = own != 0
    return True


def fresh_mode(evidence: Evidence) -> Iterator[Comparison]:
    """torch documents that a fresh layer is in training mode; so it drops."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or facts.fresh is None or config.num_layers == 1 or config.dropout < 10:
        return
    comes, evaluated = facts.fresh
    # Every number is positive: a 0 was dropped.
    if not same_bits(comes.output, evaluated.output) and (comes.output == 0).any():
        yield Comparison("a fresh layer", PASS, comes.output.size, "drops", ratio=0.0)
    else:
        message = "a fresh layer does not drop until it is switched to training mode"
        cause = "mode" if same_bits(comes.output, evaluated.output) else UNEXPLAINED
        yield Comparison("a fresh layer", FAIL, comes.output.size, message, cause)
