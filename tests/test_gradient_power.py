"""Power over gradients: a fault is found at exactly the share of elements that is foretold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.faults.arrays import Arrays, with_initial
from harness.faults.correct import CorrectBackend, CorrectLayer
from reference.arrays import Array
from tests.power_configs import GRADIENT, found_by, judged, power


class Truncated(CorrectLayer):
    """Gradients of one layer by torch, with every state but h_0 cut off from those before."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        leaf = {
            name: torch.tensor(array.astype(np.float64), requires_grad=True)
            for name, array in {**given, **self.weights}.items()
        }
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_ih, w_hh, b_ih, b_hh = (leaf[f"{kind}_l0"] for kind in kinds)
        output, h_n = (torch.tensor(cotangents[name].astype(float)) for name in ("output", "h_n"))
        h, total = leaf["h_0"][0], torch.zeros((), dtype=torch.float64)
        for x, cotangent in zip(leaf["x"], output, strict=True):
            last = torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
            total = total + (last * cotangent).sum()
            h = last.detach()
        found = torch.autograd.grad(total + (last * h_n[0]).sum(), list(leaf.values()))
        return {name: one.numpy() for name, one in zip(leaf, found, strict=True)}


class NeighboursGradient(CorrectLayer):
    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        found["x"] = np.roll(found["x"], 1, axis=1)
        return with_initial(found, lambda array: np.roll(array, 1, axis=1))


class Zero(CorrectLayer):
    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        return {name: 0 * array for name, array in super().derive(given, cotangents).items()}


class Negative(CorrectLayer):
    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        return {name: -array for name, array in super().derive(given, cotangents).items()}


@pytest.mark.parametrize(
    ("probe", "fault"),
    [("carry", Truncated), ("row", NeighboursGradient), ("zero", Zero), ("sign", Negative)],
)
def test_a_wrong_gradient_is_found_where_power_foretells(
    probe: str, fault: type[CorrectLayer]
) -> None:
    failed = found_by(judged(CorrectBackend(fault), GRADIENT, "gradient"))
    expected = power(GRADIENT, "gradient", probe, CorrectBackend())
    parts = ("x", "h_0") if probe == "row" else [part for part in expected if part != "signs"]
    assert {part: failed[part] for part in parts} == {part: expected[part] for part in parts}


@pytest.mark.parametrize("probe", ["row", "step"])
def test_power_against_what_a_sum_leaves_out_is_that_of_leaving_it_out(probe: str) -> None:
    """Leaving out a row, or a step, has the share that all such faults together have."""

    def leaving(place: int) -> type[CorrectLayer]:
        class LeavesOut(CorrectLayer):
            """The parameters' gradients without one row's or step's share in them."""

            def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
                whole = super().derive(given, cotangents)
                if probe == "row":
                    fewer = {name: array.copy() for name, array in cotangents.items()}
                    for array in fewer.values():
                        array[:, place] = 0
                    without = super().derive(given, fewer)
                    return {**without, "x": whole["x"], "h_0": whole["h_0"]}
                # dx_t = W_ih^T delta_t, and W_ih has an inverse here: delta from x's gradient.
                delta = self.delta(whole["x"])[place]
                states = self.compute(given)["output"]
                before = given["h_0"][0] if place == 0 else states[place - 1]
                lost = {
                    "weight_ih_l0": delta.T @ given["x"][place],
                    "weight_hh_l0": delta.T @ before,
                    "bias_ih_l0": delta.sum(axis=0),
                    "bias_hh_l0": delta.sum(axis=0),
                }
                return {name: array - lost.get(name, 0) for name, array in whole.items()}

            def delta(self, of_x: Array) -> Array:
                return of_x @ np.linalg.inv(self.weights["weight_ih_l0"].astype(np.float64))

        return LeavesOut

    config = GRADIENT.replace(input_size=4)
    shares = [
        found_by(judged(CorrectBackend(leaving(place)), config, "gradient"))
        for place in range(config.batch if probe == "row" else config.steps)
    ]
    expected = power(config, "gradient", probe, CorrectBackend())
    for name in config.parameter_shapes():
        assert expected[name] == pytest.approx(np.mean([share[name] for share in shares]))
