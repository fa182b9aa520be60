"""mindspore.nn.RNN in scripts, eager and in graph mode."""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case
from harness.config import Config
from harness.minimise.dialect import FLOATS, Dialect, options, sizes

__all__ = ["form"]

_EAGER, _GRAPH = ((f"ms.set_context(mode=ms.{mode})",) for mode in ("PYNATIVE_MODE", "GRAPH_MODE"))


def form(variant: str) -> Dialect:
    """In the execution mode of this variant."""
    graph = variant == "graph"
    return Dialect(
        module="mindspore as ms",
        mode=_GRAPH if graph else _EAGER,
        other_mode=_EAGER if graph else _GRAPH,
        load=("for p in rnn.get_parameters(): p.set_data(ms.Tensor(w[p.name]))",),
        layer=_layer,
        tensor="ms.Tensor({})",
        to_array="{}.asnumpy()",
        calling=_call,
        gradient=_gradient,
    )


def _layer(config: Config) -> str:
    named = options(config, "has_bias")
    if config.dtype != "fp32":
        named.append(f"dtype=ms.{FLOATS[config.dtype]}")
    return f"ms.nn.RNN({', '.join([*sizes(config), *named])})"


def _call(case: Case, x: str, state: str, number: int) -> str:
    lengths = ""
    if case.lengths is not None:
        lengths = f"{state or ', None'}, ms.Tensor({case.lengths.tolist()})"
    return f"rnn({x}{lengths or state})[{number}]"


def _gradient(name: str, loss: str, x: str) -> Iterator[str]:
    """Of a named function: graph mode cannot read a lambda's source."""
    yield f"def f(v): return {loss}"
    of = "" if name == "x" else f', None, rnn.parameters_dict()["{name}"]'
    yield f"actual = ms.grad(f{of})({x})"
