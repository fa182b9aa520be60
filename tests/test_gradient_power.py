"""Power over gradients is what it says: a fault is seen at exactly the share that was stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.faults.correct import CorrectBackend, CorrectLayer
from reference import layer_names
from tests.power_configs import GRADIENT, judged, seen, stated

Array = Any


class Truncated(CorrectLayer):
    """Gradients of one layer by torch, with every state but h_0 cut off from those before."""

    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        given = {"x": x, "h_0": h_0[0], **self.weights}
        leaf = {k: torch.tensor(v.astype(np.float64), requires_grad=True) for k, v in given.items()}
        w_ih, w_hh, b_ih, b_hh = (leaf[name] for name in layer_names(0, False, True))
        h, total = leaf["h_0"], torch.zeros((), dtype=torch.float64)
        for t in range(len(x)):
            h = torch.tanh(leaf["x"][t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
            total = total + (h * torch.tensor(output[t].astype(np.float64))).sum()
            if t == len(x) - 1:
                total = total + (h * torch.tensor(h_n[0].astype(np.float64))).sum()
            h = h.detach()
        total.backward()
        found = {k: v.grad.numpy() for k, v in leaf.items() if v.grad is not None}
        return {**found, "h_0": found["h_0"][None]}


class NeighboursGradient(CorrectLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        return {k: np.roll(v, 1, axis=1) if k in ("x", "h_0") else v for k, v in found.items()}


class Nought(CorrectLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        return {k: 0 * v for k, v in super().derive(*given).items()}


class Negative(CorrectLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        return {k: -v for k, v in super().derive(*given).items()}


@pytest.mark.parametrize(
    ("probe", "fault"),
    [("carry", Truncated), ("row", NeighboursGradient), ("zero", Nought), ("sign", Negative)],
)
def test_a_wrong_gradient_is_seen_where_power_says(probe: str, fault: type[CorrectLayer]) -> None:
    failed = seen(judged(CorrectBackend(fault), GRADIENT, "gradient"))
    said = stated(GRADIENT, "gradient", probe, CorrectBackend())
    parts = ("x", "h_0") if probe == "row" else [part for part in said if part != "signs"]
    assert {part: failed[part] for part in parts} == {part: said[part] for part in parts}


@pytest.mark.parametrize("probe", ["row", "step"])
def test_power_against_what_a_sum_leaves_out_is_that_of_leaving_it_out(probe: str) -> None:
    """Leaving out a row, or a step, has the share that all such faults together have."""

    def leaving(place: int) -> type[CorrectLayer]:
        class LeavesOut(CorrectLayer):
            """The parameters' gradients without one row's or step's share in them."""

            def derive(
                self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
            ) -> dict[str, Array]:
                whole = super().derive(x, h_0, lengths, output, h_n)
                if probe == "row":
                    output, h_n = output.copy(), h_n.copy()
                    output[:, place], h_n[:, place] = 0, 0
                    without = super().derive(x, h_0, lengths, output, h_n)
                    return {**without, "x": whole["x"], "h_0": whole["h_0"]}
                # dx_t = W_ih^T delta_t, and W_ih has more rows than columns: from its gradient.
                delta = self.delta(whole["x"])
                states = super().evaluate(x, h_0, lengths)[0]
                before = h_0[0] if place == 0 else states[place - 1]
                lost = {
                    "weight_ih_l0": delta[place].T @ x[place],
                    "weight_hh_l0": delta[place].T @ before,
                    "bias_ih_l0": delta[place].sum(axis=0),
                    "bias_hh_l0": delta[place].sum(axis=0),
                }
                return {k: v - lost.get(k, 0) for k, v in whole.items()}

            def delta(self, of_x: Array) -> Array:
                return of_x @ np.linalg.inv(self.weights["weight_ih_l0"].astype(np.float64))

        return LeavesOut

    config = GRADIENT.replace(input_size=4)
    places = range(config.batch if probe == "row" else config.steps)
    shares = [seen(judged(CorrectBackend(leaving(place)), config, "gradient")) for place in places]
    said = stated(config, "gradient", probe, CorrectBackend())
    for name in config.options.parameter_shapes():
        assert said[name] == pytest.approx(np.mean([share[name] for share in shares]))
