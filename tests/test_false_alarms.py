"""Judging many configs of torch: what is counted, what is an alarm, and alarms that were false."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.config import Config
from harness.environment import describe
from harness.expectations import expectations_of
from harness.judge import Session
from harness.judging.steps import multipliers
from harness.verdicts import Verdict
from tests import faulty
from tests.campaigns.false_alarms import (
    CHUNK,
    Chunk,
    Tally,
    chunks,
    judge_chunk,
    report,
    session_of,
)
from tests.faulty import with_fault
from tests.synthetic_results import line

SMALL = Chunk("fp32", 25, seed=5, layers=("rnn",))


def test_a_right_layer_gives_none_a_config_counts_once_and_tallies_add_up() -> None:
    one, two = judge_chunk(SMALL), judge_chunk(Chunk("fp16", 10, seed=5, layers=("rnn", "gru")))
    assert one.alarms == []
    assert one.sound
    assert one.largest["step_residual", "fp32", "rnn tanh"][0] < 1
    assert "\n0 alarms" in report(one)
    total = Tally()
    for tally in (one, two):
        total.add(tally)
    assert len(total.ids) == 35
    assert total.verdicts == one.verdicts + two.verdicts
    total.count(Config.parse(next(iter(one.ids))), [line(1, 3.0)])
    assert total.verdicts == one.verdicts + two.verdicts


def test_how_ratios_are_spread_is_added_up() -> None:
    one, two = Tally(), Tally()
    for tally, ratios in ((one, (0.001, 0.25, 0.5)), (two, (0.301, 0.9))):
        tally.count(
            Config.of("gru", seed=len(ratios)),
            [line(1, ratio, verdict=Verdict.PASS) for ratio in ratios],
        )
    one.add(two)
    (key,) = one.ratios
    assert [one.quantile(key, share) for share in (0.2, 0.5, 0.7, 0.99)] == [0.01, 0.31, 0.5, 0.9]
    assert "0.31  0.90  0.9000" in report(one)


def test_a_fault_is_an_alarm_with_its_replay_command() -> None:
    session = Session({"x": with_fault("b-hh-dropped", "x")})
    tally = judge_chunk(SMALL, session)
    assert not tally.sound
    shown = [alarm for alarm in tally.alarms if alarm.startswith("step_residual")]
    assert shown
    assert all("rnn-parity replay " in alarm for alarm in shown)
    assert shown[0] in report(tally)


def test_nothing_concluded_is_not_sound() -> None:
    session = Session({"x": faulty.RefusesEverything()})
    assert not judge_chunk(SMALL, session).sound
    assert not Tally().sound


def test_chunks_are_of_every_format_and_have_seeds_of_their_own() -> None:
    found = list(chunks(2 * CHUNK + 1, seed=3))
    assert [c.count for c in found if c.dtype == "fp32"] == [CHUNK, CHUNK, 1]
    assert {c.dtype for c in found} == {"fp32", "fp64", "fp16"}
    assert len({c.seed for c in found}) == len(found)


# fmt: off
WERE_FALSE = {
    "gradients after an overflow":
        "rnn-gradient-relu-l03-bidir-batchfirst-fulllengths-fp16-scale08-"
        "i00003-h00002-b00001-t00008-s000449",
    "gradients whose sums overflow":
        "rnn-gradient-l02-bidir-nobias-fp16-scale08-i00006-h00005-b00008-t00007-s000000",
    "a state that overflows at the edge":
        "rnn-relu-nobias-batchfirst-ragged-scale16-i00006-h00005-b00007-t00149-s001527",
    "few elements to calibrate by":
        "rnn-relu-bidir-batchfirst-drop50-withstates-fp64-scale08-"
        "i00005-h00003-b00008-t00007-s000103",
    "a number that was dropped in the layer before":
        "rnn-gradient-l03-bidir-nobias-batchfirst-drop50-descending-trainmode-cotoutput-unaligned-"
        "plain-i00007-h00006-b00001-t00001-s000245",
    "gates that magnify what float64 has in place of 0":
        "gru-l02-bidir-drop50-shorter-offset-ints-i00005-h00003-b00007-t00148-s031995",
    "states of which the products with a projection underflow":
        "lstm-training-proj2-l03-bidir-batchfirst-drop99-ascending-fp16-plain-"
        "i00008-h00009-b00042-t00007-s717149",
    "a final state that later steps leave more certain than the output":
        "gru-l03-bidir-withstates-equal-scale16-i00007-h00007-b00006-t00113-s000557",
}
# fmt: on


@pytest.mark.parametrize("config_id", WERE_FALSE.values(), ids=WERE_FALSE)
def test_what_was_a_false_alarm_is_none(config_id: str) -> None:
    session = session_of()
    expected = expectations_of(describe(session.runners))
    results = expected.join(session.judge(Config.parse(config_id)))
    assert [result.message for result in results if result.unexpected] == []
    assert any(result.verdict == "pass" for result in results)


def test_what_dropout_did_is_open_only_where_nothing_shows_it() -> None:
    """Of two layers every number shows it; of three, not those that were dropped before."""
    sizes: dict[str, Any] = {"input_size": 3, "hidden_size": 6, "batch": 5, "steps": 1}
    base = Config.of(aspect="gradient", mode="training", data="plain", dropout=50, **sizes)
    for layers in (2, 3):
        config = base.replace(num_layers=layers, bias=False)
        found = multipliers(session_of().evidence(config, "torch"))
        open_ = {layer: one.bound > one.value / 2 for layer, one in found.items()}
        kept = found[1].value > 1
        assert not (open_[1] & kept).any()
        assert 0 < kept.sum() < kept.size
        if layers == 3:
            np.testing.assert_array_equal(open_[2] & (found[2].value > 0), ~kept)
