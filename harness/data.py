"""Where the numbers of cases come from: the same bits on every machine and every NumPy version.

Every array comes from SHAKE-256 over (seed, name of the array), so two configs that differ in
one option share what they can, and shrinking a config keeps its numbers. Only exactly rounded
operations are applied to the raw bits.
"""

from __future__ import annotations

import functools
import hashlib
import math
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from harness.layers.record import DataKind
from reference import FORMATS
from reference.arrays import Array, Float64Array, IntArray

if TYPE_CHECKING:
    from harness.config import Config

__all__ = [
    "LONE",
    "MISSING",
    "MIXED",
    "NUMPY_DTYPES",
    "PLAIN",
    "SPECIAL",
    "STREWN",
    "SWEEP_POINTS",
    "drawn_lengths",
    "integers",
    "ordinary_weight",
    "sweep_points",
    "uniform",
]

NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "fp16": np.dtype("f2"),
    "fp32": np.dtype("f4"),
    "fp64": np.dtype("f8"),
    "bf16": np.dtype(ml_dtypes.bfloat16),
}

SWEEP_POINTS = 65536


def uniform(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Uniform in [-1, 1), float64, from (seed, name) alone."""
    raw = hashlib.shake_256(f"{config.seed}/{name}".encode()).digest(8 * math.prod(shape))
    bits = np.frombuffer(raw, "<u8") >> np.uint64(11)
    values: Float64Array = (bits * 2.0**-52 - 1.0).reshape(shape)
    return values


def integers(
    config: Config, name: str, shape: tuple[int, ...], low: int, high: int
) -> Float64Array:
    """Integers in low..high, as float64."""
    unit = (uniform(config, name, shape) + 1) / 2
    values: Float64Array = np.floor(unit * (high - low + 1)) + low
    return values


def drawn_lengths(config: Config) -> IntArray | None:
    """(B,); None where the config has none."""
    kind, batch, steps = config.lengths, config.batch, config.steps
    if kind == "nolengths":
        return None
    if kind == "fulllengths":
        return np.full(batch, steps)
    if kind == "equal":
        return np.full(batch, 1 + config.seed % (steps - 1))
    most = steps - 1 if kind == "shorter" else steps
    lengths = integers(config, "lengths", (batch,), 1, most).astype(np.int64)
    # Row 0 is shortened where it can be, so that padding exists and matters.
    lengths[0] = min(lengths[0], max(1, steps - 1))
    if kind in ("ragged", "descending", "ascending") and batch > 1:
        lengths[1] = steps
    if kind == "emptyrows":
        lengths[1 % batch] = 0
    if kind in ("descending", "ascending"):
        lengths = np.sort(lengths)
        return lengths if kind == "ascending" else lengths[::-1].copy()
    if batch >= 3 and config.data != "sweep":
        lengths[-1] = lengths[0]  # as the other arrays of a case have it
    return lengths


def ordinary_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """As the frameworks initialise weights, times the config's scale."""
    return uniform(config, name, shape) * (config.scale / math.sqrt(config.hidden_size))


def _regimes(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Rows of the batch (axis 1) in turn: ordinary, saturating, tiny, large."""
    fmt = FORMATS[config.dtype]
    values = uniform(config, name, shape)
    position = (uniform(config, name + " exponent", shape) + 1) / 2
    # A tiny row is tiny throughout, x and h_0, else its largest element hides the others; every
    # other one lies at the bottom of the format, where states become subnormal.
    lowest = fmt.emin - fmt.precision + 2
    level = (uniform(config, "tiny rows", (shape[1], 2)) + 1) / 2
    base = np.where(level[:, 0] < 0.5, 16 * level[:, 1], (-24 - lowest) * level[:, 1])
    exponent = np.floor(lowest + base[:, None] + 8 * position)
    tiny = np.ldexp(values, exponent.astype(int))
    highest = min(20, fmt.emax // 3)
    large = np.ldexp(values, np.floor(4 + position * (highest - 4)).astype(int))
    choices = (2 * values, 16 * values, tiny, large)
    for row in range(shape[1]):
        values[:, row] = choices[row % 4][:, row]
    return values


def _of_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return _regimes(config, "x", shape)


def _half(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return uniform(config, name, shape) / 2


def _half_of_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return _half(config, "x", shape)


def _scattered(config: Config, name: str, values: Float64Array, one_in: int) -> Float64Array:
    """Some elements replaced by special values of the config's format."""
    fmt = FORMATS[config.dtype]
    tiny, huge = fmt.smallest_subnormal, fmt.largest
    special = np.array(
        [np.nan, np.inf, -np.inf, -0.0, 0.0, tiny, -3 * tiny, fmt.smallest_normal, huge, -huge]
    )
    chosen = integers(config, name + " special", values.shape, 0, len(special) - 1).astype(int)
    replaced = integers(config, name + " strewn", values.shape, 0, one_in - 1) == 0
    return np.where(replaced, special[chosen], values)


def _special(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Special values in every second row of the batch."""
    values = _half(config, name, shape)
    scattered = _scattered(config, name, values, one_in=4 * shape[2])
    values[:, ::2] = scattered[:, ::2]
    return values


def _special_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return _special(config, "x", shape)


def _special_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    values = ordinary_weight(config, name, shape)
    return _scattered(config, name, values, one_in=24) if config.seed % 2 else values


_LONE = (np.nan, np.inf, -np.inf, np.nan)


def _lone_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    """Three rows of four have one special value: first, in the middle or last, of steps that are
    valid and of features; NaN and infinities in turn.
    """
    values = uniform(config, "x", shape) / 2
    lengths = drawn_lengths(config)
    for row in range(shape[1]):
        steps = shape[0] if lengths is None else int(lengths[row])
        place = row + config.seed
        if steps == 0 or (shape[1] > 3 and place % 4 == 3):
            continue
        step, feature = (
            (0, n // 2, n - 1)[which % 3]
            for n, which in ((steps, place), (shape[2], place // 3 + config.seed))
        )
        values[step, row, feature] = _LONE[(place // 4 + place // 9) % 4]
    return values


def _missing_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    """Two rows of three have one NaN, the first among them, wherever they have a valid step."""
    values = uniform(config, "x", shape) / 2
    lengths = drawn_lengths(config)
    for row in range(shape[1]):
        steps = shape[0] if lengths is None else int(lengths[row])
        if steps > 0 and row % 3 != 1:
            step = int(integers(config, f"step of NaN {row}", (1,), 0, steps - 1)[0])
            feature = int(integers(config, f"feature of NaN {row}", (1,), 0, shape[2] - 1)[0])
            values[step, row, feature] = np.nan
    return values


def _strewn_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    values = uniform(config, "x", shape) / 2
    chosen = integers(config, "x special", shape, 0, 2).astype(int)
    replaced = integers(config, "x strewn", shape, 0, 4 * shape[2] - 1) == 0
    return np.where(replaced, np.array([np.nan, np.inf, -np.inf])[chosen], values)


MIXED = DataKind(
    "mixed",
    "rows of ordinary, saturating, tiny (down to subnormal) and large numbers in turn",
    _of_x,
    _regimes,
    ordinary_weight,
)
PLAIN = DataKind(
    "plain", "ordinary numbers, pre-activations mostly below 1", _half_of_x, _half, ordinary_weight
)
SPECIAL = DataKind(
    "special",
    "NaN, infinities, zeros and subnormals among ordinary numbers",
    _special_x,
    _special,
    _special_weight,
    finite=False,
)
LONE = DataKind(
    "lone",
    "a single NaN or infinity in most rows of x, ordinary numbers else",
    _lone_x,
    _half,
    ordinary_weight,
    finite=False,
)
MISSING = DataKind(
    "missing",
    "a single NaN in most rows of x and no infinity, ordinary numbers else",
    _missing_x,
    _half,
    ordinary_weight,
    finite=False,
)
STREWN = DataKind(
    "strewn",
    "NaN and infinities strewn over x, ordinary numbers else",
    _strewn_x,
    _half,
    ordinary_weight,
    finite=False,
)


@functools.cache
def sweep_points(dtype: str) -> Array:
    """The points of the activation sweep, (SWEEP_POINTS,), sorted, without NaN.

    fp16, bf16: every number (both infinities, both zeros). Wider formats: dense over the binades
    2^-12 to 2^4 (relu and tanh have all their shape there), sparser in all other binades down
    to the subnormals, and the special values: zeros, infinities, extremes, and the neighbours
    of every power of two.
    """
    fmt, numpy_dtype = FORMATS[dtype], NUMPY_DTYPES[dtype]
    if dtype in ("fp16", "bf16"):
        bits = np.arange(SWEEP_POINTS, dtype=np.uint16).view(numpy_dtype)
        with np.errstate(invalid="ignore"):  # signalling NaNs are among them
            points = np.where(np.isnan(bits), numpy_dtype.type(0), bits)
    else:
        powers = np.ldexp(1.0, np.arange(fmt.emin - fmt.precision + 1, fmt.emax + 1))
        special = np.concatenate([[0.0, np.inf, fmt.largest], powers])
        special = np.concatenate(
            [special, np.nextafter(powers.astype(numpy_dtype), numpy_dtype.type(np.inf))]
        )
        # At other fractions in every binade, so that no error on a binary grid hides between them.
        fraction = (np.arange(len(powers)) * ((5**0.5 - 1) / 2)) % 1
        sparse = np.concatenate([powers * (1 + (k + fraction) / 4) for k in (1, 2, 3)])
        count = SWEEP_POINTS // 2 - len(special) - len(sparse)
        dense = np.ldexp(
            1 + (np.arange(count) // 17 + 0.5) / (count // 17 + 1), np.arange(count) % 17 - 12
        )
        positive = np.concatenate([special, sparse, dense]).astype(numpy_dtype)
        points = np.concatenate([positive, -positive])
    # Equal zeros by their sign: how a sort alone leaves them differs between processors.
    ordered: Array = points[np.lexsort((~np.signbit(points), points.astype(np.float64)))]
    return ordered
