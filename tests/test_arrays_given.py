"""How arrays lie in memory, what writing to answers changes, calls at once, growing memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.at_once import THREADS, cases_at_once
from harness.calls import make_call
from harness.case import changed, cotangents, make_case
from harness.config import MEMORIES, Config, ConfigError
from harness.corpus import SAMPLE, load_corpus
from harness.data import NUMPY_DTYPES
from harness.faults import VARIANTS
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.memory import all_laid_out, laid_out, whole
from harness.observe import observe
from harness.observe.writing import overwritten
from harness.results import Result
from harness.strategies import configs
from harness.verdicts import Verdict
from tests.faulty import ForwardLayer, backend

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 4}
DTYPES = (*NUMPY_DTYPES.values(), np.dtype(np.int64))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("memory", MEMORIES)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_values_stay_wherever_they_lie(
    memory: str, dtype: np.dtype[Any], shape: list[int], seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 3, shape).astype(dtype)
    found = laid_out(array, memory)
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    assert found.tobytes() == array.tobytes()
    assert not np.shares_memory(found, array)


def test_every_layout_is_what_it_says() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = {memory: laid_out(array, memory) for memory in MEMORIES}
    assert found["contiguous"].ctypes.data % 64 == 0
    assert found["fortran"].flags.f_contiguous
    assert found["permuted"].strides == (16, 32, 4)
    assert found["strided"].strides == (384, 64, 8)
    assert found["reversed"].strides == (-48, -16, -4)
    assert (found["offset"].ctypes.data % 64, found["unaligned"].ctypes.data % 64) == (4, 1)
    assert not found["unaligned"].flags.aligned
    assert not found["readonly"].flags.writeable
    repeated = laid_out(np.repeat(array[:1], 2, 0), "broadcast")
    assert repeated.strides == (0, 16, 4)


def test_what_lies_between_elements_is_watched() -> None:
    array = laid_out(np.zeros(3, np.float32), "strided")
    before = whole(array)
    array.base[-1] = 1  # type: ignore[index]
    assert whole(array) != before


@given(configs(aspects=("values", "gradient")), st.booleans(), st.booleans())
def test_broadcast_values_repeat_in_every_call(
    config: Config, padding: bool, neighbours: bool
) -> None:
    config = config.replace(memory="broadcast")
    case = make_case(config)
    other, kept = changed(case, padding=padding, neighbours=neighbours)
    axis = (1, 0, 2)[config.seed % 3]
    for one in (case, other):
        x = one.x.astype(np.float64)
        first = x.take([int(one.valid.sum(axis=0).argmax()) if axis == 1 else 0], axis)
        repeats = np.broadcast_to(first, x.shape)
        valid = one.valid[:, :, None] & np.ones_like(x, bool)
        np.testing.assert_array_equal(x[valid], repeats[valid])
    valid = case.valid[:, kept]
    np.testing.assert_array_equal(
        other.x[:, kept][valid].astype(np.float64), case.x[:, kept][valid].astype(np.float64)
    )


def test_broadcast_cotangents_are_those_of_a_sum() -> None:
    case = make_case(
        Config.of(aspect="gradient", data="plain", memory="broadcast", num_layers=2, **SIZES)
    )
    for array in cotangents(case).values():
        assert set(laid_out(array, "broadcast").strides) == {0}


class Given(ForwardLayer):
    """Remembers what it was given."""

    seen: list[Any] = []  # noqa: RUF012

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        self.seen += weights.values()
        super().load_weights({n: a.copy() for n, a in weights.items()})

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        self.seen += inputs.values()
        return super().forward(inputs)


@pytest.mark.parametrize("memory", ["readonly", "unaligned"])
def test_everything_is_handed_over_so(memory: str) -> None:
    config = Config.of(memory=memory, lengths="shorter", states=True, **SIZES)
    Given.seen.clear()
    observation = observe(backend(Given), make_case(config), repeat=False)
    assert observation.trouble is None
    assert len(Given.seen) == 7
    for array in Given.seen:
        assert not array.flags[{"readonly": "WRITEABLE", "unaligned": "ALIGNED"}[memory]]


@pytest.mark.parametrize("memory", MEMORIES)
def test_torch_gets_the_strides_that_it_can_have(memory: str) -> None:
    torch_backend = pytest.importorskip("harness.backends.torch_backend")
    repeated = np.repeat(np.arange(12, dtype=np.float32).reshape(1, 3, 4), 2, 0)
    array = laid_out(repeated, memory)
    tensor = torch_backend.to_tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), repeated)
    if memory in ("reversed", "unaligned", "readonly"):
        assert tensor.data_ptr() != array.ctypes.data
    else:
        assert tensor.data_ptr() == array.ctypes.data
        assert tensor.stride() == tuple(stride // 4 for stride in array.strides)


@pytest.mark.parametrize("memory", ["fortran", "permuted", "strided", "broadcast"])
def test_mindspore_gets_views(memory: str) -> None:
    mindspore_backend = pytest.importorskip("harness.backends.mindspore_backend")
    repeated = np.repeat(np.arange(12, dtype=np.float32).reshape(1, 3, 4), 2, 0)
    array = laid_out(repeated, memory)
    tensor = mindspore_backend.to_tensor(array)
    np.testing.assert_array_equal(tensor.asnumpy(), repeated)
    assert tuple(tensor.stride()) == tuple(stride // 4 for stride in array.strides)
    assert not tensor.is_contiguous()


def test_what_is_written_to_an_answer_is_looked_for_everywhere() -> None:
    x, output = np.zeros((2, 3)), np.zeros((2, 2))
    returned = {"output": output, "h_n": output[-1:], "own": np.zeros(2), "part": x[:1]}
    assert overwritten(returned, {"x": x}) == [
        "h_n, by writing to output that was returned",
        "x, by writing to part that was returned",
    ]
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    assert overwritten({"output": fixed, "h_n": fixed}, {}) == []


def judged(made: Any, config: Config, check: str) -> list[Result]:
    return [one for one in Session({"x": made}).judge(config) if one.check == check]


def test_later_answers_that_depend_on_what_was_written_to_are_named() -> None:
    class Remembers(ForwardLayer):
        """Adds what it answered first, less what that was."""

        kept: Any = None

        def forward(self, inputs: Any) -> Any:
            found = super().forward(inputs)
            if self.kept is not None:
                found = {n: a + 0 * self.kept["h_n"].max() for n, a in found.items()}
            self.kept = found
            return found

    config = Config.of(data="plain", **SIZES)
    (result,) = judged(backend(Remembers), config, "inputs_unmodified")
    assert result.verdict == Verdict.FAIL
    assert "later answers, by writing to what a call returned" in result.message
    assert {r.verdict for r in judged(backend(Remembers), config, "determinism")} == {"pass"}


class FirstCallRaises(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        if self.calls == 1:
            raise RuntimeError("cold")
        return found


def test_a_call_before_the_judged_one_that_raises_is_told_of() -> None:
    (result,) = judged(backend(FirstCallRaises), Config.of(data="plain", **SIZES), "transfer")
    assert result.verdict == Verdict.ERROR
    assert result.message.startswith("an ordinary call of other sizes before it raised RuntimeE")


def repeated(**more: Any) -> Config:
    return Config.of(aspect="repeated", data="plain", states=True, **{**SIZES, **more})


class Shared(ForwardLayer):
    """Threads race for one place."""

    place: Any = None

    def forward(self, inputs: Any) -> Any:
        Shared.place = inputs
        time.sleep(1e-4)
        return super().forward(Shared.place)


def _part(results: list[Result], part: str) -> Result:
    (found,) = (one for one in results if one.part == part)
    return found


@pytest.mark.parametrize(
    ("layer", "concurrent", "verdict"),
    [
        (ForwardLayer, True, "pass"),
        (Shared, True, "fail"),
        (Shared, False, "unsupported"),
    ],
)
def test_calls_at_once(layer: type[ForwardLayer], concurrent: bool, verdict: str) -> None:
    made: Any = backend(layer)
    made.concurrent = concurrent
    result = _part(judged(made, repeated(), "repeated_calls"), "at once from several threads")
    assert (result.verdict, result.requirement) == (verdict, "concurrency")


def test_answers_at_once_may_differ_by_rounding() -> None:
    class Rounds(ForwardLayer):
        def forward(self, inputs: Any) -> Any:
            found = super().forward(inputs)
            time.sleep(1e-4)
            return {n: np.nextafter(a, a + self.calls % 2) for n, a in found.items()}

    made: Any = backend(Rounds)
    made.concurrent = True
    result = _part(judged(made, repeated(), "repeated_calls"), "at once from several threads")
    assert result.verdict == "pass"
    assert "calls give other bits, by rounding" in result.message


def test_cases_at_once_are_the_rows_in_another_order() -> None:
    case = make_case(repeated(lengths="ragged"))
    cases = cases_at_once(case)
    assert len(cases) == THREADS
    assert len({one.x.tobytes() for one in cases}) > 1
    for one in cases:
        assert sorted(one.inputs["lengths"].tolist()) == sorted(case.inputs["lengths"].tolist())


class Hoards(ForwardLayer):
    kept: list[Any] = []  # noqa: RUF012

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        self.kept.append(found["output"] + 1)
        return found


@pytest.mark.parametrize(("layer", "verdict"), [(ForwardLayer, "pass"), (Hoards, "fail")])
def test_memory_after_many_calls(layer: type[ForwardLayer], verdict: str) -> None:
    config = repeated(input_size=2, hidden_size=64, batch=512, steps=4)
    results = judged(backend(layer), config, "repeated_calls")
    Hoards.kept.clear()
    result = _part(results, "memory after many calls")
    assert (result.verdict, result.requirement) == (verdict, "growth")


class HoardsMore(ForwardLayer):
    """Keeps forty times its output."""

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        Hoards.kept.append(np.ones((40, *found["output"].shape), found["output"].dtype))
        return found


def test_memory_that_grows_fast_takes_few_calls() -> None:
    config = repeated(input_size=2, hidden_size=64, batch=512, steps=4)
    results = judged(backend(HoardsMore), config, "repeated_calls")
    Hoards.kept.clear()
    result = _part(results, "memory after many calls")
    assert (result.verdict, result.cause, result.compared) == ("fail", "kept", 10)


def test_a_leak_into_memory_that_was_freed_is_seen() -> None:
    np.ones(2**21).sum()  # once freed, blocks of 16 MB come from the heap
    freed = [np.ones(2**17) for _ in range(300)]
    above = np.ones(2**18)  # so that the heap does not shrink
    freed.clear()
    test_memory_after_many_calls(Hoards, "fail")
    assert above.all()


class Works(ForwardLayer):
    """Needs a hundred times its output while it runs, below a block that stays."""

    above: Any = None

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        needed = [np.ones(found["output"].size // 2) for _ in range(100)]
        self.above = np.ones(2**14)
        needed.clear()
        return found


def test_what_a_call_needs_while_it_runs_is_no_growth() -> None:
    np.ones(2**21).sum()  # once freed, blocks of 16 MB come from the heap
    test_memory_after_many_calls(Works, "pass")


def test_small_answers_show_no_growth() -> None:
    results = judged(backend(Hoards), repeated(), "repeated_calls")
    Hoards.kept.clear()
    assert all(one.part != "memory after many calls" for one in results)


@pytest.mark.parametrize("seed", range(4))
def test_a_lone_value_is_where_it_counts(seed: int) -> None:
    config = Config.of(data="lone", lengths="ragged", seed=seed, **{**SIZES, "batch": 9})
    case = make_case(config)
    special = ~np.isfinite(case.x) & case.valid[:, :, None]
    assert set(special.sum(axis=(0, 2)).tolist()) == {0, 1}
    assert special.sum() >= 6
    strewn = make_case(config.replace(data="strewn"))
    assert (~np.isfinite(strewn.x) & strewn.valid[:, :, None]).any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lengths", ["nolengths", "ragged", "emptyrows"])
def test_missing_values_are_one_nan_in_most_rows_that_count(lengths: str, seed: int) -> None:
    case = make_case(Config.of(data="missing", lengths=lengths, seed=seed, **{**SIZES, "batch": 9}))
    x = np.where(case.valid[:, :, None], case.x, 0)
    assert not np.isinf(x).any()
    expected = [int(row % 3 != 1 and case.valid[:, row].any()) for row in range(9)]
    assert np.isnan(x).sum(axis=(0, 2)).tolist() == expected


def test_no_length_is_below_one() -> None:
    with pytest.raises(ConfigError, match="expected steps >= 2"):
        Config.of(lengths="equal", steps=1)


def test_every_call_that_is_asked_is_another_one() -> None:
    """But for the calls of the first bases, which are asked from each of them."""
    for config in (*load_corpus(), *load_corpus(SAMPLE)):
        if config.is_call and config.seed > 110:
            assert make_call(config) is not None, config.id


def test_a_tanh_may_err_at_an_infinity_by_what_it_may_err_anywhere() -> None:
    config = Config.of(data="lone", states=True, seed=60300, **{**SIZES, "batch": 9})
    made = VARIANTS["tanh-rational"].inject(cast(Any, CorrectBackend(name="x")))
    results = judged(made, config, "special_values")
    assert {result.verdict for result in results} == {"pass"}
    (infinity,) = (one for one in results if one.requirement == "infinity")
    assert infinity.max_ulp != 0


def test_windows_overlap_whatever_is_padding() -> None:
    config = Config.of(memory="windows", data="plain", lengths="descending", **SIZES)
    case = make_case(config)
    for one in (case, changed(case, padding=True, neighbours=True)[0]):
        x = all_laid_out({"x": one.x}, "windows", 0)["x"]
        assert x.strides[0] == x.strides[2] == x.itemsize
        assert np.isfinite(one.x[one.valid]).all()
        np.testing.assert_array_equal(x, one.x)


def test_arrays_that_go_in_together_lie_otherwise_than_each_other() -> None:
    arrays = {name: np.arange(24.0).reshape(2, 3, 4) for name in "abc"}
    for turn in range(5):
        found = all_laid_out(arrays, "unlike", turn)
        assert len({array.strides for array in found.values()}) == 3
    one = all_laid_out({**arrays, "d": arrays["a"] + 1}, "shared", 0)
    assert one["a"].ctypes.data == one["b"].ctypes.data
    assert not np.shares_memory(one["a"], one["d"])
    assert whole(one["a"]) == whole(one["d"])


def test_what_can_be_one_array_is() -> None:
    sizes = {**SIZES, "input_size": 4, "steps": 1, "states": True}
    case = make_case(Config.of(aspect="gradient", data="plain", memory="shared", **sizes))
    assert case.x.tobytes() == case.inputs["h_0"].tobytes()
    assert case.weights["bias_ih_l0"].tobytes() == case.weights["bias_hh_l0"].tobytes()
    assert len({array.tobytes() for array in cotangents(case).values()}) == 1
