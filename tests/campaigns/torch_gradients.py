"""The oracle's gradients against torch's in float64: autograd, of code that others wrote.

No proof, since torch may err, but nothing that both get wrong alike. The distance is that of the
largest difference in a gradient, relative to its largest element.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from harness.axes import shape_of
from harness.case import Case, cotangents, make_case
from harness.config import Config
from harness.strategies import configs, draw_configs
from reference.arrays import Array
from reference.gradient import gradients

LAYERS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}

MOST = 1e-12


@dataclass
class Distances:
    """Of many configs of a layer: how many gradients were compared, and the furthest."""

    layer: str
    configs: int = 0
    gradients: int = 0
    largest: tuple[float, str] = (-1.0, "")
    outside: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        off, where = self.largest
        return (
            f"{self.layer} against torch in float64: {self.configs} configs, {self.gradients} "
            f"gradients, largest distance {off:.2g} of the largest element, {where}"
        )


def compare_with_torch(drawn: Iterable[Config]) -> list[Distances]:
    """By layer; what is further than `MOST` lies outside."""
    found: dict[str, Distances] = {}
    for config in drawn:
        of = found.setdefault(config.layer, Distances(config.layer))
        of.configs += 1
        for name, off in distances(config).items():
            of.gradients += 1
            where = f"{name}, {config.id}"
            of.largest = max(of.largest, (off, where))
            if not off <= MOST:
                of.outside.append(f"torch: distance {off:.3g} at {where}")
    return list(found.values())


def drawn_configs(count: int, seed: int) -> list[Config]:
    """So many of each layer, of finite numbers in float64; torch refuses rows without a step."""
    found = []
    for layer in LAYERS:
        strategy = configs(layers=(layer,), dtypes=("fp64",), aspects=("gradient",)).filter(
            lambda config: config.finite and not config.drops and config.lengths != "emptyrows"
        )
        found += draw_configs(strategy, count, seed)
    return found


def distances(config: Config) -> dict[str, float]:
    """By gradient."""
    case = make_case(config)
    outputs = ("output", *(f"{name}_n" for name in config.cell.states))
    of = {name: np.zeros(shape_of(config, name)) for name in outputs}
    of |= cotangents(case)
    found = gradients(
        config.cell,
        case.x,
        case.initial,
        case.weights,
        of["output"],
        {name: of[f"{name}_n"] for name in config.cell.states},
        num_layers=config.num_layers,
        bias=config.bias,
        bidirectional=config.bidirectional,
        lengths=case.lengths,
    )
    theirs = autograd(case, of)
    assert set(found) == set(theirs)
    return {name: _distance(found[name], array) for name, array in theirs.items()}


def autograd(case: Case, of: dict[str, Array]) -> dict[str, Array]:
    """torch's gradients, by the names of `reference.gradient.gradients`."""
    config, options = case.config, case.config.options
    keywords = options.keywords | {"batch_first": False, "dropout": 0.0, "dtype": torch.float64}
    module: Any = LAYERS[config.layer](config.input_size, config.hidden_size, **keywords)
    for name, parameter in module.named_parameters():
        parameter.data[:] = torch.tensor(case.weights[name])
    starts = {f"{name}_0": np.zeros(of[f"{name}_n"].shape) for name in config.cell.states}
    arrays = {"x": case.x} | starts | {f"{name}_0": a for name, a in case.initial.items()}
    leaves = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    x: Any = leaves["x"]
    if case.lengths is not None:
        lengths = torch.tensor(case.lengths)
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    start = tuple(leaves[name] for name in starts)
    output, ends = module(x, start if len(start) > 1 else start[0])
    if case.lengths is not None:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=len(case.x))
    results = (output, *(ends if isinstance(ends, tuple) else (ends,)))
    loss = sum(
        (one * torch.tensor(array)).sum() for one, array in zip(results, of.values(), strict=True)
    )
    leaves |= dict(module.named_parameters())
    found = torch.autograd.grad(loss, list(leaves.values()))
    return {name: array.numpy() for name, array in zip(leaves, found, strict=True)}


def _distance(one: Array, other: Array) -> float:
    largest = float(np.abs(other).max(initial=0.0))
    off = float(np.abs(one - other).max(initial=0.0))
    return off / largest if largest else off
