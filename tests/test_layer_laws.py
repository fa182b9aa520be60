"""Laws that a recurrent layer obeys whatever its weights: what equals what."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.plain_layer import random_weights, rnn

LAWS = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["tanh", "relu"]),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(2, 5),
)


@given(LAWS)
def test_law_batch_permutation(law: tuple[Any, ...]) -> None:
    seed, nonlinearity, bias, inputs, hidden, batch, steps = law
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, (inputs, hidden, 2), bias)
    x, h_0 = rng.uniform(-1, 1, (steps, batch, inputs)), rng.uniform(-1, 1, (2, batch, hidden))
    order, lengths = rng.permutation(batch), rng.integers(0, steps + 1, batch)
    options: dict[str, Any] = {"nonlinearity": nonlinearity, "num_layers": 2, "bias": bias}
    output, h_n = rnn(x, h_0, weights, lengths=lengths, **options)
    moved, h_moved = rnn(x[:, order], h_0[:, order], weights, lengths=lengths[order], **options)
    np.testing.assert_allclose(moved, output[:, order], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(h_moved, h_n[:, order], rtol=1e-13, atol=1e-15)


@given(LAWS)
def test_law_splitting_time_with_carried_state(law: tuple[Any, ...]) -> None:
    seed, nonlinearity, bias, inputs, hidden, batch, steps = law
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, (inputs, hidden, 2), bias)
    x, h_0 = rng.uniform(-1, 1, (steps, batch, inputs)), rng.uniform(-1, 1, (2, batch, hidden))
    options: dict[str, Any] = {"nonlinearity": nonlinearity, "num_layers": 2, "bias": bias}
    output, h_n = rnn(x, h_0, weights, **options)
    cut = steps // 2
    first, carried = rnn(x[:cut], h_0, weights, **options)
    second, last = rnn(x[cut:], carried, weights, **options)
    np.testing.assert_array_equal(np.concatenate([first, second]), output)
    np.testing.assert_array_equal(last, h_n)


@given(LAWS)
def test_law_time_reversal_swaps_directions(law: tuple[Any, ...]) -> None:
    seed, nonlinearity, bias, inputs, hidden, batch, steps = law
    rng = np.random.default_rng(seed)
    forward = random_weights(rng, (inputs, hidden, 1), bias)
    backward = random_weights(rng, (inputs, hidden, 1), bias)
    x, h_0 = rng.uniform(-1, 1, (steps, batch, inputs)), rng.uniform(-1, 1, (2, batch, hidden))

    def both(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
        return one | {f"{name}_reverse": w for name, w in two.items()}

    options: dict[str, Any] = {"nonlinearity": nonlinearity, "bias": bias, "bidirectional": True}
    output, h_n = rnn(x, h_0, both(forward, backward), **options)
    mirrored, h_mirrored = rnn(x[::-1], h_0[::-1], both(backward, forward), **options)
    swapped = np.concatenate([mirrored[..., hidden:], mirrored[..., :hidden]], axis=2)[::-1]
    np.testing.assert_array_equal(swapped, output)
    np.testing.assert_array_equal(h_mirrored[::-1], h_n)


@given(LAWS)
def test_law_a_shorter_length_is_a_shorter_sequence(law: tuple[Any, ...]) -> None:
    seed, nonlinearity, bias, inputs, hidden, batch, steps = law
    rng = np.random.default_rng(seed)
    one, two = (random_weights(rng, (inputs, hidden, 1), bias) for _ in range(2))
    weights = one | {f"{name}_reverse": w for name, w in two.items()}
    x, h_0 = rng.uniform(-1, 1, (steps, batch, inputs)), rng.uniform(-1, 1, (2, batch, hidden))
    lengths = rng.integers(1, steps + 1, batch)
    options: dict[str, Any] = {"nonlinearity": nonlinearity, "bias": bias, "bidirectional": True}
    output, h_n = rnn(x, h_0, weights, lengths=lengths, **options)
    for row, length in enumerate(lengths):
        alone, h_alone = rnn(x[:length, [row]], h_0[:, [row]], weights, **options)
        np.testing.assert_allclose(output[:length, [row]], alone, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(h_n[:, [row]], h_alone, rtol=1e-13, atol=1e-15)
        assert not output[length:, row].any()


@given(LAWS)
def test_layouts_are_the_same_function(law: tuple[Any, ...]) -> None:
    seed, nonlinearity, bias, inputs, hidden, batch, steps = law
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, (inputs, hidden, 2), bias)
    x, h_0 = rng.uniform(-1, 1, (steps, batch, inputs)), rng.uniform(-1, 1, (2, batch, hidden))
    options: dict[str, Any] = {"nonlinearity": nonlinearity, "num_layers": 2, "bias": bias}
    output, h_n = rnn(x, h_0, weights, **options)
    first, h_first = rnn(x.swapaxes(0, 1), h_0, weights, batch_first=True, **options)
    np.testing.assert_array_equal(first.swapaxes(0, 1), output)
    np.testing.assert_array_equal(h_first, h_n)
    alone, h_alone = rnn(x[:, 0], h_0[:, 0], weights, **options)
    np.testing.assert_allclose(alone, output[:, 0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(h_alone, h_n[:, 0], rtol=1e-13, atol=1e-15)
