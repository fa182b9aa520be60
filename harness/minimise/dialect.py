"""How scripts speak to a framework: text only, nothing of it is imported here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.case import Case
from harness.config import Config

__all__ = ["DIALECTS", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """Pieces of a script; each says what it gives in its framework's own words.

    `mode` chooses the execution mode, `other_mode` the one that it is compared with; `load` puts
    the arrays `w` into `rnn`; `threads` sets their number, where it can be set. `narrowed` makes
    bfloat16 of a tensor, `widened` float32 again, where there are layers of that.
    """

    module: str
    mode: tuple[str, ...]
    other_mode: tuple[str, ...]
    load: tuple[str, ...]
    layer: Callable[[Config], str]
    tensor: str
    to_array: str
    calling: Callable[[Case, str, str, int], str]
    gradient: Callable[[str, str, str], Iterator[str]]
    threads: str | None = None
    narrowed: str = ""
    widened: str = ""

    def imports(self, *, torch: bool) -> list[str]:
        names = [self.module, "numpy as np"]
        return [*names, "torch"] if torch and self.module != "torch" else names

    def call(self, case: Case, x: str, number: int) -> str:
        """An expression for output (0) or h_n (1); x is an array, or `v`, a tensor."""
        state = f", {self.given('h_0', case.config)}" if case.h_0 is not None else ""
        return self.calling(case, x if x == "v" else self.given(x, case.config), state, number)

    def given(self, name: str, config: Config) -> str:
        """The tensor of an array; NumPy has no bfloat16, so that one is narrowed from float32."""
        tensor = self.tensor.format(name)
        return self.narrowed.format(tensor) if config.dtype == "bf16" else tensor

    def array(self, name: str, config: Config) -> str:
        """The array of a tensor, widened to float32 where NumPy has no such numbers."""
        widened = self.widened.format(name) if config.dtype == "bf16" else name
        return self.to_array.format(widened)


FLOATS = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}


def torch_layer(config: Config, *, double: bool = False) -> str:
    """The constructor's call; in float64 where it is what others are compared with."""
    named = _options(config, "bias")
    dtype = "fp64" if double else config.dtype
    if dtype != "fp32":
        named.append(f"dtype=torch.{FLOATS[dtype]}")
    return f"torch.nn.RNN({', '.join([*_sizes(config), *named])})"


def _mindspore_layer(config: Config) -> str:
    named = _options(config, "has_bias")
    if config.dtype != "fp32":
        named.append(f"dtype=ms.{FLOATS[config.dtype]}")
    return f"ms.nn.RNN({', '.join([*_sizes(config), *named])})"


def _sizes(config: Config) -> list[str]:
    sizes = [str(config.input_size), str(config.hidden_size)]
    return [*sizes, str(config.num_layers)] if config.num_layers > 1 else sizes


def _options(config: Config, bias: str) -> list[str]:
    named = []
    if config.nonlinearity != "tanh":
        named.append(f'nonlinearity="{config.nonlinearity}"')
    if not config.bias:
        named.append(f"{bias}=False")
    if config.bidirectional:
        named.append("bidirectional=True")
    return named


def packed(x: str, lengths: list[int]) -> str:
    """torch's way to say lengths."""
    return f"torch.nn.utils.rnn.pack_padded_sequence({x}, {lengths}, enforce_sorted=False)"


def padded(output: str, steps: int) -> str:
    """And back."""
    return f"torch.nn.utils.rnn.pad_packed_sequence({output}, total_length={steps})[0]"


def _torch_call(case: Case, x: str, state: str, number: int) -> str:
    if case.lengths is None:
        return f"rnn({x}{state})[{number}]"
    call = f"rnn({packed(x, case.lengths.tolist())}{state})[{number}]"
    return padded(call, case.config.steps) if number == 0 else call


def _mindspore_call(case: Case, x: str, state: str, number: int) -> str:
    lengths = ""
    if case.lengths is not None:
        lengths = f"{state or ', None'}, ms.Tensor({case.lengths.tolist()})"
    return f"rnn({x}{lengths or state})[{number}]"


def _torch_gradient(name: str, loss: str, x: str) -> Iterator[str]:
    yield f"v = {x}.requires_grad_()"
    yield f"actual, = torch.autograd.grad({loss}, {'v' if name == 'x' else f'rnn.{name}'})"


def _mindspore_gradient(name: str, loss: str, x: str) -> Iterator[str]:
    """Of a named function: graph mode cannot read a lambda's source."""
    yield f"def f(v): return {loss}"
    of = "" if name == "x" else f', None, rnn.parameters_dict()["{name}"]'
    yield f"actual = ms.grad(f{of})({x})"


def _mindspore(mode: str, other: str) -> Dialect:
    return Dialect(
        module="mindspore as ms",
        mode=(f"ms.set_context(mode=ms.{mode})",),
        other_mode=(f"ms.set_context(mode=ms.{other})",),
        load=("for p in rnn.get_parameters(): p.set_data(ms.Tensor(w[p.name]))",),
        layer=_mindspore_layer,
        tensor="ms.Tensor({})",
        to_array="{}.asnumpy()",
        calling=_mindspore_call,
        gradient=_mindspore_gradient,
    )


DIALECTS = {
    "torch": Dialect(
        module="torch",
        mode=(),
        other_mode=(),
        load=("rnn.load_state_dict({name: torch.tensor(v) for name, v in w.items()})",),
        layer=torch_layer,
        tensor="torch.tensor({})",
        to_array="{}.detach().numpy()",
        calling=_torch_call,
        gradient=_torch_gradient,
        threads="torch.set_num_threads({})",
        narrowed="{}.bfloat16()",
        widened="{}.float()",
    ),
    "mindspore": _mindspore("PYNATIVE_MODE", "GRAPH_MODE"),
    "mindspore-graph": _mindspore("GRAPH_MODE", "PYNATIVE_MODE"),
}
"""By the name of the backend; of an implementation of somebody's own no script can be written."""
