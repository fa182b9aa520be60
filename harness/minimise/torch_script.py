"""torch.nn.RNN in scripts."""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case
from harness.config import Config
from harness.minimise.dialect import FLOATS, Dialect, options, sizes

__all__ = ["form", "packed", "padded", "torch_layer"]


def form(variant: str) -> Dialect | None:
    """On the CPU; there is none for other devices."""
    if variant:
        return None
    return Dialect(
        module="torch",
        mode=(),
        other_mode=(),
        load=("rnn.load_state_dict({name: torch.tensor(v) for name, v in w.items()})",),
        layer=torch_layer,
        tensor="torch.tensor({})",
        to_array="{}.detach().numpy()",
        calling=_call,
        gradient=_gradient,
        threads="torch.set_num_threads({})",
        narrowed="{}.bfloat16()",
        widened="{}.float()",
    )


def torch_layer(config: Config, *, double: bool = False) -> str:
    """The constructor's call; in float64 where it is what others are compared with."""
    named = options(config, "bias")
    dtype = "fp64" if double else config.dtype
    if dtype != "fp32":
        named.append(f"dtype=torch.{FLOATS[dtype]}")
    return f"torch.nn.RNN({', '.join([*sizes(config), *named])})"


def packed(x: str, lengths: list[int]) -> str:
    """torch's way to say lengths."""
    return f"torch.nn.utils.rnn.pack_padded_sequence({x}, {lengths}, enforce_sorted=False)"


def padded(output: str, steps: int) -> str:
    """And back."""
    return f"torch.nn.utils.rnn.pad_packed_sequence({output}, total_length={steps})[0]"


def _call(case: Case, x: str, state: str, number: int) -> str:
    if case.lengths is None:
        return f"rnn({x}{state})[{number}]"
    call = f"rnn({packed(x, case.lengths.tolist())}{state})[{number}]"
    return padded(call, case.config.steps) if number == 0 else call


def _gradient(name: str, loss: str, x: str) -> Iterator[str]:
    yield f"v = {x}.requires_grad_()"
    yield f"actual, = torch.autograd.grad({loss}, {'v' if name == 'x' else f'rnn.{name}'})"
