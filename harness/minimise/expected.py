"""The other side of a script: the equation in NumPy, or torch in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.case import Case
from harness.minimise.forms import output_of, states_given
from harness.minimise.stack import is_activation_of_sum
from harness.minimise.torch_script import packed, padded, torch_layer

__all__ = ["by_equation", "by_torch", "fits_a_line", "output_of_torch", "torch_in_float64"]

ACTIVATIONS = {"tanh": "np.tanh({})", "relu": "np.maximum({}, 0)"}

X64 = 'x.astype("float64")'


def fits_a_line(case: Case) -> bool:
    """Whether `by_equation` can write it: one layer in one direction, no lengths, a plain cell."""
    config = case.config
    return (
        (config.num_layers, config.bidirectional, case.lengths) == (1, False, None)
        and is_activation_of_sum(config.cell)
        and set(config.cell.activations) <= set(ACTIVATIONS)
    )


def by_equation(case: Case, rows: int) -> Iterator[str]:
    """`expected`, all states, in float64; terms that are 0 are left out."""
    config, of_x, of_state, biases = case.config, "", "", ""
    (state,) = config.cell.states
    for parameter in config.cell.arrays(config.bias):
        name = f"{parameter.name}_l0"
        array, written = case.weights[name], f'w["{name}"]'
        if "inputs" in parameter.axes:
            identity = len(array) == len(array.T) and bool((array == np.eye(len(array))).all())
            of_x = "{}" if identity else f"{{}} @ {written}.T"
        elif array.any():
            of_state += "" if parameter.is_bias else f" + {state} @ {written}.T"
            biases += f" + {written}" if parameter.is_bias else ""
    activation = ACTIVATIONS[config.cell.activations[0]]
    if not of_state or (config.steps == 1 and not case.initial):
        yield f"expected = {activation.format(of_x.format(X64) + biases)}"
        return
    if case.initial:
        yield f'{state} = {state}_0[0].astype("float64")'
    else:
        yield f"{state} = np.zeros(({config.batch * rows}, {config.hidden_size}))"
    step = activation.format(of_x.format("v") + of_state + biases)
    yield f"expected = np.array([{state} := {step} for v in {X64}])"


def torch_in_float64(case: Case, *, leaf: bool = False) -> Iterator[str]:
    """The same layer in torch, in float64, as `peer`; x there is `v`, where it is asked for."""
    yield f"peer = {torch_layer(case.config, double=True)}"
    yield "peer.load_state_dict({name: torch.tensor(value) for name, value in w.items()})"
    if leaf:
        yield "v = torch.tensor(x, dtype=torch.float64, requires_grad=True)"


def output_of_torch(case: Case, name: str, *, leaf: bool = False) -> str:
    """An expression for an output of `peer`, by its name.

    A row that is alone ends at its length, so nothing after that is given; its output has no
    padding then. More rows are packed.
    """
    v = "v" if leaf else "torch.tensor(x, dtype=torch.float64)"
    if case.lengths is not None and case.config.batch == 1:
        v += f"[:{int(case.lengths[0])}]"
    elif case.lengths is not None:
        v = packed(v, case.lengths.tolist())
    states = [f"torch.tensor({state}_0, dtype=torch.float64)" for state in case.initial]
    return output_of(case.config, f"peer({v}{states_given(states)})", name)


def by_torch(case: Case, name: str) -> Iterator[str]:
    """`expected`: an output by its name, as an array; packed rows are padded."""
    yield from torch_in_float64(case)
    output = output_of_torch(case, name)
    if case.lengths is not None and case.config.batch > 1 and name == "output":
        output = padded(output, case.config.steps)
    yield f"expected = {output}.detach().numpy()"
