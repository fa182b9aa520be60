"""The steps of real cases, evaluated term by term."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from harness.case import make_case
from harness.comparison import Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.steps import direction_steps
from reference import parameter_name
from reference.arrays import Array
from tests.synthetic import case_of, evidence_of, outputs_of, right_evidence

STACK = Config.of(
    input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, bidirectional=True, states=True,
    lengths="ragged", dtype="fp16", seed=3,
)  # fmt: skip
BARE = STACK.replace(bias=False, states=False, bidirectional=False, lengths="nolengths")


def previous_state(evidence: Evidence, layer: int, reverse: bool, step: int, row: int) -> Array:
    config, case = evidence.config, evidence.case
    outputs = [one["output"] for one in (*evidence.observation.hidden, evidence.outputs)]
    if step == (case.last_step[row] if reverse else 0):
        given: Array | None = case.inputs.get("h_0")
        if given is None:
            return np.zeros(config.hidden_size)
        return np.asarray(given[layer * config.directions + reverse, row])
    own = slice(config.hidden_size, None) if reverse else slice(0, config.hidden_size)
    return np.asarray(outputs[layer][step + (1 if reverse else -1), row, own])


@pytest.mark.parametrize(
    ("config", "layer", "reverse"),
    [(STACK, k, r) for k in (0, 1) for r in (False, True)] + [(BARE, k, False) for k in (0, 1)],
    ids=lambda value: str(getattr(value, "id", value)),
)
def test_every_step_is_evaluated_term_by_term(config: Config, layer: int, reverse: bool) -> None:
    evidence = right_evidence(config)
    case = evidence.case
    steps = direction_steps(evidence, layer, reverse)
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 2 + 2 * config.bias]
    w_ih, w_hh, *biases = (
        case.weights[parameter_name(kind, layer, reverse)].astype(float) for kind in kinds
    )
    below = case.x if layer == 0 else evidence.observation.hidden[0]["output"]
    n = w_ih.shape[1] + config.hidden_size + (2 if config.bias else 0)
    gamma = (n + 1) / (2.0**11 - n - 1) + n / (2.0**53 - n)
    (argument,) = steps.reading.op.arguments
    checked = 0
    for step, row in np.argwhere(case.valid):
        x = below[step, row].astype(float)
        h = previous_state(evidence, layer, reverse, step, row).astype(float)
        assert (steps.x[step, row] == x).all()
        assert (steps.before["h"][step, row] == h).all()
        for unit in range(config.hidden_size):
            at = step, row, unit
            terms = [w_ih[unit] * x, w_hh[unit] * h, [b[unit] for b in biases]]
            a, m = (math.fsum(map(f, np.concatenate(terms))) for f in (float, abs))
            assert argument.interval.expected[at] == pytest.approx(a, rel=1e-12, abs=1e-20)
            assert steps.magnitude[at] == pytest.approx(m, rel=1e-12, abs=0)
            stored = np.abs(w_hh[unit]).sum() + (np.abs(w_ih[unit]).sum() if layer else 0)
            bound = gamma * m + (n + stored) * 2.0**-25
            assert argument.error[at] == pytest.approx(bound, rel=1e-12, abs=0)
            assert steps.interval.expected[at] == pytest.approx(math.tanh(a), rel=1e-12, abs=0)
            assert steps.exact()[at] == steps.interval.expected[at]
            assert steps.defined[at] == (m + bound < 65504) == (not steps.overflows[at])
            checked += bool(steps.defined[at])
    assert checked > case.valid.sum()
    assert steps.finite.all()
    assert steps.factors_finite.all()
    for array in (steps.defined, steps.x, steps.before["h"]):
        assert not array[~case.valid].any()
    side = "reverse" if reverse else "forward"
    assert (steps.part, steps.direction) == (f"layer {layer} {side}", side)
    where = Worst("output" if layer else "hidden output", layer, side, 2, 1, 0)
    pre_activation = float(argument.interval.expected[2, 1, 0])
    assert steps.locate((2, 1, 0)) == dataclasses.replace(where, pre_activation=pre_activation)
    output = evidence.outputs["output"]
    half = output[:, :, 2:] if reverse else output[:, :, :2]
    assert layer == 0 or (steps.actual == half).all()


def test_operands_replaced_give_what_would_be_exact_with_them() -> None:
    evidence = right_evidence(BARE)
    steps = direction_steps(evidence, 0, False)
    w_ih, w_hh = (evidence.case.weights[f"weight_{k}_l0"].astype(float) for k in ("ih", "hh"))
    for x, h in ((0 * steps.x, steps.before["h"]), (steps.x, 0 * steps.before["h"])):
        exact = np.tanh(x.astype(float) @ w_ih.T + h.astype(float) @ w_hh.T)
        assert steps.exact(x=x, before={"h": h}) == pytest.approx(exact, rel=1e-12, abs=1e-300)


def test_a_step_that_rounding_may_carry_to_overflow_has_no_bound() -> None:
    """n = 2: E = gamma_3 m = 3 m / 2045. 65408 + 95.95 stays below 65504, 65440 + 96 does not."""
    config = Config.of(
        nonlinearity="relu", bias=False, dtype="fp16", batch=3, input_size=2, states=True
    )
    weights = {"weight_ih_l0": [[1, 2.0**-24]], "weight_hh_l0": [[0]]}
    case = case_of(config, weights=weights, x=[[[65408, 0], [65440, 0], [np.inf, 0]]])
    steps = direction_steps(evidence_of(case, outputs_of(np.zeros((1, 3, 1)))), 0, False)
    assert steps.defined.ravel().tolist() == [True, False, False]
    assert steps.overflows.ravel().tolist() == [False, True, True]
    assert steps.finite.ravel().tolist() == [True, True, False]
    assert steps.factors_finite.tolist() == [[[True], [True], [False]]]


@pytest.mark.parametrize(("name", "place"), [("weight_ih_l0", (0, 1)), ("weight_hh_l0", (1, 0))])
def test_factors_are_those_of_each_unit(name: str, place: tuple[int, ...]) -> None:
    """An infinite weight of one unit is no factor of the other."""
    case = make_case(Config.of(input_size=2, hidden_size=2, batch=2, steps=2, data="plain"))
    case.weights[name][place] = np.inf
    evidence = evidence_of(case, outputs_of(np.zeros((2, 2, 2))))
    finite = direction_steps(evidence, 0, False).factors_finite
    assert finite[..., place[0]].tolist() == [[False] * 2] * 2
    assert finite[..., 1 - place[0]].tolist() == [[True] * 2] * 2
