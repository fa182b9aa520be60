"""Configs drawn with Hypothesis: every option, small sizes first, a few long sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.strategies import SearchStrategy

from harness.aspects import CALL, LIFE, VALUES
from harness.config import COTANGENTS, LAYOUTS, LENGTHS, MEMORIES, MODES, ONE_STATE, Config
from harness.layers import LAYERS
from harness.life import ANSWERS, CODES, Life, possible

__all__ = ["ASPECT_WEIGHTS", "configs", "draw_configs", "lives"]

SCALES = (1, 2, 4, 8, 16)
DTYPES = ("fp32",) * 6 + ("fp16", "fp64", "bf16")
SPECIAL = ("special", "lone", "strewn", "missing")
DROPOUTS = (0, 0, 0, 50, 50, 1, 10, 25, 75, 90, 99)

CALLS = "call"

ASPECT_WEIGHTS = (
    (VALUES,) * 10 + ("gradient",) * 3 + (CALLS,) * 2 + ("training", "initial", "checkpoint", LIFE)
)

OFTEN = ("f0", "g0", "w1", "t", "e")
"""Steps of which lives are mostly made; other steps stand between them."""


@st.composite
def lives(draw: st.DrawFn, *, max_steps: int = 8) -> Life:
    """Sequences of steps, at least one of them an answer; they shrink towards a single call."""
    codes = st.one_of(st.sampled_from(OFTEN), st.sampled_from(sorted(set(CODES) - {"n1"})))
    life = possible(draw(st.lists(codes, min_size=1, max_size=max_steps), label="life"))
    return life if any(code[0] in ANSWERS for code in life) else possible((*life, "f0"))


@st.composite
def configs(
    draw: st.DrawFn,
    *,
    layers: Sequence[str] = (),
    max_steps: int = 100,
    max_layers: int = 3,
    dtypes: Sequence[str] = DTYPES,
    scales: Sequence[int] = SCALES,
    aspects: Sequence[str] = ASPECT_WEIGHTS,
) -> Config:
    """Configs that cover every option of the layers; they shrink towards `Config()`.

    One in twenty has up to `max_steps` steps, all others at most 8: a framework's eager mode
    pays for every step. Sizes stay small, because faults of logic show at small sizes and
    rounding is bounded at any.

    Args:
        layers: names of layers to draw from; all, if none is named.
        max_steps: longest sequence, at least 1.
        max_layers: deepest stack, at least 1.
        dtypes: precisions to draw from; repeat one to draw it more often.
        scales: weight scales to draw from.
        aspects: what to ask; "call" stands for every call of the layer.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps = {max_steps}, expected at least 1")
    # The same draws whatever the aspect, so that shrinking can change it and keep the rest.
    aspect = draw(st.sampled_from(tuple(aspects)), label="aspect")
    layer = draw(st.sampled_from(tuple(layers or LAYERS)), label="layer")
    record = LAYERS[layer]
    own = {o.name: draw(st.sampled_from(tuple(o.words)), label=o.name) for o in record.options}
    layout = draw(st.sampled_from(LAYOUTS), label="layout")
    long = draw(st.integers(0, 19), label="long if 19") == 19 and aspect == VALUES
    steps = draw(st.integers(1, max_steps if long else min(8, max_steps)), label="steps")
    small = draw(st.sampled_from((False, False, True)), label="small integers")
    lengths = draw(st.sampled_from(("nolengths", *LENGTHS)), label="lengths")
    memory = draw(st.sampled_from(("contiguous",) * 9 + tuple(MEMORIES)), label="memory")
    dropout = draw(st.sampled_from(DROPOUTS), label="dropout")
    dtype = draw(st.sampled_from(tuple(dtypes)), label="dtype")
    batch = draw(st.integers(1, 8), label="batch")
    hidden_size = draw(st.integers(1, 8), label="hidden_size")
    scale = draw(st.sampled_from(tuple(scales)), label="scale")
    usual = draw(st.sampled_from((True,) * 9 + (False,)), label="usual data")
    mode = draw(st.sampled_from(MODES), label="mode")
    cotangents = draw(st.sampled_from(("all",) * 5 + COTANGENTS), label="cotangents")

    if cotangents == "final" and len(record.cell(Config.of(layer)).states) > 1:
        cotangents = ("final", *ONE_STATE)[batch % 3]  # no draw, which would change all others
    if record.single_step:
        layout = "timefirst" if layout == "batchfirst" else layout
        lengths, steps, dropout = "nolengths", 1, 0
    if aspect not in (VALUES, "gradient") and layout == "unbatched":
        layout = "timefirst"
    if layout == "unbatched":
        batch, lengths = 1, "nolengths"
    if steps == 1 and lengths in ("shorter", "equal"):
        lengths = "ragged"
    if aspect == CALLS:
        lengths, memory = "ragged" if lengths == "emptyrows" else lengths, "contiguous"
    if aspect == "training":  # enough elements to count
        batch, hidden_size = 6 * batch, 3 * hidden_size
        lengths = "ragged" if lengths == "emptyrows" else lengths
    else:
        dropout = 50 * (dropout > 0)
    if aspect == "gradient":
        scale = min(scale, tuple(scales)[:2][-1])
    if aspect == CALLS:
        dtype = "fp32"
        aspect = CALL + draw(st.sampled_from(tuple(record.calls)), label="call")
    life = draw(lives(), label="life") if aspect == LIFE else ()
    for option in record.options:
        if option.fits is not None and not option.fits(own[option.name], hidden_size):
            own[option.name] = option.default
    stack = {
        "num_layers": draw(st.integers(1, max_layers), label="num_layers"),
        "bidirectional": draw(st.booleans(), label="bidirectional"),
    }
    config = Config.of(
        layer,
        **own,
        **{name: record.fixed.get(name, value) for name, value in stack.items()},
        bias=draw(st.booleans(), label="bias"),
        layout=layout,
        dropout=dropout,
        states=draw(st.booleans(), label="states"),
        lengths=lengths,
        dtype=dtype,
        memory=memory,
        input_size=draw(st.integers(1, 8), label="input_size"),
        hidden_size=hidden_size,
        batch=batch,
        steps=steps,
        seed=draw(st.integers(0, 999999), label="seed"),
    )
    if life:
        return config.replace(life=life, data="plain")
    if aspect == "gradient" and mode == "training":
        return _trained(config, cotangents)
    asked = _asked(config, aspect, scale, small, usual)
    return asked.replace(cotangents=cotangents) if aspect == "gradient" else asked


def _asked(config: Config, aspect: str, scale: int, integers: bool, usual: bool) -> Config:
    """The config with an aspect and the numbers that it takes."""
    if aspect == "training" and config.record.passes(config) is None:
        config = config.replace(bias=True)  # without, no parameters show what was dropped
    if aspect not in (VALUES, "gradient"):
        return config.replace(aspect=aspect, data="plain")
    kind = config.record.kind("ints")
    if integers and kind is not None and kind.wrong(config.replace(aspect=aspect)) is None:
        return config.replace(aspect=aspect, data="ints")
    if usual:
        return config.replace(aspect=aspect, scale=scale)
    if aspect != VALUES:
        missing = config.record.kind("missing") is not None and config.seed % 2 == 1
        return config.replace(aspect=aspect, data="missing" if missing else "plain")
    special = [kind for kind in SPECIAL if config.record.kind(kind)]
    return config.replace(aspect=aspect, data=special[config.seed % len(special)])


class _NoConstants(HypothesisProvider):
    """Hypothesis' own draws without the constants of the modules that happen to be loaded.

    With them, the same seed draws other configs from the command line than from Python.
    """

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


_BACKEND = "rnn-parity"
AVAILABLE_PROVIDERS[_BACKEND] = _NoConstants


def _trained(config: Config, cotangents: str) -> Config:
    """Gradients in training mode; with dropout where its masks are seen."""
    plain = config.replace(
        aspect="gradient", mode="training", cotangents=cotangents, data="plain", dropout=0
    )
    seen = config.num_layers == 2 or config.steps == 1
    if config.dropout and seen and config.record.passes(config) is not None:
        return plain.replace(dropout=config.dropout)
    return plain


def _settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        backend=_BACKEND,
        max_examples=examples,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )


def draw_configs(strategy: SearchStrategy[Config], count: int, seed: int) -> list[Config]:
    """`count` different configs; the same ones for the same seed, Hypothesis and strategy."""
    found: dict[str, Config] = {}
    for attempt in range(100):
        if len(found) >= count:
            break

        @hypothesis.seed(seed + 1_000_003 * attempt)
        @_settings(max(count - len(found), 10))
        @hypothesis.given(strategy)
        def collect(config: Config) -> None:
            found.setdefault(config.id, config)

        collect()
    return list(found.values())[:count]
