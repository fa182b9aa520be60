"""A config says what to test: one point of the option space, and its id that replays anywhere."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from harness.aspects import ASPECTS, CALL, LIFE, VALUES, aspect_of
from harness.layers.record import LayerRecord
from harness.layers.registry import LAYERS
from harness.life import Life, life_token, said
from harness.refusal import Refusal
from harness.text import did_you_mean
from harness.tokens import Token, name_of_arrays, number, words
from reference import Cell, expected_parameters

__all__ = [
    "COTANGENTS",
    "DTYPES",
    "LAYOUTS",
    "LENGTHS",
    "MEMORIES",
    "MODES",
    "ONE_STATE",
    "SIZES",
    "Config",
    "ConfigError",
    "LayerOptions",
    "percent_of",
]

LAYOUTS = ("timefirst", "batchfirst", "unbatched")
"""Shape of x: (T, B, I), (B, T, I), or (T, I)."""

LENGTHS = (
    "nolengths",
    "fulllengths",
    "ragged",
    "emptyrows",
    "shorter",
    "equal",
    "descending",
    "ascending",
)
"""Lengths: not given; all T; unsorted in 1..T; unsorted in 0..T with at least one 0; unsorted in
1..T - 1; all one number below T; in 1..T, sorted."""

MEMORIES = {
    "contiguous": "",
    "fortran": "arrays in Fortran's order",
    "permuted": "arrays with their first two axes permuted in memory",
    "strided": "arrays that are every second element of larger ones",
    "reversed": "arrays with negative strides",
    "broadcast": "arrays with strides of 0 where their values repeat",
    "offset": "arrays that begin inside of larger ones",
    "unaligned": "arrays at odd addresses",
    "readonly": "read-only arrays",
    "windows": "an x of windows that overlap in memory",
    "unlike": "arrays that each lie in memory otherwise than the one before",
    "shared": "arrays that are parts of one buffer, the same part where they are equal",
}
"""How the arrays that go in lie in memory, in words; `harness.memory` makes them so."""

DTYPES = ("fp32", "fp16", "fp64", "bf16")

MODES = ("evaluation", "training")
"""Of a layer that is asked for gradients."""

COTANGENTS = ("all", "output", "final", "zero", "sparse", "large")
"""What gradients are asked for: cotangents of the output and the final states; of one of the two
alone; zeros; of the output at one step only; so large that narrower formats overflow."""

ONE_STATE = ("h_n", "c_n")
"""Cotangents of one final state alone, where a layer has several."""

SIZES = ("input_size", "hidden_size", "batch", "steps")

MOST_NUMBERS = 2**25
"""Largest drawn case: numbers in x, in the states of all layers, and in the weights, together.

Judging takes up to 140 bytes of memory for each, in the process of the harness too: 4.7 GB.
"""

MOST_GIVEN = 2**31
"""The same of a case with the user's arrays, which is judged a few rows at a time."""


MOST_LISTED = 12
"""Of a value that may be one of more words, a message names the nearest alone."""


class ConfigError(Refusal, ValueError):
    """A config or a config id that cannot be; the message says what was expected."""


@dataclass(frozen=True)
class LayerOptions:
    """What a backend needs to build a layer; torch's names and meanings.

    What only some layers have (nonlinearity) is in `specific`, and an attribute as well.
    """

    layer: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    dtype: str
    specific: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name in ("specific", "__setstate__"):  # while it is unpickled
            raise AttributeError(name)
        try:
            return self.specific[name]
        except KeyError:
            raise AttributeError(f"a layer {self.layer} has no option {name!r}") from None

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Units of the output, in one direction."""
        return LAYERS[self.layer].output_size(self)

    @property
    def keywords(self) -> dict[str, Any]:
        """The constructor's arguments after the two sizes, by torch's names, in torch's order."""
        return {name: getattr(self, name) for name in LAYERS[self.layer].arguments[2:]}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter by torch's name, in torch's order."""
        return expected_parameters(
            LAYERS[self.layer].cell(self),
            self.num_layers,
            self.directions,
            self.bias,
            self.input_size,
            self.hidden_size,
            self.output_size,
        )


@dataclass(frozen=True)
class Config:
    """One test case before its arrays exist. `id` and `Config.parse` are inverse.

    `Config.of` makes one; `layer` names a record of `harness.layers`. `aspect` says what is asked,
    `life` what happens to a layer, step by step (`harness.life`), where that is what is asked.
    `states` says whether initial states are given. Sizes are elements: `input_size` I,
    `hidden_size` H, `batch` B, `steps` T. `scale` multiplies weights drawn as the frameworks
    initialise them (uniform within 1/sqrt(hidden_size)). `dropout` is in percent; but for gradients
    in training mode (`mode`), and the aspect training, layers run in evaluation mode, where it must
    not matter. `cotangents` says what gradients are asked for. `specific` are the options that only
    this layer has, which can be read as attributes too. `arrays` names arrays of the user's
    (`harness.given`), which stand in place of drawn ones.

    Raises:
        ConfigError: a value out of range, or values that contradict each other.
    """

    layer: str = "rnn"
    aspect: str = VALUES
    life: Life = ()
    specific: tuple[tuple[str, Any], ...] = ()
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    layout: str = "timefirst"
    dropout: int = 0
    states: bool = False
    lengths: str = "nolengths"
    dtype: str = "fp32"
    mode: str = "evaluation"
    cotangents: str = "all"
    memory: str = "contiguous"
    arrays: str = ""
    data: str = "mixed"
    scale: int = 1
    input_size: int = 1
    hidden_size: int = 1
    batch: int = 1
    steps: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ConfigError(f"layer = {self.layer!r}, expected one of {', '.join(LAYERS)}")
        given = dict(self.specific)
        names = [option.name for option in self.record.options]
        if unknown := sorted(set(given) - set(names)):
            raise ConfigError(
                f"{unknown[0]} = {given[unknown[0]]!r}, expected no such option of a layer "
                f"{self.layer}; it has {', '.join(names) or 'none of its own'}"
            )
        own = tuple((o.name, given.get(o.name, o.default)) for o in self.record.options)
        if self.life and self.aspect == VALUES:
            object.__setattr__(self, "aspect", LIFE)
        object.__setattr__(self, "specific", own)
        for name, token, value in self._fields():
            if not token.accepts(value):
                many = isinstance(value, str) and len(token.words) > MOST_LISTED
                near = did_you_mean(value, token.words) if many else ""
                expected = f"one of {len(token.words)} words{near}" if near else token.expected
                raise ConfigError(f"{name} = {value!r}, expected {expected}")
        for message in (self._wrong_kind(), *(wrong(self) for wrong in _CONTRADICTIONS)):
            if message:
                raise ConfigError(f"{message}; config id: {self.id}")

    @classmethod
    def of(cls, layer: str = "rnn", **values: Any) -> Config:
        """A config by the names of fields and of the layer's own options; others have defaults."""
        return cls(layer=layer, **_sorted(values))

    def replace(self, **changes: Any) -> Config:
        """The same with some fields or options changed."""
        same = {name: getattr(self, name) for name in _COMMON}
        changes = _sorted({**dict(self.specific), **changes})
        return Config(**{"layer": self.layer, **same, **changes})

    def adapted(self, **changes: Any) -> Config:
        """As `replace`, but for fields that the layer cannot choose."""
        fixed = self.record.fixed
        return self.replace(**{name: v for name, v in changes.items() if name not in fixed})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name != "specific":
            for option, value in self.specific:
                if option == name:
                    return value
        raise AttributeError(f"a config of a layer {self.layer} has no {name!r}")

    @property
    def record(self) -> LayerRecord:
        """The layer's record."""
        return LAYERS[self.layer]

    @functools.cached_property
    def cell(self) -> Cell:
        return self.record.cell(self)

    @functools.cached_property
    def id(self) -> str:
        written = (token.write(value) for _, token, value in self._fields())
        return "-".join([self.layer, *filter(None, written)])

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes it of its id: layers hold equations, which cannot be sent."""
        return Config.parse, (self.id,)

    @classmethod
    @functools.lru_cache(maxsize=20_000)
    def parse(cls, config_id: str) -> Config:
        """The config that a given id stands for. Raises ConfigError naming the bad token."""
        config = cls.understood(config_id)
        if config.id != config_id:
            raise ConfigError(f"config id {config_id!r}, expected {config.id}")
        return config

    @classmethod
    def understood(cls, text: str) -> Config:
        """As `parse`, of what a person writes: tokens in any order and case, defaults among them,
        numbers without zeros before them. Raises ConfigError naming the bad token.
        """
        layer, *tokens = text.strip().lower().split("-")
        if layer not in LAYERS:
            raise ConfigError(
                f"config id {text!r} begins with {layer!r}, expected a layer: "
                f"{', '.join(LAYERS)}{did_you_mean(layer, LAYERS)}; for example {cls().id}"
            )
        readers = _readers(LAYERS[layer])
        values: dict[str, Any] = {}
        for token in tokens:
            found = {n: v for n, t in readers if (v := t.understand(token)) is not None}
            if not found:
                near = did_you_mean(token, (word for _, t in readers for word in t.words))
                raise ConfigError(
                    f"config id {text!r}: token {token!r} is none of a layer {layer}{near}; "
                    f"for example {cls.of(layer).id}"
                )
            if twice := sorted({*found} & {*values}):
                raise ConfigError(f"config id {text!r}: {token!r} says {twice[0]} a second time")
            values.update(found)
        return cls.of(layer, **values)

    @property
    def words(self) -> dict[str, tuple[str, bool]]:
        """By field the token of its value, and whether it stands in the id: defaults do not."""
        spelled = {n: (t.word(v), t.write(v) is not None) for n, t, v in self._fields()}
        return {"layer": (self.layer, True), **spelled}

    @property
    def options(self) -> LayerOptions:
        return LayerOptions(
            layer=self.layer,
            input_size=self.input_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            bias=self.bias,
            batch_first=self.layout == "batchfirst",
            dropout=self.dropout / 100,
            bidirectional=self.bidirectional,
            dtype=self.dtype,
            specific=dict(self.specific),
        )

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Units of the output, in one direction."""
        return self.record.output_size(self)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter by torch's name, in torch's order."""
        return self.options.parameter_shapes()

    @property
    def drops(self) -> bool:
        """Whether gradients are asked of a layer that drops."""
        return self.mode == "training" and self.num_layers > 1 and self.dropout > 0

    @property
    def finite(self) -> bool:
        """Whether everything given is a number, but for padding."""
        kind = self.record.kind(self.data)
        return kind is None or kind.finite

    @property
    def is_call(self) -> bool:
        """Whether what is asked is one valid or invalid call."""
        return self.aspect.startswith(CALL)

    @property
    def choices(self) -> dict[str, Any]:
        """The fields that are choices, not sizes, by name; the layer's own options among them."""
        others = (*SIZES, "aspect", "arrays", "life", "seed")
        common = {n: getattr(self, n) for n in _COMMON if n not in others}
        return {**dict(self.specific), **common}

    @property
    def description(self) -> str:
        """The config for a reader who has not learnt the tokens."""
        kind = self.record.kind(self.data)
        asked = aspect_of(self).says
        if self.is_call:
            asked += "; otherwise "
        if self.life:
            asked = f"the life ({said(self.life)}) of "
        single = self.record.single_step
        evaluated = self.aspect not in ("training", LIFE) and self.mode != "training"
        layouts = {"timefirst": "" if single else "time first", "batchfirst": "batch first"}
        sizes = f"I {self.input_size}, H {self.hidden_size}, B {self.batch}"
        parts = (
            f"{asked}{self._layers_in_words}",
            f"projected to {self.output_size}" if self.cell.projection is not None else "",
            "biases" if self.bias else "no biases",
            layouts.get(self.layout, self.layout),
            "" if single else f"dropout {self.dropout}%" + " in evaluation mode" * evaluated,
            _COTANGENTS_SAY[self.cotangents],
            "training mode" * (self.mode == "training"),
            "initial states given" if self.states else "no initial states",
            "" if single else _LENGTHS_SAY[self.lengths],
            self.dtype,
            *filter(None, [MEMORIES[self.memory], "arrays of the user's" * bool(self.arrays)]),
            sizes if single else f"{sizes}, T {self.steps}",
            f"weight scale {self.scale}" if self.data == "mixed" or not kind else kind.says,
            f"seed {self.seed}",
        )
        return ", ".join(" ".join(part.split()) for part in parts if part)

    @property
    def _layers_in_words(self) -> str:
        """'2 bidirectional relu RNN layers'; of a cell 'relu RNNCell'."""
        numbered = {option.name for option in self.record.options if option.numbered}
        own = [str(value) for name, value in self.specific if name not in numbered]
        if self.record.single_step:
            return " ".join([*own, self.record.title])
        sides = ["bidirectional"] * self.bidirectional
        layers = "layer" + "s" * (self.num_layers > 1)
        return " ".join([str(self.num_layers), *sides, *own, self.record.title, layers])

    @property
    def numbers(self) -> int:
        """How many numbers x, the states of all layers, and the weights are, together."""
        features = self.input_size + self.num_layers * self.directions * self.hidden_size
        # All layers above the first are alike, and may be more than could be listed.
        one, two = (replace(self.options, num_layers=n).parameter_shapes() for n in (1, 2))
        first, both = (sum(map(math.prod, shapes.values())) for shapes in (one, two))
        weights = first + (self.num_layers - 1) * (both - first)
        return self.steps * self.batch * features + weights

    @property
    def size(self) -> tuple[int, ...]:
        """Sort key: the smaller, the easier to read."""
        return (
            self.aspect != VALUES,
            self.numbers,
            len(self.life),
            len(self.id.split("-")),
            self.scale,
            self.seed,
        )

    def _fields(self) -> list[tuple[str, Token, Any]]:
        given = dict(self.specific)
        return [
            (name, token, given[name] if name in given else getattr(self, name))
            for name, token in _readers(self.record)
        ]

    def _wrong_kind(self) -> str | None:
        kind = self.record.kind(self.data)
        if kind is None:
            kinds = ", ".join(kind.name for kind in self.record.data)
            return f"data = {self.data!r}, expected of a layer {self.layer}: {kinds}"
        return aspect_of(self).wrong(self) or kind.wrong(self)


_LENGTHS_SAY = {
    "nolengths": "no lengths",
    "fulllengths": "all lengths T",
    "ragged": "lengths 1 to T",
    "emptyrows": "lengths 0 to T",
    "shorter": "lengths 1 to T - 1",
    "equal": "one length below T for all",
    "descending": "lengths T to 1, sorted",
    "ascending": "lengths 1 to T, sorted",
}

_COTANGENTS_SAY = {
    "all": "",
    "output": "a loss of the output alone",
    "final": "a loss of the final states alone",
    "zero": "cotangents of 0",
    "sparse": "a loss of one step's output",
    "large": "large cotangents",
    **{name: f"a loss of {name} alone" for name in ONE_STATE},
}

_TOKENS: dict[str, Token] = {
    "num_layers": number("l", 2, 1, None, 1),
    "bidirectional": words({False: "unidir", True: "bidir"}, False),
    "bias": words({True: "biased", False: "nobias"}, True),
    "layout": words({name: name for name in LAYOUTS}, "timefirst"),
    "dropout": number("drop", 2, 0, 99, 0),
    "states": words({False: "nostates", True: "withstates"}, False),
    "lengths": words({name: name for name in LENGTHS}, "nolengths"),
    "dtype": words({name: name for name in DTYPES}, "fp32"),
    "mode": words({"evaluation": "evalmode", "training": "trainmode"}, "evaluation"),
    "cotangents": words(
        {name: "cot" + name.replace("_", "") for name in (*COTANGENTS, *ONE_STATE)}, "all"
    ),
    "memory": words({name: name for name in MEMORIES}, "contiguous"),
    "arrays": name_of_arrays(),
    "scale": number("scale", 2, 1, 16, 1),
    "input_size": number("i", 5, 1, None, None),
    "hidden_size": number("h", 5, 1, None, None),
    "batch": number("b", 5, 1, None, None),
    "steps": number("t", 5, 1, None, None),
    "seed": number("s", 6, 0, None, None),
}
"""Of the fields that every layer has, in the order of ids; `_readers` puts the others in."""

_COMMON = tuple(f.name for f in fields(Config) if f.name not in ("layer", "specific"))


@functools.cache
def _readers(record: LayerRecord) -> tuple[tuple[str, Token], ...]:
    """All fields of a layer's configs with their tokens, in the order of ids."""
    aspects = {
        **{name: name for name in ASPECTS},
        **{f"{CALL}{n}": f"{CALL}{n}" for n in record.calls},
    }
    kinds = {kind.name: kind.name for kind in record.data}
    tokens = {**_TOKENS}
    scale = tokens.pop("scale")
    sizes = {name: tokens.pop(name) for name in (*SIZES, "seed")}
    return (
        ("aspect", words(aspects, VALUES, LIFE)),
        ("life", life_token()),
        *((option.name, option.token) for option in record.options),
        *tokens.items(),
        ("data", words(kinds, "mixed")),
        ("scale", scale),
        *sizes.items(),
    )


def _sorted(values: dict[str, Any]) -> dict[str, Any]:
    """Fields by name; whatever is none is taken for an option of the layer's own."""
    common = {name: value for name, value in values.items() if name in _COMMON}
    return {**common, "specific": tuple((n, v) for n, v in values.items() if n not in _COMMON)}


def percent_of(dropout: float) -> int:
    """An option `--dropout` as configs have it. Raises ConfigError."""
    if math.isfinite(dropout) and 0 <= (percent := round(100 * dropout, 6)) <= 99:
        if percent == int(percent):
            return int(percent)
        near = f"{math.floor(percent) / 100} or {min(math.ceil(percent), 99) / 100}"
    else:
        near = "0.2 or 0.5"
    raise ConfigError(
        f"--dropout {dropout}: expected a probability of 0 to 0.99 in whole percents, as {near}"
    )


def _fixed(config: Config) -> str | None:
    for name, value in config.record.fixed.items():
        if getattr(config, name) != value:
            return f"{name} = {getattr(config, name)!r}, expected {value!r} of a {config.layer}"
    if config.record.single_step and config.layout == "batchfirst":
        return f"layout = 'batchfirst', expected timefirst or unbatched of a {config.layer}"
    return None


def _too_large(config: Config) -> str | None:
    most = MOST_GIVEN if config.arrays else MOST_NUMBERS
    if config.numbers <= most:
        return None
    return f"too large, expected at most {most:,} numbers in x, all states and all weights together"


def _unbatched(config: Config) -> str | None:
    if config.layout == "unbatched" and config.batch != 1:
        return "unbatched x, expected batch = 1"
    if config.layout == "unbatched" and config.lengths != "nolengths":
        return "unbatched x, expected no lengths (no framework takes lengths with 2-D x)"
    return None


def _life_of_another(config: Config) -> str | None:
    if config.life and config.aspect != LIFE:
        return f"a life is an aspect of its own, expected none beside aspect {config.aspect!r}"
    return None


def _unscaled(config: Config) -> str | None:
    if config.data != "mixed" and config.scale != 1:
        return "scale applies to data = 'mixed' only, expected scale = 1"
    return None


def _other_gradients(config: Config) -> str | None:
    if config.aspect != "gradient" and (config.mode, config.cotangents) != ("evaluation", "all"):
        return "mode and cotangents are of gradients, expected aspect gradient"
    if config.cotangents in ONE_STATE and len(config.cell.states) == 1:
        return (
            f"cotangents = {config.cotangents!r}, expected 'final' where one state is all there is"
        )
    return None


def _masks_unseen(config: Config) -> str | None:
    seen = config.num_layers == 2 or config.steps == 1
    if not config.drops or (
        seen and config.data == "plain" and config.record.passes(config) is not None
    ):
        return None
    return (
        "gradients of a layer that drops need masks that are seen in its outputs, expected "
        "data = 'plain', and num_layers = 2 or steps = 1"
    )


def _unfitting(config: Config) -> str | None:
    for option in config.record.options:
        value = getattr(config, option.name)
        if option.fits is not None and not option.fits(value, config.hidden_size):
            return (
                f"{option.name} = {value!r}, expected one that fits hidden_size = "
                f"{config.hidden_size}"
            )
    return None


def _not_shorter(config: Config) -> str | None:
    if config.lengths in ("shorter", "equal") and config.steps == 1:
        return f"lengths = {config.lengths!r}, expected steps >= 2 (no length is below 1)"
    return None


_CONTRADICTIONS: tuple[Callable[[Config], str | None], ...] = (
    _fixed,
    _too_large,
    _unbatched,
    _unscaled,
    _life_of_another,
    _other_gradients,
    _masks_unseen,
    _not_shorter,
    _unfitting,
)
