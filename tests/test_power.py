"""Power over values: a fault is found at exactly the share of elements that is foretold."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from harness.case import make_case
from harness.config import Config
from harness.evidence import Evidence
from harness.faults.arrays import Arrays, valid, with_final, with_initial
from harness.faults.chained import Stepped
from harness.faults.wrapping import WrappedBackend
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.observe import observe
from harness.oracle import Oracle
from harness.probes import Probe
from harness.results import Result
from reference import parameter_name
from reference.arrays import Array
from tests.faulty import ForwardBackend, ForwardLayer, backend, right, with_fault
from tests.power_configs import (
    HALF,
    INTS,
    PLAIN,
    RELU,
    TANH,
    VALUED,
    found_by,
    judged,
    power,
)


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


@pytest.mark.parametrize("probe", END_TO_END)
def test_parity_has_power_at_twice_the_tolerance(probe: str) -> None:
    def parity(implementation: Any) -> list[Result]:
        session = Session({"right": right, "x": implementation})
        return [r for r in session.judge(HALF) if "against" in r.part]

    without = parity(backend(ForwardLayer, "other"))
    found = found_by(parity(END_TO_END[probe]))
    assert set(found) == {"output against right", "h_n against right"}
    assert found == pytest.approx(
        {r.part: r.power[msgspec.convert(probe, Probe)] for r in without}, abs=0.06
    )
    forward = power(HALF, "forward_error", probe)
    assert all(
        r.power[msgspec.convert(probe, Probe)] <= forward[r.part.split()[0]] for r in without
    )


@pytest.mark.parametrize("probe", END_TO_END)
def test_exact_lane_has_power_without_any_tolerance(probe: str) -> None:
    found = found_by(judged(END_TO_END[probe], INTS, "exact_lane"))
    assert found["output"] == power(INTS, "exact_lane", probe)["output"]


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


@pytest.mark.parametrize(
    ("check", "config"), [*(("step_residual", config) for config in VALUED), ("exact_lane", INTS)]
)
def test_a_step_is_found_wrong_where_power_foretells(check: str, config: Config) -> None:
    """Every step of every row, with the fault, by the equation."""
    case = make_case(config)
    evidence = Evidence(case, Oracle(case), observe(right, case, repeat=False), lambda: None)
    probes = ("bias", "input", "row", "state")
    expected = {probe: power(config, check, probe) for probe in probes}
    for layer in range(config.num_layers):
        for side in range(config.directions):
            steps = direction_steps(evidence, layer, side == 1)
            interval, total = steps.interval, int(steps.defined.sum())
            low, high = interval.low, interval.high
            if check == "exact_lane":
                low = high = interval.expected
            for probe in probes:
                count = 0
                for t, b in np.argwhere(case.valid):
                    value = faulty_step(evidence, layer, side, int(t), int(b), probe)
                    count += int(((value < low[t, b]) | (value > high[t, b])).sum())
                assert expected[probe][steps.part] == pytest.approx(count / total), probe


def faulty_step(evidence: Evidence, layer: int, side: int, t: int, b: int, probe: str) -> Array:
    """One state (H,) from the backend's own states, with one fault."""
    config, case = evidence.config, evidence.case
    outputs = [one["output"] for one in (*evidence.observation.hidden, evidence.outputs)]
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    names = [parameter_name(kind, layer, side == 1) for kind in kinds]
    w_ih, w_hh, b_ih, b_hh = (case.weights[name].astype(float) for name in names)
    hidden = slice(side * config.hidden_size, (side + 1) * config.hidden_size)
    own = outputs[layer][..., hidden].astype(float)
    below = (outputs[layer - 1] if layer else case.x).astype(float)
    start = case.start("h", layer * config.directions + side).astype(float)

    def before(row: int, back: int) -> Array:
        """The state `back` steps before step t, in the direction's order."""
        at = t + back if side else t - back
        first = int(case.last_step[row]) if side else 0
        passed = (first - t if side else t - first) - back
        if passed == -1:
            first_state: Array = start[row]
            return first_state
        inside = 0 <= at < config.steps and passed >= 0
        state: Array = own[at, row] if inside else np.zeros_like(start[row])
        return state

    row = (b - 1) % config.batch if probe == "row" else b
    if case.valid[t, row]:
        x, h = below[t, row], before(row, 2 if probe == "state" else 1)
    else:  # the neighbour's padding: zeros
        x, h = np.zeros_like(below[t, row]), np.zeros_like(start[row])
    a = w_ih @ x * (probe != "input") + w_hh @ h + b_ih + b_hh * (probe != "bias")
    found: Array = np.tanh(a) if "tanh" in config.cell.activations else np.maximum(a, 0)
    return found


class StatesRolled(ForwardLayer):
    def answer(self, given: Arrays) -> Arrays:
        return with_final(super().answer(given), lambda array: np.roll(array, 1, axis=1))


class StateBefore(ForwardLayer):
    """h_n is the state before the last one, in the order of each direction."""

    def answer(self, given: Arrays) -> Arrays:
        found, hidden = super().answer(given), self.options.hidden_size
        for row, end in enumerate(valid(given).sum(axis=(0, 2))):
            for side in range(self.options.directions):
                own = found["output"][:, row, side * hidden : (side + 1) * hidden]
                before = own[1 if side else end - 2] if end > 1 else given["h_0"][side, row]
                found["h_n"][side, row] = before
        return found


class StateAtTheEnd(ForwardLayer):
    """h_n of both directions is the output at step T - 1."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        found["h_n"][:] = np.split(found["output"][-1], self.options.directions, axis=1)
        return found


@pytest.mark.parametrize("config", [PLAIN, TANH, HALF], ids=["plain", "tanh", "half"])
@pytest.mark.parametrize(
    ("probe", "fault"), [("state", StateBefore), ("end", StateAtTheEnd), ("row", StatesRolled)]
)
def test_another_last_state_is_found_where_power_foretells(
    probe: str, fault: type[ForwardLayer], config: Config
) -> None:
    config = config.replace(num_layers=1)
    expected = power(config, "last_state", probe)
    if probe == "end" and config.lengths == "nolengths":
        assert expected == {}
    else:
        assert found_by(judged(backend(fault), config, "last_state")) == expected


class HeldThroughPadding(ForwardLayer):
    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        last = np.concatenate(list(found["h_n"][-self.options.directions :]), axis=1)
        return {**found, "output": np.where(valid(given), found["output"], last)}


class SlightlyLarger(ForwardLayer):
    """Too large by a little more than the 5 ulp that a tanh may err."""

    def answer(self, given: Arrays) -> Arrays:
        found = super().answer(given)
        found["output"] += np.sign(found["output"]) * np.float32(5.5 * 2.0**-23)
        return found


@pytest.mark.parametrize(
    ("check", "probe", "fault", "config"),
    [
        ("padding_zero", "held", HeldThroughPadding, RELU),
        ("padding_zero", "held", HeldThroughPadding, HALF),
        ("bounded", "saturated", SlightlyLarger, PLAIN),
    ],
)
def test_other_faults_are_found_where_power_foretells(
    check: str, probe: str, fault: type[ForwardLayer], config: Config
) -> None:
    found = found_by(judged(backend(fault), config, check))
    assert found == power(config, check, probe)
    assert max(found.values()) > 0


def test_a_prefix_is_compared_with_layers_that_differ() -> None:
    """The whole stack gives the states of the layer above in h_n; its prefixes are right."""

    class NextLayersStates(ForwardLayer):
        def answer(self, given: Arrays) -> Arrays:
            whole = self.options.num_layers == 3
            return with_final(super().answer(given), lambda h: np.roll(h, -whole, axis=0))

    config = RELU.replace(num_layers=3, seed=1)
    found = found_by(judged(backend(NextLayersStates), config, "prefix"))
    assert found == power(config, "prefix", "layer")
    assert 0 < min(found.values()) < 1
