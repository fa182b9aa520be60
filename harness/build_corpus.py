"""Writes the pinned corpus: `python -m harness.build_corpus` (needs the extra `test`).

A covering array of strength 3 over all options (every triple of option values stands together
in at least one config that the constraints allow), three times with other sizes and seeds;
one of strength 2 with the other precisions; and configs whose sizes are degenerate. What it
writes is committed: the corpus changes when somebody runs this and reviews the change, never
because a library was upgraded.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import covertable

from harness.activation import sweep_config
from harness.aspects import CALLS, FORWARD
from harness.config import DTYPES, LAYOUTS, LENGTHS, Config
from harness.corpus import CORPUS, SAMPLE

__all__ = ["FACTORS", "RESEEDED", "allowed", "build", "build_sample"]

RESEEDED = {
    config_id: int(seed)
    for config_id, seed in map(str.split, CORPUS.with_name("reseeded.txt").read_text().splitlines())
}
"""Configs that would see nothing of a common fault with the seed that their place gives them (dead
relu units, saturated ones, NaN), and the seed that they have instead; `make power` shows such."""

FACTORS: dict[str, list[Any]] = {
    "nonlinearity": ["tanh", "relu"],
    "num_layers": [1, 2, 3],
    "bidirectional": [False, True],
    "bias": [True, False],
    "layout": list(LAYOUTS),
    "dropout": [0, 50],
    "h_0": [False, True],
    "lengths": list(LENGTHS),
    "scale": [1, 2, 4, 8, 16],
    "data": ["mixed", "ints"],
}


def _only_with(one: tuple[str, str], other: tuple[str, Any]) -> dict[str, Any]:
    """The first factor has its value only where the second one has its own."""
    return {
        "operator": "or",
        "conditions": [
            {"operator": "ne", "left": one[0], "value": one[1]},
            {"operator": "eq", "left": other[0], "value": other[1]},
        ],
    }


CONSTRAINTS = [
    _only_with(("layout", "unbatched"), ("lengths", "nolens")),
    _only_with(("data", "ints"), ("nonlinearity", "relu")),
    _only_with(("data", "ints"), ("scale", 1)),
]

# Distinct, so that swapped axes show: input_size, hidden_size, batch, steps.
SIZES = (
    (3, 4, 6, 5),
    (5, 3, 7, 4),
    (2, 5, 6, 3),
    (7, 2, 5, 6),
    (4, 6, 8, 3),
    (6, 7, 5, 2),
    (8, 3, 5, 4),
)


def allowed(row: dict[str, Any]) -> bool:
    """Whether option values contradict each other; a row may be partial."""
    if row.get("layout") == "unbatched" and row.get("lengths", "nolens") != "nolens":
        return False
    return row.get("data") != "ints" or (
        row.get("nonlinearity", "relu") == "relu" and row.get("scale", 1) == 1
    )


def build() -> list[str]:
    """The lines of the corpus file: comments, and config ids."""
    precisions = {**FACTORS, "dtype": ["fp16", "fp64", "bf16"]}
    return _lines(
        ("the mapping page's Code Example 1", _page()),
        ("the activations alone", _sweeps(DTYPES)),
        ("covering array, strength 3, fp32", _covering(FACTORS, 3, 3)),
        ("covering array, strength 2, other precisions", _covering(precisions, 2, 1)),
        ("degenerate sizes", _degenerate()),
        ("longer, wider, deeper", _large()),
        ("sizes in between", _between()),
        ("NaN, infinities, subnormals", _special(2, ["fp32", "fp16", "fp64"])),
        ("the activations' derivatives alone", _sweeps(DTYPES, "gradient")),
        ("gradients, float32", _gradients(3, ["fp32"])),
        ("gradients, longer and wider", _large_gradients()),
        ("gradients, other precisions", _gradients(2, ["fp16", "fp64", "bf16"])),
        ("dropout in training mode", _training(2, [0, 1, 10, 25, 50, 75, 90, 99])),
        ("initial weights", _parameters("fresh")),
        ("weights through files", _parameters("files")),
        ("calls", _calls(CALL_BASES)),
        ("the same call again and again", _steady()),
    )


def build_sample() -> list[str]:
    """The same for backends of which a run asks for a small selection only."""
    small = {"num_layers": 1, "steps": 2}
    few = {**FACTORS, "scale": [1, 4], "num_layers": [1, 2], "dropout": [0]}
    return _lines(
        ("the mapping page's Code Example 1", itertools.islice(_page(), 2)),
        ("the activations alone", _sweeps(("fp32", "fp16"))),
        ("covering array, strength 2, fp32", _covering(few, 2, 1)),
        (
            "other precisions",
            _covering({**few, "num_layers": [1], "dtype": ["fp16", "fp64", "bf16"]}, 1, 2),
        ),
        ("float64, rounding visible", _doubles()),
        ("longer", _long(100)),
        ("NaN, infinities, subnormals", itertools.islice(_special(2, ["fp32"]), 6)),
        ("the activations' derivatives alone", _sweeps(("fp32", "fp16"), "gradient")),
        ("gradients", itertools.islice(_gradients(2, ["fp32"]), 8)),
        ("dropout in training mode", _small_training()),
        ("initial weights", itertools.islice(_parameters("fresh"), 4)),
        ("weights through files", itertools.islice(_parameters("files"), 3)),
        ("calls", _calls({**base, **small} for base in CALL_BASES[:2])),
        ("the same call again and again", itertools.islice(_steady(), 2)),
    )


def _lines(*parts: tuple[str, Iterable[Config]]) -> list[str]:
    lines, seen = [], set()
    for title, configs in parts:
        lines.append(f"# {title}")
        for config in map(_reseeded, configs):
            if config.id not in seen:
                seen.add(config.id)
                lines.append(config.id)
    return lines


def _reseeded(config: Config) -> Config:
    return dataclasses.replace(config, seed=RESEEDED.get(config.id, config.seed))


CALL_BASES = (
    {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6, "seed": 101},
    {
        "nonlinearity": "relu",
        "num_layers": 2,
        "bidirectional": True,
        "layout": "batchfirst",
        "dropout": 50,
        "h_0": True,
        "lengths": "ragged",
        "input_size": 4,
        "hidden_size": 3,
        "batch": 6,
        "steps": 5,
        "seed": 102,
    },
    {
        "nonlinearity": "relu",
        "bias": False,
        "h_0": True,
        "lengths": "alllens",
        "input_size": 5,
        "hidden_size": 5,
        "batch": 5,
        "steps": 4,
        "seed": 103,
    },
)


def _calls(bases: Iterable[dict[str, Any]]) -> Iterator[Config]:
    """Every call, changed from each of these."""
    for base in bases:
        for aspect in CALLS:
            yield Config(aspect=aspect, data="plain", **base)


def _special(strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = {k: v for k, v in FACTORS.items() if k not in ("scale", "data")}
    factors |= {"dtype": dtypes, "data": ["special"], "scale": [1]}
    for config in _covering(factors, strength, 1):
        yield dataclasses.replace(config, seed=config.seed + 300)


def _gradients(strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = {
        **FACTORS,
        "data": ["plain", "mixed", "ints"],
        "scale": [1, 2],
        "dropout": [0],
        "dtype": dtypes,
    }
    plain = [_only_with(("data", "plain"), ("scale", 1))]
    for config in _covering(factors, strength, 1, plain):
        yield dataclasses.replace(config, aspect="gradient")


def _large_gradients() -> Iterator[Config]:
    base = Config(
        aspect="gradient",
        input_size=3,
        hidden_size=5,
        batch=3,
        steps=40,
        h_0=True,
        data="plain",
        seed=61,
    )
    for changes in (
        {},
        {"nonlinearity": "relu", "lengths": "ragged"},
        {"bidirectional": True, "layout": "batchfirst"},
        {"steps": 4, "hidden_size": 40, "input_size": 30},
        {"steps": 4, "hidden_size": 40, "batch": 20, "nonlinearity": "relu", "num_layers": 2},
        {"steps": 100},
        {"steps": 4, "hidden_size": 16, "batch": 40, "nonlinearity": "relu"},
        {"steps": 1},
        {"steps": 1, "nonlinearity": "relu", "bidirectional": True, "num_layers": 2},
        {"steps": 7, "hidden_size": 9, "bidirectional": True, "lengths": "ragged"},
        {"steps": 12, "hidden_size": 12, "num_layers": 2, "layout": "batchfirst"},
    ):
        more: dict[str, Any] = changes
        yield dataclasses.replace(base, **more)


def _training(strength: int, dropouts: list[int]) -> Iterator[Config]:
    factors = {
        "nonlinearity": ["tanh", "relu"],
        "num_layers": [1, 2, 3],
        "bidirectional": [False, True],
        "bias": [True, False],
        "layout": ["timefirst", "batchfirst"],
        "dropout": dropouts,
        "h_0": [False, True],
        "lengths": ["nolens", "alllens"],
        "dtype": ["fp32", "fp32", "fp16"],
        "data": ["plain"],
    }
    for count, row in enumerate(covertable.make(factors, strength=strength, salt="0")):
        yield Config(
            aspect="training",
            **row,
            input_size=3,
            hidden_size=24,
            batch=40,
            steps=6,
            seed=40000 + count,
        )
    # One layer, and no dropout, at least twice each whatever the covering array does.
    for seed, changes in enumerate(({"num_layers": 1}, {"dropout": 0}, {"dropout": 99})):
        for layout in ("timefirst", "batchfirst"):
            base = {"dropout": 50, "num_layers": 2, "layout": layout, "seed": 40900 + seed}
            more: dict[str, Any] = {**base, **changes}
            yield Config(
                aspect="training",
                input_size=2,
                hidden_size=20,
                batch=32,
                steps=4,
                data="plain",
                **more,
            )
    yield from _shared_out()
    yield from _padded_training()


def _padded_training() -> Iterator[Config]:
    """Nothing drops: training mode is evaluation mode, padding and all."""
    for seed, (layers, dropout, nonlinearity) in enumerate(((1, 50, "tanh"), (2, 0, "relu"))):
        yield Config(
            aspect="training",
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=layers == 2,
            layout=("timefirst", "batchfirst")[seed],
            lengths="ragged",
            dropout=dropout,
            h_0=seed == 1,
            input_size=2,
            hidden_size=5,
            batch=6,
            steps=4,
            data="plain",
            seed=40960 + seed,
        )


def _shared_out() -> Iterator[Config]:
    """So many elements that threads share them out."""
    for seed, (layout, dropout) in enumerate((("timefirst", 50), ("batchfirst", 25))):
        yield Config(
            aspect="training",
            num_layers=2,
            layout=layout,
            dropout=dropout,
            input_size=2,
            hidden_size=128,
            batch=64,
            steps=8,
            data="plain",
            seed=40950 + seed,
        )


def _doubles() -> Iterator[Config]:
    """Without h_0, which MindSpore documents in float32 and float16 only."""
    for seed, nonlinearity in enumerate(("tanh", "relu")):
        yield Config(
            nonlinearity=nonlinearity,
            dtype="fp64",
            input_size=3,
            hidden_size=4,
            batch=4,
            steps=3,
            seed=70 + seed,
        )


def _small_training() -> Iterator[Config]:
    """Few steps and layers: each config compiles half a dozen layers."""
    for count, (dropout, layers, bidirectional, nonlinearity) in enumerate(
        (
            (50, 2, False, "tanh"),
            (25, 2, True, "relu"),
            (75, 2, False, "relu"),
            (50, 3, False, "tanh"),
            (25, 3, True, "relu"),
            (99, 2, False, "tanh"),
            (90, 2, False, "relu"),
            (0, 2, False, "tanh"),
            (0, 2, True, "relu"),
            (50, 1, False, "tanh"),
            (50, 1, True, "relu"),
        )
    ):
        yield Config(
            aspect="training",
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=bidirectional,
            layout=("timefirst", "batchfirst")[count % 2],
            dropout=dropout,
            h_0=bool(count % 3),
            input_size=2,
            hidden_size=40,
            batch=64,
            steps=2,
            data="plain",
            seed=41000 + count,
        )
    yield from _shared_out()
    yield from _padded_training()


def _parameters(aspect: str) -> Iterator[Config]:
    options: tuple[dict[str, Any], ...] = (
        {"hidden_size": 16, "input_size": 20},
        {"hidden_size": 7, "input_size": 3, "num_layers": 2, "bidirectional": True},
        {"hidden_size": 1, "input_size": 9},
        {"hidden_size": 40, "input_size": 1, "bias": False},
        {"hidden_size": 12, "num_layers": 3, "nonlinearity": "relu", "layout": "batchfirst"},
        {"hidden_size": 9, "input_size": 9, "dtype": "fp16"},
        {"hidden_size": 9, "input_size": 4, "dtype": "fp64", "bidirectional": True},
        {"hidden_size": 9, "input_size": 4, "dtype": "bf16", "bidirectional": True},
        {"hidden_size": 64, "input_size": 33, "num_layers": 2, "dropout": 50},
    )
    for count, changes in enumerate(options):
        yield Config(aspect=aspect, data="plain", batch=2, steps=2, seed=50000 + count, **changes)


def _steady() -> Iterator[Config]:
    """Ordinary, subnormal and special numbers; small, and large enough for several threads."""
    base = Config(aspect="steady", h_0=True, lengths="ragged", seed=17)
    small = {"input_size": 3, "hidden_size": 5, "batch": 6, "steps": 3}
    large = {"input_size": 70, "hidden_size": 130, "batch": 90, "steps": 3}
    for number, (sizes, nonlinearity, data) in enumerate(
        itertools.product((small, large), ("tanh", "relu"), ("plain", "mixed", "special"))
    ):
        more: dict[str, Any] = {
            **sizes,
            "nonlinearity": nonlinearity,
            "data": data,
            "num_layers": 1 + number % 2,
            "bidirectional": number % 3 == 0,
            "layout": ("timefirst", "batchfirst")[number // 2 % 2],
        }
        yield dataclasses.replace(base, **more)
    of_large: dict[str, Any] = {**large, "dtype": "fp64", "lengths": "nolens", "data": "plain"}
    of_small: dict[str, Any] = {**small, "dtype": "fp16"}
    yield dataclasses.replace(base, **of_large)
    yield dataclasses.replace(base, **of_small)
    # Few rows and many: a product may be shared out among threads by rows, or by units.
    for number, (batch, hidden) in enumerate(((6, 64), (90, 33))):
        of_few: dict[str, Any] = {"input_size": 6, "hidden_size": hidden, "batch": batch}
        more = {**of_few, "lengths": "nolens", "data": "plain", "steps": 3}
        more["nonlinearity"] = ("tanh", "relu")[number]
        yield dataclasses.replace(base, **more)


def _page() -> Iterator[Config]:
    for seed, (nonlinearity, bias) in enumerate(
        (("relu", False), ("relu", True), ("tanh", False), ("relu", False))
    ):
        yield Config(
            nonlinearity=nonlinearity,
            num_layers=4,
            bias=bias,
            h_0=True,
            input_size=2,
            hidden_size=3,
            data="page",
            seed=seed,
        )


def _sweeps(dtypes: Iterable[str], aspect: str = FORWARD) -> Iterator[Config]:
    for dtype in dtypes:
        for nonlinearity in ("tanh", "relu"):
            yield sweep_config(nonlinearity, dtype, aspect)


def _covering(
    factors: dict[str, list[Any]],
    strength: int,
    times: int,
    more: list[dict[str, Any]] | None = None,
) -> Iterator[Config]:
    for time in range(times):
        rows = covertable.make(
            factors,
            strength=strength,
            salt=str(time),
            constraints=[*CONSTRAINTS, *(more or [])],
        )
        for count, row in enumerate(rows):
            sizes = SIZES[(count + time) % len(SIZES)]
            yield _config(row, sizes, seed=1000 * (time + 1) + 10000 * (strength == 2) + count)


def _config(row: dict[str, Any], sizes: tuple[int, int, int, int], seed: int) -> Config:
    batch = 1 if row["layout"] == "unbatched" else sizes[2]
    return Config(
        **row, input_size=sizes[0], hidden_size=sizes[1], batch=batch, steps=sizes[3], seed=seed
    )


def _degenerate() -> Iterator[Config]:
    base = Config(
        h_0=True, input_size=3, hidden_size=4, batch=6, steps=5, scale=4, lengths="ragged", seed=7
    )
    for sizes in (
        {"steps": 1},
        {"batch": 1},
        {"batch": 2},
        {"hidden_size": 1},
        {"input_size": 1},
        {"input_size": 4},
        {"input_size": 4, "steps": 4, "batch": 4},
        {"input_size": 1, "hidden_size": 1, "batch": 16},
        {"input_size": 1, "hidden_size": 1, "batch": 1, "steps": 1},
        {"lengths": "alllens"},
        {"lengths": "empties"},
        {"lengths": "empties", "batch": 1},
    ):
        for number, options in enumerate(
            (
                {"nonlinearity": "tanh", "num_layers": 1},
                {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True},
                {"nonlinearity": "tanh", "num_layers": 2, "bidirectional": True, "bias": False},
                {"nonlinearity": "relu", "num_layers": 1, "bias": False, "layout": "batchfirst"},
            )
        ):
            changes: dict[str, Any] = {**sizes, **options}
            yield dataclasses.replace(base, **changes, seed=7 + number)


def _large() -> Iterator[Config]:
    base = Config(h_0=True, input_size=5, hidden_size=7, batch=6, steps=100, scale=2, seed=11)
    yield base
    for changes in (
        {"nonlinearity": "relu", "scale": 1, "lengths": "ragged"},
        {"bidirectional": True, "scale": 16, "lengths": "ragged"},
        {"num_layers": 2, "steps": 40},
        {"steps": 5, "input_size": 33, "hidden_size": 65, "batch": 40},
        {"steps": 3, "input_size": 100, "hidden_size": 128, "batch": 17, "nonlinearity": "relu"},
        {"num_layers": 6, "steps": 4, "bidirectional": True},
        {"num_layers": 8, "steps": 2, "nonlinearity": "relu", "scale": 1, "batch": 3},
        {"steps": 60, "layout": "batchfirst", "lengths": "ragged", "nonlinearity": "relu"},
        {"steps": 60, "layout": "batchfirst", "bias": False, "dtype": "fp16"},
        {"steps": 2, "hidden_size": 150, "layout": "batchfirst", "lengths": "ragged"},
        {"steps": 2, "hidden_size": 150, "dtype": "fp16", "scale": 1},
        {"steps": 3, "batch": 130, "scale": 1},
        {"steps": 4, "hidden_size": 16, "nonlinearity": "relu", "scale": 1, "lengths": "ragged"},
        {"steps": 4, "hidden_size": 32, "scale": 1, "bidirectional": True, "layout": "batchfirst"},
        {"steps": 3, "hidden_size": 64, "nonlinearity": "relu", "scale": 1, "bias": False},
        {"steps": 4, "scale": 1, "bias": False, "layout": "batchfirst"},
    ):
        more: dict[str, Any] = changes
        yield dataclasses.replace(base, **more)
    yield from _long(1000)


def _between() -> Iterator[Config]:
    """Kernels change with sizes, at powers of two and elsewhere: no wide gap between those tried."""
    base = Config(h_0=True, data="mixed", seed=19)
    both, ragged, first = {"bidirectional": True}, {"lengths": "ragged"}, {"layout": "batchfirst"}
    relu: dict[str, Any] = {"nonlinearity": "relu"}
    for (inputs, hidden, batch, steps), changes in (
        ((3, 8, 6, 7), {}),
        ((9, 10, 5, 9), {**both, **ragged}),
        ((4, 11, 9, 8), {**relu, **ragged}),
        ((12, 13, 10, 3), {**both, **first}),
        ((5, 14, 12, 4), {"bias": False, "scale": 2}),
        ((16, 15, 3, 10), {**relu, **first, **ragged}),
        ((2, 17, 15, 11), {**ragged, "scale": 4}),
        ((6, 20, 18, 5), {**both, **ragged, **first}),
        ((10, 24, 24, 3), {**relu, **ragged}),
        ((3, 6, 4, 13), {"num_layers": 2}),
        ((7, 5, 20, 16), ragged),
        ((4, 3, 5, 20), {**both, **first}),
        ((5, 9, 3, 25), {**relu, **ragged}),
        ((3, 7, 4, 32), {**first, "scale": 2}),
        ((8, 48, 5, 2), {**both, **ragged}),
        ((20, 200, 4, 2), {**relu, "scale": 1}),
        ((3, 12, 1, 6), {**both, **first}),
        ((4, 5, 1, 9), {**both, **ragged}),
        ((5, 12, 6, 4), {"dtype": "fp64"}),
        ((9, 33, 7, 3), {**relu, "dtype": "fp64", "scale": 1}),
    ):
        more: dict[str, Any] = dict(changes)
        more |= {"input_size": inputs, "hidden_size": hidden, "batch": batch, "steps": steps}
        yield dataclasses.replace(base, **more)


def _long(steps: int) -> Iterator[Config]:
    base = Config(input_size=3, hidden_size=5, batch=3, steps=steps, scale=2, seed=13)
    for changes in (
        {"h_0": True},
        {"nonlinearity": "relu", "scale": 1, "layout": "batchfirst"},
        {"nonlinearity": "relu", "scale": 1, "h_0": True, "lengths": "ragged"},
        {"bidirectional": True, "lengths": "ragged"},
    ):
        more: dict[str, Any] = changes
        yield dataclasses.replace(base, **more)


def main() -> None:
    for path, lines in ((CORPUS, build()), (SAMPLE, build_sample())):
        path.write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{sum(not line.startswith('#') for line in lines)} configs in {path}")


if __name__ == "__main__":
    main()
