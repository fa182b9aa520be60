"""Power over values is what it says: a fault is seen at exactly the share that was stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.case import make_case
from harness.config import Config
from harness.evidence import Evidence
from harness.faults import faulty as faults_of
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.observe import observe
from harness.oracle import Oracle
from harness.results import Result
from reference import layer_names
from tests import faulty
from tests.faulty import ForwardLayer, backend
from tests.power_configs import HALF, INTS, PLAIN, RELU, TANH, VALUED, judged, seen, stated

Array = Any


class DropsBias(ForwardLayer):
    def used_weights(self) -> Mapping[str, Any]:
        return {k: v * (not k.startswith("bias_hh")) for k, v in self.weights.items()}


class StateBeforeLast(ForwardLayer):
    """Every step takes the state before last, and the first one zeros."""

    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        o, below = self.options, x.astype(np.float64)
        steps, batch = x.shape[:2]
        lengths = np.full(batch, steps) if lengths is None else lengths
        h_n = np.array(h_0, np.float64)
        for layer in range(o.num_layers):
            sides = []
            for d in range(o.directions):
                names = layer_names(layer, d == 1, o.bias)
                w_ih, w_hh, *biases = (self.weights[n].astype(np.float64) for n in names)
                output = np.zeros((steps, batch, o.hidden_size))
                for row in range(batch):
                    states = [np.zeros(o.hidden_size), h_n[layer * o.directions + d, row].copy()]
                    order = range(lengths[row])
                    for t in reversed(order) if d else order:
                        a = w_ih @ below[t, row] + w_hh @ states[-2] + sum(biases)
                        states.append(self.activation(a))
                        output[t, row] = states[-1]
                    h_n[layer * o.directions + d, row] = states[-1]
                sides.append(output)
            below = np.concatenate(sides, axis=2)
        return below, h_n


class RowsRolled(ForwardLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        if x.shape[1] > 100:  # its activation alone is right
            return super().evaluate(x, h_0, lengths)
        return tuple(np.roll(a, 1, axis=1) for a in super().evaluate(x, h_0, lengths))


END_TO_END = [
    ("bias", DropsBias),
    ("state", StateBeforeLast),
    ("row", RowsRolled),
]


@pytest.mark.parametrize("config", VALUED, ids=["plain", "tanh", "relu", "half", "ints"])
@pytest.mark.parametrize(("probe", "fault"), END_TO_END, ids=[p for p, _ in END_TO_END])
def test_end_to_end_a_fault_is_seen_where_power_says(
    probe: str, fault: type[ForwardLayer], config: Config
) -> None:
    found = seen(judged(backend(fault), config, "forward_error"))
    said = stated(config, "forward_error", probe)
    assert found
    # What the last step may err is taken at the faulty states, where power took the right ones'.
    assert found == pytest.approx(said, abs=0.02)


@pytest.mark.parametrize(("probe", "fault"), END_TO_END, ids=[p for p, _ in END_TO_END])
def test_parity_states_power_at_twice_the_tolerance(probe: str, fault: type[ForwardLayer]) -> None:
    def parity(implementation: Any) -> list[Result]:
        session = Session({"right": faulty.right, "x": implementation})
        return [r for r in session.judge(HALF) if "against" in r.part]

    right = parity(backend(ForwardLayer, "other"))
    found = seen(parity(backend(fault)))
    assert set(found) == {"output against right", "h_n against right"}
    assert found == pytest.approx({r.part: r.power[probe] for r in right}, abs=0.06)
    forward = stated(HALF, "forward_error", probe)
    assert all(r.power[probe] <= forward[r.part.split()[0]] for r in right)


def test_exact_lane_states_power_without_any_tolerance() -> None:
    for probe, fault in END_TO_END:
        failed = seen(judged(backend(fault), INTS, "exact_lane"))
        assert failed["output"] == stated(INTS, "exact_lane", probe)["output"]


def test_faults_that_cannot_occur_are_left_out() -> None:
    def possible(**changes: Any) -> set[str]:
        oracle = Oracle(make_case(Config.of(input_size=3, hidden_size=4, **changes)))
        return set(faults_of(oracle.case, oracle.exact))

    assert possible(batch=3, steps=2) == {"bias", "state", "row"}
    assert possible(batch=3, steps=2, bias=False) == {"state", "row"}
    assert possible(batch=3, steps=1) == {"bias", "row"}
    assert possible(batch=3, steps=1, states=True) == {"bias", "state", "row"}
    assert possible(batch=1, steps=2) == {"bias", "state"}
    assert possible(batch=1, steps=2, states=True, lengths="emptyrows") == set()


@pytest.mark.parametrize("config", VALUED, ids=["plain", "tanh", "relu", "half", "ints"])
@pytest.mark.parametrize("exact", [False, True], ids=["step_residual", "exact_lane"])
def test_a_step_is_seen_wrong_where_power_says(config: Config, exact: bool) -> None:
    """Every step of every row, with the fault, by the equation."""
    if exact and config.data != "ints":
        pytest.skip("no small integers")
    case = make_case(config)
    evidence = Evidence(case, Oracle(case), observe(faulty.right, case, repeat=False), lambda: None)
    check = "exact_lane" if exact else "step_residual"
    for k in range(config.num_layers):
        for d in range(config.directions):
            steps = direction_steps(evidence, k, d == 1)
            counts = dict.fromkeys(("bias", "input", "row", "state"), 0)
            for t, b in np.argwhere(case.valid):
                for probe in counts:
                    value = faulty_step(evidence, k, d, int(t), int(b), probe)
                    low, high = steps.interval.low[t, b], steps.interval.high[t, b]
                    if exact:
                        low = high = steps.interval.expected[t, b]
                    counts[probe] += int(((value < low) | (value > high)).sum())
            total = int(steps.defined.sum())
            for probe, count in counts.items():
                assert stated(config, check, probe)[steps.part] == pytest.approx(count / total)


def faulty_step(evidence: Evidence, k: int, d: int, t: int, b: int, probe: str) -> Array:
    """One state (H,) from the backend's own states, with one fault."""
    config, case = evidence.config, evidence.case
    outputs = [*(f.output for f in evidence.observation.hidden), evidence.forward.output]
    w_ih, w_hh, b_ih, b_hh = (case.weights[n].astype(float) for n in layer_names(k, d == 1, True))
    own = outputs[k][..., d * config.hidden_size : (d + 1) * config.hidden_size].astype(float)
    below = (case.x if k == 0 else outputs[k - 1]).astype(float)

    def before(row: int, back: int) -> Array:
        """The state `back` steps before step t, in the direction's order."""
        at = t + back if d else t - back
        first = int(case.last_step[row]) if d else 0
        passed = (first - t if d else t - first) - back
        if passed == -1 and case.h_0 is not None:
            return case.h_0[k * config.directions + d, row].astype(float)
        return own[at, row] if 0 <= at < config.steps and passed >= 0 else 0 * w_hh[0]

    row = (b - 1) % config.batch if probe == "row" else b
    x = below[t, row] if case.valid[t, row] else 0 * below[t, b]
    h = before(row, 2 if probe == "state" else 1)
    if probe == "row" and not case.valid[t, row]:
        h = own[t - 1, row] if not d and t > 0 else before_padding(evidence, k, d, t, row)
    a = w_ih @ x * (probe != "input") + w_hh @ h + b_ih + b_hh * (probe != "bias")
    return np.tanh(a) if config.nonlinearity == "tanh" else np.maximum(a, 0)


def before_padding(evidence: Evidence, k: int, d: int, t: int, row: int) -> Array:
    """In the padding there is no state before, but h_0 of rows without any step."""
    case, config = evidence.case, evidence.config
    nothing = np.zeros(config.hidden_size)
    start = case.h_0[k * config.directions + d, row].astype(float)  # type: ignore[index]
    if d:
        return start if case.last_step[row] == -1 and t == config.steps - 1 else nothing
    return start if t == 0 else nothing


class OtherState(ForwardLayer):
    """h_n is another state of the output: the one before, that at T - 1, the neighbour's."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        hidden, sides = self.options.hidden_size, self.options.directions
        ends = np.full(x.shape[1], len(x)) if lengths is None else lengths
        for row, end in enumerate(ends):
            for d in range(sides):
                own = output[:, row, d * hidden : (d + 1) * hidden]
                layer = (self.options.num_layers - 1) * sides + d
                h_n[layer, row] = self.choose(own, h_0[layer, row], int(end), d == 1)
        return output, h_n

    def choose(self, own: Array, start: Array, end: int, reverse: bool) -> Array:
        if end < 2:
            return start
        return own[1] if reverse else own[end - 2]


class StateAtTheEnd(OtherState):
    def choose(self, own: Array, start: Array, end: int, reverse: bool) -> Array:
        return own[-1]


class StatesRolled(ForwardLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output, np.roll(h_n, 1, axis=1)


@pytest.mark.parametrize("config", [PLAIN, TANH, HALF], ids=["plain", "tanh", "half"])
@pytest.mark.parametrize(
    ("probe", "fault"), [("state", OtherState), ("end", StateAtTheEnd), ("row", StatesRolled)]
)
def test_another_last_state_is_seen_where_power_says(
    probe: str, fault: type[ForwardLayer], config: Config
) -> None:
    config = config.replace(num_layers=1)
    said = stated(config, "last_state", probe)
    if probe == "end" and config.lengths == "nolengths":
        assert said == {}
    else:
        assert seen(judged(backend(fault), config, "last_state")) == said


class HeldThroughPadding(ForwardLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        padding = np.arange(len(output))[:, None] >= lengths
        last = np.concatenate(list(h_n[-self.options.directions :]), axis=1)
        return np.where(padding[:, :, None], last, output), h_n


class SlightlyLarger(ForwardLayer):
    """Too large by a little more than the 5 ulp that a tanh may err."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output + np.sign(output) * np.float32(5.5 * 2.0**-23), h_n


class NextLayersStates(ForwardLayer):
    """A stack that gives the states of the layer above in h_n."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output, np.roll(h_n, -self.options.directions, axis=0)


@pytest.mark.parametrize(
    ("check", "probe", "fault", "config"),
    [
        ("padding_zero", "held", HeldThroughPadding, RELU),
        ("padding_zero", "held", HeldThroughPadding, HALF),
        ("bounded", "saturated", SlightlyLarger, PLAIN),
    ],
)
def test_other_faults_are_seen_where_power_says(
    check: str, probe: str, fault: type[ForwardLayer], config: Config
) -> None:
    failed, said = seen(judged(backend(fault), config, check)), stated(config, check, probe)
    assert failed == said
    assert max(said.values()) > 0


def test_a_prefix_is_compared_with_layers_that_differ() -> None:
    """The fault is in the stack alone: its prefixes are right."""
    config = RELU.replace(num_layers=3, seed=1)

    class InTheStack(NextLayersStates):
        def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
            deep = self.options.num_layers == 3
            return (super() if deep else super(NextLayersStates, self)).forward(x, h_0, lengths)

    case = make_case(config)
    stack = observe(backend(InTheStack), case, repeat=False)
    assert stack.forward is not None
    said = stated(config, "prefix", "layer")
    for layers, prefix in enumerate(stack.hidden, start=1):
        share = float((stack.forward.h_n[:layers] != prefix.h_n).mean())
        assert said[f"first {layers} layer{'s' * (layers > 1)}"] == share
