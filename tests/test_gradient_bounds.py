"""Gradients of correct implementations lie within their bounds, at their own states.

Equations written out in torch in all their forms, in float32 and float16; and backward steps of
which every rounding errs as far as it may. States c are not seen: intervals.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from reference import FORMATS, Bounded, Cell, Interval, evaluate, parameters_of
from reference.arrays import Array
from reference.cells import split
from reference.gradient import Gradients, backpropagate, gradients, previous_states
from reference.reverse import Slopes, record
from tests.correct_steps import BLENDS, NATIVE, SIGMOIDS, SIGNS, Adverse, Products, enclose
from tests.gated_cells import CELLS, arrays_of

STEPS, BATCH = 4, 3
SIZES = {"projected": (3, 5, 4)}
FORMS = list(itertools.product(SIGMOIDS, BLENDS))

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


class Drawn:
    """One direction of one layer: arrays and cotangents in a precision."""

    def __init__(self, kind: str, fmt: str, scale: float, seed: int, steps: int = STEPS) -> None:
        self.rng, self.fmt = np.random.default_rng(seed), fmt
        self.cell: Cell = CELLS[kind]
        self.sizes = inputs, hidden, outputs = SIZES.get(kind, (3, 5, 5))
        weights = arrays_of(self.cell, self.rng, self.sizes, scale=scale)
        self.weights = {name: self.stored(array) for name, array in weights.items()}
        self.x = self.stored(self.rng.uniform(-1, 1, (steps, BATCH, inputs)))
        widths = {"h": outputs, "c": hidden}
        shapes = {name: (BATCH, widths[name]) for name in self.cell.states}
        self.start = {n: self.stored(self.rng.uniform(-1, 1, s)) for n, s in shapes.items()}
        self.g = self.stored(self.rng.uniform(-1, 1, (steps, BATCH, outputs)))
        self.g_n = {n: self.stored(self.rng.uniform(-1, 1, s)) for n, s in shapes.items()}

    def stored(self, array: Array) -> Array:
        return array.astype(NATIVE[self.fmt])

    def bounds(self, h: Array, **options: Any) -> Gradients:
        """At states h (T, B, H) that were seen."""
        parameters = parameters_of(self.cell, self.weights, 0, False, True)
        valid = np.ones((len(self.x), BATCH), bool)
        found = enclose(self.cell, parameters, self.fmt, self.x, self.start, {"h": h})
        before: dict[str, Any] = {"h": previous_states(h, self.start["h"], valid, False)}
        if "c" in self.cell.states:
            first = self.start["c"].astype(np.float64)
            every = [Interval(first, first, first), *(step["c"] for step in found[:-1])]
            before["c"] = Interval(
                *(np.stack([getattr(i, end) for i in every]) for end in ("low", "expected", "high"))
            )
        fmt = FORMATS[self.fmt]
        tape = record(self.cell, parameters, self.x, before, fmt, Slopes({"h": h}))
        ends = {name: array[None].astype(np.float64) for name, array in self.g_n.items()}
        return backpropagate(
            [[tape]], self.g.astype(np.float64), ends, bias=True, valid=valid, fmt=fmt, **options
        )


def ratios(found: Mapping[str, Bounded], actual: Mapping[str, Array]) -> dict[str, float]:
    """The largest error over its bound, by gradient."""
    assert set(found) == set(actual)
    result = {}
    for name, array in actual.items():
        error = np.abs(array.reshape(found[name].value.shape) - found[name].value)
        assert np.isfinite(found[name].bound).all()
        result[name] = float((error / found[name].bound).max())
    return result


def of_loss(drawn: Drawn, leaves: dict[str, Any], output: Any, ends: Any) -> dict[str, Array]:
    """All gradients, as torch's autograd finds them."""
    loss = [(output * torch.tensor(drawn.g)).sum()]
    loss += [(end * torch.tensor(drawn.g_n[name])).sum() for name, end in ends.items()]
    found = torch.autograd.grad(sum(loss), list(leaves.values()))
    return {name: g.numpy().astype(np.float64) for name, g in zip(leaves, found, strict=True)}


class Torch:
    """The arithmetic of torch, in the precision of its operands, with autograd."""

    def __init__(self, form: tuple[str, str]) -> None:
        self.sigmoid, self.form = form

    def linear(self, block: Any, value: Any) -> Any:
        product = value @ block.weight.T
        return product if block.bias is None else product + block.bias

    def add(self, *terms: Any) -> Any:
        return sum(terms[1:], terms[0])

    def multiply(self, one: Any, other: Any) -> Any:
        return one * other

    def complement(self, value: Any) -> Any:
        return 1 - value

    def blend(self, z: Any, n: Any, h: Any) -> Any:
        if self.form == "complement":
            return (1 - z) * n + z * h
        return n - z * n + z * h if self.form == "terms" else n + z * (h - n)

    def activation(self, name: str, a: Any) -> Any:
        if name != "sigmoid" or self.sigmoid == "stable":
            return getattr(torch, name)(a)
        return (1 + torch.tanh(a / 2)) / 2 if self.sigmoid == "tanh" else 1 / (1 + torch.exp(-a))


def written_out(drawn: Drawn, form: tuple[str, str]) -> tuple[Array, dict[str, Array]]:
    arrays = {"x": drawn.x, **{f"{n}_0": a for n, a in drawn.start.items()}, **drawn.weights}
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    plain: dict[str, Any] = {n.removesuffix("_l0"): leaves[n] for n in drawn.weights}
    parameters = split(drawn.cell, plain)
    states, output = {name: leaves[f"{name}_0"] for name in drawn.start}, []
    for x in leaves["x"]:
        states = drawn.cell.equation(Torch(form), parameters, x, states)
        output.append(states["h"])
    every = torch.stack(output)
    return every.detach().numpy(), of_loss(drawn, leaves, every, states)


@pytest.mark.parametrize("fmt", ["fp16", "fp32"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_equations_written_out_are_within_their_bounds(
    kind: str, fmt: str, record_property: Any
) -> None:
    largest = 0.0
    for seed, (form, scale) in enumerate(itertools.product(FORMS, (0.5, 1.0, 2.0))):
        drawn = Drawn(kind, fmt, scale, seed)
        h, actual = written_out(drawn, form)
        worst = ratios(drawn.bounds(h).by_name, actual)
        assert max(worst.values()) <= 1, (worst, form, seed)
        largest = max(largest, *worst.values())
    record_property("largest ratio", largest)
    assert largest > 0.01


@pytest.mark.parametrize("kind", ["elman", "lstm", "gru", "mgu"])
def test_gradients_that_are_wrong_by_a_thousandth_are_not(kind: str) -> None:
    drawn = Drawn(kind, "fp32", 1.0, 0)
    h, actual = written_out(drawn, FORMS[0])
    found = drawn.bounds(h).by_name
    worst = ratios(found, {name: array * 1.001 for name, array in actual.items()})
    assert min(worst.values()) > 1


@pytest.mark.parametrize("kind", ["elman", "lstm", "gru", "mgu", "projected"])
def test_sums_of_magnitudes_are_no_smaller_than_what_they_bound(kind: str) -> None:
    drawn = Drawn(kind, "fp64", 1.0, 1)
    initial = {name: array[None] for name, array in drawn.start.items()}
    h = evaluate(drawn.cell, drawn.x, initial, drawn.weights)["output"]
    sums, found = drawn.bounds(h, absolute=True).by_name, drawn.bounds(h).by_name
    ends = {name: array[None] for name, array in drawn.g_n.items()}
    exact = gradients(drawn.cell, drawn.x, initial, drawn.weights, drawn.g, ends)
    for name, one in found.items():
        assert (sums[name].value >= np.abs(one.value) * (1 - 1e-12)).all()
        np.testing.assert_allclose(one.value, exact[name], rtol=0, atol=1e-12)


class AdverseBackward:
    """One step of LSTM or GRU and back, by formulas written out: every rounding errs by u."""

    def __init__(self, drawn: Drawn, signs: tuple[str, str]) -> None:
        self.drawn, self.op = drawn, Adverse(drawn.fmt, signs, drawn.rng)
        self.w = {n.removesuffix("_l0"): a.astype(np.float64) for n, a in drawn.weights.items()}
        self.x, self.h = (a.astype(np.float64) for a in (drawn.x[0], drawn.start["h"]))

    def times(self, *factors: Any) -> Any:
        """In any order."""
        order = self.op.rng.permutation(len(factors))
        found = factors[order[0]]
        for k in order[1:]:
            found = self.op.rounded(found * factors[k])
        return found

    def difference(self, by: Any, one: Any, other: Any) -> Any:
        """by (one - other), or by one - by other."""
        r = self.op.rounded
        if self.op.rng.integers(2):
            return r(by * r(one - other))
        return r((by if one is ONE else r(by * one)) - r(by * other))

    def slope(self, name: str, y: Any) -> Any:
        r = self.op.rounded
        return r(1 - r(y * y)) if name == "tanh" else r(y * r(1 - y))

    def linear(self, kind: str, v: Any, gates: int) -> list[Any]:
        weight, bias = self.w[f"weight_{kind}"], self.w[f"bias_{kind}"]
        left, right = np.broadcast_arrays(weight, v[:, None, :])
        total = self.op.rounded(self.op.summed(Products(left, right)) + bias)
        return np.split(total, gates, axis=1)

    def act(self, name: str, *terms: Any) -> Any:
        return self.op.activation(name, self.op.rounded(sum(terms)))

    def passed_back(self, kind: str, delta: Any, *others: Any) -> Any:
        """W^T delta and other terms, in one sum of any order."""
        products = self.op.rounded(delta[:, :, None] * self.w[f"weight_{kind}"])
        terms = [np.moveaxis(products, 1, 2), *(one[:, :, None] for one in others)]
        left = np.concatenate(terms, axis=2)
        return self.op.summed(Products(left, np.ones_like(left)))

    def outer(self, delta: Any, v: Any) -> Any:
        left = np.moveaxis(self.op.rounded(delta[:, :, None] * v[:, None, :]), 0, 2)
        return self.op.summed(Products(left, np.ones_like(left)))

    def total(self, delta: Any) -> Any:
        return self.op.summed(Products(delta.T, np.ones_like(delta.T)))

    def found(self, ih: Any, hh: Any, *direct: Any) -> dict[str, Any]:
        return {
            "x": self.passed_back("ih", ih),
            "h_0": self.passed_back("hh", hh, *direct),
            "weight_ih_l0": self.outer(ih, self.x),
            "weight_hh_l0": self.outer(hh, self.h),
            "bias_ih_l0": self.total(ih),
            "bias_hh_l0": self.total(hh),
        }

    def gru(self, s: Any) -> dict[str, Any]:
        (ir, iz, i_n), (hr, hz, hn) = self.linear("ih", self.x, 3), self.linear("hh", self.h, 3)
        r, z = self.act("sigmoid", ir, hr), self.act("sigmoid", iz, hz)
        n = self.act("tanh", i_n, self.op.rounded(r * hn))
        of_z = self.times(self.difference(s, self.h, n), self.slope("sigmoid", z))
        of_n = self.times(self.difference(s, ONE, z), self.slope("tanh", n))
        of_r = self.times(of_n, hn, self.slope("sigmoid", r))
        ih = np.concatenate([of_r, of_z, of_n], axis=1)
        hh = np.concatenate([of_r, of_z, self.times(of_n, r)], axis=1)
        return self.found(ih, hh, self.times(s, z))

    def lstm(self, s: Any) -> dict[str, Any]:
        c = self.drawn.start["c"].astype(np.float64)
        g_c = self.drawn.g_n["c"].astype(np.float64)
        a = zip(self.linear("ih", self.x, 4), self.linear("hh", self.h, 4), strict=True)
        names = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        i, f, g, o = (self.act(name, *terms) for name, terms in zip(names, a, strict=True))
        after = self.op.rounded(self.op.rounded(f * c) + self.op.rounded(i * g))
        t = self.op.activation("tanh", after)
        s_c = self.op.rounded(g_c + self.times(s, o, self.slope("tanh", t)))
        delta = np.concatenate(
            [
                self.times(s_c, g, self.slope("sigmoid", i)),
                self.times(s_c, c, self.slope("sigmoid", f)),
                self.times(s_c, i, self.slope("tanh", g)),
                self.times(s, t, self.slope("sigmoid", o)),
            ],
            axis=1,
        )
        return self.found(delta, delta) | {"c_0": self.times(s_c, f)}


ONE = np.ones(())


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("fmt", ["fp16", "fp32"])
def test_gradients_that_err_as_far_as_they_may_are_within_their_bounds(
    kind: str, fmt: str, record_property: Any
) -> None:
    """One step, with h' = 0 in place of a state that was seen: no slope is taken from it."""
    largest = 0.0
    for seed, scale in enumerate((0.5, 2.0, 8.0) * 3):
        for signs in itertools.product(SIGNS, SIGNS):
            drawn = Drawn(kind, fmt, scale, seed, steps=1)
            backward = AdverseBackward(drawn, signs)
            s = backward.op.rounded((drawn.g[0] + drawn.g_n["h"]).astype(np.float64))
            worst = ratios(
                drawn.bounds(drawn.stored(np.zeros((1, BATCH, 5)))).by_name,
                getattr(backward, kind)(s),
            )
            assert max(worst.values()) <= 1, (worst, signs, seed)
            largest = max(largest, *worst.values())
    record_property("largest ratio", largest)
    assert largest > 0.2
