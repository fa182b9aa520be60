"""Parameters: their names and shapes, their order, what they are drawn from, how they travel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from harness.checks.power import stated
from harness.checks.unrelated import unrelated
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison
from harness.evidence import Evidence
from harness.observe import FreshWeights, Stored
from harness.significance import SIGNIFICANCE, at_most, smallest_distance, uniform
from reference.arrays import Array

__all__ = ["across", "distribution", "names", "order", "own_file", "seeding", "side_effects"]

UNEXPLAINED = "unexplained"

GRID = 2**23
"""Numbers that a fresh weight can be with equal chance, at least."""


def _facts(evidence: Evidence) -> FreshWeights | None:
    facts = evidence.observation.facts
    return facts if isinstance(facts, FreshWeights) else None


def names(evidence: Evidence) -> Iterator[Comparison]:
    """torch's names, each with torch's shape and the dtype asked for."""
    facts = _facts(evidence)
    if facts is None:
        return
    expected = evidence.config.options.parameter_shapes()
    dtype = evidence.case.x.dtype
    for layer in facts.layers:
        found = {name: array.shape for name, array in layer.items()}
        others = sorted({str(a.dtype) for a in layer.values() if a.dtype != dtype})
        if found != expected or others:
            message = f"has {found}, expected {expected}" if found != expected else ""
            message += f"dtype {', '.join(others)}, expected {dtype}" if others else ""
            yield Comparison("names and shapes", FAIL, len(found), message, UNEXPLAINED)
            return
    yield Comparison("names and shapes", PASS, len(expected) * len(facts.layers), ratio=0.0)


def order(evidence: Evidence) -> Iterator[Comparison]:
    """torch's order: layer by layer, so that optimisers and flat vectors line up."""
    facts = _facts(evidence)
    if facts is None:
        return
    found, expected = list(facts.layers[0]), list(evidence.config.options.parameter_shapes())
    if sorted(found) != sorted(expected):
        return
    if found == expected:
        yield Comparison("order", PASS, len(found), ratio=0.0)
        return
    first = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
    message = f"parameter {first} is {found[first]}, torch's is {expected[first]}"
    yield Comparison("order", FAIL, len(found), message, "order")


def distribution(evidence: Evidence) -> Iterator[Comparison]:
    """U(-1/sqrt(H), 1/sqrt(H)) for every kind of parameter, by exact tests, drawn independently."""
    facts = _facts(evidence)
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
            yield Comparison(f"range of {kind}", FAIL, flat.size, message, UNEXPLAINED)
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
            yield Comparison(part, FAIL, flat.size, message, UNEXPLAINED, ratio=test.ratio)
        elif not test.powerful:
            message = f"{flat.size} weights are too few to notice anything at {SIGNIFICANCE:g}"
            yield Comparison(part, INCONCLUSIVE, flat.size, message, ratio=test.ratio)
        else:
            result = Comparison(part, PASS, flat.size, message, ratio=test.ratio)
            yield stated(result, {"smallest_distance": smallest_distance(flat.size)})
    yield _repeated(kinds)
    if evidence.case.fmt.precision >= 24:
        yield _drawn_before(kinds)
    yield from unrelated(facts.layers, limit)


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
                return Comparison("independence", FAIL, compared, message, UNEXPLAINED)
            seen[array.tobytes()] = kind
    if compared < 2:
        return Comparison("independence", INCONCLUSIVE, 0, "parameters too small to tell")
    return Comparison("independence", PASS, compared, ratio=0.0)


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
        return Comparison(part, FAIL, flat.size, message, UNEXPLAINED, ratio=test.ratio)
    if not test.powerful:
        message = f"{flat.size} weights are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, INCONCLUSIVE, flat.size, message, ratio=test.ratio)
    return Comparison(part, PASS, flat.size, said, ratio=test.ratio)


def seeding(evidence: Evidence) -> Iterator[Comparison]:
    """The same seed gives the same weights; another seed others."""
    facts = _facts(evidence)
    if facts is None:
        return
    one, again, other = facts.seeded
    size = sum(array.size for array in one.values())
    if not _same(one, again):
        message = "the same seed gave other weights"
        yield Comparison("seeding", FAIL, size, message, UNEXPLAINED, ratio=float("inf"))
    elif _same(one, other):
        message = "another seed gave the same weights"
        yield Comparison("seeding", FAIL, size, message, UNEXPLAINED, ratio=float("inf"))
    else:
        yield Comparison("seeding", PASS, size, ratio=0.0)


def side_effects(evidence: Evidence) -> Iterator[Comparison]:
    """Building a layer leaves NumPy's global generator, which is the user's, alone."""
    facts = _facts(evidence)
    if facts is None:
        return
    if facts.advanced:
        message = "building a layer draws from NumPy's global generator"
        yield Comparison("NumPy's generator", FAIL, 1, message, "numpy")
    else:
        yield Comparison("NumPy's generator", PASS, 1, ratio=0.0)


def own_file(evidence: Evidence) -> Iterator[Comparison]:
    """Saved and loaded by the framework's own functions: the same bits."""
    facts = evidence.observation.facts
    if isinstance(facts, Stored):
        yield _travelled("own file", facts.given, facts.own)
        size = evidence.case.x.size
        if facts.computes:
            yield Comparison("answers", PASS, size, ratio=0.0)
        else:
            message = "answers changed by saving, or by loading"
            yield Comparison("answers", FAIL, size, message, UNEXPLAINED, ratio=float("inf"))


def across(evidence: Evidence) -> Iterator[Comparison]:
    """To another framework through its file, and back: the same bits at both ends."""
    facts = evidence.observation.facts
    if not isinstance(facts, Stored):
        return
    if facts.there is None or facts.back is None:
        message = "no other backend of this run takes these weights through a file"
        yield Comparison("peer", "unsupported", 0, message)
        return
    yield _travelled(f"to {facts.peer}", facts.own, facts.there)
    yield _travelled(f"back from {facts.peer}", facts.given, facts.back)


def _travelled(part: str, before: Mapping[str, Array], after: Mapping[str, Array]) -> Comparison:
    size = sum(array.size for array in before.values())
    changed = sorted(set(before) ^ set(after)) or [
        name for name in before if not _identical(before[name], after[name])
    ]
    if changed:
        message = f"{', '.join(changed)} changed on the way"
        return Comparison(part, FAIL, size, message, UNEXPLAINED, ratio=float("inf"))
    return Comparison(part, PASS, size, ratio=0.0)


def _identical(one: Array, two: Array) -> bool:
    """Here NaN payloads count: a file is no operation."""
    return one.shape == two.shape and one.dtype == two.dtype and one.tobytes() == two.tobytes()


def _same(one: Mapping[str, Array], two: Mapping[str, Array]) -> bool:
    return all(_identical(one[name], two[name]) for name in one)
