"""What a layer is to this harness: the record, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.tokens import Token, words, words_or_number
from reference import Cell
from reference.arrays import Float64Array

if TYPE_CHECKING:
    from harness.aspects import CallAspect
    from harness.calls import Maker
    from harness.config import Config, LayerOptions
    from harness.requirements import Requirement

__all__ = ["SINGLE_STEP", "Always", "DataKind", "LayerRecord", "Option", "PageRow", "pass_through"]


SINGLE_STEP: Mapping[str, Any] = {
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0,
    "lengths": "nolengths",
    "steps": 1,
}
"""What configs of a cell have in common."""


@dataclass(frozen=True)
class Option:
    """A choice that only some layers have.

    `name` is torch's keyword. `words` gives for each value its word in config ids, as no other
    token has it; the word of the default value is left out there. `fits` says of a value
    whether layers of so many hidden units can have it; all can where it is None. Where `numbered`
    is a prefix, larger numbers than those of `words` are values too: configs are drawn with the
    former only.
    """

    name: str
    words: Mapping[Any, str]
    default: Any
    fits: Callable[[Any, int], bool] | None = None
    numbered: str = ""

    @property
    def token(self) -> Token:
        """How ids write it."""
        if self.numbered:
            return words_or_number(self.words, self.default, self.numbered)
        return words(self.words, self.default)

    @property
    def of_any_size(self) -> tuple[Any, ...]:
        """The values that layers of every size can have."""
        return tuple(self.words) if self.fits is None else (self.default,)


Allowed = Callable[["Config"], "str | None"]


def Always(config: Config) -> str | None:  # noqa: N802 - reads as a value
    """Nothing is wrong with any config."""
    return None


@dataclass(frozen=True, eq=False)
class DataKind:
    """Where the numbers of a case come from.

    `wrong` says of a config what is wrong with it for this kind, or None; `finite` whether all
    numbers are. The makers give float64 arrays from config, name and shape; weights by torch's
    names.
    """

    name: str
    says: str
    x: Callable[[Config, tuple[int, ...]], Float64Array]
    state: Callable[[Config, str, tuple[int, ...]], Float64Array]
    weight: Callable[[Config, str, tuple[int, ...]], Float64Array]
    wrong: Allowed = Always
    finite: bool = True


@dataclass(frozen=True)
class PageRow:
    """A row of a layer's mapping page, as it stands there: category, both names, what it says.

    What bears on it: requirements by their keys, and calls by the beginnings of their names.
    """

    category: str
    torch: str
    mindspore: str
    says: str
    requirements: tuple[str, ...]
    calls: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Both names, where they differ."""
        if self.torch == self.mindspore:
            return self.torch
        return f"{self.torch.strip('- ()')} → {self.mindspore.strip('-') or '–'}"


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """One layer.

    `name` is the first token of config ids, `title` torch's name of the class. `cell` gives the
    equation that options choose. `arguments` are those of torch's constructor, in its order.
    `options` are those that not every layer has. `data` lists the kinds of data it takes, the
    commonest first. `output_size` gives the units of the output where they are not the hidden
    ones. `sweep` gives the config in which the layer is nothing but one of its
    `activations`, over the whole range of a dtype (activation, dtype, aspect); None where that
    cannot be had. `pass_through` gives the parameters, for an input of H features, with which a
    layer's state is a function of its input alone that is 0 at 0: dropout below it is seen in its
    output; None for a config that has none. `calls` are valid and invalid ways to build or call it,
    by name; `requirements` are what is claimed of it and not of every layer; `page` has the rows of
    its mapping page, `examples` the configs of that page's examples (data "page"). `thorough` says
    whether the pinned corpus asks every combination of its options, or a modest part of them.
    `fixed` are fields of configs that its configs cannot choose: those of a cell, which takes one
    step, say so (`SINGLE_STEP`); its arrays have no axis of steps, nor of layers. `notes` are what
    its page says of measurements made apart.
    """

    name: str
    title: str
    cell: Callable[[Config | LayerOptions], Cell]
    arguments: tuple[str, ...]
    options: tuple[Option, ...] = ()
    data: tuple[DataKind, ...] = ()
    activations: tuple[str, ...] = ()
    output_size: Callable[[Config | LayerOptions], int] = lambda options: options.hidden_size
    sweep: Callable[[str, str, str], Config] | None = None
    pass_through: Callable[[Config], Mapping[str, Float64Array] | None] | None = None
    calls: Mapping[str, tuple[CallAspect, Maker]] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    page: tuple[PageRow, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    thorough: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""

    @property
    def single_step(self) -> bool:
        """Whether it is a cell: x is (B, I), a state (B, H)."""
        return self.fixed.get("steps") == 1

    def passes(self, config: Config) -> Mapping[str, Float64Array] | None:
        """The parameters with which a layer of these options passes on its input, if there are."""
        return None if self.pass_through is None else self.pass_through(config)

    def swept(self, config: Config) -> str:
        """The activation that a config shows, as a sweep does. Raises KeyError if it shows none."""
        if len(config.cell.activations) == 1:
            return config.cell.activations[0]
        for name in self.activations:
            one = self.sweep and self.sweep(name, config.dtype, config.aspect)
            if one and (one.bias, one.states) == (config.bias, config.states):
                return name
        raise KeyError(config.id)

    def option(self, name: str) -> Option:
        """Raises KeyError if the layer has no such option."""
        for option in self.options:
            if option.name == name:
                return option
        raise KeyError(name)

    def kind(self, name: str) -> DataKind | None:
        """The kind of data of that name, if the layer has it."""
        return next((kind for kind in self.data if kind.name == name), None)


def pass_through(config: Config, reverse: bool) -> dict[str, Float64Array]:
    """Parameters of a direction of a layer above the first that passes on what it gets.

    Of the outputs of both directions below it takes its own one's.

    Raises:
        ValueError: the layer has no such parameters with these options.
    """
    given = config.record.passes(config)
    if given is None:
        raise ValueError(f"{config.id}: the layer has no parameters that pass on its input")
    found = {name: np.asarray(array) for name, array in given.items()}
    weight, hidden = found["weight_ih"], config.output_size
    found["weight_ih"] = np.zeros((len(weight), config.directions * hidden))
    found["weight_ih"][:, reverse * hidden : (reverse + 1) * hidden] = weight
    return found
