"""Backends that the command line loads from this file: correct, faulty, and broken ones."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend, ForwardBackend, ForwardLayer

__all__ = ["ForwardBackend", "ForwardLayer", "with_fault"]


def with_fault(name: str, called: str = "faulty") -> Any:
    """The correct implementation with one injected fault."""
    return FAULTS[name].inject(CorrectBackend(name=called))


def backend(layer: type[ForwardLayer], name: str = "faulty") -> ForwardBackend:
    """A backend that builds this kind of layer."""
    return ForwardBackend(layer, name)


class ScaledOutput(ForwardLayer):
    """Off by 2^-15, and it offers values only, so that a run of it is short."""

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        return {name: a * a.dtype.type(1 + 2.0**-15) for name, a in found.items()}


class ReturnsNan(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        return {n: np.full_like(a, np.nan) for n, a in super().forward(inputs).items()}


class Raises(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        raise RuntimeError("no kernel for this shape\n(second line)")


class Exits(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        raise SystemExit(3)


class RaisesMarkup(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        raise RuntimeError("<script>alert(1)</script> [bold]x[/] \x1b[31m\x00\x07 \ud800 ]]>")


class OfAnotherVersion(ForwardBackend):
    """Of the version that the environment of its process names."""

    def versions(self) -> dict[str, str]:
        return {"library": os.environ.get("LIBRARY_VERSION", "1.0")}


class SaysCores(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        threads = map(int, os.listdir("/proc/self/task"))
        raise RuntimeError(
            f"on {sorted({len(os.sched_getaffinity(one)) for one in threads})} cores"
        )


class OnOneCore(ForwardBackend):
    """Wants to be on one core for short sequences."""

    def single_core(self, config: Any) -> bool:
        return bool(config.steps < 5)


class SaysProcess(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        raise RuntimeError(f"in process {os.getpid()}")


class ShortLived(ForwardBackend):
    max_requests = 3


class RefusesEverything(ForwardBackend):
    def unsupported(self, config: Any) -> str:
        return "not today"


class RefusesLengths(ForwardBackend):
    def unsupported(self, config: Any) -> str | None:
        return None if config.lengths == "nolengths" else "no lengths"


right = ForwardBackend()
short_lived = ShortLived(SaysProcess, "short-lived")
on_one_core = OnOneCore(SaysCores, "one-core")
versioned = OfAnotherVersion(name="versioned")
scaled = backend(ScaledOutput)
nan = backend(ReturnsNan)
raises = backend(Raises)
exits = backend(Exits)
markup = backend(RaisesMarkup)
returns_list = with_fault("returns-a-list")
float64 = with_fault("output-in-float64")
shape = with_fault("output-one-step-short")
packs = with_fault("weights-packed-at-the-first-call")
reads_back = with_fault("read-back-rounded")
silent = RefusesEverything(name="silent")
partial = RefusesLengths(name="partial")
leaky_beside_others = with_fault("leaky-relu", "leaky")
shape_beside_others = with_fault("output-one-step-short", "short")
list_beside_others = with_fault("returns-a-list", "list")
nameless = object()


def __getattr__(name: str) -> Any:
    """The real framework with a fault: loaded only where it is asked for."""
    if name != "mindspore_without_b_hh":
        raise AttributeError(name)
    from harness.backends import load_backend

    backend = FAULTS["b-hh-dropped"].inject(load_backend("mindspore"))
    backend.name = "mindspore-faulty"
    return backend
