"""Names of parameters in a file of weights: which belong to recurrent layers, and to which."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.config import Config
from harness.layers import LAYERS

__all__ = ["Name", "grouped", "is_parameter", "parsed"]


@dataclass(frozen=True)
class Name:
    """`prefix` + "weight_ih_l0_reverse", in its parts; `layer` is None in the names of cells."""

    prefix: str
    parameter: str
    layer: int | None
    reverse: bool


@functools.cache
def _pattern() -> re.Pattern[str]:
    """The parameters of every layer there is, in all its forms."""
    known = {
        parameter.name
        for layer, record in LAYERS.items()
        for option in (None, *record.options)
        for value in (option.words if option is not None else (None,))
        for parameter in record.cell(
            Config.of(layer, hidden_size=99, **({option.name: value} if option else {}))
        ).parameters
    }
    return re.compile(
        rf"(?P<prefix>|.*\.)(?P<parameter>{'|'.join(sorted(known))})"
        r"(?:_l(?P<layer>0|[1-9][0-9]{0,5})(?P<reverse>_reverse)?)?",
        re.DOTALL,
    )


def parsed(name: str) -> Name | None:
    """The parts of a name; None where it is no parameter of a recurrent layer."""
    match = _pattern().fullmatch(name)
    if match is None:
        return None
    layer = None if match["layer"] is None else int(match["layer"])
    return Name(match["prefix"], match["parameter"], layer, match["reverse"] is not None)


def is_parameter(name: str) -> bool:
    """Whether a recurrent layer may have it, by its name alone."""
    return parsed(name) is not None


def grouped(names: Iterable[str]) -> Mapping[str, dict[str, Name]]:
    """By prefix, the names of every recurrent layer with their parts."""
    found: dict[str, dict[str, Name]] = defaultdict(dict)
    for name in names:
        parts = parsed(name)
        if parts is not None:
            found[parts.prefix][name] = parts
    return dict(sorted(found.items()))
