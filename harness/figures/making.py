"""Figures of a finished run: a look back at the configs that show its findings worst.

A picture is worth a few seconds and no run: whatever goes wrong here costs the one picture.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from harness.activation import OwnActivation
from harness.config import Config
from harness.evidence import Evidence
from harness.expectations import Judged
from harness.figures.records import (
    MOST_BINS,
    MOST_STEPS,
    MOST_UNITS,
    ActivationError,
    ErrorMap,
    Figures,
    Row,
)
from harness.findings import find, members
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.results import Number, Place, as_float, number
from reference.arrays import Float64Array

__all__ = ["make_figures"]

SECONDS = 8.0
"""What all maps together may take; those left over by then are not made."""

LONGEST = 64
"""Steps of a config that is looked at: a long one costs seconds, and shows no more."""

COMPARABLE = 10.0
"""A result is as good to look at as the worst one, if its ratio is no smaller than by this."""

LOW, HIGH = -10.0, 10.0
"""Where an activation is drawn: beyond, tanh is 1 to the last bit, and relu is a line."""

STATES = ("output", "hidden output")

Pair = tuple[Float64Array, Float64Array]
"""Ratio to the bound, and error in ulp; (T, H), NaN where there is nothing to show."""


def make_figures(
    session: Session, header: dict[str, Any], results: Sequence[Judged], seconds: float = SECONDS
) -> Figures:
    """An error map for every numeric finding about states, and the activations as measured."""
    until = time.monotonic() + seconds
    maps: list[ErrorMap] = []
    activations: list[ActivationError] = []
    # The run is done, and only its pictures wait.
    with contextlib.suppress(KeyboardInterrupt, Exception):
        activations += _activations(session, results)
        quick = lambda example: session.runner_named(example[1].backend).about.sampled  # noqa: E731
        for slug, line in sorted(_examples(results), key=quick):
            if time.monotonic() > until:
                break
            with contextlib.suppress(Exception):
                maps += _maps(session, slug, line)
    return Figures(header.get("date", ""), maps, activations)


def _examples(results: Sequence[Judged]) -> Iterator[tuple[str, Judged]]:
    """Findings about states, each with a result that shows it badly and has much to see."""
    failing = members(results)
    for finding in find(results):
        lines = [line for line in failing[finding.identity] if _drawable(line)]
        if lines:
            worst = max(map(_finite, lines))
            bad = [line for line in lines if _finite(line) >= worst / COMPARABLE]
            yield finding.slug, max(bad, key=_cells_and_ratio)


def _drawable(line: Judged) -> bool:
    config, place = Config.parse(line.config_id), line.worst
    return (
        place is not None
        and place.output in STATES
        and place.batch is not None
        and place.direction in ("forward", "reverse")
        and place.layer is not None
        and config.steps * config.hidden_size > 1
        and config.steps <= LONGEST
    )


def _finite(line: Judged) -> float:
    ratio = as_float(line.ratio)
    return ratio if ratio < np.inf else 0.0


def _cells_and_ratio(line: Judged) -> tuple[int, float]:
    config = Config.parse(line.config_id)
    return config.steps * config.hidden_size, _finite(line)


def _maps(session: Session, slug: str, line: Judged) -> Iterator[ErrorMap]:
    config, place = Config.parse(line.config_id), line.worst
    if place is None or place.layer is None or place.batch is None or place.direction is None:
        return
    evidence = session.evidence(config, line.backend)
    if evidence.observation.outputs is None:
        return
    local = line.check == "step_residual"
    with np.errstate(all="ignore"):
        ratio, ulps = (_local if local else _end_to_end)(evidence, place)
    if np.isnan(ratio).all():  # of NaN and infinities there is no distance to draw
        return
    yield ErrorMap(
        finding=slug,
        config_id=config.id,
        local=local,
        layer=place.layer,
        direction=place.direction,
        batch=place.batch,
        steps=config.steps,
        units=config.hidden_size,
        ratio=_cells(ratio),
        ulps=_cells(ulps),
    )


def _local(evidence: Evidence, place: Place) -> Pair:
    """Each state from the implementation's own previous one, as `step_residual` judges it."""
    steps = direction_steps(evidence, int(place.layer or 0), place.direction == "reverse")
    actual = steps.actual.astype(np.float64)
    ratio = np.where(steps.defined, steps.interval.ratio(actual), np.nan)
    return _of_row(evidence, place, ratio, actual, steps.interval.expected)


def _end_to_end(evidence: Evidence, place: Place) -> Pair:
    """The output against the oracle's, over the tolerance that the case calibrates."""
    size = evidence.config.output_size
    own = slice(size, None) if place.direction == "reverse" else slice(0, size)
    actual = evidence.outputs["output"].astype(np.float64)[:, :, own]
    expected = evidence.oracle.exact["output"][:, :, own]
    allowed = evidence.oracle.tolerance["output"][:, :, own]
    ratio = np.where(actual == expected, 0.0, np.abs(actual - expected) / allowed)
    return _of_row(evidence, place, ratio, actual, expected)


def _of_row(
    evidence: Evidence,
    place: Place,
    ratio: Float64Array,
    actual: Float64Array,
    expected: Float64Array,
) -> Pair:
    """Of one batch row; padding is left out."""
    batch = int(place.batch or 0)
    valid = evidence.case.valid[:, batch, None]
    ulps = np.abs(actual - expected) / evidence.case.fmt.ulp(expected)
    ulps = np.where(actual == expected, 0.0, ulps)[:, batch]
    return np.where(valid, ratio[:, batch], np.nan), np.where(valid, ulps, np.nan)


def _cells(values: Float64Array) -> list[Row]:
    """(T, H) as rows of units; the largest of what shares a cell."""
    steps, units = (-(-n // m) for n, m in zip(values.shape, (MOST_STEPS, MOST_UNITS), strict=True))
    rows = _binned(_binned(values, steps, np.fmax).T, units, np.fmax)
    return [[_short(value) for value in row] for row in rows.tolist()]


def _binned(values: Float64Array, size: int, largest: Callable[..., Float64Array]) -> Float64Array:
    """The largest (or least) of every so many along the first axis; NaN only where all are."""
    starts = np.arange(0, len(values), size)
    merged: Float64Array = largest.reduceat(values, starts, axis=0)  # type: ignore[attr-defined]
    return merged


def _short(value: float) -> Number | None:
    """Three digits; nothing for NaN."""
    return None if np.isnan(value) else number(float(f"{value:.3g}"))


def _activations(session: Session, results: Sequence[Judged]) -> Iterator[ActivationError]:
    """Of the backends whose activation the run judged: it is measured by then."""
    swept = [(r.backend, Config.parse(r.config_id)) for r in results if r.check == "activation"]
    judged = {
        (backend, config.layer, config.cell.activations): None
        for backend, config in swept
        if config.dtype == "fp32" and config.lengths == "nolengths"
    }
    for backend, layer, activations in judged:
        with contextlib.suppress(Exception):
            every = session.own_activations(backend, layer, activations, "fp32", False)
            if every is not None:
                yield from (_of_activation(backend, layer, own) for own in every.by_name.values())


def _of_activation(backend: str, layer: str, own: OwnActivation) -> ActivationError:
    with np.errstate(all="ignore"):
        ulps = own.error / own.fmt.ulp(own.values - own.error)
    inside = (own.points >= LOW) & (own.points <= HIGH)
    place = (own.points[inside] - LOW) * (MOST_BINS / (HIGH - LOW))
    bins = np.minimum(place.astype(int), MOST_BINS - 1)
    least, most = np.full(MOST_BINS, np.nan), np.full(MOST_BINS, np.nan)
    np.fmin.at(least, bins, ulps[inside])
    np.fmax.at(most, bins, ulps[inside])
    return ActivationError(
        backend, own.name, LOW, HIGH, [*map(_short, least)], [*map(_short, most)], layer
    )
