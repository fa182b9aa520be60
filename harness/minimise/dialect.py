"""What a script says to call a framework: text only, nothing of it is imported here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.backends.installed import SCRIPTS, entry_points
from harness.backends.reference import name_in, variant_in
from harness.case import Case
from harness.config import Config

__all__ = ["FLOATS", "Dialect", "dialect_of", "options", "sizes"]


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


def sizes(config: Config) -> list[str]:
    """The constructor's positional arguments."""
    sizes = [str(config.input_size), str(config.hidden_size)]
    return [*sizes, str(config.num_layers)] if config.num_layers > 1 else sizes


def options(config: Config, bias: str) -> list[str]:
    """Its keywords, without those that have their defaults; `bias` is the name of that one."""
    named = []
    if config.nonlinearity != "tanh":
        named.append(f'nonlinearity="{config.nonlinearity}"')
    if not config.bias:
        named.append(f"{bias}=False")
    if config.bidirectional:
        named.append("bidirectional=True")
    return named


@functools.cache
def dialect_of(backend: str) -> Dialect | None:
    """By the backend's name in results; None where its package has no form for scripts."""
    entry = entry_points(SCRIPTS).get(name_in(backend))
    dialect: Dialect | None = entry.load()(variant_in(backend)) if entry is not None else None
    return dialect
