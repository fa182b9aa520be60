"""Layers as data: one record for each, in a file of its own.

Everything that differs between layers stands in its record; no check, observer, minimiser or page
names a layer. A file here is found by itself, and registers what its `LAYER` is.
"""

from harness.layers.record import DataKind, LayerRecord, Option, PageRow, pass_through
from harness.layers.registry import LAYERS, layer_named, registered

__all__ = [
    "LAYERS",
    "DataKind",
    "LayerRecord",
    "Option",
    "PageRow",
    "layer_named",
    "pass_through",
    "registered",
]
