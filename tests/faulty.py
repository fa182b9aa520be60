"""Backends that the command line loads from this file: right, faulty, and broken ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.planted import CATALOGUE
from harness.planted.right import CompleteBackend, OracleBackend, OracleLayer

__all__ = ["OracleBackend", "OracleLayer", "planted"]


def planted(name: str, called: str = "faulty") -> Any:
    """The right implementation with one fault of the catalogue."""
    return CATALOGUE[name].plant(CompleteBackend(name=called))  # type: ignore[arg-type]


def backend(layer: type[OracleLayer], name: str = "faulty") -> OracleBackend:
    """A backend that builds this kind of layer."""
    return OracleBackend(layer, name)


class ScaledOutput(OracleLayer):
    """Off by 2^-15, and it offers values only, so that a run of it is short."""

    def forward(self, *given: Any) -> Any:
        return tuple(a * a.dtype.type(1 + 2.0**-15) for a in super().forward(*given))


class ReturnsNan(OracleLayer):
    def forward(self, *given: Any) -> Any:
        return tuple(np.full_like(a, np.nan) for a in super().forward(*given))


class Raises(OracleLayer):
    def forward(self, *given: Any) -> Any:
        raise RuntimeError("no kernel for this shape\n(second line)")


class Exits(OracleLayer):
    def forward(self, *given: Any) -> Any:
        raise SystemExit(3)


class Hostile(OracleLayer):
    def forward(self, *given: Any) -> Any:
        raise RuntimeError("<script>alert(1)</script> [bold]x[/] \x1b[31m\x00\x07 \ud800 ]]>")


class RefusesEverything(OracleBackend):
    def unsupported(self, config: Any) -> str:
        return "not today"


class RefusesLengths(OracleBackend):
    def unsupported(self, config: Any) -> str | None:
        return None if config.lengths == "nolens" else "no lengths"


right = OracleBackend()
scaled = backend(ScaledOutput)
nan = backend(ReturnsNan)
raises = backend(Raises)
exits = backend(Exits)
hostile = backend(Hostile)
returns_list = planted("returns-a-list")
float64 = planted("output-in-float64")
shape = planted("output-one-step-short")
reads_back = planted("read-back-rounded")
silent = RefusesEverything(name="silent")
partial = RefusesLengths(name="partial")
nameless = object()


def __getattr__(name: str) -> Any:
    """The real framework with a fault: loaded only where it is asked for."""
    if name != "mindspore_without_b_hh":
        raise AttributeError(name)
    from harness.backends import load_backend

    backend = CATALOGUE["b-hh-dropped"].plant(load_backend("mindspore"))
    backend.name = "mindspore-faulty"
    return backend
