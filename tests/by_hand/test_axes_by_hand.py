"""Axes of arrays by name, of a layer whose names hold every sign that names are taken apart at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from harness.axes import (
    axes_of,
    from_layout,
    gates_of_units,
    outputs_of_units,
    shape_of,
    take,
    to_layout,
)
from harness.config import Config
from harness.data import PLAIN
from harness.layers import LayerRecord, registered
from reference import Cell, Parameter, elman
from reference.arrays import Array

CELL = Cell(
    "two gates",
    elman("tanh").equation,
    ("tanh",),
    states=("h", "c_l"),
    gates=("a", "b"),
    parameters=(
        Parameter("weight_ih", ("gates", "inputs")),
        Parameter("weight_left", ("outputs", "units")),
        Parameter("bias", ("gates",)),
    ),
)
RECORD = LayerRecord(
    "two",
    "Two",
    lambda options: CELL,
    ("input_size", "hidden_size"),
    data=(PLAIN,),
    output_size=lambda options: 2,
)


@pytest.fixture(autouse=True)
def _record() -> Iterator[None]:
    with registered(RECORD):
        yield


def config(**changes: str) -> Config:
    """A different number of each thing."""
    return Config.of(
        "two", steps=5, batch=4, input_size=7, hidden_size=3, num_layers=4, bidirectional=True,
        data="plain", **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "axes", "shape"),
    [
        ("x", ("steps", "rows", "features"), (5, 4, 7)),
        ("lengths", ("rows",), (4,)),
        ("output", ("steps", "rows", "outputs"), (5, 4, 4)),
        ("h_0", ("stack", "rows", "projected"), (8, 4, 2)),
        ("c_l_n", ("stack", "rows", "units"), (8, 4, 3)),
        ("weight_ih_l0", ("gates", "features"), (6, 7)),
        ("weight_ih_l0_reverse", ("gates", "features"), (6, 7)),
        ("weight_ih_l1_reverse", ("gates", "inputs"), (6, 4)),
        ("weight_left_l0", ("projected", "units"), (2, 3)),
        ("bias_l3", ("gates",), (6,)),
    ],
)
def test_every_array_has_its_axes(name: str, axes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    assert axes_of(config(), name) == axes
    assert shape_of(config(), name) == shape


@pytest.mark.parametrize("name", ["y_0", "h_1", "weight_hh_l0"])
def test_no_other_array_has_axes(name: str) -> None:
    with pytest.raises(KeyError, match=f"'{name}': a layer two has no array of that name"):
        axes_of(config(), name)


def numbered(name: str) -> Array:
    shape = shape_of(config(), name)
    return np.arange(np.prod(shape), dtype="f").reshape(shape)


def test_places_are_taken_along_the_axes_of_that_name() -> None:
    arrays = {name: numbered(name) for name in ("x", "h_0", "c_l_0", "bias_l0")}
    found = take(config(), arrays, {"rows": (2, 0), "units": (1,), "features": range(2)})
    assert found.keys() == arrays.keys()
    assert np.array_equal(found["x"], arrays["x"][:, [2, 0], :2])
    assert np.array_equal(found["h_0"], arrays["h_0"][:, [2, 0]])
    assert np.array_equal(found["c_l_0"], arrays["c_l_0"][:, [2, 0], 1:2])
    assert found["bias_l0"] is arrays["bias_l0"]


def test_units_stand_along_outputs_and_gates_once_for_each() -> None:
    assert outputs_of_units(config(), [0, 2]) == [0, 1, 2, 3]  # a projection is of all units
    plain = Config.of("rnn", hidden_size=3, bidirectional=True)
    assert outputs_of_units(plain, [0, 2]) == [0, 2, 3, 5]
    assert gates_of_units(config(), [0, 2]) == [0, 2, 3, 5]


@pytest.mark.parametrize("layout", ["timefirst", "batchfirst"])
@pytest.mark.parametrize("name", ["x", "h_0", "lengths"])
def test_layouts_of_a_batch(layout: str, name: str) -> None:
    array = numbered(name)
    swapped = layout == "batchfirst" and name == "x"
    given = to_layout(config(layout=layout), name, array)
    assert np.array_equal(given, array.swapaxes(0, 1) if swapped else array)
    assert given.flags.c_contiguous
    assert not np.shares_memory(given, array)
    assert np.array_equal(from_layout(config(layout=layout), name, given), array)


def test_one_row_without_its_axis_keeps_its_length() -> None:
    alone = Config.of(layout="unbatched", steps=2)
    for name, shape in (("x", (2, 1)), ("h_0", (1, 1)), ("lengths", (1,))):
        array = np.arange(float(np.prod(shape))).reshape(shape_of(alone, name))
        given = to_layout(alone, name, array)
        assert given.shape == shape
        assert np.array_equal(from_layout(alone, name, given), array)
