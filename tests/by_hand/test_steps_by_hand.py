"""The steps of real cases, evaluated term by term."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import faulty
import numpy as np
import pytest

from harness.case import Case, make_case
from harness.comparison import Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.steps import direction_steps
from harness.observe import observe
from harness.oracle import Oracle
from reference import FORMATS, layer_names

FP16, FP32, FP64 = FORMATS["fp16"], FORMATS["fp32"], FORMATS["fp64"]


STACK = Config(
    input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, bidirectional=True, h_0=True,
    lengths="ragged", dtype="fp16", scale=1, seed=3,
)  # fmt: skip
BARE = dataclasses.replace(STACK, bias=False, h_0=False, bidirectional=False, lengths="nolens")


def evidence_on(case: Case) -> Evidence:
    observation = observe(faulty.right, case, repeat=False)
    assert observation.forward is not None, observation.trouble
    return Evidence(case, Oracle(case), observation, lambda: None)


def previous_state(evidence: Evidence, layer: int, reverse: bool, step: int, row: int) -> Any:
    config, case = evidence.config, evidence.case
    outputs = [*(one.output for one in evidence.observation.hidden), evidence.forward.output]
    at_start = step == (case.last_step[row] if reverse else 0)
    if at_start and case.h_0 is None:
        return np.zeros(config.hidden_size)
    if at_start:
        return case.h_0[layer * config.directions + reverse, row]
    own = slice(config.hidden_size, None) if reverse else slice(0, config.hidden_size)
    return outputs[layer][step + (1 if reverse else -1), row, own]


@pytest.mark.parametrize(
    ("config", "layer", "reverse"),
    [(STACK, k, r) for k in (0, 1) for r in (False, True)] + [(BARE, k, False) for k in (0, 1)],
    ids=lambda value: str(getattr(value, "id", value)),
)
def test_every_step_is_evaluated_term_by_term(config: Config, layer: int, reverse: bool) -> None:
    case = make_case(config)
    evidence = evidence_on(case)
    steps = direction_steps(evidence, layer, reverse)
    w_ih, w_hh, *biases = (
        case.weights[name].astype(float) for name in layer_names(layer, reverse, config.bias)
    )
    below = case.x if layer == 0 else evidence.observation.hidden[0].output
    n = w_ih.shape[1] + config.hidden_size + (2 if config.bias else 0)
    gamma = (n + 1) / (2.0**11 - n - 1) + n / (2.0**53 - n)
    assert steps.terms == n
    checked = 0
    for step, row in np.argwhere(case.valid):
        x = below[step, row].astype(float)
        h = previous_state(evidence, layer, reverse, step, row).astype(float)
        for unit in range(config.hidden_size):
            at = step, row, unit
            terms = [w_ih[unit] * x, w_hh[unit] * h, [b[unit] for b in biases]]
            a, m = (math.fsum(map(f, np.concatenate(terms))) for f in (float, abs))
            assert steps.a[at] == pytest.approx(a, rel=1e-12, abs=1e-20)
            assert steps.from_input[at] == pytest.approx(terms[0].sum(), rel=1e-12, abs=1e-20)
            assert steps.from_state[at] == pytest.approx(terms[1].sum(), rel=1e-12, abs=1e-20)
            assert steps.magnitude[at] == pytest.approx(m, rel=1e-12, abs=0)
            stored = np.abs(w_hh[unit]).sum() + (np.abs(w_ih[unit]).sum() if layer else 0)
            bound = gamma * m + (n + stored) * 2.0**-25
            assert steps.error[at] == pytest.approx(bound, rel=1e-12, abs=0)
            factors = sum(np.abs(v).sum() for v in (x, h, w_ih[unit], w_hh[unit]))
            assert steps.factors[at] == pytest.approx(factors, rel=1e-12, abs=0)
            assert steps.interval.expected[at] == pytest.approx(math.tanh(a), rel=1e-12, abs=0)
            assert steps.defined[at] == (m + bound < 65504)
            checked += bool(steps.defined[at])
    assert checked > case.valid.sum()
    for array in (steps.defined, steps.from_input):
        assert not array[~case.valid].any()
    for found, given in zip((steps.b_ih, steps.b_hh), biases or [np.zeros(2)] * 2, strict=True):
        assert found.tolist() == given.tolist()
    side = "reverse" if reverse else "forward"
    assert (steps.part, steps.direction) == (f"layer {layer} {side}", side)
    where = Worst("output" if layer else "hidden output", layer, side, 2, 1, 0)
    at = dataclasses.replace(where, pre_activation=steps.a[2, 1, 0])
    assert steps.locate((2, 1, 0)) == at
    half = evidence.forward.output[:, :, 2:] if reverse else evidence.forward.output[:, :, :2]
    assert layer == 0 or (steps.actual == half).all()


def test_a_step_that_rounding_may_carry_to_overflow_has_no_bound() -> None:
    """n = 2: E = gamma_3 m = 3 m / 2045. 65408 + 95.95 stays below 65504, 65440 + 96 does not."""
    config = Config(nonlinearity="relu", bias=False, dtype="fp16", data="plain", batch=3)
    case = make_case(config)
    weights = {"weight_ih_l0": np.float16([[1]]), "weight_hh_l0": np.float16([[0]])}
    x = np.array([[[65408], [65440], [np.inf]]], np.float16)
    case = dataclasses.replace(case, weights=weights, x=x)
    steps = direction_steps(evidence_on(case), 0, False)
    assert steps.defined.ravel().tolist() == [True, False, False]
