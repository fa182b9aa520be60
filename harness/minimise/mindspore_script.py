"""mindspore's layers in scripts, eager and in graph mode."""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case
from harness.config import Config
from harness.minimise.forms import FLOATS, ScriptForm, constructor, output_of

__all__ = ["form"]

_EAGER, _GRAPH = ((f"ms.set_context(mode=ms.{mode})",) for mode in ("PYNATIVE_MODE", "GRAPH_MODE"))


def form(variant: str) -> ScriptForm:
    """In the execution mode of this variant."""
    graph = variant == "graph"
    found = ScriptForm(
        module="mindspore as ms",
        mode=_GRAPH if graph else _EAGER,
        other_mode=_EAGER if graph else _GRAPH,
        load=("for p in rnn.get_parameters(): p.set_data(ms.Tensor(w[p.name]))",),
        layer=_layer,
        tensor="ms.Tensor({})",
        to_array="{}.asnumpy()",
        output=_output,
        gradient=_gradient,
        evaluate="rnn.set_train(False)",
        port=lambda case: _port(found, case),
    )
    return found


def _port(form: ScriptForm, case: Case) -> Iterator[str]:
    given = form.inputs(case)
    if case.lengths is not None:
        given += "" if case.initial else ", None"
        given += ", ms.Tensor(lengths.astype(np.int32))"
    left = "returned" if case.config.record.single_step else "output, final"
    yield f"{left} = rnn({given})"


def _layer(config: Config) -> str:
    more = () if config.dtype == "fp32" else (f"dtype=ms.{FLOATS[config.dtype]}",)
    return f"ms.nn.{constructor(config, *more, bias='has_bias')}"


def _output(case: Case, x: str, states: str, name: str) -> str:
    if case.lengths is not None:
        states = f"{states or ', None'}, ms.Tensor({case.lengths.tolist()})"
    return output_of(case.config, f"rnn({x}{states})", name)


def _gradient(name: str, loss: str, x: str) -> Iterator[str]:
    """Of a named function: graph mode cannot read a lambda's source."""
    yield f"def f(v): return {loss}"
    of = "" if name == "x" else f', None, rnn.parameters_dict()["{name}"]'
    yield f"actual = ms.grad(f{of})({x})"
