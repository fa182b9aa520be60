"""Laws that a recurrent layer obeys whatever its weights: what equals what."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reference import elman
from reference.arrays import Array
from tests.gated_cells import arrays_of
from tests.plain_layer import rnn


class Law:
    """Two layers, two directions of one, and what they are given."""

    def __init__(self, seed: int, nonlinearity: str, bias: bool, sizes: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(seed)
        inputs, self.hidden, self.batch, self.steps = sizes
        self.x = self.rng.uniform(-1, 1, (self.steps, self.batch, inputs))
        self.h_0 = self.rng.uniform(-1, 1, (2, self.batch, self.hidden))
        self.layer = functools.partial(rnn, nonlinearity=nonlinearity, bias=bias)
        widths = (inputs, self.hidden, self.hidden)
        self.two, *self.sides = (
            arrays_of(elman("tanh"), self.rng, widths, layers=layers, bias=bias)
            for layers in (2, 1, 1)
        )

    def stack(self, x: Array, h_0: Array, **options: Any) -> tuple[Array, Array]:
        return self.layer(x, h_0, self.two, num_layers=2, **options)

    def both(self, x: Array, h_0: Array, swapped: int = 0, **options: Any) -> tuple[Array, Array]:
        forward, backward = self.sides[swapped], self.sides[1 - swapped]
        weights = forward | {f"{name}_reverse": w for name, w in backward.items()}
        return self.layer(x, h_0, weights, bidirectional=True, **options)


SIZES = st.tuples(*(st.integers(1, 4),) * 3, st.integers(2, 5))
LAWS = st.builds(
    Law, st.integers(0, 2**32 - 1), st.sampled_from(["tanh", "relu"]), st.booleans(), SIZES
)
close = functools.partial(np.testing.assert_allclose, rtol=1e-13, atol=1e-15)


@given(LAWS)
def test_law_batch_permutation(law: Law) -> None:
    order, lengths = law.rng.permutation(law.batch), law.rng.integers(0, law.steps + 1, law.batch)
    output, h_n = law.stack(law.x, law.h_0, lengths=lengths)
    moved, h_moved = law.stack(law.x[:, order], law.h_0[:, order], lengths=lengths[order])
    close(moved, output[:, order])
    close(h_moved, h_n[:, order])


@given(LAWS)
def test_law_splitting_time_with_carried_state(law: Law) -> None:
    output, h_n = law.stack(law.x, law.h_0)
    first, carried = law.stack(law.x[: law.steps // 2], law.h_0)
    second, last = law.stack(law.x[law.steps // 2 :], carried)
    np.testing.assert_array_equal(np.concatenate([first, second]), output)
    np.testing.assert_array_equal(last, h_n)


@given(LAWS)
def test_law_time_reversal_swaps_directions(law: Law) -> None:
    output, h_n = law.both(law.x, law.h_0)
    mirrored, h_mirrored = law.both(law.x[::-1], law.h_0[::-1], swapped=1)
    np.testing.assert_array_equal(np.roll(mirrored, law.hidden, axis=2)[::-1], output)
    np.testing.assert_array_equal(h_mirrored[::-1], h_n)


@given(LAWS)
def test_law_a_shorter_length_is_a_shorter_sequence(law: Law) -> None:
    lengths = law.rng.integers(1, law.steps + 1, law.batch)
    output, h_n = law.both(law.x, law.h_0, lengths=lengths)
    for row, length in enumerate(lengths):
        alone, h_alone = law.both(law.x[:length, [row]], law.h_0[:, [row]])
        close(output[:length, [row]], alone)
        close(h_n[:, [row]], h_alone)
        assert not output[length:, row].any()


@given(LAWS)
def test_layouts_are_the_same_function(law: Law) -> None:
    output, h_n = law.stack(law.x, law.h_0)
    first, h_first = law.stack(law.x.swapaxes(0, 1), law.h_0, batch_first=True)
    np.testing.assert_array_equal(first.swapaxes(0, 1), output)
    np.testing.assert_array_equal(h_first, h_n)
    alone, h_alone = law.stack(law.x[:, 0], law.h_0[:, 0])
    close(alone, output[:, 0])
    close(h_alone, h_n[:, 0])
