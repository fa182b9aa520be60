"""Large cases are judged in blocks of rows: the same verdicts as at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import harness.case
import harness.judge
import harness.observe.checkpoint
import harness.observe.gradients
from harness.backends.protocol import Backend
from harness.case import make_case, row_blocks
from harness.cli.judging import judged_in_part
from harness.config import MOST_NUMBERS, Config
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend
from harness.given import save_given
from harness.judge import Session
from harness.observe import Observation, observe
from harness.results import Result
from harness.runners.protocol import arrays_of
from harness.runners.wire import LARGE, WireError, pack, unpack_answer

LSTM = Config.of(
    "lstm",
    num_layers=2,
    bidirectional=True,
    states=True,
    lengths="ragged",
    data="plain",
    input_size=4,
    hidden_size=5,
    batch=6,
    steps=7,
)


Whole = Mapping[str, Mapping[tuple[str, str], Result]]


def blocks_of_three(config: Config) -> list[range]:
    return [range(3), range(3, 6)] if config.batch == 6 else [range(config.batch)]


def judged(backend: Backend, config: Config) -> list[Result]:
    return Session({"x": backend}).judge(config)


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs of six rows count as large."""
    for module in (harness.case, harness.judge):
        monkeypatch.setattr(module, "row_blocks", blocks_of_three)
    for observer in (harness.observe.gradients, harness.observe.checkpoint):
        monkeypatch.setattr(observer, "is_large", lambda config: config.batch == 6)


@pytest.fixture(scope="module")
def whole() -> Whole:
    """Judged at once, by aspect; before anything counts as large."""
    asked = ("values", "gradient")
    return {one: by_part(judged(CorrectBackend(), LSTM.replace(aspect=one))) for one in asked}


def by_part(results: list[Result]) -> Mapping[tuple[str, str], Result]:
    return {(result.check, result.part): result for result in results}


def test_only_large_cases_are_cut_and_every_row_is_in_one_block() -> None:
    assert row_blocks(LSTM) == [range(6)]
    large = LSTM.replace(arrays="b" * 16, hidden_size=512, steps=500, batch=64)
    assert large.numbers > MOST_NUMBERS
    blocks = row_blocks(large)
    assert [row for block in blocks for row in block] == list(range(64))
    assert min(map(len, blocks)) >= 2


def test_what_is_judged_in_part_is_said() -> None:
    large = LSTM.replace(arrays="b" * 16, hidden_size=512, steps=500, batch=64)
    derived = large.replace(aspect="gradient")
    first = len(row_blocks(derived)[0])
    of_gradients = f"gradients: of a loss of the first {first} of 64 rows alone"
    assert list(judged_in_part([large, derived], None)) == [of_gradients]
    of_values = "values: 8 at least of the 64 rows are judged"
    assert list(judged_in_part([large, derived], 8)) == [of_values, of_gradients]
    assert list(judged_in_part([LSTM, LSTM.replace(aspect="gradient")], 8)) == []


def test_blocks_give_the_verdicts_of_the_whole(whole: Whole, in_blocks: None) -> None:
    blocks, at_once = by_part(judged(CorrectBackend(), LSTM)), whole["values"]
    assert at_once.keys() == blocks.keys()
    for key, one in blocks.items():
        assert one.verdict == at_once[key].verdict, key
        if key[0] != "shape_dtype":  # which looks at form alone, once
            assert one.compared == at_once[key].compared, key
        assert one.config_id == LSTM.id
        if key[0] == "step_residual":  # a block may sum its rows in another order
            assert one.ratio == pytest.approx(at_once[key].ratio, rel=0.1), key


def test_gradients_are_of_a_loss_of_the_first_block(whole: Whole, in_blocks: None) -> None:
    config = LSTM.replace(aspect="gradient")
    results = by_part(judged(CorrectBackend(), config))
    of_x, of_weights = results["gradient", "x"], results["gradient", "weight_hh_l0"]
    assert (of_x.verdict, of_weights.verdict) == ("pass", "pass")
    at_once = whole["gradient"]
    assert 0 < of_x.compared < at_once["gradient", "x"].compared
    assert of_weights.compared == at_once["gradient", "weight_hh_l0"].compared == 4 * 5 * 5


class _OneWrong:
    """The oracle's layers, but for one number of one row."""

    name = "one wrong"

    def build(self, options: object) -> object:
        layer = CorrectBackend().build(options)  # type: ignore[arg-type]
        forward = layer.forward

        def wrong(inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:  # type: ignore[type-arg]
            found = dict(forward(inputs))
            if found["output"].shape[:2] == (7, 6):
                found["output"][0, 4, 2] += 0.25
            return found

        layer.forward = wrong  # type: ignore[method-assign]
        return layer


def test_padding_is_judged_in_gradients_of_large_cases(whole: Whole, in_blocks: None) -> None:
    results = by_part(judged(CorrectBackend(), LSTM.replace(aspect="gradient")))
    for key in (key for key in whole["gradient"] if key[0] == "gradient_padding"):
        assert results[key].verdict == whole["gradient"][key].verdict, key
    fault = FAULTS["padding-reaches-the-weights"]
    wrong = judged(fault.inject(CorrectBackend()), LSTM.replace(aspect="gradient"))
    assert "gradient_padding" in {r.check for r in wrong if r.verdict == "fail"}


def test_checkpoints_of_large_cases_are_computed_with(in_blocks: None) -> None:
    results = judged(CorrectBackend(), LSTM.replace(aspect="checkpoint"))
    assert {r.verdict for r in results if r.check == "checkpoint_own"} == {"pass"}


def test_a_layer_too_large_to_be_drawn_has_no_call_of_other_sizes(tmp_path: Path) -> None:
    """Its weights alone are more numbers than any case that is drawn."""
    weights = {f"weight_{kind}_l0": np.zeros((4200, 4200), "f2") for kind in ("ih", "hh")}
    inputs = {"x": np.ones((1, 1, 4200), "f2")}
    given = save_given(tmp_path, weights, inputs)
    plain = Config.of(arrays=given.digest, data="plain", dtype="fp16", bias=False)
    config = plain.replace(input_size=4200, hidden_size=4200)
    assert config.numbers > MOST_NUMBERS
    found = observe(CorrectBackend(), make_case(config), repeat=True)
    assert found.trouble is None
    assert found.outputs is not None


def test_a_fault_in_a_later_block_is_located_in_the_whole_batch(in_blocks: None) -> None:
    results = judged(_OneWrong(), LSTM.replace(lengths="fulllengths"))  # type: ignore[arg-type]
    failing = [r for r in results if r.check == "step_residual" and r.verdict == "fail"]
    assert {r.worst.batch for r in failing if r.worst} == {4}
    whole = judged(_OneWrong(), LSTM.replace(lengths="fulllengths", batch=6))  # type: ignore[arg-type]
    assert {r.check for r in whole if r.verdict == "fail"} >= {r.check for r in failing}


@pytest.mark.parametrize("name", ["b-hh-dropped", "rows-rolled", "rows-mixed"])
def test_faults_show_in_blocks_too(name: str, in_blocks: None) -> None:
    backend = FAULTS[name].inject(CorrectBackend())
    assert [r for r in judged(backend, LSTM) if r.verdict == "fail"]


def test_large_arrays_go_through_files_that_do_not_stay(tmp_path: Path) -> None:
    folder = arrays_of(tmp_path / "worker.log")
    large = np.arange(LARGE // 4, dtype="f4").reshape(2, -1)
    seen = Observation("x", outputs={"output": large, "h_n": large[:, :3].copy()})
    content = pack(seen, folder)
    assert len(content) < 1000
    assert len(list(folder.iterdir())) == 1
    found = unpack_answer(content, folder)
    assert isinstance(found, Observation)
    assert found.outputs is not None
    assert np.array_equal(found.outputs["output"], large)
    assert np.array_equal(found.outputs["h_n"], large[:, :3])
    assert list(folder.iterdir()) == []
    found.outputs["output"][0, 0] = 7  # as any other array
    with pytest.raises(WireError, match=r"in .*worker\.arrays"):
        unpack_answer(content, folder)
    with pytest.raises(WireError, match="extension type 2"):
        unpack_answer(content)
