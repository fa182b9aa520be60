"""A config says what to test: one point of the option space, and its id that replays anywhere."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields

from harness.aspects import ASPECTS, CALLS, FORWARD
from harness.tokens import number, words

__all__ = [
    "DATA",
    "DTYPES",
    "LAYOUTS",
    "LENGTHS",
    "Config",
    "ConfigError",
    "LayerOptions",
]

LAYOUTS = ("timefirst", "batchfirst", "unbatched")
"""Shape of x: (T, B, I), (B, T, I), or (T, I)."""

LENGTHS = ("nolens", "alllens", "ragged", "empties")
"""Lengths: not given; all T; unsorted in 1..T; unsorted in 0..T with at least one 0."""

DTYPES = ("fp32", "fp16", "fp64", "bf16")

DATA = ("mixed", "ints", "page", "sweep", "plain", "special")
"""Where the numbers come from; see `harness.case`."""

SWEEP_POINTS = 65536
MAX_INTS_STEPS = 12

MOST_NUMBERS = 2**25
"""Largest case: numbers in x, in the states of all layers, and in the weights, together.

Judging takes up to 140 bytes of memory for each, in the process of the harness too: 4.7 GB.
"""


class ConfigError(ValueError):
    """A config or a config id that cannot be; the message says what was expected."""


@dataclass(frozen=True)
class LayerOptions:
    """What a backend needs to build a layer; torch's names and meanings."""

    input_size: int
    hidden_size: int
    num_layers: int
    nonlinearity: str
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    dtype: str

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter by torch's name, in torch's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            columns = self.input_size if layer == 0 else self.directions * self.hidden_size
            for suffix in ("", "_reverse")[: self.directions]:
                shapes[f"weight_ih_l{layer}{suffix}"] = (self.hidden_size, columns)
                shapes[f"weight_hh_l{layer}{suffix}"] = (self.hidden_size, self.hidden_size)
                if self.bias:
                    shapes[f"bias_ih_l{layer}{suffix}"] = (self.hidden_size,)
                    shapes[f"bias_hh_l{layer}{suffix}"] = (self.hidden_size,)
        return shapes


@dataclass(frozen=True)
class Config:
    """One test case before its arrays exist. `id` and `Config.parse` are inverse.

    `aspect` says what is asked; the id of a config about values, the commonest, leaves it out.

    Sizes are elements: `input_size` I, `hidden_size` H, `batch` B, `steps` T. `scale`
    multiplies weights drawn as the frameworks initialise them (uniform within
    1/sqrt(hidden_size)). `dropout` is in percent; forward passes run in evaluation mode,
    where it must not matter. The field order is the order of the tokens in the id.

    Raises:
        ConfigError: a value out of range, or values that contradict each other.
    """

    aspect: str = FORWARD
    nonlinearity: str = "tanh"
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    layout: str = "timefirst"
    dropout: int = 0
    h_0: bool = False
    lengths: str = "nolens"
    dtype: str = "fp32"
    input_size: int = 1
    hidden_size: int = 1
    batch: int = 1
    steps: int = 1
    scale: int = 1
    data: str = "mixed"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            token = _TOKENS[field.name]
            if type(value) is not token.kind or not token.accepts(value):
                raise ConfigError(f"{field.name} = {value!r}, expected {token.expected}")
        for wrong, message in _CONTRADICTIONS:
            if wrong(self):
                raise ConfigError(f"{message}; config id: {self.id}")

    @functools.cached_property
    def id(self) -> str:
        tokens = [_TOKENS[field.name].write(getattr(self, field.name)) for field in fields(self)]
        return "-".join(tokens[self.aspect == FORWARD :])

    @classmethod
    @functools.lru_cache(maxsize=20_000)
    def parse(cls, config_id: str) -> Config:
        """The config that a given id stands for. Raises ConfigError naming the bad token."""
        names = [field.name for field in fields(cls)]
        tokens = config_id.split("-", len(names))
        if len(tokens) == len(names) - 1:
            tokens.insert(0, FORWARD)
        if len(tokens) != len(names):
            count = config_id.count("-") + 1
            raise ConfigError(
                f"config id {config_id!r} has {count} tokens, expected {len(names) - 1} "
                f"joined by '-', for example {cls().id}; or one more in front, such as gradient"
            )
        values = {}
        for name, token in zip(names, tokens, strict=True):
            try:
                values[name] = _TOKENS[name].read(token)
            except KeyError:
                raise ConfigError(
                    f"config id {config_id!r}: token {token!r}, expected {name} as "
                    f"{_TOKENS[name].example}"
                ) from None
        return cls(**values)

    @property
    def options(self) -> LayerOptions:
        return LayerOptions(
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            nonlinearity=self.nonlinearity,
            bias=self.bias,
            batch_first=self.layout == "batchfirst",
            dropout=self.dropout / 100,
            bidirectional=self.bidirectional,
            dtype=self.dtype,
        )

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def description(self) -> str:
        """The config for a reader who has not learnt the tokens."""
        lengths = {
            "nolens": "no lengths",
            "alllens": "all lengths T",
            "ragged": "lengths 1 to T",
            "empties": "lengths 0 to T",
        }
        data = {
            "mixed": f"weight scale {self.scale}",
            "ints": "small integers",
            "page": "x and h_0 of the mapping page",
            "sweep": "every range of the activation",
            "plain": "ordinary numbers",
            "special": "NaN, infinities, zeros and subnormals",
        }
        asked = {
            FORWARD: "",
            "gradient": "gradients of ",
            "training": "dropout in training mode of ",
            "fresh": "initial weights of ",
            "files": "weights through files of ",
            "steady": "many identical calls of ",
        }
        if self.aspect in CALLS:
            asked[self.aspect] = f"{CALLS[self.aspect].says}; otherwise "
        dropout = "" if self.aspect == "training" else " in evaluation mode"
        return ", ".join(
            (
                asked[self.aspect]
                + f"{self.num_layers} {'bidirectional ' * self.bidirectional}{self.nonlinearity} "
                f"layer{'s' * (self.num_layers > 1)}",
                "biases" if self.bias else "no biases",
                {"timefirst": "time first", "batchfirst": "batch first"}.get(
                    self.layout, self.layout
                ),
                f"dropout {self.dropout}%{dropout}",
                "h_0 given" if self.h_0 else "no h_0",
                lengths[self.lengths],
                self.dtype,
                f"I {self.input_size}, H {self.hidden_size}, B {self.batch}, T {self.steps}",
                data[self.data],
                f"seed {self.seed}",
            )
        )

    @property
    def numbers(self) -> int:
        """How many numbers x, the states of all layers, and the weights are, together."""
        features = self.input_size + self.num_layers * self.directions * self.hidden_size
        weights = sum(math.prod(shape) for shape in self.options.parameter_shapes().values())
        return self.steps * self.batch * features + weights

    @property
    def size(self) -> tuple[int, ...]:
        """Sort key: the smaller, the easier to read."""
        return (
            self.aspect != FORWARD,
            self.num_layers * self.directions * self.steps * self.batch,
            self.hidden_size * self.input_size,
            len([f for f in fields(self) if getattr(self, f.name) != f.default]),
            self.scale,
            self.seed,
        )


_TOKENS = {
    "aspect": words({name: name for name in ASPECTS}),
    "nonlinearity": words({"tanh": "tanh", "relu": "relu"}),
    "num_layers": number("l", 1, 1, 9),
    "bidirectional": words({False: "unidir", True: "bidir"}),
    "bias": words({True: "biased", False: "biasless"}),
    "layout": words({name: name for name in LAYOUTS}),
    "dropout": number("drop", 2, 0, 99),
    "h_0": words({False: "noh0", True: "withh0"}),
    "lengths": words({name: name for name in LENGTHS}),
    "dtype": words({name: name for name in DTYPES}),
    "input_size": number("i", 3, 1, 999),
    "hidden_size": number("h", 3, 1, 999),
    "batch": number("b", 5, 1, 99999),
    "steps": number("t", 4, 1, 9999),
    "scale": number("w", 2, 1, 16),
    "data": words({name: name for name in DATA}),
    "seed": number("s", 6, 0, 999999),
}

_CONTRADICTIONS: list[tuple[Callable[[Config], bool], str]] = [
    (
        lambda c: c.numbers > MOST_NUMBERS,
        f"too large, expected at most {MOST_NUMBERS:,} numbers in x, all states and all weights "
        "together",
    ),
    (
        lambda c: c.aspect in CALLS and (c.data != "plain" or c.dtype != "fp32"),
        "an aspect call.* compares answers, expected data = 'plain' and dtype = 'fp32'",
    ),
    (
        lambda c: c.aspect in CALLS and (c.layout == "unbatched" or c.lengths == "empties"),
        "an aspect call.* changes a call that everybody takes, expected layout timefirst or "
        "batchfirst, and lengths nolens, alllens or ragged",
    ),
    (
        lambda c: c.aspect == "gradient" and c.data in ("page", "special"),
        "aspect gradient, expected data = 'plain', 'mixed', 'ints' or 'sweep'",
    ),
    (
        lambda c: c.aspect in ("training", "fresh", "files") and c.data != "plain",
        "aspects training, fresh and files make their own numbers, expected data = 'plain'",
    ),
    (
        lambda c: c.aspect == "steady" and c.data not in ("plain", "mixed", "special"),
        "aspect steady, expected data = 'plain', 'mixed' or 'special'",
    ),
    (
        lambda c: (
            c.aspect == "training"
            and c.lengths in ("ragged", "empties")
            and c.num_layers > 1
            and c.dropout > 0
        ),
        "aspect training, expected lengths = 'nolens' or 'alllens' where anything is dropped "
        "(padding is no dropout)",
    ),
    (lambda c: c.layout == "unbatched" and c.batch != 1, "unbatched x, expected batch = 1"),
    (
        lambda c: c.layout == "unbatched" and c.lengths != "nolens",
        "unbatched x, expected lengths = 'nolens' (no framework takes lengths with 2-D x)",
    ),
    (
        lambda c: c.data != "mixed" and c.scale != 1,
        "scale applies to data = 'mixed' only, expected scale = 1",
    ),
    (
        lambda c: c.data == "ints" and (c.nonlinearity != "relu" or c.steps > MAX_INTS_STEPS),
        f"data = 'ints', expected nonlinearity = 'relu' and steps <= {MAX_INTS_STEPS} (sums of "
        "small integers must stay exact)",
    ),
    (
        lambda c: (
            c.data == "page"
            and (
                (c.input_size, c.hidden_size, c.num_layers, c.batch, c.steps) != (2, 3, 4, 1, 1)
                or c.bidirectional
                or not c.h_0
            )
        ),
        "data = 'page' is the mapping page's Code Example 1, expected input_size 2, hidden_size "
        "3, num_layers 4, batch 1, steps 1, one direction, h_0 given",
    ),
    (
        lambda c: (
            c.data == "sweep"
            and (
                (c.input_size, c.hidden_size, c.num_layers, c.batch, c.steps)
                != (1, 1, 1, SWEEP_POINTS, 1)
                or c.bidirectional
                or c.bias
                or c.h_0
                or c.lengths != "nolens"
            )
        ),
        f"data = 'sweep' measures the activation alone, expected batch {SWEEP_POINTS}, all other "
        "sizes 1, one direction, no bias, no h_0, no lengths",
    ),
]
