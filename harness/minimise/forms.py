"""How a script calls a framework: text only, nothing of it is imported here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.axes import output_names
from harness.backends.installed import SCRIPTS, entry_points
from harness.backends.reference import name_in, variant_in
from harness.case import Case
from harness.config import Config

__all__ = ["FLOATS", "ScriptForm", "constructor", "form_of", "output_of", "states_given"]

FLOATS = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}


@dataclass(frozen=True)
class ScriptForm:
    """Pieces of a script in the words of one framework.

    `mode` chooses the execution mode, `other_mode` the one that it is compared with; `load` puts
    the arrays `w` into `rnn`; `layer` builds it. `output` is a call of it, of which it takes one
    output: it gets the case, the tensor x, what follows it, and the output's name. `gradient` makes
    `actual` of what it is of, a loss of `v`, and x. `threads` sets their number, where it can be
    set. `to_bfloat16` narrows a tensor, `from_bfloat16` widens it, where there are layers of that.
    """

    module: str
    mode: tuple[str, ...]
    other_mode: tuple[str, ...]
    load: tuple[str, ...]
    layer: Callable[[Config], str]
    tensor: str
    to_array: str
    output: Callable[[Case, str, str, str], str]
    gradient: Callable[[str, str, str], Iterator[str]]
    evaluate: str = ""
    port: Callable[[Case], Iterator[str]] = lambda case: iter(())
    threads: str | None = None
    to_bfloat16: str = ""
    from_bfloat16: str = ""

    def imports(self, *, torch: bool) -> list[str]:
        names = [self.module, "numpy as np"]
        return [*names, "torch"] if torch and self.module != "torch" else names

    def call(self, case: Case, x: str, name: str) -> str:
        """An expression for an output by its name; x is an array, or `v`, a tensor."""
        tensor = x if x == "v" else self.given(x, case.config)
        states = states_given([self.given(f"{state}_0", case.config) for state in case.initial])
        return self.output(case, tensor, states, name)

    def inputs(self, case: Case) -> str:
        """x and the initial states as arguments of a call."""
        states = states_given([self.given(f"{state}_0", case.config) for state in case.initial])
        return f"{self.given('x', case.config)}{states}"

    def given(self, name: str, config: Config) -> str:
        """The tensor of an array; NumPy has no bfloat16, so that one is narrowed from float32."""
        tensor = self.tensor.format(name)
        return self.to_bfloat16.format(tensor) if config.dtype == "bf16" else tensor

    def array(self, name: str, config: Config) -> str:
        """The array of a tensor, widened to float32 where NumPy has no such numbers."""
        widened = self.from_bfloat16.format(name) if config.dtype == "bf16" else name
        return self.to_array.format(widened)


def constructor(config: Config, *more: str, bias: str = "bias") -> str:
    """The class and its arguments, without those that have their defaults.

    Args:
        more: keywords that torch's documentation does not have in this place.
        bias: the name of that keyword.
    """
    defaults = Config.of(config.layer).options.keywords
    named = [
        f"{bias if name == 'bias' else name}={_written(value)}"
        for name, value in config.options.keywords.items()
        if value != defaults[name]
    ]
    given = ", ".join([str(config.input_size), str(config.hidden_size), *named, *more])
    return f"{config.record.title}({given})"


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def states_given(tensors: Sequence[str]) -> str:
    """What follows x in a call with these initial states."""
    if len(tensors) > 1:
        return f", ({', '.join(tensors)})"
    return f", {tensors[0]}" if tensors else ""


def output_of(config: Config, call: str, name: str) -> str:
    """One output of a call, by its name: (output, h_n), or (output, (h_n, c_n))."""
    number = output_names(config).index(name)
    if number == 0:
        return f"{call}[0]"
    return f"{call}[1]" if len(config.cell.states) == 1 else f"{call}[1][{number - 1}]"


@functools.cache
def form_of(backend: str) -> ScriptForm | None:
    """By the backend's name in results; None where its package has no form for scripts."""
    entry = entry_points(SCRIPTS).get(name_in(backend))
    form: ScriptForm | None = entry.load()(variant_in(backend)) if entry is not None else None
    return form
