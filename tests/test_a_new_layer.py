"""A layer that nothing else in this project knows: one record, and every check judges it.

The minimal gated unit (G.-B. Zhou et al., "Minimal gated unit for recurrent neural networks", Int.
J. Autom. Comput. 13 (2016)) has one gate. Its record and equation stand here, with a correct
implementation in NumPy and five wrong ones, each wrong in one line; layouts and bookkeeping are
those of any correct layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from harness.checks import checks_for
from harness.config import Config
from harness.data import MIXED, PLAIN, SPECIAL
from harness.faults.arrays import Arrays, clean, valid, without_lengths
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.layers import LayerRecord, registered
from harness.results import Result
from reference import Arithmetic, Cell, Parameters
from reference.arrays import Array


def equation(op: Arithmetic[Any], w: Parameters, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
    f = op.activation(
        "sigmoid", op.add(op.linear(w("ih", "f"), x), op.linear(w("hh", "f"), s["h"]))
    )
    recurrent = op.multiply(f, op.linear(w("hh", "n"), s["h"]))
    n = op.activation("tanh", op.add(op.linear(w("ih", "n"), x), recurrent))
    return {"h": op.blend(f, s["h"], n)}


CELL = Cell("mgu", equation, ("sigmoid", "tanh"), gates=("f", "n"))
MGU = LayerRecord(
    name="mgu",
    title="MGU",
    cell=lambda options: CELL,
    arguments=(
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    ),
    data=(MIXED, PLAIN, SPECIAL),
    pass_through=lambda config: passing_on(config),
)


def passing_on(config: Config) -> Mapping[str, Array]:
    """The gate is 1 whatever comes, so that h' = tanh(x)."""
    size, zero = config.hidden_size, np.zeros((config.hidden_size,) * 2)
    biases = np.concatenate([np.full(size, 50.0), np.zeros(size)])
    return {
        "weight_ih": np.concatenate([zero, np.eye(size)]),
        "weight_hh": np.concatenate([zero, zero]),
        "bias_ih": biases,
        "bias_hh": np.zeros(2 * size),
    }


def sigmoid(a: Array) -> Array:
    return np.float32(1) / (np.float32(1) + np.exp(-a))


class Layer(CorrectLayer):
    """The unit in float32 NumPy, written without `reference`; time first."""

    def answer(self, given: Arrays) -> Arrays:
        with np.errstate(all="ignore"):
            return self.run(given)[0]

    def run(self, given: Arrays) -> tuple[Arrays, list[Any]]:
        """The outputs, and what each direction of each layer leaves for the gradient."""
        o, y, self.valid = self.options, clean(given)["x"], valid(given)
        rows = o.num_layers * o.directions
        zeros = np.zeros((rows, y.shape[1], o.hidden_size), np.float32)
        final, tapes = given.get("h_0", zeros).copy(), []
        masks = self.masks((*y.shape[:2], o.directions * o.hidden_size))
        for layer in range(o.num_layers):
            sides = []
            for reverse in (False, True)[: o.directions]:
                row = layer * o.directions + reverse
                states, tape = self.direction(y, final[row].copy(), layer, reverse)
                final[row] = tape[-1]
                sides.append(states)
                tapes.append(tape)
            y = np.concatenate(sides, axis=2)
            if self.drops() and layer < o.num_layers - 1:
                y = (y * masks[layer]).astype(np.float32)
        return {"output": y, "h_n": final}, tapes

    def arrays(self, layer: int, reverse: bool) -> list[Any]:
        suffix = f"_l{layer}" + "_reverse" * reverse
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [self.weights.get(name + suffix, np.float32(0)) for name in names]

    def direction(self, x: Array, h: Array, layer: int, reverse: bool) -> tuple[Array, Any]:
        w_ih, w_hh, b_ih, b_hh = self.arrays(layer, reverse)
        states = np.zeros((*x.shape[:2], self.options.hidden_size), np.float32)
        steps = []
        for t in range(len(x))[:: -1 if reverse else 1]:
            of_x, of_h = x[t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
            new, kept = self.step(of_x, of_h, h)
            steps.append((t, h, kept))
            h = np.where(self.valid[t], new, h)
            states[t] = np.where(self.valid[t], h, 0)
        return states, (x, steps, h)

    def step(self, of_x: Array, of_h: Array, h: Array) -> tuple[Array, Any]:
        fx, nx = np.split(of_x, 2, axis=1)
        fh, nh = np.split(of_h, 2, axis=1)
        f = sigmoid(fx + fh)
        n = np.tanh(nx + self.forgotten(f) * nh)
        return self.update(f, h, n), (f, n, nh)

    def forgotten(self, f: Array) -> Array:
        return f

    def update(self, f: Array, h: Array, n: Array) -> Array:
        return (np.float32(1) - f) * h + f * n

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        outputs, tapes = self.run(given)
        o, found, g = self.options, dict[str, Array](), cotangents["output"]
        first = np.zeros_like(outputs["h_n"])
        for layer in reversed(range(o.num_layers)):
            below: Any = np.float32(0)
            for reverse in (False, True)[: o.directions]:
                row = layer * o.directions + reverse
                own, end = np.split(g, o.directions, axis=2)[reverse], cotangents["h_n"][row]
                of_x, first[row] = self.back(tapes[row], own, end, layer, reverse, found)
                below = below + of_x
            g = below
        return {**found, "x": g, "h_0": first}

    def back(
        self, tape: Any, g: Array, carry: Array, layer: int, reverse: bool, found: dict[str, Array]
    ) -> tuple[Array, Array]:
        """Gradients of x and of the initial state; those of the parameters go into `found`."""
        w_ih, w_hh, *_ = self.arrays(layer, reverse)
        x, steps, _ = tape
        of_x = np.zeros_like(x)
        grads = [np.zeros_like(a) for a in (w_ih, w_hh)] + [np.zeros(len(w_ih), np.float32)] * 2
        for t, h, (f, n, nh) in reversed(steps):
            keep = self.valid[t]
            s = np.where(keep, g[t] + carry, 0).astype(np.float32)
            dn = s * f * (1 - n * n)
            df = (s * (n - h) + dn * nh) * f * (1 - f)
            dx, dh = np.concatenate([df, dn], axis=1), np.concatenate([df, dn * f], axis=1)
            for k, (delta, of) in enumerate(((dx, x[t]), (dh, h))):
                grads[k] = grads[k] + delta.T @ of
                grads[k + 2] = grads[k + 2] + delta.sum(axis=0)
            of_x[t] = dx @ w_ih
            carry = np.where(keep, self.carried(s * (1 - f) + dh @ w_hh), carry)
        suffix = f"_l{layer}" + "_reverse" * reverse
        for name, grad in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), grads, strict=True):
            if name + suffix in self.weights:
                found[name + suffix] = grad.astype(np.float32)
        return of_x, carry

    def carried(self, of_h: Array) -> Array:
        return of_h.astype(np.float32)


class NewStateUpdated(Layer):
    """The gate weighs the old state and the new one the other way round."""

    def update(self, f: Array, h: Array, n: Array) -> Array:
        return (np.float32(1) - f) * n + f * h


class ForgetsNothing(Layer):
    """The gate does not act on the state inside the candidate."""

    def forgotten(self, f: Array) -> Array:
        return np.ones_like(f)


class PaddingCounted(Layer):
    """Lengths are ignored."""

    def run(self, given: Arrays) -> tuple[Arrays, list[Any]]:
        return super().run(without_lengths(given))


class RowsMixed(Layer):
    """Every batch row starts from the state of the row before it."""

    def direction(self, x: Array, h: Array, layer: int, reverse: bool) -> tuple[Array, Any]:
        return super().direction(x, np.roll(h, 1, axis=0), layer, reverse)


class GradientTruncated(Layer):
    """Nothing comes back from the later step."""

    def carried(self, of_h: Array) -> Array:
        return np.zeros_like(of_h)


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with registered(MGU):
        yield


SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6, "seed": 3}
CONFIGS: dict[str, dict[str, Any]] = {
    "values": {"states": True, "scale": 2},
    "stack": {"num_layers": 2, "bidirectional": True, "layout": "batchfirst", "states": True},
    "lengths": {"lengths": "ragged", "bidirectional": True},
    "empty rows": {"lengths": "emptyrows", "bias": False},
    "unbatched": {"layout": "unbatched", "batch": 1},
    "special": {"data": "special", "states": True, "batch": 16, "steps": 8},
    "gradient": {"aspect": "gradient", "data": "plain", "states": True, "lengths": "ragged"},
    "deep gradient": {
        "aspect": "gradient",
        "data": "plain",
        "num_layers": 2,
        "bidirectional": True,
    },
    "dropout": {
        "aspect": "training",
        "data": "plain",
        "num_layers": 3,
        "dropout": 50,
        "hidden_size": 24,
        "batch": 40,
    },
    "repeated": {"aspect": "repeated", "data": "plain"},
    "life": {"life": ("f0", "w1", "f0", "g0", "t", "f1", "e", "f2"), "data": "plain"},
    "initial": {"aspect": "initial", "data": "plain", "hidden_size": 16},
}


def config_of(name: str) -> Config:
    return Config.of("mgu", **{**SIZES, **CONFIGS[name]})


def judged(layer: type[Layer]) -> list[Result]:
    session = Session({"mine": CorrectBackend(layer, "mine")})
    return [result for name in CONFIGS for result in session.judge(config_of(name))]


def failing(layer: type[Layer]) -> set[str]:
    return {r.check for r in judged(layer) if r.verdict in ("fail", "error")}


def test_a_correct_implementation_passes_every_check() -> None:
    results = judged(Layer)
    assert [r for r in results if r.verdict in ("fail", "error")] == []
    passed = {r.check for r in results if r.verdict == "pass"}
    asked = {check.name for name in CONFIGS for check in checks_for(config_of(name))}
    assert len(asked) > 25
    assert asked - passed == {"modes"}  # there is no other mode


@pytest.mark.parametrize(
    ("layer", "check", "others"),
    [
        (NewStateUpdated, "step_residual", {"last_state", "padding_zero"}),
        (ForgetsNothing, "step_residual", {"last_state", "padding_zero"}),
        (PaddingCounted, "padding_zero", {"prefix"}),
        (RowsMixed, "rows_independent", {"padding_zero"}),
        (GradientTruncated, "gradient", {"step_residual", "forward_error", "last_state"}),
    ],
)
def test_a_wrong_implementation_fails_for_the_right_reason(
    layer: type[Layer], check: str, others: set[str]
) -> None:
    found = failing(layer)
    assert check in found
    assert not found & others


def test_ids_of_it_replay() -> None:
    config = Config.of("mgu", **SIZES, lengths="ragged")
    assert config.id == "mgu-ragged-i00003-h00004-b00005-t00006-s000003"
    assert Config.parse(config.id) == config
