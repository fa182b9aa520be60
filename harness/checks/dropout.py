"""Dropout between layers, read from outside (`harness.observe.dropping`).

In evaluation mode it does nothing. In training mode the outputs of all layers but the last are
dropped with probability p and scaled by 1 / (1 - p) where they are kept, each by itself; h_n is
made of the states, which are not dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.bits import same_bits
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison, compare
from harness.evidence import Evidence, locate_output
from harness.observe import Dropping, Forward
from harness.significance import SIGNIFICANCE, binomial
from reference import activation_interval, step_error
from reference.arrays import BoolArray, Float64Array

__all__ = ["fresh_mode", "independent", "inert", "one_layer", "rate", "states", "values"]

UNEXPLAINED = "unexplained"


def _facts(evidence: Evidence) -> Dropping | None:
    facts = evidence.observation.facts
    return facts if isinstance(facts, Dropping) else None


def _chance(evidence: Evidence) -> float:
    return evidence.config.dropout / 100


def _keeps(evidence: Evidence) -> float:
    """Probability that an element comes through the whole stack."""
    kept: float = (1 - _chance(evidence)) ** (evidence.config.num_layers - 1)
    return kept


def _equal(part: str, one: Forward, other: Forward, message: str) -> Comparison:
    same = same_bits(one.output, other.output) and same_bits(one.h_n, other.h_n)
    count = one.output.size + one.h_n.size
    if same:
        return Comparison(part, PASS, count, ratio=0.0)
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
    for number, trained in enumerate(facts.trained, start=1):
        message = "training mode changes an answer that no dropout applies to"
        result = _equal(f"training mode, call {number}", trained, facts.without, message)
        none = "dropout-extremes" if config.num_layers > 1 else "dropout-one-layer"
        yield replace(result, requirement=none)


def values(evidence: Evidence) -> Iterator[Comparison]:
    """Dropped elements are exactly 0; kept ones are scaled by 1 / (1 - p), then activated."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    expected, low, high = _kept_values(evidence, facts)
    for number, trained in enumerate(facts.trained, start=1):
        actual = trained.output
        exact = actual.astype(np.float64)
        bound = np.where(exact > expected, high - expected, expected - low)
        with np.errstate(all="ignore"):
            ratio = np.where(exact == expected, 0.0, np.abs(exact - expected) / bound)
        dropped = actual == 0
        ratio = np.where(dropped, 0.0, ratio)
        expected_here = np.where(dropped, 0.0, expected)
        result = compare(
            f"kept values, call {number}",
            actual,
            expected_here,
            ratio,
            evidence.case.fmt,
            locate_output(config),
        )
        if result.verdict == FAIL:
            message = f"{result.failing} elements are neither 0 nor the value over 1 - p"
            result = replace(result, message=message, cause=UNEXPLAINED)
        elif dropped.all():
            message = "everything was dropped: no kept value was seen"
            result = replace(result, verdict=INCONCLUSIVE, message=message)
        if config.dropout >= 90:
            result = replace(result, requirement="dropout-extremes")
        yield result


def _kept_values(
    evidence: Evidence, facts: Dropping
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Value and legal range of an element that every layer kept."""
    config, fmt = evidence.config, evidence.case.fmt
    scale = 1 / (1 - _chance(evidence))
    state = facts.first.output.astype(np.float64)
    expected, low, high = state, state, state
    unit = 4 * fmt.unit_roundoff
    for _ in range(config.num_layers - 1):
        # W_ih is the identity and everything else is 0: one term. 1 / (1 - p) may be rounded,
        # or applied as a division, and the product is rounded.
        ends = []
        for value, sign in ((low, -1), (expected, 0), (high, 1)):
            a = value * scale * (1 + sign * unit)
            error = step_error(np.abs(a), 1, fmt, stored=1.0) * abs(sign)
            ends.append(activation_interval(config.nonlinearity, a, error, fmt))
        low, expected, high = ends[0].low, ends[1].expected, ends[2].high
        low = np.minimum(low, ends[1].low)
        high = np.maximum(high, ends[1].high)
    # Behind every layer the value is stored once more.
    return expected, low - fmt.ulp(low), high + fmt.ulp(high)


def _masks(evidence: Evidence, facts: Dropping) -> tuple[BoolArray, ...]:
    """Which elements came through, in both calls: (T, B, D * H)."""
    return tuple(trained.output != 0 for trained in facts.trained)


def _tested(
    part: str, successes: int, trials: int, chance: float, shared: float, message: str
) -> Comparison:
    """A binomial test; `shared` is the chance if all layers drop the same elements."""
    test = binomial(successes, trials, chance)
    ratio = test.ratio
    if not ratio <= 1:
        said = f"{message}: probability {test.p_value:.1e} by chance"
        if shared != chance and binomial(successes, trials, shared).ratio <= 1:
            said += f"; {trials * shared:.0f} if all layers drop the same elements"
            return Comparison(part, FAIL, trials, said, "shared", ratio=ratio)
        return Comparison(part, FAIL, trials, said, UNEXPLAINED, ratio=ratio)
    if not test.powerful:
        said = f"{trials} elements are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, INCONCLUSIVE, trials, said, ratio=ratio)
    return Comparison(part, PASS, trials, f"p = {test.p_value:.2g}", ratio=ratio)


def rate(evidence: Evidence) -> Iterator[Comparison]:
    """How many are kept: exact binomial test."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    masks = _masks(evidence, facts)
    kept, trials = sum(int(m.sum()) for m in masks), sum(m.size for m in masks)
    message = f"{kept} of {trials} kept, expected {trials * _keeps(evidence):.0f}"
    once = 1 - _chance(evidence)
    yield _tested("kept elements", kept, trials, _keeps(evidence), once, message)


def independent(evidence: Evidence) -> Iterator[Comparison]:
    """How often two elements that have nothing to do with each other fare alike, in pairs."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    one, two = _masks(evidence, facts)
    both = np.stack([one, two])
    pairs = {"calls": (one, two)}
    for axis, name in ((1, "steps"), (2, "rows"), (3, "units")):
        for distance, start in _distances(both.shape[axis]):
            pairs[f"{name}, {distance} apart from {start}"] = _pairs(both, axis, distance, start)
    if config.bidirectional:
        pairs["directions"] = (
            both[..., : config.hidden_size],
            both[..., config.hidden_size :],
        )
    alike, alike_if_shared = (
        keeps**2 + (1 - keeps) ** 2 for keeps in (_keeps(evidence), 1 - _chance(evidence))
    )
    for name, (a, b) in pairs.items():
        same = int((a == b).sum())
        message = f"{same} of {b.size} pairs of {name} fare alike, expected {b.size * alike:.0f}"
        yield _tested(f"pairs of {name}", same, b.size, alike, alike_if_shared, message)


def _distances(length: int) -> list[tuple[int, int]]:
    """Neighbours, from even and from odd places; next but one; the other half."""
    wanted = ((1, 0), (1, 1), (2, 0), (length // 2, 0))
    return [(d, s) for d, s in dict.fromkeys(wanted) if d >= 1 and s + 2 * d <= length]


def _pairs(masks: BoolArray, axis: int, distance: int, start: int) -> tuple[BoolArray, BoolArray]:
    """Elements and those `distance` behind them, each element in one pair at most."""
    places = np.arange(start, masks.shape[axis] - distance)
    first = places[(places - start) // distance % 2 == 0]
    return np.take(masks, first, axis), np.take(masks, first + distance, axis)


def states(evidence: Evidence) -> Iterator[Comparison]:
    """h_n: of the first layer what it is without dropout; of the last its last output."""
    facts, config = _facts(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    sides, hidden = config.directions, config.hidden_size
    for number, trained in enumerate(facts.trained, start=1):
        first = same_bits(trained.h_n[:sides], facts.first.h_n)
        ends = [
            trained.output[0 if side else -1][:, side * hidden : (side + 1) * hidden]
            for side in range(sides)
        ]
        last = all(
            same_bits(trained.h_n[-sides + side], np.ascontiguousarray(ends[side]))
            for side in range(sides)
        )
        part, count = f"h_n, call {number}", trained.h_n.size
        if first and last:
            yield Comparison(part, PASS, count, ratio=0.0)
        else:
            what = "last output" if first else "first layer's state"
            message = f"h_n is not the {what}"
            yield Comparison(part, FAIL, count, message, UNEXPLAINED, ratio=float("inf"))


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
