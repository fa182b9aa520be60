"""What the answers of a life are held against, and where in the life each of them stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.case import Case
from harness.causes import Cause
from harness.comparison import Comparison, compare, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.last_step import may_err_at_exact_states
from harness.life import ANSWERS, CODES, said
from harness.moments import Moment, asked_at, case_at, drops
from harness.observe import Answer, Lived, Observation
from harness.oracle import Oracle
from harness.significance import SIGNIFICANCE
from harness.verdicts import Verdict
from reference import parameter_name
from reference.arrays import Array, Float64Array

__all__ = ["dropped", "dropped_at", "evidence_at", "lived", "repeated", "until", "with_moments"]

MOST_DROPPED = 6
"""Elements of a row that may be dropped, where every mask of them is tried."""


def lived(evidence: Evidence) -> Lived | None:
    """What was observed, where it is a life."""
    found = evidence.observation.details
    return found if isinstance(found, Lived) else None


def with_moments(evidence: Evidence, life: Lived) -> list[tuple[Moment, Answer]]:
    """Every answer with its moment."""
    return [(_moment(evidence, answer), answer) for answer in life.answers]


def _moment(evidence: Evidence, answer: Answer) -> Moment:
    derived = answer.derivatives is not None
    return asked_at(evidence.config, answer.step, answer.given, derived)


def evidence_at(evidence: Evidence, moment: Moment, answer: Answer) -> Evidence:
    """An answer as a new layer's would be judged, at the weights and inputs of its moment."""
    case = case_at(evidence.config, moment, answer.given)
    observation = Observation(
        evidence.observation.backend,
        outputs=answer.outputs,
        hidden=answer.hidden,
        derivatives=answer.derivatives,
        unspoiled=answer.unspoiled,
    )
    return Evidence(case, _oracle(evidence, moment, answer), observation, evidence.own_activations)


def _oracle(evidence: Evidence, moment: Moment, answer: Answer) -> Oracle:
    """Made once for each case of a life."""
    given = tuple(array.tobytes() for array in answer.given.values())
    key = ("life", moment.weights, moment.inputs, moment.of_gradients, given)
    if key not in evidence.made:
        evidence.made[key] = Oracle(case_at(evidence.config, moment, answer.given))
    oracle: Oracle = evidence.made[key]
    return oracle


def dropped_at(evidence: Evidence, moment: Moment) -> bool:
    """Whether elements are dropped in an answer."""
    return moment.training and drops(evidence.config)


def dropped(evidence: Evidence, moment: Moment, answer: Answer) -> Iterator[Comparison]:
    """Outputs in which elements are dropped: the first layer's final states are as without,
    something is dropped, and of few units every row is what one of all masks gives. The masks
    themselves are judged where they are seen (aspect training).
    """
    case, outputs = case_at(evidence.config, moment, answer.given), answer.outputs
    assert outputs is not None
    one = _first_layer(case)
    oracle = Oracle(one)
    allowed = may_err_at_exact_states(oracle)
    for state in case.config.cell.states:
        name = f"{state}_n"
        actual, expected = outputs[name][: case.config.directions], oracle.exact[name]
        with np.errstate(all="ignore"):
            ratio = np.abs(actual.astype(np.float64) - expected) / allowed[name]
        ratio = np.where(actual == expected, 0.0, ratio)
        result = compare(name, actual, expected, ratio, case.fmt, locate(one.config, name))
        failing = result.verdict is Verdict.FAIL
        message = f"{name} of the first layer is not what it is without dropout" * failing
        yield replace(result, message=message, cause=Cause.UNEXPLAINED if failing else None)
    yield from _anything(evidence, moment, answer, int((oracle.exact["output"] != 0).sum()))
    yield from _of_some_mask(evidence, moment, answer)


def _anything(
    evidence: Evidence, moment: Moment, answer: Answer, count: int
) -> Iterator[Comparison]:
    """Whether anything is dropped of so many elements that the first layer passes on.

    Units of relu may be dead, and show nothing of it.
    """
    config = evidence.config
    probability = (1 - config.dropout / 100) ** count
    if probability > SIGNIFICANCE or "relu" in config.cell.activations:
        return
    oracle, outputs = _oracle(evidence, moment, answer), answer.outputs
    assert outputs is not None
    with np.errstate(all="ignore"):
        same = all(
            (np.abs(outputs[name].astype(np.float64) - exact) <= oracle.tolerance[name]).all()
            for name, exact in oracle.exact.items()
        )
    message = f"none of {count} elements is dropped, which happens once in {1 / probability:.3g}"
    verdict = Verdict.FAIL if same else Verdict.PASS
    cause = Cause.UNEXPLAINED if same else None
    yield Comparison("dropped", verdict, count, message * same, cause, ratio=float(same))


def _of_some_mask(evidence: Evidence, moment: Moment, answer: Answer) -> Iterator[Comparison]:
    """Whether each row of one step is the answer with some elements dropped, whichever they are."""
    every, outputs = _under_all_masks(evidence, moment, answer), answer.outputs
    assert outputs is not None
    if not every:
        return
    ratios = np.array([_ratio_by_row(outputs, oracle) for oracle in every])
    ratio, rows = ratios.min(axis=0), evidence.case.config.batch
    bad = np.flatnonzero(~(ratio <= 1))
    compared = sum(array.size for array in outputs.values())
    if not bad.size:
        yield Comparison("rows", Verdict.PASS, compared, ratio=float(ratio.max()))
        return
    message = (
        f"{bad.size} of {rows} rows (row {bad[0]} first) are right for none of the {len(every)}"
        " choices of what is dropped between layers"
    )
    yield Comparison(
        "rows", Verdict.FAIL, compared, message, Cause.UNEXPLAINED, ratio=float(ratio.max())
    )


def _ratio_by_row(outputs: Mapping[str, Array], oracle: Oracle) -> Float64Array:
    """(B,): the largest error over tolerance of each row, in any output."""
    found = []
    for name, exact in oracle.exact.items():
        with np.errstate(all="ignore"):
            ratio = np.abs(outputs[name].astype(np.float64) - exact) / oracle.tolerance[name]
        ratio = np.where(outputs[name] == exact, 0.0, np.where(np.isnan(ratio), np.inf, ratio))
        found.append(ratio.max(axis=(0, 2)))
    every: Float64Array = np.max(found, axis=0)
    return every


def _under_all_masks(evidence: Evidence, moment: Moment, answer: Answer) -> list[Oracle]:
    """One for each mask, of one step and few elements; none where there would be too many.

    What a layer gets with some elements dropped and the others scaled is what it gets without, with
    the same columns of W_ih set to 0 and the others scaled: exactly so where the scale is a power
    of two, so that nothing is rounded in another place.
    """
    case = case_at(evidence.config, moment, answer.given)
    config = case.config
    scale = 1 / (1 - config.dropout / 100) if config.dropout < 100 else np.inf
    elements = (config.num_layers - 1) * config.directions * config.output_size
    if config.steps != 1 or elements > MOST_DROPPED or np.frexp(scale)[0] != 0.5:
        return []
    given = tuple(array.tobytes() for array in answer.given.values())
    key = ("masks", moment.weights, moment.inputs, moment.of_gradients, given)
    if key not in evidence.made:
        kept = itertools.product((0.0, scale), repeat=elements)
        evidence.made[key] = [Oracle(_masked(case, np.array(mask))) for mask in kept]
    found: list[Oracle] = evidence.made[key]
    return found


def _masked(case: Case, mask: Float64Array) -> Case:
    """(L - 1) * D * H multipliers of what the layers after the first get, in their W_ih."""
    config, weights = case.config, dict(case.weights)
    for layer, multipliers in enumerate(mask.reshape(config.num_layers - 1, -1), start=1):
        for reverse in (False, True)[: config.directions]:
            name = parameter_name("weight_ih", layer, reverse)
            weights[name] = (weights[name] * multipliers).astype(weights[name].dtype)
    return replace(case, weights=weights)


def _first_layer(case: Case) -> Case:
    config = case.config.replace(num_layers=1)
    states = {f"{state}_0" for state in config.cell.states}
    inputs = {n: a[: config.directions] if n in states else a for n, a in case.inputs.items()}
    weights = {name: case.weights[name] for name in config.parameter_shapes()}
    return replace(case, config=config, inputs=inputs, weights=weights)


def repeated(evidence: Evidence, moment: Moment, answer: Answer, first: Answer) -> Comparison:
    """An answer that must be an earlier one again, because the seed was the same."""
    config, fmt = case_at(evidence.config, moment).config, evidence.case.fmt
    message = f"other bits than at step {first.step + 1}, after the same seed"
    results = [
        compare_bits(name, array, other, fmt, locate(config, name), message)
        for name, array, other in _pairs(answer, first)
    ]
    failing = [one for one in results if one.verdict is Verdict.FAIL]
    if failing:
        return replace(failing[0], cause=Cause.UNEXPLAINED)
    return replace(results[0], compared=sum(one.compared for one in results))


def _pairs(answer: Answer, first: Answer) -> Iterator[tuple[str, Array, Array]]:
    kinds: list[tuple[Mapping[str, Array] | None, Mapping[str, Array] | None]]
    kinds = [(answer.outputs, first.outputs)]
    if answer.derivatives is not None and first.derivatives is not None:
        kinds.append((answer.derivatives.found, first.derivatives.found))
    for one, other in kinds:
        if one is not None and other is not None:
            yield from ((name, array, other[name]) for name, array in one.items())


def until(evidence: Evidence, step: int) -> str:
    """Where in the life it went wrong: 'right until weights 1 are loaded (step 2); then ...'."""
    life = evidence.config.life
    here = f"{CODES[life[step]]} (step {step + 1})"
    before = [one for one in range(step) if life[one][0] in ANSWERS]
    if not before:
        return f"wrong from its first answer on: {here}" + _since(life, 0, step, " after ")
    between = _since(life, before[-1] + 1, step, "")
    return f"right until {between}; then {here}" if between else f"right until {here}"


def _since(life: Sequence[str], start: int, end: int, word: str) -> str:
    """The steps between two, in words; '' where there is none."""
    if start >= end:
        return ""
    steps = f"step {end}" if end - start == 1 else f"steps {start + 1} to {end}"
    return f"{word}{said(life[start:end])} ({steps})"
