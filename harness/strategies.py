"""Hypothesis strategies for configs: every option, small sizes first, a few long sequences."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from harness.aspects import CALLS, VALUES
from harness.config import LAYOUTS, LENGTHS, MAX_INTS_STEPS, Config

__all__ = ["ASPECT_WEIGHTS", "configs"]

SCALES = (1, 2, 4, 8, 16)
DTYPES = ("fp32",) * 6 + ("fp16", "fp64", "bf16")
DROPOUTS = (0, 0, 0, 50, 50, 1, 10, 25, 75, 90, 99)

CALL = "call"

ASPECT_WEIGHTS = (VALUES,) * 10 + ("gradient",) * 3 + (CALL,) * 2 + ("training", "fresh", "files")


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
    """Configs that cover every option of the layer; they shrink towards `Config.of()`.

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
    # The same draws whatever the aspect, so that shrinking can change it and keep the rest.
    aspect = draw(st.sampled_from(tuple(aspects)), label="aspect")
    nonlinearity = draw(st.sampled_from(("tanh", "relu")), label="nonlinearity")
    layout = draw(st.sampled_from(LAYOUTS), label="layout")
    long = draw(st.integers(0, 19), label="long if 19") == 19 and aspect == VALUES
    steps = draw(st.integers(1, max_steps if long else min(8, max_steps)), label="steps")
    small = draw(st.sampled_from((False, False, True)), label="small integers")
    lengths = draw(st.sampled_from(LENGTHS), label="lengths")
    dropout = draw(st.sampled_from(DROPOUTS), label="dropout")
    dtype = draw(st.sampled_from(tuple(dtypes)), label="dtype")
    batch = draw(st.integers(1, 8), label="batch")
    hidden_size = draw(st.integers(1, 8), label="hidden_size")
    scale = draw(st.sampled_from(tuple(scales)), label="scale")
    usual = draw(st.sampled_from((True,) * 9 + (False,)), label="usual data")

    valued = aspect in (VALUES, "gradient")
    if not valued and layout == "unbatched":
        layout = "timefirst"
    data = _data(aspect, small and nonlinearity == "relu" and steps <= MAX_INTS_STEPS, usual)
    if layout == "unbatched":
        batch, lengths = 1, "nolengths"
    if aspect == CALL and lengths == "emptyrows":
        lengths = "ragged"
    if aspect == "training":  # enough elements to count
        batch, hidden_size = 6 * batch, 3 * hidden_size
        lengths = lengths if lengths == "nolengths" else "fulllengths"  # masks are read everywhere
    else:
        dropout = 50 * (dropout > 0)
    if aspect == "gradient":
        scale = min(scale, tuple(scales)[:2][-1])
    dtype = "fp32" if aspect == CALL else dtype
    call = draw(st.sampled_from(tuple(CALLS)), label="call") if aspect == CALL else aspect
    return Config.of(
        aspect=call,
        nonlinearity=nonlinearity,
        num_layers=draw(st.integers(1, max_layers), label="num_layers"),
        bidirectional=draw(st.booleans(), label="bidirectional"),
        bias=draw(st.booleans(), label="bias"),
        layout=layout,
        dropout=dropout,
        states=draw(st.booleans(), label="states"),
        lengths=lengths,
        dtype=dtype,
        input_size=draw(st.integers(1, 8), label="input_size"),
        hidden_size=hidden_size,
        batch=batch,
        steps=steps,
        scale=scale if data == "mixed" else 1,
        data=data,
        seed=draw(st.integers(0, 999999), label="seed"),
    )


def _data(aspect: str, integers: bool, usual: bool) -> str:
    """Which numbers an aspect takes."""
    if aspect not in (VALUES, "gradient"):
        return "plain"
    if integers:
        return "ints"
    if usual:
        return "mixed"
    return "special" if aspect == VALUES else "plain"
