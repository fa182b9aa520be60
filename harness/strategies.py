"""Hypothesis strategies for configs: every option, small sizes first, a few long sequences."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from harness.aspects import CALLS, FORWARD
from harness.config import LAYOUTS, LENGTHS, MAX_INTS_STEPS, Config

__all__ = ["ASPECT_WEIGHTS", "configs"]

SCALES = (1, 2, 4, 8, 16)
DTYPES = ("fp32",) * 6 + ("fp16", "fp64", "bf16")
DROPOUTS = (50, 0, 1, 10, 25, 75, 90, 99)

CALL = "call"

ASPECT_WEIGHTS = (FORWARD,) * 10 + ("gradient",) * 3 + (CALL,) * 2 + ("training", "fresh", "files")


@st.composite
def configs(
    draw: st.DrawFn,
    *,
    max_steps: int = 100,
    max_layers: int = 3,
    dtypes: Sequence[str] = DTYPES,
    scales: Sequence[int] = SCALES,
    aspects: Sequence[str] = ASPECT_WEIGHTS,
) -> Config:
    """Configs that cover every option of the layer; they shrink towards `Config()`.

    One in twenty has up to `max_steps` steps, all others at most 8: a framework's eager mode
    pays for every step. Sizes stay small, because faults of logic show at small sizes and
    rounding is bounded at any.

    Args:
        max_steps: longest sequence, at least 1.
        max_layers: deepest stack, 1 to 9.
        dtypes: precisions to draw from; repeat one to draw it more often.
        scales: weight scales to draw from.
        aspects: what to ask; "call" stands for every aspect of `harness.aspects.CALLS`.
    """
    if not 1 <= max_steps <= 9999:
        raise ValueError(f"max_steps = {max_steps}, expected 1..9999")
    aspect = draw(st.sampled_from(tuple(aspects)), label="aspect")
    if aspect == CALL:
        aspect = draw(st.sampled_from(tuple(CALLS)), label="call")
    called = aspect in CALLS
    valued = aspect in (FORWARD, "gradient")
    nonlinearity = draw(st.sampled_from(("tanh", "relu")), label="nonlinearity")
    layout = draw(st.sampled_from(LAYOUTS if valued else LAYOUTS[:2]), label="layout")
    long = aspect == FORWARD and draw(st.integers(0, 19), label="long if 19") == 19
    steps = draw(st.integers(1, max_steps if long else min(8, max_steps)), label="steps")
    unbatched = layout == "unbatched"
    exact = (
        valued
        and nonlinearity == "relu"
        and steps <= MAX_INTS_STEPS
        and draw(st.sampled_from((False, False, True)), label="small integers")
    )
    data = "plain"
    if exact:
        data = "ints"
    elif aspect == FORWARD:
        data = draw(st.sampled_from(("mixed",) * 9 + ("special",)), label="data")
    elif aspect == "gradient":
        data = draw(st.sampled_from(("plain", "mixed")), label="data")
    largest = 2 if aspect == "gradient" else len(scales)
    scaled = tuple(scales)[:largest] if data == "mixed" else (1,)
    lengths = LENGTHS[:2] if aspect == "training" else LENGTHS[:3] if called else LENGTHS
    many = aspect == "training"
    return Config(
        aspect=aspect,
        nonlinearity=nonlinearity,
        num_layers=draw(st.integers(1, max_layers), label="num_layers"),
        bidirectional=draw(st.booleans(), label="bidirectional"),
        bias=draw(st.booleans(), label="bias"),
        layout=layout,
        dropout=draw(st.sampled_from(DROPOUTS if many else (0, 50)), label="dropout"),
        h_0=draw(st.booleans(), label="h_0"),
        lengths="nolens" if unbatched else draw(st.sampled_from(lengths), label="lengths"),
        dtype="fp32" if called else draw(st.sampled_from(tuple(dtypes)), label="dtype"),
        input_size=draw(st.integers(1, 8), label="input_size"),
        hidden_size=draw(st.integers(8, 24) if many else st.integers(1, 8), label="hidden_size"),
        batch=1
        if unbatched
        else draw(st.integers(16, 48) if many else st.integers(1, 8), label="batch"),
        steps=steps,
        scale=draw(st.sampled_from(scaled), label="scale"),
        data=data,
        seed=draw(st.integers(0, 999999), label="seed"),
    )
