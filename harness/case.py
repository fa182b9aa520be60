"""A case is a config with its arrays: the same bits on every machine and every NumPy version.

Every array comes from SHAKE-256 over (seed, name of the array), so two configs that differ in
one option share what they can, and shrinking a config keeps its numbers. Only exactly rounded
operations are applied to the raw bits.

Data kinds:
    mixed: weights uniform within scale / sqrt(hidden_size); the rows of the batch carry the
        regimes ordinary, saturating, tiny (down to subnormal) and large in turn.
    ints: small integers, relu: every evaluation order gives the same bits.
    page: x and h_0 of the mapping page's Code Example 1.
    sweep: weights 1 and 0, one step: the layer is its activation, over the whole range.
    plain: x, h_0 and weights ordinary, pre-activations mostly below 1.
    special: as plain, with NaN, infinities, both zeros, subnormals and the largest numbers strewn
        into x and h_0, and into the weights where the seed is odd.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from harness.config import SWEEP_POINTS, Config
from reference import FORMATS, Format
from reference.arrays import Array, BoolArray, Float64Array, IntArray

__all__ = ["NUMPY_DTYPES", "Case", "cotangents", "make_case", "perturb", "sweep_points"]


NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "fp16": np.dtype("f2"),
    "fp32": np.dtype("f4"),
    "fp64": np.dtype("f8"),
    "bf16": np.dtype(ml_dtypes.bfloat16),
}


@dataclass(frozen=True)
class Case:
    """Arrays of one config, time first: x (T, B, I), h_0 (L * D, B, H) or None, lengths (B,).

    `twins` are two batch rows with the same valid content, different padding and different
    neighbours; None where the batch is smaller than 3. Where a case is no config's own, but was
    made smaller by hand or by `harness.minimise`, `given_cotangents` and `again` (x of a second
    call) stand in place of what `cotangents` and `perturb` draw.
    """

    config: Config
    weights: Mapping[str, Array]
    x: Array
    h_0: Array | None
    lengths: IntArray | None
    twins: tuple[int, int] | None
    given_cotangents: tuple[Array, Array] | None = None
    again: Array | None = None

    @property
    def fmt(self) -> Format:
        return FORMATS[self.config.dtype]

    @property
    def valid(self) -> BoolArray:
        """(T, B): which steps are not padding."""
        steps, batch = self.x.shape[:2]
        lengths = np.full(batch, steps) if self.lengths is None else self.lengths
        valid: BoolArray = np.arange(steps)[:, None] < lengths[None, :]
        return valid

    @property
    def last_step(self) -> IntArray:
        """(B,): index of the last valid step, -1 for an empty row."""
        last: IntArray = self.valid.sum(axis=0) - 1
        return last


def make_case(config: Config) -> Case:
    """Build the arrays of a config; depends on nothing but the config."""
    x, h_0 = _x(config), _h_0(config)
    lengths = _lengths(config)
    twins = (0, config.batch - 1) if config.batch >= 3 and config.data != "sweep" else None
    if twins is not None:
        x[:, twins[1]] = x[:, twins[0]]
        if h_0 is not None:
            h_0[:, twins[1]] = h_0[:, twins[0]]
        if lengths is not None:
            lengths[twins[1]] = lengths[twins[0]]
    dtype = NUMPY_DTYPES[config.dtype]
    weights = {
        name: _weight(config, name, shape).astype(dtype)
        for name, shape in config.options.parameter_shapes().items()
    }
    case = Case(
        config=config,
        weights=weights,
        x=x.astype(dtype),
        h_0=None if h_0 is None else h_0.astype(dtype),
        lengths=lengths,
        twins=twins,
    )
    _fill_padding(case, case.x, "padding")
    return case


def perturb(
    case: Case, *, padding: bool, neighbours: bool
) -> tuple[Array, Array | None, BoolArray]:
    """x and h_0 with other rubbish in the padding and other numbers in every second row.

    Returns x, h_0, and (B,) which rows were kept; kept rows must give the same bits again. A row
    that is alone has no neighbours, and is kept.
    """
    config = case.config
    x, h_0 = case.x.copy(), None if case.h_0 is None else case.h_0.copy()
    if case.again is not None:
        return _as_given(case, case.again, x, padding, neighbours)
    kept = np.ones(config.batch, bool)
    if neighbours and config.batch > 1:
        kept[1 - config.seed % 2 :: 2] = False
        padded = ~case.valid.all(axis=0)
        if padded.any() and not padded[kept].any():
            kept = ~kept  # else no row that is compared would have padding
        x[:, ~kept] = _uniform(config, "other x", x.shape)[:, ~kept]
        if h_0 is not None:
            h_0[:, ~kept] = _uniform(config, "other h_0", h_0.shape)[:, ~kept]
    _fill_padding(case, x, "other padding" if padding else "padding")
    return x, h_0, kept


def _as_given(
    case: Case, again: Array, x: Array, padding: bool, neighbours: bool
) -> tuple[Array, Array | None, BoolArray]:
    """What `perturb` returns where x of the second call was given."""
    valid = case.valid[:, :, None]
    moved: BoolArray = ((x != again) & ((x == x) | (again == again)) & valid).any(axis=(0, 2))
    if neighbours:
        x[:, moved] = again[:, moved]
    if padding:
        x = np.where(valid, x, again)
    return x, case.h_0, ~moved if neighbours else np.ones_like(moved)


def cotangents(case: Case) -> tuple[Array, Array]:
    """What gradients are asked for: (T, B, D * H) of output, (L * D, B, H) of h_n.

    Within 1; integers within 2 for data of integers. The padding has some too, which must not
    matter: an output that is always 0 depends on nothing.
    """
    if case.given_cotangents is not None:
        return case.given_cotangents
    config, dtype = case.config, NUMPY_DTYPES[case.config.dtype]
    hidden, rows = config.hidden_size, config.num_layers * config.directions
    shapes = {
        "output cotangent": (config.steps, config.batch, config.directions * hidden),
        "h_n cotangent": (rows, config.batch, hidden),
    }
    one, two = (
        _integers(config, name, shape, -2, 2)
        if config.data == "ints"
        else _uniform(config, name, shape)
        for name, shape in shapes.items()
    )
    return one.astype(dtype), two.astype(dtype)


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
        sparse = np.concatenate([powers * (1 + k / 4) for k in (1, 2, 3)])
        count = SWEEP_POINTS // 2 - len(special) - len(sparse)
        dense = np.ldexp(
            1 + (np.arange(count) // 17 + 0.5) / (count // 17 + 1), np.arange(count) % 17 - 12
        )
        positive = np.concatenate([special, sparse, dense]).astype(numpy_dtype)
        points = np.concatenate([positive, -positive])
    # Equal zeros by their sign: how a sort alone leaves them differs between processors.
    ordered: Array = points[np.lexsort((~np.signbit(points), points.astype(np.float64)))]
    return ordered


def _uniform(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Uniform in [-1, 1), float64, from (seed, name) alone."""
    raw = hashlib.shake_256(f"{config.seed}/{name}".encode()).digest(8 * math.prod(shape))
    bits = np.frombuffer(raw, "<u8") >> np.uint64(11)
    values: Float64Array = (bits * 2.0**-52 - 1.0).reshape(shape)
    return values


def _integers(
    config: Config, name: str, shape: tuple[int, ...], low: int, high: int
) -> Float64Array:
    """Integers in low..high, as float64."""
    unit = (_uniform(config, name, shape) + 1) / 2
    values: Float64Array = np.floor(unit * (high - low + 1)) + low
    return values


def _scaled(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """As the frameworks initialise weights, times the config's scale."""
    return _uniform(config, name, shape) * (config.scale / math.sqrt(config.hidden_size))


def _strewn(config: Config, name: str, values: Float64Array, one_in: int) -> Float64Array:
    """Some elements replaced by special values of the config's format."""
    fmt = FORMATS[config.dtype]
    tiny, huge = fmt.smallest_subnormal, fmt.largest
    special = np.array(
        [np.nan, np.inf, -np.inf, -0.0, 0.0, tiny, -3 * tiny, fmt.smallest_normal, huge, -huge]
    )
    chosen = _integers(config, name + " special", values.shape, 0, len(special) - 1).astype(int)
    strewn = _integers(config, name + " strewn", values.shape, 0, one_in - 1) == 0
    return np.where(strewn, special[chosen], values)


def _weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    if config.data == "sweep":
        return np.full(shape, float(name.startswith("weight_ih")))
    if config.data == "special" and config.seed % 2:
        return _strewn(config, name, _scaled(config, name, shape), one_in=24)
    if config.data != "ints":
        return _scaled(config, name, shape)
    if name.startswith("bias"):
        return _integers(config, name, shape, -1, 4)
    if name.startswith("weight_ih_l0"):
        return _integers(config, name, shape, -1, 3)
    # One or two entries of magnitude 1 a row, off the diagonal: sums stay small over the steps.
    weight = np.zeros(shape)
    rows = np.arange(shape[0])
    weight[rows, (rows + 1) % shape[1]] = _integers(config, name, (shape[0],), 0, 5).clip(-1, 1)
    weight[rows, (2 * rows + 3) % shape[1]] = _integers(config, name + "+", (shape[0],), -1, 1)
    return weight


def _x(config: Config) -> Float64Array:
    shape = (config.steps, config.batch, config.input_size)
    if config.data == "sweep":
        return sweep_points(config.dtype).astype(np.float64).reshape(shape)
    if config.data == "page":
        return np.array([[[3.0, 4.0]]])
    if config.data == "ints":
        return _integers(config, "x", shape, -2, 4)
    if config.data in ("plain", "special"):
        return _ordinary(config, "x", shape)
    return _regimes(config, "x", shape)


def _h_0(config: Config) -> Float64Array | None:
    if not config.h_0:
        return None
    shape = (config.num_layers * config.directions, config.batch, config.hidden_size)
    if config.data == "page":
        return np.array([[[1.0, 2, 3]], [[3.0, 4, 5]], [[3.0, 4, 5]], [[3.0, 4, 5]]])
    if config.data == "ints":
        return _integers(config, "h_0", shape, -3, 5)
    if config.data in ("plain", "special"):
        return _ordinary(config, "h_0", shape)
    return _regimes(config, "h_0", shape)


def _ordinary(config: Config, name: str, shape: tuple[int, int, int]) -> Float64Array:
    """Within 1/2; special values in every second row of the batch where they are asked for."""
    values = _uniform(config, name, shape) / 2
    if config.data == "special":
        strewn = _strewn(config, name, values, one_in=4 * shape[2])
        values[:, ::2] = strewn[:, ::2]
    return values


def _regimes(config: Config, name: str, shape: tuple[int, int, int]) -> Float64Array:
    """Rows of the batch (axis 1) in turn: ordinary, saturating, tiny, large."""
    fmt = FORMATS[config.dtype]
    values = _uniform(config, name, shape)
    position = (_uniform(config, name + " exponent", shape) + 1) / 2
    # A tiny row is tiny throughout, x and h_0, else its largest element hides the others; every
    # other one lies at the bottom of the format, where states become subnormal.
    lowest = fmt.emin - fmt.precision + 2
    level = (_uniform(config, "tiny rows", (shape[1], 2)) + 1) / 2
    base = np.where(level[:, 0] < 0.5, 16 * level[:, 1], (-24 - lowest) * level[:, 1])
    exponent = np.floor(lowest + base[:, None] + 8 * position)
    tiny = np.ldexp(values, exponent.astype(int))
    highest = min(20, fmt.emax // 3)
    large = np.ldexp(values, np.floor(4 + position * (highest - 4)).astype(int))
    choices = (2 * values, 16 * values, tiny, large)
    for row in range(shape[1]):
        values[:, row] = choices[row % 4][:, row]
    return values


def _lengths(config: Config) -> IntArray | None:
    if config.lengths == "nolens":
        return None
    batch, steps = config.batch, config.steps
    if config.lengths == "alllens":
        return np.full(batch, steps)
    lengths = _integers(config, "lengths", (batch,), 1, steps).astype(np.int64)
    # Row 0 (a twin) is shortened where it can be, so that padding exists and matters.
    lengths[0] = min(lengths[0], max(1, steps - 1))
    if config.lengths == "ragged" and batch > 1:
        lengths[1] = steps
    if config.lengths == "empties":
        lengths[1 % batch] = 0
    return lengths


def _fill_padding(case: Case, x: Array, name: str) -> None:
    """Write rubbish where x is padding: NaN, infinities, large and ordinary numbers."""
    if case.lengths is None:
        return
    rubbish = np.array([np.nan, np.inf, -np.inf, 3e4, -3e4, 0.75, -1.5, 0.0], x.dtype)
    choice = _integers(case.config, name, x.shape, 0, len(rubbish) - 1).astype(np.int64)
    padding = ~case.valid
    x[padding] = rubbish[choice[padding]]
