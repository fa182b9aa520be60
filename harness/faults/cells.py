"""Mistakes in a cell that carries a state beside its output, as an LSTM does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.config import Config
from harness.faults.arrays import Arrays, place, rounded, without_lengths
from harness.faults.chained import Chained, Stepped
from harness.faults.correct import CorrectLayer
from harness.faults.equations import OtherDerivative, OtherEquation, ended, known, with_equation
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from harness.layers import LayerRecord
from reference import Cell
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("cells")


def carries_c(record: LayerRecord) -> bool:
    """Whether the layer has a cell state."""
    return "c" in record.cell(Config.of(record.name)).states


def own(**fields: Any) -> dict[str, Any]:
    return {"needs": carries_c, **fields}


def gates_of(layer: Any, array: Array) -> dict[str, Array]:
    """The blocks of rows of an array, by gate: views."""
    return dict(zip(layer.cell.gates, np.split(array, len(layer.cell.gates)), strict=True))


def reordered(order: str) -> Callable[[Any, Arrays], Arrays]:
    def weights(layer: Any, given: Arrays) -> Arrays:
        return {
            name: np.concatenate([gates_of(layer, array)[gate] for gate in order])
            for name, array in given.items()
        }

    return weights


def changed_bias(change: Callable[[Array], Array], which: str = "bias_ih") -> Any:
    def weights(layer: Any, given: Arrays) -> Arrays:
        found = {name: array.copy() for name, array in given.items()}
        for name, array in found.items():
            if place(name).parameter == which:
                forget = gates_of(layer, array)["f"]
                forget[...] = change(forget)
        return found

    return weights


AREA.table(
    AREA.weights,
    {
        "gates-f-and-i-swapped": (
            "The forget gate's weights are the input gate's and the other way round.",
            reordered("figo"),
        ),
        "gates-g-and-o-swapped": (
            "Gates come in the order i, f, o, g, as another framework has them.",
            reordered("ifog"),
        ),
        "forget-bias-doubled": (
            "The forget gate's bias counts twice.",
            changed_bias(lambda bias: 2 * bias),
        ),
        "forget-bias-raised": (
            "1 is added to the forget gate's bias, as some frameworks initialise it.",
            changed_bias(lambda bias: bias + bias.dtype.type(1)),
        ),
        "forget-bias-dropped": (
            "The forget gate has one of its two biases only.",
            changed_bias(np.zeros_like, "bias_hh"),
        ),
    },
    **own(),
)


@AREA.inputs("c-0-ignored", **own())
def first_cell_ignored(layer: Any, given: Arrays) -> Arrays:
    """The initial cell state is taken and ignored."""
    return {n: np.zeros_like(a) if n == "c_0" else a for n, a in given.items()}


@AREA.inputs("c-0-and-h-0-swapped", **own())
def first_states_swapped(layer: Any, given: Arrays) -> Arrays:
    """The tuple of initial states is read the wrong way round."""
    if "c_0" not in given:
        return given
    return {**given, "h_0": given["c_0"], "c_0": given["h_0"]}


@AREA.inputs("c-0-is-h-0", **own())
def first_cell_is_state(layer: Any, given: Arrays) -> Arrays:
    """The cell state starts from h_0."""
    return {**given, "c_0": given["h_0"].copy()} if "c_0" in given else given


@AREA.outputs("c-n-and-h-n-swapped", **own())
def final_states_swapped(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The tuple of final states is returned the wrong way round."""
    return {**found, "h_n": found["c_n"], "c_n": found["h_n"]}


@AREA.outputs("c-n-is-h-n", **own())
def final_cell_is_state(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """h_n is returned in place of c_n."""
    return {**found, "c_n": found["h_n"].copy()}


@AREA.outputs("tanh-of-c-n", **own())
def final_cell_squashed(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """c_n is returned after its tanh."""
    return {**found, "c_n": np.tanh(found["c_n"])}


@AREA.outputs("c-n-of-the-wrong-direction", **own())
def final_cells_of_the_other(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """c_n of the two directions are exchanged."""
    sides, final = layer.options.directions, found["c_n"]
    turned = final.reshape(-1, sides, *final.shape[1:])[:, ::-1].reshape(final.shape)
    return {**found, "c_n": turned.copy()}


@AREA.outputs("c-n-at-the-end-of-padding", **own())
def final_cell_at_the_end(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """c_n of shorter rows is that of the last step of all, zeros counted as steps."""
    if "lengths" not in given or layer.options.bidirectional:
        return found
    steps = np.arange(len(given["x"]))[:, None] < given["lengths"]
    padded = {**given, "x": np.where(steps[:, :, None], given["x"], given["x"].dtype.type(0))}
    return {**found, "c_n": layer.run(without_lengths(padded))["c_n"]}


@AREA.outputs("c-n-of-the-first-layer", **own())
def final_cell_of_the_first(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """c_n of all layers is the first one's."""
    o = layer.options
    return {**found, "c_n": np.concatenate([found["c_n"][: o.directions]] * o.num_layers)}


@AREA.outputs(
    "c-n-of-empty-rows-is-0",
    bases=("mindspore", "oracle"),  # torch documents that no row may be empty
    **own(visible=lambda c: c.lengths == "emptyrows"),
)
def final_cell_of_empty_rows(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """c_n of a row of length 0 is left unwritten, h_n is not."""
    final = found["c_n"].copy()
    if "lengths" in given:
        final[:, given["lengths"] == 0] = np.nan
    return {**found, "c_n": final}


@AREA.outputs("c-n-nan-is-0", **own(visible=lambda c: c.data == "special"))
def final_cell_without_nan(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """NaN in c_n is returned as 0."""
    final = found["c_n"]
    return {**found, "c_n": np.where(np.isnan(final), final.dtype.type(0), final)}


@AREA.inputs("c-0-nan-is-0", **own(visible=lambda c: c.data == "special"))
def first_cell_without_nan(layer: Any, given: Arrays) -> Arrays:
    """NaN in c_0 is read as 0."""
    if "c_0" not in given:
        return given
    first = given["c_0"]
    return {**given, "c_0": np.where(np.isnan(first), first.dtype.type(0), first)}


@AREA.fault(
    "c-n-of-later-layers-is-0-where-a-stack-drops",
    **own(visible=lambda c: c.aspect == "training" and c.num_layers > 1 and c.dropout > 0),
)
class FinalCellsLost(CorrectLayer):
    """Where a stack drops, c_n of all layers but the first is 0."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        if not self.training or not self.options.dropout or "c_n" not in found:
            return found
        final = found["c_n"].copy()
        final[self.options.directions :] = 0
        return {**found, "c_n": final}


@AREA.fault("c-of-the-layer-below", **own())
class CellOfTheLayerBelow(Chained):
    """Each layer starts from the final cell state of the layer below, where none is given."""

    def answer(self, given: Arrays) -> Arrays:
        self.last: dict[bool, Array] = {}
        return super().answer(given)

    def direction(self, layer: int, reverse: bool, given: Arrays) -> Arrays:
        if reverse in self.last and "c_0" not in given:
            h_0 = np.zeros_like(self.last[reverse])
            given = {**given, "h_0": h_0, "c_0": self.last[reverse]}
        found = super().direction(layer, reverse, given)
        self.last[reverse] = found["c_n"]
        return found


class _OtherCell(Stepped):
    """The cell state is changed between two steps."""

    def changed(self, c: Array) -> Array:
        raise NotImplementedError

    def start(self, states: list[Arrays], step: int) -> Arrays:
        before = states[-1]
        return before if step == 0 else {**before, "c_0": self.changed(before["c_0"])}


@AREA.fault("c-clipped", **own())
class CellClipped(_OtherCell):
    """The cell state is clipped at 1 between two steps."""

    def changed(self, c: Array) -> Array:
        return c.clip(-1, 1)


@AREA.fault("c-in-half", **own())
class CellInHalf(_OtherCell):
    """The cell state goes from step to step in float16; h is not rounded."""

    def changed(self, c: Array) -> Array:
        return rounded(c, np.float16)


@AREA.fault("c-lost-between-steps", **own())
class CellLost(_OtherCell):
    """The cell state of every step but the first starts from 0."""

    def changed(self, c: Array) -> Array:
        return np.zeros_like(c)


@AREA.fault("c-carried-between-calls", **own())
class CellCarried(WrappedLayer):
    """A call without initial states starts from the cell state of the call before."""

    def answer(self, given: Arrays) -> Arrays:
        kept: Any = self.__dict__.get("kept")
        if "c_0" not in given and kept is not None and kept.shape[1] == given["x"].shape[1]:
            given = {**given, "h_0": np.zeros_like(kept), "c_0": kept}
        found = self.run(given)
        self.kept = found["c_n"].copy()
        return found


class Step:
    """The equation of an LSTM's step, written out once more; every part is a method."""

    def __call__(self, op: Any, w: Any, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
        i, f, o = (self.gate(op, w, x, s, name, self.squashing) for name in "ifo")
        g = self.gate(op, w, x, s, "g", self.candidate)
        c = self.update(op, i, f, g, s["c"])
        return {"h": self.output(op, o, c, s["c"]), "c": c}

    squashing, candidate = "sigmoid", "tanh"

    def gate(self, op: Any, w: Any, x: Any, s: Any, name: str, activation: str) -> Any:
        a = op.add(op.linear(w("ih", name), x), op.linear(w("hh", name), s["h"]))
        return op.activation(activation, a)

    def update(self, op: Any, i: Any, f: Any, g: Any, c: Any) -> Any:
        return op.add(op.multiply(f, c), op.multiply(i, g))

    def output(self, op: Any, o: Any, c: Any, before: Any) -> Any:
        return op.multiply(o, op.activation("tanh", c))


class Peepholes(Step):
    """Gates see the cell state too, as in some variants of LSTM."""

    def gate(self, op: Any, w: Any, x: Any, s: Any, name: str, activation: str) -> Any:
        terms = op.linear(w("ih", name), x), op.linear(w("hh", name), s["h"])
        return op.activation(activation, op.add(*terms, *((s["c"],) if name != "g" else ())))


class Coupled(Step):
    """The forget gate is 1 - i, as in some variants of LSTM."""

    def update(self, op: Any, i: Any, f: Any, g: Any, c: Any) -> Any:
        return op.add(op.multiply(op.complement(i), c), op.multiply(i, g))


class NothingForgotten(Step):
    """c' = c + i g, as in the first LSTM, which had no forget gate."""

    def update(self, op: Any, i: Any, f: Any, g: Any, c: Any) -> Any:
        return op.add(c, op.multiply(i, g))


class InputUngated(Step):
    """c' = f c + g."""

    def update(self, op: Any, i: Any, f: Any, g: Any, c: Any) -> Any:
        return op.add(op.multiply(f, c), g)


class OutputUngated(Step):
    """h' = tanh(c')."""

    def output(self, op: Any, o: Any, c: Any, before: Any) -> Any:
        return op.activation("tanh", c)


class CellUnsquashed(Step):
    """h' = o c', without the tanh."""

    def output(self, op: Any, o: Any, c: Any, before: Any) -> Any:
        return op.multiply(o, c)


class OldCell(Step):
    """h' = o tanh(c), of the cell state before the step."""

    def output(self, op: Any, o: Any, c: Any, before: Any) -> Any:
        return op.multiply(o, op.activation("tanh", before))


class SigmoidCandidate(Step):
    """g is a sigmoid as the gates are."""

    candidate = "sigmoid"


class TanhGates(Step):
    """The gates are tanh as g is."""

    squashing = "tanh"


class CandidateLost(Step):
    """Values of g below 2^-20 are 0; those of tanh(c) are kept."""

    def gate(self, op: Any, w: Any, x: Any, s: Any, name: str, activation: str) -> Any:
        found = super().gate(op, w, x, s, name, activation)
        if name != "g" or not isinstance(found, np.ndarray):  # derivatives are left as they are
            return found
        return np.where(np.abs(found) < 2.0**-20, found.dtype.type(0), found)


class InputEnds(Step):
    """The input gate is 0 below -15, as from a table that ends there; other gates are right."""

    def gate(self, op: Any, w: Any, x: Any, s: Any, name: str, activation: str) -> Any:
        found = super().gate(op, w, x, s, name, activation)
        return ended(found, -15.0) if name == "i" else found


STEPS = {
    "peepholes": Peepholes,
    "forget-gate-coupled": Coupled,
    "nothing-forgotten": NothingForgotten,
    "input-ungated": InputUngated,
    "output-ungated": OutputUngated,
    "no-tanh-of-c": CellUnsquashed,
    "output-of-the-old-c": OldCell,
    "g-is-a-sigmoid": SigmoidCandidate,
    "gates-are-tanh": TanhGates,
    "g-lost-near-0": CandidateLost,
    "input-gate-ends": InputEnds,
}


for _name, _step in STEPS.items():

    @AREA.fault(_name, **own())
    class _OfStep(OtherEquation):
        __doc__ = _step.__doc__
        step = _step()


def projects(record: LayerRecord) -> bool:
    """Whether layers may project their output."""
    return any(option.name == "proj_size" for option in record.options)


def is_projected(config: Config) -> bool:
    return config.cell.projection is not None


class _OtherProjection(CorrectLayer):
    """The output is made of h = o tanh(c) otherwise than by W_hr."""

    def projected(self, op: Any, w: Any, step: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    @property
    def cell(self) -> Cell:
        right = super().cell
        if right.projection is None:
            return right
        step = Step()

        def equation(op: Any, w: Any, x: Any, s: Mapping[str, Any]) -> dict[str, Any]:
            found = step(op, w, x, s)
            return {**found, "h": self.projected(op, w, found)}

        return with_equation(right, equation)


@AREA.fault("projection-of-c", needs=projects, visible=is_projected)
class ProjectionOfCell(_OtherProjection):
    """The projection is taken of tanh(c), and the output gate left out."""

    def projected(self, op: Any, w: Any, step: Mapping[str, Any]) -> Any:
        return op.linear(w("hr"), op.activation("tanh", step["c"]))


@AREA.fault("projection-squashed", needs=projects, visible=is_projected)
class ProjectionSquashed(_OtherProjection):
    """The projected output goes through tanh once more."""

    def projected(self, op: Any, w: Any, step: Mapping[str, Any]) -> Any:
        return op.activation("tanh", op.linear(w("hr"), step["h"]))


@AREA.weights("projection-ignored", bases=("torch", "oracle"), needs=projects, visible=is_projected)
def projection_ignored(layer: Any, given: Arrays) -> Arrays:
    """The output is the first units of o tanh(c), whatever W_hr is."""
    return {
        name: np.eye(*array.shape).astype(array.dtype) if name.startswith("weight_hr") else array
        for name, array in given.items()
    }


@AREA.activation("hard-sigmoid", "sigmoid", **own())
def hard_sigmoid(layer: Any, a: Array, exact: Array) -> Array:
    """Sigmoid is clip(a / 6 + 1 / 2, 0, 1)."""
    return np.clip(a / 6 + 0.5, 0.0, 1.0)


class Cut(Step):
    """Nothing is handed back to the cell state before."""

    def update(self, op: Any, i: Any, f: Any, g: Any, c: Any) -> Any:
        return super().update(op, i, f, g, known(op, c))


@AREA.fault("no-gradient-through-c", **own())
class GradientThroughCCut(OtherDerivative):
    """Gradients come back from later steps through h alone, not through the cell state."""

    step = Cut()


@AREA.fault("gradient-without-tanh-of-c", **own())
class GradientWithoutTanh(OtherDerivative):
    """The slope of tanh(c) is left out of the gradient."""

    step = CellUnsquashed()


@AREA.gradients("no-gradient-of-c-0", **own())
def no_gradient_of_first_cell(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The gradient of c_0 is 0."""
    return {n: np.zeros_like(a) if n == "c_0" else a for n, a in found.items()}


@AREA.gradients("gradients-of-h-0-and-c-0-swapped", **own())
def gradients_swapped(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """The gradient of c_0 is returned as that of h_0."""
    if "c_0" not in found:
        return found
    return {**found, "h_0": found["c_0"], "c_0": found["h_0"]}


@AREA.fault("loss-of-c-n-ignored", **own())
class LossOfCIgnored(WrappedLayer):
    """What the loss has from c_n is left out of the gradients."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        none = {n: np.zeros_like(a) if n == "c_n" else a for n, a in cotangents.items()}
        return self.run_gradients(given, none)


class LossOfOneState(WrappedLayer):
    """A mistake in the gradients of a loss of one final state alone."""

    state: str

    def other(self, given: Arrays, cotangents: Arrays) -> Arrays:
        raise NotImplementedError

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        if set(cotangents) == {self.state}:
            return self.other(given, cotangents)
        return self.run_gradients(given, cotangents)


@AREA.fault("loss-of-c-n-alone-forgets-biases", **own())
class BiasesForgotten(LossOfOneState):
    """A loss of c_n alone gives biases nothing."""

    state = "c_n"

    def other(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        return {n: np.zeros_like(a) if n.startswith("bias") else a for n, a in found.items()}


@AREA.fault("loss-of-h-n-alone-taken-of-c-n-too", **own())
class TakenOfBoth(LossOfOneState):
    """A loss of h_n alone is taken for one of c_n as well, where they have the same shape."""

    state = "h_n"

    def other(self, given: Arrays, cotangents: Arrays) -> Arrays:
        same = self.options.output_size == self.options.hidden_size
        both = {**cotangents, "c_n": cotangents["h_n"].copy()}
        return self.run_gradients(given, both if same else cotangents)


@AREA.fault("loss-of-c-n-alone-halved", **own())
class Halved(LossOfOneState):
    """What a loss of c_n alone gives x is halved, as the mean of two states' is."""

    state = "c_n"

    def other(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        return {**found, "x": found["x"] * found["x"].dtype.type(0.5)}
