"""Mistakes in the gates of a GRU: their order, what they act on, what is derived through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.config import Config
from harness.faults.arrays import Arrays, place
from harness.faults.equations import OtherDerivative, OtherEquation, ended, known
from harness.faults.record import Area
from harness.layers import LayerRecord
from reference import Parameters
from reference.arrays import Array

__all__ = ["AREA", "ResetUpdateStep"]

AREA = Area("gated")


def resets(record: LayerRecord) -> bool:
    """Whether the cell has a reset gate."""
    return "r" in record.cell(Config.of(record.name)).gates


class ResetUpdateStep:
    """The equation of a GRU's step, written out once more; every part is a method."""

    of_candidate = "tanh"

    def __call__(self, op: Any, w: Parameters, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
        h = s["h"]
        r, z = (self.gate(op, w, x, h, name) for name in "rz")
        n = op.activation(self.of_candidate, self.candidate(op, w, x, h, r))
        return {"h": self.update(op, z, n, h)}

    def gate(self, op: Any, w: Parameters, x: Any, h: Any, name: str) -> Any:
        return op.activation(
            "sigmoid", op.add(op.linear(w("ih", name), x), self.of_h(op, w, h, name))
        )

    def of_h(self, op: Any, w: Parameters, h: Any, name: str) -> Any:
        return op.linear(w("hh", name), h)

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        return op.add(op.linear(w("ih", "n"), x), op.multiply(r, self.of_h(op, w, h, "n")))

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return op.blend(z, n, h)


def _biases(w: Parameters) -> Any:
    """b_in + b_hn."""
    one: Any = w("ih", "n").bias
    return one + w("hh", "n").bias


class ResetEnds(ResetUpdateStep):
    """The reset gate is 0 below -12, as from a table that ends there; other gates are right."""

    def gate(self, op: Any, w: Parameters, x: Any, h: Any, name: str) -> Any:
        found = super().gate(op, w, x, h, name)
        return ended(found, -12.0) if name == "r" else found


class ResetBefore(ResetUpdateStep):
    """The reset gate acts on h before the product with W_hn, as in the GRU's first paper."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        return op.add(op.linear(w("ih", "n"), x), op.linear(w("hh", "n"), op.multiply(r, h)))


class BiasOutside(ResetUpdateStep):
    """b_hn is added outside the product with the reset gate."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        block = w("hh", "n")
        if block.bias is None:
            return super().candidate(op, w, x, h, r)
        of_x = op.linear(replace(w("ih", "n"), bias=_biases(w)), x)
        return op.add(of_x, op.multiply(r, op.linear(replace(block, bias=None), h)))


class BiasInside(ResetUpdateStep):
    """b_in is multiplied with the reset gate, as b_hn is."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        block = w("ih", "n")
        if block.bias is None:
            return super().candidate(op, w, x, h, r)
        of_h = op.linear(replace(w("hh", "n"), bias=_biases(w)), h)
        return op.add(op.linear(replace(block, bias=None), x), op.multiply(r, of_h))


class ResetOfAll(ResetUpdateStep):
    """The reset gate acts on the part of x, too."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        a = op.add(op.linear(w("ih", "n"), x), op.linear(w("hh", "n"), h))
        return op.multiply(r, a)


class NothingReset(ResetUpdateStep):
    """The reset gate is ignored."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        return op.add(op.linear(w("ih", "n"), x), op.linear(w("hh", "n"), h))


class ResetByUpdate(ResetUpdateStep):
    """The update gate stands in place of the reset gate."""

    def __call__(self, op: Any, w: Parameters, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
        z = self.gate(op, w, x, s["h"], "z")
        n = op.activation("tanh", self.candidate(op, w, x, s["h"], z))
        return {"h": self.update(op, z, n, s["h"])}


class UpdateTurned(ResetUpdateStep):
    """h' = z n + (1 - z) h, as the GRU's first paper and other frameworks have it."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return op.blend(z, h, n)


class NothingKept(ResetUpdateStep):
    """h' = (1 - z) n: the state before is not added."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return op.multiply(op.complement(z), n)


class UpdateIgnored(ResetUpdateStep):
    """h' = n."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return n


class CandidateUngated(ResetUpdateStep):
    """h' = n + z h: n is not weighed with 1 - z."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return op.add(n, op.multiply(z, h))


class SigmoidCandidate(ResetUpdateStep):
    """n is a sigmoid as the gates are."""

    of_candidate = "sigmoid"


class GatesOfInput(ResetUpdateStep):
    """The gates see x alone, not the state."""

    def gate(self, op: Any, w: Parameters, x: Any, h: Any, name: str) -> Any:
        return op.activation("sigmoid", op.add(op.linear(w("ih", name), x)))


class GatesOfState(ResetUpdateStep):
    """The gates see the state alone, not x."""

    def gate(self, op: Any, w: Parameters, x: Any, h: Any, name: str) -> Any:
        return op.activation("sigmoid", op.add(self.of_h(op, w, h, name)))


class OneRecurrentMatrix(ResetUpdateStep):
    """The update gate takes the rows of W_hh that are the reset gate's."""

    def of_h(self, op: Any, w: Parameters, h: Any, name: str) -> Any:
        return super().of_h(op, w, h, "r" if name == "z" else name)


STEPS: dict[str, type[ResetUpdateStep]] = {
    "reset-before-the-product": ResetBefore,
    "reset-gate-ends": ResetEnds,
    "b-hn-outside-the-reset": BiasOutside,
    "b-in-inside-the-reset": BiasInside,
    "reset-of-x-too": ResetOfAll,
    "nothing-reset": NothingReset,
    "reset-by-the-update-gate": ResetByUpdate,
    "update-turned": UpdateTurned,
    "state-before-not-kept": NothingKept,
    "update-gate-ignored": UpdateIgnored,
    "candidate-ungated": CandidateUngated,
    "n-is-a-sigmoid": SigmoidCandidate,
    "gates-of-x-alone": GatesOfInput,
    "gates-of-h-alone": GatesOfState,
    "update-gate-with-the-resets-w-hh": OneRecurrentMatrix,
}


for _name, _step in STEPS.items():

    @AREA.fault(_name, needs=resets)
    class _OfStep(OtherEquation):
        __doc__ = _step.__doc__
        step = _step()


def _reordered(order: str) -> Callable[[Any, Arrays], Arrays]:
    def weights(layer: Any, given: Arrays) -> Arrays:
        gates = layer.cell.gates
        found = {}
        for name, array in given.items():
            blocks = dict(zip(gates, np.split(array, len(gates)), strict=True))
            found[name] = np.concatenate([blocks[gate] for gate in order])
        return found

    return weights


def _bias_of(gate: str, which: str, change: Callable[[Array], Array]) -> Any:
    def weights(layer: Any, given: Arrays) -> Arrays:
        gates, found = layer.cell.gates, {name: array.copy() for name, array in given.items()}
        for name, array in found.items():
            if place(name).parameter == which:
                block = np.split(array, len(gates))[gates.index(gate)]
                block[...] = change(block)
        return found

    return weights


AREA.table(
    AREA.weights,
    {
        "gates-r-and-z-swapped": (
            "Gates come in the order z, r, n, as other frameworks have them.",
            _reordered("zrn"),
        ),
        "gates-n-first": ("Gates come in the order n, r, z.", _reordered("nrz")),
        "gates-z-and-n-swapped": ("Gates come in the order r, n, z.", _reordered("rnz")),
        "b-hn-dropped": (
            "Of the three gates' b_hh the candidate's is dropped.",
            _bias_of("n", "bias_hh", np.zeros_like),
        ),
        "update-bias-doubled": (
            "The update gate's b_ih counts twice.",
            _bias_of("z", "bias_ih", lambda bias: 2 * bias),
        ),
    },
    needs=resets,
)


class ResetKnown(ResetUpdateStep):
    """Nothing is handed back through the reset gate."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        return super().candidate(op, w, x, h, known(op, r))


class UpdateKnown(ResetUpdateStep):
    """Nothing is handed back through the update gate."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return super().update(op, known(op, z), n, h)


class StateKnown(ResetUpdateStep):
    """Nothing is handed back to the state before but through the gates."""

    def update(self, op: Any, z: Any, n: Any, h: Any) -> Any:
        return super().update(op, z, n, known(op, h))


class ResetKnownAndOne(ResetUpdateStep):
    """The gradient of W_hn is not weighed with the reset gate."""

    def candidate(self, op: Any, w: Parameters, x: Any, h: Any, r: Any) -> Any:
        unweighed = op.add(op.linear(w("hh", "n"), h), op.multiply(known(op, r), op.complement(r)))
        return op.add(op.linear(w("ih", "n"), x), unweighed)


for _name, _step in {
    "no-gradient-through-r": ResetKnown,
    "no-gradient-through-z": UpdateKnown,
    "no-gradient-through-z-h": StateKnown,
    "gradient-without-r": ResetKnownAndOne,
}.items():

    @AREA.fault(_name, needs=resets)
    class _OtherSlope(OtherDerivative):
        __doc__ = _step.__doc__
        step = _step()


AREA.table(
    lambda name, **fields: AREA.activation(name, of="sigmoid", **fields),
    {
        "sigmoid-piecewise": (
            "Sigmoid is clip(a / 5 + 1 / 2, 0, 1), as one framework has it by default.",
            lambda layer, a, exact: np.clip(a / 5 + 0.5, 0.0, 1.0),
        ),
        "sigmoid-saturates-early": (
            "Sigmoid is 0 or 1 beyond 8.",
            lambda layer, a, exact: np.where(np.abs(a) > 8, (a > 0) * 1.0, exact),
        ),
        "sigmoid-never-saturates": (
            "Sigmoid is kept within 1e-6 and 1 - 1e-6.",
            lambda layer, a, exact: np.clip(exact, 1e-6, 1 - 1e-6),
        ),
        "sigmoid-of-half": (
            "Sigmoid is (1 + tanh(a)) / 2, of twice its argument.",
            lambda layer, a, exact: (1 + np.tanh(a)) / 2,
        ),
        "sigmoid-in-half": (
            "Sigmoid is computed in float16.",
            lambda layer, a, exact: exact.astype(np.float16).astype(np.float64),
        ),
        "sigmoid-overflows": (
            "Sigmoid is e^a / (1 + e^a), NaN beyond 88.7.",
            lambda layer, a, exact: np.where(a > 88.7, np.nan, exact),
        ),
        "sigmoid-of-nan": (
            "Sigmoid of NaN is 0.",
            lambda layer, a, exact: np.where(np.isnan(a), 0.0, exact),
        ),
    },
)
