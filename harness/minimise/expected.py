"""The other side of a script: the equation in NumPy, or torch in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.case import Case
from harness.minimise.torch_script import packed, padded, torch_layer

__all__ = ["by_equation", "by_torch", "call_of_torch", "is_plain", "peer_of_torch"]

X64 = 'x.astype("float64")'


def is_plain(case: Case) -> bool:
    """One layer in one direction without lengths: the equation fits into a line."""
    config = case.config
    return (config.num_layers, config.bidirectional, case.lengths is None) == (1, False, True)


def by_equation(case: Case, rows: int) -> Iterator[str]:
    """`expected`, all states, in float64; terms that are 0 are left out."""
    weights = case.weights
    w_ih, w_hh = weights["weight_ih_l0"], weights["weight_hh_l0"]
    identity = w_ih.shape[0] == w_ih.shape[1] and bool((w_ih == np.eye(len(w_ih))).all())
    x = "{}" if identity else '{} @ w["weight_ih_l0"].T'
    biases = "".join(f' + w["{n}"]' for n, a in weights.items() if n.startswith("bias") and a.any())
    carries = bool(w_hh.any()) and (case.config.steps > 1 or case.h_0 is not None)
    if not carries:
        yield f"expected = {_act(case, x.format(X64) + biases)}"
    else:
        if case.h_0 is not None:
            yield 'h = h_0[0].astype("float64")'
        else:
            yield f"h = np.zeros(({case.config.batch * rows}, {case.config.hidden_size}))"
        step = _act(case, x.format("v") + ' + h @ w["weight_hh_l0"].T' + biases)
        yield f"expected = np.array([h := {step} for v in {X64}])"


def _act(case: Case, a: str) -> str:
    return f"np.tanh({a})" if case.config.nonlinearity == "tanh" else f"np.maximum({a}, 0)"


def peer_of_torch(case: Case, *, leaf: bool = False) -> Iterator[str]:
    """The same layer in torch, in float64, as `peer`; x there is `v`, where it is asked for."""
    yield f"peer = {torch_layer(case.config, double=True)}"
    yield "peer.load_state_dict({name: torch.tensor(value) for name, value in w.items()})"
    if leaf:
        yield "v = torch.tensor(x, dtype=torch.float64, requires_grad=True)"


def call_of_torch(case: Case, *, leaf: bool = False) -> str:
    """An expression for what `peer` answers: (output, h_n).

    A row that is alone ends at its length, so nothing behind that is given; its output has no
    padding then. More rows are packed.
    """
    v = "v" if leaf else "torch.tensor(x, dtype=torch.float64)"
    state = ", torch.tensor(h_0, dtype=torch.float64)" if case.h_0 is not None else ""
    if case.lengths is None:
        return f"peer({v}{state})"
    if case.config.batch == 1:
        return f"peer({v}[:{int(case.lengths[0])}]{state})"
    return f"peer({packed(v, case.lengths.tolist())}{state})"


def by_torch(case: Case, number: int) -> Iterator[str]:
    """`expected`: output (0) or h_n (1), as an array; rows that were packed are padded again."""
    yield from peer_of_torch(case)
    call = f"{call_of_torch(case)}[{number}]"
    if case.lengths is not None and case.config.batch > 1 and number == 0:
        call = padded(call, case.config.steps)
    yield f"expected = {call}.detach().numpy()"
