"""A backend that returns everything but what it should: in some widths of x, and right elsewhere.

`width(kind)` is the input size at which it misbehaves in that way; one process serves all kinds.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any

import numpy as np

from harness.planted.right import CompleteBackend, CompleteLayer

TEXT = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> [bold red]x[/] [link=file:///etc]y[/] "
    "\x1b[31m\x1b]0;title\x07 \u202e\u2066 \x00\x08\x9b2J \ud800 ]]> &lt; `code` | cell **b** "
    "![i](http://example.com) :bomb: \N{LINE SEPARATOR}# head"
)
"""Every markup and every control that a report or a terminal might take for its own."""

FIRST = 20


class Evil(np.ndarray):
    """Right in memory, and wrong in everything that it says and does."""

    def _never(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(f"a method of foreign code was called: {TEXT}")

    tobytes = copy = astype = view = reshape = __array_ufunc__ = __array_function__ = _never
    __eq__ = __ne__ = __getitem__ = __len__ = __iter__ = __format__ = __reduce__ = _never

    @property
    def shape(self) -> Any:  # type: ignore[override]
        return TEXT

    @property
    def dtype(self) -> Any:  # type: ignore[override]
        return TEXT


class Pretends:
    """No array, whatever it says."""

    __class__ = np.ndarray  # type: ignore[assignment]
    shape, dtype, nbytes = (1,), np.dtype("f4"), 4

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(TEXT)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError(TEXT)


class Loud(str):
    """A text whose every method raises."""

    def _never(self, *_: Any) -> Any:
        raise RuntimeError(TEXT)

    __getitem__ = __len__ = __iter__ = __format__ = __eq__ = isprintable = _never  # type: ignore
    __hash__ = None  # type: ignore[assignment]


class Endless(Mapping[str, Any]):
    """Names without end, another array behind each at every look."""

    def __getitem__(self, name: str) -> Any:
        return np.random.default_rng().random(3)

    def __iter__(self) -> Iterator[str]:
        return (str(number) for number in itertools.count())

    def __len__(self) -> int:
        return 2**62


def huge(dtype: Any = "f4") -> Any:
    """Four terabytes, of which four bytes exist."""
    return np.broadcast_to(np.zeros((), dtype), (10**6, 10**6))


def restless(array: Any) -> Any:
    """Another thread writes to it for a while."""

    def write() -> None:
        for _ in range(2000):
            array[...] += 1

    threading.Thread(target=write, daemon=True).start()
    return array


def raised(error: BaseException) -> Any:
    raise error


def raised_elsewhere(_: Any) -> Any:
    """By code that says it stands in a file that never ends."""

    def fails() -> Any:
        raise ValueError(TEXT)

    code: CodeType = fails.__code__.replace(co_filename="/dev/zero", co_name=TEXT[:20])
    return type(fails)(code, {"ValueError": ValueError, "TEXT": TEXT})()


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "objects": lambda a: a.astype(object),
    "objects-of-text": lambda a: np.full(a.shape, TEXT, object),
    "texts": lambda a: np.full(a.shape, TEXT.replace("\x00", "")),
    "masked": lambda a: np.ma.masked_array(a, mask=np.ones(a.shape, bool)),
    "structured": lambda a: np.zeros(a.shape, [("\x1b[31m<b>", "f4")]),
    "huge": lambda a: huge(),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "long-double": lambda a: a.astype(np.longdouble),
    "dates": lambda a: np.zeros(a.shape, "M8[s]"),
    "a-list": lambda a: a.tolist(),
    "a-generator": iter,
    "pretends": lambda a: Pretends(),
    "nothing": lambda a: None,
    "a-class": lambda a: type(TEXT.replace("\x00", "").replace("\ud800", ""), (), {}),
}
"""In place of an array, and never right."""

RIGHT: dict[str, Callable[[Any], Any]] = {
    "evil": lambda a: a.view(Evil),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}
"""Odd, but the right numbers."""

PAIRS: dict[str, Callable[[Any], Any]] = {
    "list-for-pair": list,
    "endless-pair": lambda pair: itertools.repeat(pair[0]),
    "text-for-pair": lambda pair: TEXT,
    "million": lambda pair: (0,) * 10**6,
    "raises-text": lambda pair: raised(RuntimeError(TEXT * 10_000)),
    "raises-mute": lambda pair: raised(Mute()),
    "raises-named": lambda pair: raised(type("\x1b[31m<b>", (Exception,), {})(TEXT)),
    "raises-elsewhere": raised_elsewhere,
    "raises-group": lambda pair: raised(GeneratorExit(TEXT)),
    "memory": lambda pair: raised(MemoryError(TEXT)),
}
"""In place of (output, h_n)."""

MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "endless-names": lambda found: Endless(),
    "numbers-for-names": lambda found: dict(enumerate(found.values())),
    "hostile-names": lambda found: {TEXT + name: array for name, array in found.items()},
    "loud-names": lambda found: {TEXT: Loud(TEXT), **found},
    "text-for-mapping": lambda found: TEXT,
    "names-only": list,
    "many-names": lambda found: {TEXT + str(n): np.zeros(1) for n in range(5000)},
}
"""In place of names -> arrays."""

REASONS: dict[str, Callable[[], Any]] = {
    "reason-number": lambda: 5,
    "reason-text": lambda: TEXT,
    "reason-loud": lambda: Loud(TEXT),
    "reason-long": lambda: TEXT * 10_000,
    "reason-raises": lambda: raised(RuntimeError(TEXT)),
    "reason-mute": lambda: Mute(),
}
"""What `unsupported` says."""

FORWARD = {
    **{name: lambda pair, a=act: (a(pair[0]), pair[1]) for name, act in ARRAYS.items()},
    **{f"h_n-{name}": lambda pair, a=act: (pair[0], a(pair[1])) for name, act in ARRAYS.items()},
    **PAIRS,
}
HARMLESS = {
    **{f"right-{n}": lambda pair, a=act: (a(pair[0]), a(pair[1])) for n, act in RIGHT.items()},
}
READ = {
    **{
        f"read-{name}": lambda found, a=act: {k: a(v) for k, v in found.items()}
        for name, act in ARRAYS.items()
    },
    **{f"read-{name}": act for name, act in MAPPINGS.items()},
}
GRADIENTS = {
    **{
        f"gradient-{name}": lambda found, a=act: {**found, "x": a(found["x"])}
        for name, act in ARRAYS.items()
    },
    **{f"gradient-{name}": act for name, act in MAPPINGS.items()},
}
KINDS = [*FORWARD, *HARMLESS, *READ, *GRADIENTS, *REASONS, "restless"]


def width(kind: str) -> int:
    return FIRST + KINDS.index(kind)


def kind_of(input_size: int) -> str:
    return KINDS[input_size - FIRST] if 0 <= input_size - FIRST < len(KINDS) else ""


class HostileLayer(CompleteLayer):
    @property
    def kind(self) -> str:
        return kind_of(self.options.input_size)

    def forward(self, x: Any, h_0: Any, lengths: Any) -> Any:
        pair = super().forward(x, h_0, lengths)
        if self.kind == "restless":
            return (restless(pair[0]), pair[1])
        return {**FORWARD, **HARMLESS}.get(self.kind, lambda same: same)(pair)

    def read_weights(self) -> Any:
        return READ.get(self.kind, lambda same: same)(super().read_weights())

    def gradients(self, *given: Any) -> Any:
        return GRADIENTS.get(self.kind, lambda same: same)(super().gradients(*given))


class HostileBackend(CompleteBackend):
    def __init__(self) -> None:
        super().__init__(HostileLayer, "hostile")

    __hash__ = None  # type: ignore[assignment]

    def versions(self) -> Any:
        return {TEXT: TEXT, **{f"{n}{TEXT}": n for n in range(1000)}}

    def unsupported(self, config: Any) -> Any:
        return REASONS.get(kind_of(config.input_size), lambda: None)()


backend = HostileBackend()
