"""Power over values: a fault is found at exactly the share of elements that is foretold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.case import make_case
from harness.config import Config
from harness.faults.arrays import Arrays, with_initial
from harness.faults.chained import Stepped
from harness.faults.wrapping import WrappedBackend
from harness.oracle import Oracle
from tests.faulty import ForwardBackend, ForwardLayer, backend, with_fault
from tests.power_configs import VALUED, found_by, judged, power


class StateBeforeLast(Stepped):
    """Every step takes the state before last, and the first one zeros."""

    def start(self, states: list[Arrays], step: int) -> Arrays:
        return states[step - 1] if step else with_initial(states[0], np.zeros_like)


class RowsRolled(ForwardLayer):
    def answer(self, given: Arrays) -> Arrays:
        alone = given["x"].shape[1] > 100  # the activation, when it is measured: right
        return {name: np.roll(a, not alone, axis=1) for name, a in super().answer(given).items()}


END_TO_END = {
    "bias": with_fault("b-hh-dropped"),
    "state": WrappedBackend(ForwardBackend(name="faulty"), StateBeforeLast),
    "row": backend(RowsRolled),
}


@pytest.mark.parametrize("config", VALUED, ids=["plain", "tanh", "relu", "half", "ints"])
@pytest.mark.parametrize("probe", END_TO_END)
def test_end_to_end_a_fault_is_found_where_power_foretells(probe: str, config: Config) -> None:
    found = found_by(judged(END_TO_END[probe], config, "forward_error"))
    assert found
    # What the last step may err is taken at the faulty states, where power took the right ones'.
    assert found == pytest.approx(power(config, "forward_error", probe), abs=0.02)


@pytest.mark.parametrize(
    ("probes", "changes"),
    [
        ({"bias", "state", "row"}, {"batch": 3, "steps": 2}),
        ({"state", "row"}, {"batch": 3, "steps": 2, "bias": False}),
        ({"bias", "row"}, {"batch": 3}),
        ({"bias", "state", "row"}, {"batch": 3, "states": True}),
        ({"bias", "state"}, {"steps": 2}),
        (set(), {"steps": 2, "states": True, "lengths": "emptyrows"}),
    ],
)
def test_faults_that_cannot_occur_are_left_out(probes: set[str], changes: dict[str, Any]) -> None:
    oracle = Oracle(make_case(Config.of(input_size=3, hidden_size=4, **changes)))
    assert set(oracle.faulty) == probes
