"""Fresh weights are uniform within 1/sqrt(hidden_size), and drawn independently."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.independence import independence_tests
from harness.judging.power import stated
from harness.judging.weights import fresh_facts
from harness.probes import Probe
from harness.significance import SIGNIFICANCE, at_most, smallest_distance, uniform
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["fresh_distribution"]

GRID = 2**23
"""Numbers that a fresh weight can be with equal chance, at least."""


@check(
    requirement="initial-distribution",
    difference="fresh weights are not uniform within 1/sqrt(hidden_size)",
    probes=(Probe.SMALLEST_DISTANCE,),
    applies=aspect("fresh"),
)
def fresh_distribution(evidence: Evidence) -> Iterator[Comparison]:
    """U(-1/sqrt(H), 1/sqrt(H)) for every kind of parameter, by exact tests, drawn independently."""
    facts = fresh_facts(evidence)
    if facts is None:
        return
    limit = 1 / math.sqrt(evidence.config.hidden_size)
    kinds: dict[str, list[Array]] = {}
    for layer in facts.layers:
        for name, array in layer.items():
            kinds.setdefault(name.partition("_l")[0], []).append(array.astype(np.float64))
    # Storing rounds: in float16 and bfloat16 an end of the range may be reached.
    slack = float(evidence.case.fmt.ulp(limit))
    for kind, arrays in kinds.items():
        flat = np.concatenate([a.ravel() for a in arrays])
        outside = int((np.abs(flat) > limit + slack).sum())
        if outside:
            message = f"{outside} of {flat.size} beyond 1/sqrt(H) = {limit:.4g}"
            yield Comparison(
                f"range of {kind}", Verdict.FAIL, flat.size, message, Cause.UNEXPLAINED
            )
            continue
        if evidence.case.fmt.precision < 24:
            # Rounding to few bits makes ties; a continuous test does not apply.
            flat = flat + (np.random.default_rng(0).uniform(-0.5, 0.5, flat.size)) * np.asarray(
                evidence.case.fmt.ulp(flat)
            )
        test = uniform(flat, -limit, limit)
        part = f"distribution of {kind}"
        message = f"p = {test.p_value:.2g} by the Kolmogorov-Smirnov test"
        if not test.ratio <= 1:
            message = f"not uniform within 1/sqrt(H) = {limit:.4g}: {message}"
            yield Comparison(
                part, Verdict.FAIL, flat.size, message, Cause.UNEXPLAINED, ratio=test.ratio
            )
        elif not test.powerful:
            message = f"{flat.size} weights are too few to notice anything at {SIGNIFICANCE:g}"
            yield Comparison(part, Verdict.INCONCLUSIVE, flat.size, message, ratio=test.ratio)
        else:
            result = Comparison(part, Verdict.PASS, flat.size, message, ratio=test.ratio)
            yield stated(result, {Probe.SMALLEST_DISTANCE: smallest_distance(flat.size)})
    yield _repeated(kinds)
    if evidence.case.fmt.precision >= 24:
        yield _drawn_before(kinds)
    yield from independence_tests(facts.layers, limit)


def _repeated(kinds: Mapping[str, list[Array]]) -> Comparison:
    """No two parameters of more than three elements hold the same numbers."""
    seen: dict[bytes, str] = {}
    compared = 0
    for kind, arrays in kinds.items():
        for array in arrays:
            if array.size <= 3:
                continue
            compared += 1
            if array.tobytes() in seen:
                message = f"two parameters ({kind}, {seen[array.tobytes()]}) hold equal numbers"
                return Comparison(
                    "independence", Verdict.FAIL, compared, message, Cause.UNEXPLAINED
                )
            seen[array.tobytes()] = kind
    if compared < 2:
        return Comparison("independence", Verdict.INCONCLUSIVE, 0, "parameters too small to tell")
    return Comparison("independence", Verdict.PASS, compared, ratio=0.0)


def _drawn_before(kinds: Mapping[str, list[Array]]) -> Comparison:
    """Hardly a number comes twice; of few values, or in a symmetric matrix, many do.

    A generator of float32 has 2^24 values of equal chance; scaled, two of them may round to one.
    So a number is one of those before it with no more than their count over 2^23.
    """
    flat = np.concatenate([a.ravel() for arrays in kinds.values() for a in arrays])
    again = flat.size - len(np.unique(flat))
    test = at_most(again, flat.size, min(1.0, flat.size / GRID))
    said = f"{again} of {flat.size} numbers had been drawn before"
    part = "numbers drawn before"
    if not test.ratio <= 1:
        message = f"{said}: probability {test.p_value:.1e} by chance"
        return Comparison(
            part, Verdict.FAIL, flat.size, message, Cause.UNEXPLAINED, ratio=test.ratio
        )
    if not test.powerful:
        message = f"{flat.size} weights are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, Verdict.INCONCLUSIVE, flat.size, message, ratio=test.ratio)
    return Comparison(part, Verdict.PASS, flat.size, said, ratio=test.ratio)
