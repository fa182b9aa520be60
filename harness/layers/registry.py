"""All layers by name: those of this package, and what a test adds for a while."""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from harness.layers.record import LayerRecord

__all__ = ["LAYERS", "layer_named", "registered"]

_OWN = ("record", "registry")


class _Layers(Mapping[str, LayerRecord]):
    """Looked up when first asked: a record's file imports much of the harness."""

    def __init__(self) -> None:
        self.added: dict[str, LayerRecord] = {}

    @functools.cached_property
    def built_in(self) -> dict[str, LayerRecord]:
        package = importlib.import_module("harness.layers")
        modules = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in _OWN]
        records = [importlib.import_module(f"harness.layers.{name}") for name in sorted(modules)]
        return {module.LAYER.name: module.LAYER for module in records if hasattr(module, "LAYER")}

    def __getitem__(self, name: str) -> LayerRecord:
        return self.added[name] if name in self.added else self.built_in[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.built_in, **self.added})

    def __len__(self) -> int:
        return len({**self.built_in, **self.added})

    def __contains__(self, name: Any) -> bool:
        return name in self.added or name in self.built_in


LAYERS = _Layers()


def layer_named(name: str) -> LayerRecord:
    """Raises KeyError for an unknown name."""
    return LAYERS[name]


@contextlib.contextmanager
def registered(record: LayerRecord) -> Iterator[LayerRecord]:
    """The layer is known while the context lasts."""
    if record.name in LAYERS:
        raise ValueError(f"layer {record.name!r} is known already")
    LAYERS.added[record.name] = record
    try:
        yield record
    finally:
        del LAYERS.added[record.name]
