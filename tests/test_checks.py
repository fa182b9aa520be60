"""Checks of values pass on an implementation without a fault, and say what is wrong of others.

That each fails on a fault that it alone sees is asked in `test_faults`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from harness.checks import every_check
from harness.config import Config
from harness.corpus import load_corpus
from harness.judge import Session
from harness.layers import LAYERS
from harness.results import Result
from harness.strategies import configs
from harness.verdicts import FAILED
from tests import faulty
from tests.faulty import ForwardLayer, backend, with_fault

SIZES = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5}
BASE: dict[str, Any] = {**SIZES, "states": True, "scale": 4}
TANH = Config.of(**BASE, lengths="ragged", num_layers=2, bidirectional=True)
RELU = Config.of(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2, layout="batchfirst")
PLAIN = Config.of(**BASE)
INTS = Config.of(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=3)
SPECIAL = Config.of(**{**BASE, "scale": 1}, num_layers=3, data="special")
assert LAYERS["rnn"].sweep is not None
SWEEP = LAYERS["rnn"].sweep("tanh", "fp32", "values")
EMPTY = TANH.replace(lengths="emptyrows")


def judged(implementation: Any, config: Config, check: str) -> list[Result]:
    results = Session({"x": implementation}).judge(config)
    return [result for result in results if result.check == check]


OF_VALUES = {
    check.name
    for check in every_check()
    if check.applies(TANH.replace(lengths="emptyrows"))
    or check.applies(INTS)
    or check.applies(SWEEP)
} - {"modes"}


def parity(implementation: Any) -> list[Result]:
    session = Session({"right": faulty.right, "x": implementation})
    return [result for result in session.judge(TANH) if "against" in result.part]


def test_parity_fails_where_one_of_two_is_wrong() -> None:
    for wrong in (faulty.scaled, faulty.nan, with_fault("b-hh-dropped")):
        results = parity(wrong)
        assert {r.backend for r in results} == {"faulty"}
        assert {r.part for r in results} == {"output against right", "h_n against right"}
        assert {r.verdict for r in results} == {"fail"}
    assert {r.verdict for r in parity(backend(ForwardLayer, "other"))} == {"pass"}


def test_oracle_rounded_passes_every_check() -> None:
    """And nothing compared is never a pass. Of values a third is asked, of other aspects a twelfth;
    of `the-layer-itself` a self-test asks all.
    """
    session = Session({"right": faulty.right})
    passed = set()
    values = [one for one in load_corpus() if one.aspect == "values"]
    others = [one for one in load_corpus() if one.aspect != "values"]
    for config in (*values[::3], *others[::12]):
        for result in session.judge(config):
            assert result.compared > 0 or result.verdict != "pass", result
            if config.aspect == "values":
                assert result.verdict in ("pass", "inconclusive"), result
                passed |= {result.check} if result.verdict == "pass" else set()
    assert passed == OF_VALUES | {"special_values"}


@pytest.mark.parametrize("layer", ["lstm", "gru", "lstmcell", "grucell"])
def test_integers_are_judged_to_the_bit_in_gated_cells(layer: str) -> None:
    """Where the own activations saturate: one that does not leaves the lane without a verdict."""
    asked = [one for one in load_corpus() if one.layer == layer and one.data == "ints"]
    config = next(one for one in asked if one.dtype == "fp32")
    verdicts = {result.verdict for result in judged(faulty.right, config, "exact_lane")}
    assert {"pass"} <= verdicts <= {"pass", "inconclusive"}


@settings(max_examples=150)
@given(configs(aspects=("values",)))
def test_oracle_rounded_is_never_accused(config: Config) -> None:
    for result in Session({"right": faulty.right}).judge(config):
        assert result.verdict in ("pass", "inconclusive"), f"{result}\n{result.replay}"


def test_states_kept_finite_and_given_out_as_infinity_are_not_accused() -> None:
    """Two infinities would give NaN; the finite states that they stand for do not."""
    config = Config.parse("rnn-relu-l02-bidir-nobias-special-i00001-h00007-b00007-t00005-s969055")
    results = judged(faulty.right, config, "special_values")
    assert {result.verdict for result in results} == {"pass"}


@pytest.mark.parametrize(("off", "cause"), [(2**-23, "rounding"), (2**-12, "unexplained")])
def test_what_differs_beside_what_is_not_finite_is_called_rounding(off: float, cause: str) -> None:
    """A kernel may look at all of x before it is chosen."""

    class OtherKernel(ForwardLayer):
        def answer(self, given: Any) -> Any:
            found = super().answer(given)
            if all(np.isfinite(array).all() for array in given.values()):
                return found
            return {name: array * np.float32(1 - off) for name, array in found.items()}

    config = Config.parse("grucell-withstates-strewn-i00004-h00003-b00007-t00001-s060403")
    result, _ = judged(backend(OtherKernel, "x"), config, "rows_independent")
    assert (result.verdict, result.cause) == ("fail", cause)


def test_faults_say_what_was_expected() -> None:
    (listed,) = judged(faulty.returns_list, PLAIN, "shape_dtype")
    assert "returned list, expected arrays by name: output, h_n" in listed.message
    (shaped,) = judged(faulty.shape, PLAIN, "shape_dtype")
    assert "output.shape = (4, 6, 4), expected (5, 6, 4)" in shaped.message
    (raised,) = judged(faulty.raises, PLAIN, "transfer")
    assert raised.message.startswith("RuntimeError: no kernel for this shape (faulty.py, line ")
    (ended,) = judged(faulty.exits, PLAIN, "transfer")
    assert ended.verdict in FAILED
