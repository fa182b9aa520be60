"""Whatever a correct step gives lies in the interval of `Rounded`; what a wrong one gives does not.

Correct ones are those of `correct_steps`, and torch's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import GRU, Cell, parameters_of
from reference.arrays import Array
from tests.correct_steps import NATIVE, SIGNS, WAYS, Adverse, Correct, enclose, worst
from tests.gated_cells import CELLS, LSTM, arrays_of

SCALES = (1.0, 4.0, 16.0)

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
BATCH, STEPS, SIZES = 16, 4, {"projected": (5, 6, 4)}


class Drawn:
    """Parameters, x and initial states in a precision."""

    def __init__(self, kind: str, dtype: Any, scale: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.cell, self.rng = CELLS[kind], rng
        inputs, hidden, outputs = SIZES.get(kind, (5, 6, 6))
        weights = arrays_of(self.cell, rng, (inputs, hidden, outputs), scale=scale / 2)
        self.weights = {name: array.astype(dtype) for name, array in weights.items()}
        self.parameters = parameters_of(self.cell, self.weights, 0, False, True)
        # Without an activation that is bounded, more steps leave the range of float16.
        steps = 2 if kind == "relu" else STEPS
        self.x = rng.uniform(-2, 2, (steps, BATCH, inputs)).astype(dtype)
        widths = {"h": outputs, "c": hidden}
        self.start = {
            name: rng.uniform(-1, 1, (BATCH, widths[name])).astype(dtype)
            for name in self.cell.states
        }

    def run(self, arithmetic: Any, dtype: Any, store: Any) -> dict[str, Array]:
        """All states after each step; `store` makes of them what the next step takes."""
        states = {name: array.astype(dtype) for name, array in self.start.items()}
        found: dict[str, list[Array]] = {name: [] for name in states}
        with np.errstate(all="ignore"):
            for x in self.x.astype(dtype):
                after = self.cell.equation(arithmetic, self.parameters, x, states)
                states = {name: store(arithmetic.close(value)) for name, value in after.items()}
                for name, array in states.items():
                    found[name].append(array)
        return {name: np.array(arrays) for name, arrays in found.items()}


def judged(drawn: Drawn, fmt: str, states: dict[str, Array]) -> float:
    """With h alone seen; and with all states seen."""
    seen = {name: array.astype(NATIVE[fmt]) for name, array in states.items()}
    hidden = {"h": seen["h"]}
    enclosures = [
        enclose(drawn.cell, drawn.parameters, fmt, drawn.x, drawn.start, of)
        for of in ([hidden, seen] if len(seen) > 1 else [hidden])
    ]
    return max(worst(found, seen) for found in enclosures)


@pytest.mark.parametrize("fmt", ["fp16", "fp32"])
@pytest.mark.parametrize("kind", CELLS)
def test_legal_steps_lie_inside(kind: str, fmt: str, record_property: Any) -> None:
    largest, dtype = 0.0, NATIVE[fmt]
    for seed, way in enumerate(WAYS):
        for scale in SCALES:
            drawn = Drawn(kind, dtype, scale, seed)
            correct = Correct(dtype, way, drawn.rng)
            ratio = judged(drawn, fmt, drawn.run(correct, dtype, lambda value: value))
            assert ratio <= 1, (way, scale, seed)
            largest = max(largest, ratio)
    record_property("largest ratio", largest)
    assert largest > 0.05


@pytest.mark.parametrize("fmt", ["fp16", "fp32"])
@pytest.mark.parametrize("kind", CELLS)
def test_states_kept_in_a_higher_precision_than_stored_lie_inside(kind: str, fmt: str) -> None:
    """As fused kernels do; what is seen of them is rounded."""
    for seed, scale in enumerate(SCALES * 6):
        drawn = Drawn(kind, NATIVE[fmt], scale, seed)
        correct = Correct(np.float64, WAYS[seed % len(WAYS)], drawn.rng, wide=True)
        assert judged(drawn, fmt, drawn.run(correct, np.float64, lambda value: value)) <= 1


@pytest.mark.parametrize("fmt", ["fp16", "fp32"])
@pytest.mark.parametrize("kind", CELLS)
def test_steps_that_err_as_far_as_they_may_lie_inside(
    kind: str, fmt: str, record_property: Any
) -> None:
    """One step each, so that real numbers can stand for stored ones."""
    largest = 0.0
    for seed, scale in enumerate(SCALES * 4):
        for signs in [(one, other) for one in SIGNS for other in SIGNS]:
            drawn = Drawn(kind, NATIVE[fmt], scale, seed)
            drawn.x = drawn.x[:1]
            states = drawn.run(Adverse(fmt, signs, drawn.rng), np.float64, lambda value: value)
            found = enclose(drawn.cell, drawn.parameters, fmt, drawn.x, drawn.start, {})
            ratio = worst(found, states)
            assert ratio <= 1, (signs, scale, seed)
            largest = max(largest, ratio)
    record_property("largest ratio", largest)
    assert largest > 0.2


MODULES = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "projected": torch.nn.LSTM,
           "gru": torch.nn.GRU}  # fmt: skip


@pytest.mark.parametrize("fmt", ["fp32", "fp64"])
@pytest.mark.parametrize("kind", MODULES)
def test_torchs_steps_lie_inside(kind: str, fmt: str) -> None:
    """c of LSTM is seen at the last step only, and is an interval up to it."""
    for seed, scale in enumerate(SCALES * 8):
        drawn = Drawn(kind, NATIVE[fmt], scale, seed)
        inputs, hidden, outputs = SIZES.get(kind, (5, 6, 6))
        proj = {"proj_size": outputs} if drawn.cell.projection else {}
        module = MODULES[kind](inputs, hidden, **proj).to(getattr(torch, NATIVE[fmt].__name__))
        for name, parameter in module.named_parameters():
            parameter.data[:] = torch.tensor(drawn.weights[name])
        starts = tuple(torch.tensor(array)[None] for array in drawn.start.values())
        with torch.no_grad():
            output, ends = module(torch.tensor(drawn.x), starts if len(starts) > 1 else starts[0])
        h = output.numpy()
        found = enclose(drawn.cell, drawn.parameters, fmt, drawn.x, drawn.start, {"h": h})
        assert worst(found, {"h": h}) <= 1
        if len(starts) > 1:
            assert found[-1]["c"].ratio(ends[1][0].numpy().astype(np.float64)).max() <= 1


def reset_first(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
    """What ONNX calls linear_before_reset = 0."""
    r, z = (
        op.activation("sigmoid", op.add(op.linear(w("ih", g), x), op.linear(w("hh", g), s["h"])))
        for g in "rz"
    )
    reset = op.linear(w("hh", "n"), op.multiply(r, s["h"]))
    n = op.activation("tanh", op.add(op.linear(w("ih", "n"), x), reset))
    return {"h": op.blend(z, n, s["h"])}


def without_tanh_of_c(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
    class Without(Correct):
        def activation(self, name: str, value: Any) -> Array:
            # The sum c is the only one of two terms.
            small = hasattr(value, "left") and value.left.shape[-1] == 2
            return self.close(value) if small else super().activation(name, value)

    return LSTM.equation(Without(np.float32, WAYS[0], op.rng), w, x, s)


def gates(cell: Cell, order: tuple[str, ...]) -> Cell:
    return Cell("wrong", cell.equation, cell.activations, cell.states, order)


WRONG = {
    "no bias_hh": ("gru", {"bias_hh_l0": 0.0}, GRU),
    "no bias_ih": ("lstm", {"bias_ih_l0": 0.0}, LSTM),
    "gates i and f swapped": ("lstm", {}, gates(LSTM, ("f", "i", "g", "o"))),
    "gates r and z swapped": ("gru", {}, gates(GRU, ("z", "r", "n"))),
    "gates g and o swapped": ("lstm", {}, gates(LSTM, ("i", "f", "o", "g"))),
    "reset before the product": ("gru", {}, Cell("", reset_first, (), gates=GRU.gates)),
    "no tanh of c": ("lstm", {}, Cell("", without_tanh_of_c, (), LSTM.states, LSTM.gates)),
    "weights a thousandth off": ("gru", {"weight_hh_l0": 1.001}, GRU),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_steps_lie_outside(name: str) -> None:
    """At scale 1 nearly every element shows it, some of them more than a hundredfold."""
    kind, factors, cell = WRONG[name]
    drawn = Drawn(kind, np.float32, 1.0, 1)
    changed = {n: w * np.float32(factors.get(n, 1.0)) for n, w in drawn.weights.items()}
    right, drawn.x = drawn.parameters, drawn.x[:1]
    drawn.cell, drawn.parameters = cell, parameters_of(cell, changed, 0, False, True)
    h = drawn.run(Correct(np.float32, WAYS[0], drawn.rng), np.float32, lambda v: v)["h"]
    found = enclose(CELLS[kind], right, "fp32", drawn.x, drawn.start, {})
    ratio = found[0]["h"].ratio(h[0].astype(np.float64))
    assert (ratio > 1).mean() > 0.9
    assert ratio.max() > 100
