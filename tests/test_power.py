"""Power is what it says: a fault is seen at exactly the share of elements that was stated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import faulty
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from faulty import OracleLayer, backend

from harness.activation import sweep_config
from harness.backends import load_backend
from harness.build_corpus import RESEEDED
from harness.case import make_case, perturb
from harness.checks import CHECKS
from harness.checks.power import PROBES, is_size
from harness.checks.steps import direction_steps
from harness.config import Config
from harness.corpus import SAMPLE, load_corpus
from harness.evidence import Evidence
from harness.faults import faulty as faults_of
from harness.judge import Session
from harness.observe import observe
from harness.oracle import Oracle
from harness.planted.right import CompleteBackend, CompleteLayer
from harness.power import VALUES, distributions, headlines
from harness.results import Result
from harness.significance import SIGNIFICANCE, binomial, smallest_deviation, smallest_distance
from harness.trust import power as trust
from reference import layer_names

Array = Any

BASE = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5, "h_0": True, "scale": 4}
PLAIN = Config(**BASE)
TANH = Config(**BASE, lengths="ragged", num_layers=2, bidirectional=True, seed=1)
RELU = Config(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2)
HALF = Config(**BASE, dtype="fp16", lengths="empties", num_layers=2, bidirectional=True)
INTS = Config(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=2)
VALUED = [PLAIN, TANH, RELU, HALF, INTS]


def judged(implementation: Any, config: Config, check: str) -> list[Result]:
    return [r for r in Session({"x": implementation}).judge(config) if r.check == check]


def seen(results: Sequence[Result]) -> dict[str, float]:
    """Share of elements that failed, by part."""
    return {r.part: r.failing / r.compared for r in results}


def stated(config: Config, check: str, probe: str, implementation: Any = None) -> dict[str, float]:
    """What the check states of a right implementation, by part."""
    results = judged(implementation or faulty.right, config, check)
    return {r.part: r.power[probe] for r in results if probe in r.power}


class DropsBias(OracleLayer):
    def used_weights(self) -> Mapping[str, Any]:
        return {k: v * (not k.startswith("bias_hh")) for k, v in self.weights.items()}


class StateBeforeLast(OracleLayer):
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


class RowsRolled(OracleLayer):
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
    probe: str, fault: type[OracleLayer], config: Config
) -> None:
    found = seen(judged(backend(fault), config, "forward_error"))
    said = stated(config, "forward_error", probe)
    assert found
    # What the last step may err is taken at the faulty states, where power took the right ones'.
    assert found == pytest.approx(said, abs=0.02)


@pytest.mark.parametrize(("probe", "fault"), END_TO_END, ids=[p for p, _ in END_TO_END])
def test_parity_states_power_at_twice_the_tolerance(probe: str, fault: type[OracleLayer]) -> None:
    def parity(implementation: Any) -> list[Result]:
        session = Session({"right": faulty.right, "x": implementation})
        return [r for r in session.judge(HALF) if "against" in r.part]

    right = parity(backend(OracleLayer, "other"))
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
        oracle = Oracle(make_case(Config(input_size=3, hidden_size=4, **changes)))
        return set(faults_of(oracle.case, oracle.exact))

    assert possible(batch=3, steps=2) == {"bias", "state", "row"}
    assert possible(batch=3, steps=2, bias=False) == {"state", "row"}
    assert possible(batch=3, steps=1) == {"bias", "row"}
    assert possible(batch=3, steps=1, h_0=True) == {"bias", "state", "row"}
    assert possible(batch=1, steps=2) == {"bias", "state"}
    assert possible(batch=1, steps=2, h_0=True, lengths="empties") == set()


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


class OtherState(OracleLayer):
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


class StatesRolled(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output, np.roll(h_n, 1, axis=1)


@pytest.mark.parametrize("config", [PLAIN, TANH, HALF], ids=["plain", "tanh", "half"])
@pytest.mark.parametrize(
    ("probe", "fault"), [("state", OtherState), ("end", StateAtTheEnd), ("row", StatesRolled)]
)
def test_another_last_state_is_seen_where_power_says(
    probe: str, fault: type[OracleLayer], config: Config
) -> None:
    config = dataclasses.replace(config, num_layers=1)
    said = stated(config, "last_state", probe)
    if probe == "end" and config.lengths == "nolens":
        assert said == {}
    else:
        assert seen(judged(backend(fault), config, "last_state")) == said


class HeldThroughPadding(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        padding = np.arange(len(output))[:, None] >= lengths
        last = np.concatenate(list(h_n[-self.options.directions :]), axis=1)
        return np.where(padding[:, :, None], last, output), h_n


class SlightlyLarger(OracleLayer):
    """Too large by a little more than the 5 ulp that a tanh may err."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output + np.sign(output) * np.float32(5.5 * 2.0**-23), h_n


class NextLayersStates(OracleLayer):
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
    check: str, probe: str, fault: type[OracleLayer], config: Config
) -> None:
    failed, said = seen(judged(backend(fault), config, check)), stated(config, check, probe)
    assert failed == said
    assert max(said.values()) > 0


def test_a_prefix_is_compared_with_layers_that_differ() -> None:
    """The fault is planted in the stack alone: its prefixes are right."""
    config = dataclasses.replace(RELU, num_layers=3, seed=1)

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


GRADIENT = Config(
    aspect="gradient",
    input_size=3,
    hidden_size=4,
    batch=3,
    steps=4,
    h_0=True,
    scale=2,
    dtype="fp16",  # where not every fault is seen at every element
    seed=5,
)


class Truncated(CompleteLayer):
    """Gradients of one layer by torch, with every state but h_0 cut off from those before."""

    def derive(
        self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
    ) -> dict[str, Array]:
        given = {"x": x, "h_0": h_0[0], **self.weights}
        leaf = {k: torch.tensor(v.astype(np.float64), requires_grad=True) for k, v in given.items()}
        w_ih, w_hh, b_ih, b_hh = (leaf[name] for name in layer_names(0, False, True))
        h, total = leaf["h_0"], torch.zeros((), dtype=torch.float64)
        for t in range(len(x)):
            h = torch.tanh(leaf["x"][t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
            total = total + (h * torch.tensor(output[t].astype(np.float64))).sum()
            if t == len(x) - 1:
                total = total + (h * torch.tensor(h_n[0].astype(np.float64))).sum()
            h = h.detach()
        total.backward()
        found = {k: v.grad.numpy() for k, v in leaf.items() if v.grad is not None}
        return {**found, "h_0": found["h_0"][None]}


class NeighboursGradient(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        found = super().derive(*given)
        return {k: np.roll(v, 1, axis=1) if k in ("x", "h_0") else v for k, v in found.items()}


class Nought(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        return {k: 0 * v for k, v in super().derive(*given).items()}


class Negative(CompleteLayer):
    def derive(self, *given: Array) -> dict[str, Array]:
        return {k: -v for k, v in super().derive(*given).items()}


@pytest.mark.parametrize(
    ("probe", "fault"),
    [("carry", Truncated), ("row", NeighboursGradient), ("zero", Nought), ("sign", Negative)],
)
def test_a_wrong_gradient_is_seen_where_power_says(probe: str, fault: type[CompleteLayer]) -> None:
    failed = seen(judged(CompleteBackend(fault), GRADIENT, "gradient"))
    said = stated(GRADIENT, "gradient", probe, CompleteBackend())
    parts = ("x", "h_0") if probe == "row" else [part for part in said if part != "signs"]
    assert {part: failed[part] for part in parts} == {part: said[part] for part in parts}


@pytest.mark.parametrize("probe", ["row", "step"])
def test_power_against_what_a_sum_leaves_out_is_that_of_leaving_it_out(probe: str) -> None:
    """Leaving out a row, or a step, has the share that all such faults together have."""

    def leaving(place: int) -> type[CompleteLayer]:
        class LeavesOut(CompleteLayer):
            """The parameters' gradients without one row's or step's share in them."""

            def derive(
                self, x: Array, h_0: Array, lengths: Array, output: Array, h_n: Array
            ) -> dict[str, Array]:
                whole = super().derive(x, h_0, lengths, output, h_n)
                if probe == "row":
                    output, h_n = output.copy(), h_n.copy()
                    output[:, place], h_n[:, place] = 0, 0
                    without = super().derive(x, h_0, lengths, output, h_n)
                    return {**without, "x": whole["x"], "h_0": whole["h_0"]}
                # dx_t = W_ih^T delta_t, and W_ih has more rows than columns: from its gradient.
                delta = self.delta(whole["x"])
                states = super().evaluate(x, h_0, lengths)[0]
                before = h_0[0] if place == 0 else states[place - 1]
                lost = {
                    "weight_ih_l0": delta[place].T @ x[place],
                    "weight_hh_l0": delta[place].T @ before,
                    "bias_ih_l0": delta[place].sum(axis=0),
                    "bias_hh_l0": delta[place].sum(axis=0),
                }
                return {k: v - lost.get(k, 0) for k, v in whole.items()}

            def delta(self, of_x: Array) -> Array:
                return of_x @ np.linalg.inv(self.weights["weight_ih_l0"].astype(np.float64))

        return LeavesOut

    config = dataclasses.replace(GRADIENT, input_size=4)
    places = range(config.batch if probe == "row" else config.steps)
    shares = [seen(judged(CompleteBackend(leaving(place)), config, "gradient")) for place in places]
    said = stated(config, "gradient", probe, CompleteBackend())
    for name in config.options.parameter_shapes():
        assert said[name] == pytest.approx(np.mean([share[name] for share in shares]))


NOTHING_SEEN = [
    ("step_residual", Config(nonlinearity="relu", steps=3, h_0=True, scale=8, seed=11), "bias"),
    ("forward_error", "tanh-l1-unidir-biased-unbatched-drop00-noh0-nolens-fp16-i003-h004-b00001-t0005-w16-mixed-s011021", "bias, state"),  # noqa: E501
    ("exact_lane", "gradient-relu-l3-bidir-biased-unbatched-drop00-withh0-nolens-fp32-i005-h003-b00001-t0004-w01-ints-s001008", "bias"),  # noqa: E501
    ("bounded", Config(input_size=3, hidden_size=4, seed=1), "saturated"),
    ("repeatable", Config(h_0=True, lengths="empties"), "carry"),
    ("last_state", Config(nonlinearity="relu", batch=2, steps=2, scale=8, seed=11), "row"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "config", "unseen"), NOTHING_SEEN)
def test_a_comparison_that_sees_nothing_is_inconclusive(
    check: str, config: Config | str, unseen: str
) -> None:
    config = Config.parse(config) if isinstance(config, str) else config
    if check == "last_state":
        seeds = (dataclasses.replace(config, seed=seed) for seed in range(100))
        config = next(c for c in seeds if 0 in stated(c, check, "row").values())
    if check == "step_residual":
        seeds = (dataclasses.replace(config, seed=seed) for seed in range(100))
        config = next(c for c in seeds if 0 in stated(c, check, "bias").values())
    results = judged(CompleteBackend(), config, check)
    blind = [r for r in results if 0 in r.power.values()]
    assert blind
    for result in results:
        assert result.verdict == ("inconclusive" if result in blind else "pass"), result
    assert any(unseen in r.message for r in blind)
    assert all("no element would have shown" in r.message for r in blind if r.compared)


def test_a_lonely_row_is_called_again_and_a_padded_one_is_among_those_kept() -> None:
    for seed in range(4):
        alone = make_case(Config(input_size=3, hidden_size=4, steps=3, seed=seed))
        assert perturb(alone, padding=True, neighbours=True)[2].all()
        for batch in (2, 3):
            case = make_case(dataclasses.replace(PLAIN, lengths="ragged", batch=batch, seed=seed))
            kept = perturb(case, padding=True, neighbours=True)[2]
            assert not kept.all()
            assert (~case.valid[:, kept]).any()


@pytest.mark.parametrize(("trials", "chance"), [(1000, 0.5), (20000, 0.01), (500, 0.75)])
def test_the_smallest_deviation_is_just_noticed(trials: int, chance: float) -> None:
    size = smallest_deviation(trials, chance)
    count = trials * chance + trials * size
    assert binomial(round(count), trials, chance).ratio > 1
    assert binomial(round(count * 0.98), trials, chance).ratio < 1


def test_the_smallest_distance_is_just_noticed() -> None:
    from scipy.stats import kstwo

    for count in (300, 5000):
        assert SIGNIFICANCE / 2 < kstwo.sf(smallest_distance(count), count) <= SIGNIFICANCE * 1.01


def unseen(session: Session, config: Config) -> int:
    asked = (*VALUES, "gradient")
    return sum(
        value == 0
        for result in session.judge(config)
        if result.check in asked
        for value in result.power.values()
    )


@pytest.mark.parametrize("config_id", RESEEDED)
def test_other_seeds_are_for_configs_that_saw_nothing(config_id: str) -> None:
    config = Config.parse(config_id)
    name = "right" if config.lengths == "empties" else "torch"  # which refuses empty rows
    session = Session({name: CompleteBackend() if name == "right" else load_backend(name)})
    other = dataclasses.replace(config, seed=RESEEDED[config_id])
    pinned = {*load_corpus(), *load_corpus(SAMPLE)}
    assert other in pinned
    assert config not in pinned
    assert unseen(session, other) < unseen(session, config)
    if config.data != "special" and config.dtype != "bf16":
        # Behind an infinity nothing is compared from start to end: there is nothing to be seen.
        assert unseen(session, other) == 0


def test_every_probe_is_explained_and_in_the_table_of_checks() -> None:
    session = Session({"torch": load_backend("torch"), "right": CompleteBackend()})
    asked = [
        *VALUED,
        GRADIENT,
        sweep_config("tanh", "fp32"),
        *(c for c in load_corpus() if c.aspect in ("training", "fresh") or c.data == "special"),
    ]
    found: dict[str, set[str]] = {}
    for config in asked:
        for result in session.judge(config):
            found.setdefault(result.check, set()).update(result.power)
    table = {check.name: set(check.sees) for check in CHECKS}
    assert {probe for probes in table.values() for probe in probes} == PROBES.keys()
    for check, probes in found.items():
        assert probes == table[check] or check in ("gradient_padding", "modes"), check


def line(check: str, config: Config = PLAIN, **power: float) -> Result:
    (some, *_) = judged(faulty.right, PLAIN, "transfer")
    changed = {"check": check, "power": power, "config_id": config.id}
    return Result(**{**{f: getattr(some, f) for f in some.__struct_fields__}, **changed})


def test_distributions_count_what_has_power_worst_first() -> None:
    shares = [line("step_residual", bias=k / 200) for k in range(200)]
    sizes = [line("dropout_rate", smallest_deviation=k / 10) for k in (1, 2, 4)]
    bias, size = distributions([*sizes, *shares])
    assert (bias.check, bias.comparisons, bias.powered) == ("step_residual", 200, 199)
    assert (bias.least, bias.percent, bias.tenth, bias.median) == (0, 0.01, 0.1, 0.5)
    assert is_size(size.probe)
    assert (size.powered, size.least, size.median) == (3, 0.4, 0.2)


def test_headlines_are_of_values_where_the_fault_is_possible() -> None:
    results = [
        line("step_residual", bias=0.5, row=0.0),
        line("forward_error", bias=0.0, row=0.1),
        line("last_state", row=0.0, state=0.0),
    ]
    bias, state, row = headlines(results)[""]
    assert (bias.share, row.share, state.share) == (0.5, 0.5, 1.0)
    assert set(headlines(results, lambda config: config.dtype)) == {"fp32"}


@pytest.mark.parametrize(("config", "code"), [(PLAIN, 0), (Config.parse(next(iter(RESEEDED))), 1)])
def test_the_command_exits_1_where_a_figure_is_too_low(
    monkeypatch: pytest.MonkeyPatch, config: Config, code: int
) -> None:
    monkeypatch.setattr(trust, "load_corpus", lambda path: [config])
    done = CliRunner().invoke(trust.main)
    assert done.exit_code == code, done.output
    assert "a wrong previous state" in done.output
    assert "b_hh dropped" in done.output


def test_a_second_call_states_what_it_changed() -> None:
    """`padding`: kept rows that have padding; `neighbours`: what moved beside the kept rows."""
    case = make_case(RELU)
    x, _, kept = perturb(case, padding=True, neighbours=True)
    rows = [
        bool((np.nan_to_num(x[:, b], nan=9e9) != np.nan_to_num(case.x[:, b], nan=9e9)).any())
        for b in np.flatnonzero(kept)
    ]
    assert 0 < np.mean(rows) < 1
    assert stated(RELU, "padding_ignored", "padding") == {"second call": np.mean(rows)}
    observation = observe(faulty.right, case, repeat=True)
    assert observation.forward is not None
    beside = [(b - 1) % RELU.batch for b in np.flatnonzero(kept)]
    outputs = (observation.forward.output, observation.repeats[0].forward.output)
    moved = float(np.not_equal(*(output[:, beside] for output in outputs)).mean())
    assert 0 < moved < 1
    assert stated(RELU, "rows_independent", "neighbours") == {"second call": moved}
    assert observation.repeats[0].kept.tolist() == kept.tolist()
    carried = float((observation.forward.h_n != case.h_0)[:, kept].mean())
    assert stated(RELU, "repeatable", "carry") == {"second call": carried}
