"""LSTM and GRU are a few lines: their values and gradients are torch's in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import GRU, elman, evaluate
from tests.gated_cells import LSTM, PROJECTED, Stack

CELLS = {"rnn": elman("tanh"), "lstm": LSTM, "projected": PROJECTED, "gru": GRU}
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "projected": torch.nn.LSTM}

CALLS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(sorted(CELLS)),
        "seed": st.integers(0, 2**32 - 1),
        "inputs": st.integers(1, 4),
        "hidden": st.integers(2, 4),
        "layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "bias": st.booleans(),
        "batch": st.integers(1, 4),
        "steps": st.integers(1, 6),
        "ragged": st.booleans(),
        "initial": st.booleans(),
    }
)


class Call(Stack):
    """And a torch module with the same weights."""

    def __init__(self, drawn: dict[str, Any]) -> None:
        super().__init__(CELLS[drawn["kind"]], drawn)
        hidden = drawn["hidden"]
        proj = {"proj_size": hidden - 1} if self.cell.projection else {}
        self.module = MODULES.get(drawn["kind"], torch.nn.GRU)(
            drawn["inputs"], hidden, drawn["layers"], bias=drawn["bias"],
            bidirectional=drawn["bidirectional"], dtype=torch.float64, **proj,
        )  # fmt: skip
        for name, parameter in self.module.named_parameters():
            parameter.data[:] = torch.tensor(self.weights[name])

    def torchs(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """What torch makes of it: outputs, and the leaves whose gradients it knows."""
        leaves = {"x": torch.tensor(self.x, requires_grad=True)}
        sizes = {name: array.shape for name, array in self.g_n.items()}
        for name, array in self.initial.items():
            start = np.zeros(sizes[name]) if array is None else array
            leaves[f"{name}_0"] = torch.tensor(start, requires_grad=True)
        given: Any = leaves["x"]
        if self.lengths is not None:
            given = torch.nn.utils.rnn.pack_padded_sequence(
                given, torch.tensor(self.lengths), enforce_sorted=False
            )
        starts = tuple(leaves[f"{name}_0"] for name in self.cell.states)
        output, ends = self.module(given, starts if len(starts) > 1 else starts[0])
        if self.lengths is not None:
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=len(self.x))
        found = {"output": output}
        ends = ends if isinstance(ends, tuple) else (ends,)
        found |= {f"{n}_n": end for n, end in zip(self.cell.states, ends, strict=True)}
        return found, leaves | dict(self.module.named_parameters())


@settings(max_examples=100)
@given(CALLS)
def test_values_are_torchs(drawn: dict[str, Any]) -> None:
    call = Call(drawn)
    found = evaluate(call.cell, call.x, call.initial, call.weights, **call.options)
    theirs, _ = call.torchs()
    assert list(found) == list(theirs)
    for name, array in theirs.items():
        np.testing.assert_allclose(found[name], array.detach().numpy(), rtol=0, atol=1e-12)


@settings(max_examples=120)
@given(CALLS)
def test_gradients_are_torchs(drawn: dict[str, Any]) -> None:
    """Within 1e-12 of the largest entry of each."""
    call = Call(drawn)
    found = call.gradients()
    outputs, leaves = call.torchs()
    loss = (outputs["output"] * torch.tensor(call.g)).sum()
    for name, array in call.g_n.items():
        loss = loss + (outputs[f"{name}_n"] * torch.tensor(array)).sum()
    theirs = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    assert set(found) == set(theirs)
    for name, gradient in theirs.items():
        size = float(gradient.abs().max()) or 1e-300
        assert np.abs(found[name] - gradient.numpy()).max() <= 1e-12 * size, name
