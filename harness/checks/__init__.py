"""The properties tested, and the table that says what each is about and when it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.aspects import CALLS, FORWARD
from harness.checks import (
    activation,
    bounded,
    dropout,
    dropout_independent,
    dropout_rate,
    exact_lane,
    forward_error,
    gradient,
    gradient_padding,
    inputs_unmodified,
    last_state,
    modes,
    padding_ignored,
    padding_zero,
    parameters,
    prefix,
    repeatable,
    replies,
    rows_independent,
    shape_dtype,
    special_values,
    step_residual,
    threads,
    transfer,
)
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence

__all__ = ["CHECKS", "Check", "checks_for"]

Run = Callable[[Evidence], Iterator[Comparison]]
Applies = Callable[[Config], bool]


@dataclass(frozen=True)
class Check:
    """A property: its name and requirement, what failing it means, when it applies, the test.

    `requirement` is a key of `harness.requirements.REQUIREMENTS`; empty where the aspect of the
    config or the comparison itself says which. `needs_forward` checks are asked only where the
    backend gave two well-formed arrays; `needs_repeat` ones only where a second call was made.
    `also` names the other requirements that its comparisons may speak about. `sees` names the
    probes that its comparisons state power against (`harness.checks.power`); a check without any
    sees every difference in what it compared.
    """

    name: str
    requirement: str
    difference: str
    run: Run
    applies: Applies
    needs_forward: bool = True
    needs_repeat: bool = False
    also: tuple[str, ...] = ()
    sees: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """All that it may speak about; of a call, that depends on the call."""
        return (self.requirement, *self.also) if self.requirement else ()

    def requirement_of(self, config: Config, comparison: Comparison) -> str:
        if comparison.requirement is not None:
            return comparison.requirement
        return self.requirement or CALLS[config.aspect].requirement


def _values(config: Config) -> bool:
    return config.aspect == FORWARD


def _numbers(config: Config) -> bool:
    return _values(config) and config.data != "sweep"


def _seen(config: Config) -> bool:
    """The states are asked for their own sake, or for gradients, which rest on them."""
    return _numbers(config) or (config.aspect == "gradient" and config.data != "sweep")


def _has_padding(config: Config) -> bool:
    if config.lengths == "empties":
        return True
    return config.lengths == "ragged" and config.steps > 1


def _of(aspect: str) -> Applies:
    return lambda config: config.aspect == aspect


def _called(config: Config) -> bool:
    return config.aspect in CALLS


def _dropping(config: Config) -> bool:
    return config.aspect == "training" and config.num_layers > 1 and config.dropout > 0


def _about(
    name: str,
    requirement: str,
    difference: str,
    run: Run,
    applies: Applies = _called,
    also: tuple[str, ...] = (),
    sees: tuple[str, ...] = (),
) -> Check:
    """A check that looks at other things than output and h_n."""
    return Check(
        name, requirement, difference, run, applies, needs_forward=False, also=also, sees=sees
    )


CHECKS = (
    _about(
        "transfer",
        "weights",
        "weights do not arrive, or the call raises",
        transfer.check,
        lambda config: not _called(config),
    ),
    _about(
        "shape_dtype",
        "outputs",
        "outputs have other shapes, types or dtypes than documented",
        shape_dtype.check,
        lambda config: config.aspect in (FORWARD, "gradient", "training", "steady"),
    ),
    Check(
        "inputs_unmodified",
        "function",
        "a call writes to its inputs",
        inputs_unmodified.check,
        lambda config: config.aspect in (FORWARD, "gradient", "steady"),
    ),
    _about(
        "float_environment",
        "thread",
        "a call changes how its thread computes, or finds it changed",
        threads.environment,
        lambda config: True,
    ),
    Check(
        "step_residual",
        "equation",
        "states that no legal evaluation of the equation gives",
        step_residual.check,
        _seen,
        sees=("bias", "input", "state", "row"),
    ),
    Check(
        "exact_lane",
        "equation",
        "sums of small integers are not exact",
        exact_lane.check,
        lambda config: config.data == "ints",
        sees=("bias", "input", "state", "row"),
    ),
    Check(
        "prefix",
        "num-layers",
        "a stack's hidden layers differ from the same layers as a shorter stack",
        prefix.check,
        lambda config: _seen(config) and config.num_layers > 1,
        sees=("layer",),
    ),
    Check(
        "activation",
        "nonlinearity",
        "the activation alone errs more than 5 ulp, or breaks a law of it",
        activation.check,
        lambda config: config.data == "sweep" and _values(config),
        sees=("error", "dip", "saturated"),
    ),
    Check(
        "bounded",
        "nonlinearity",
        "outputs of tanh exceed 1",
        bounded.check,
        lambda config: config.nonlinearity == "tanh" and _numbers(config),
        sees=("saturated",),
    ),
    Check(
        "special_values",
        "nan",
        "NaN or an infinity does not come out as the equation and IEEE 754 say",
        special_values.check,
        lambda config: _values(config) and config.data == "special",
        also=("infinity",),
        sees=("zero",),
    ),
    Check(
        "forward_error",
        "same-functions",
        "outputs are further from the oracle, or another implementation, than calibrated",
        forward_error.check,
        _numbers,
        sees=("bias", "state", "row"),
    ),
    _about(
        "modes",
        "modes",
        "the two execution modes of a framework differ",
        modes.check,
        lambda config: _numbers(config) or _called(config),
        sees=("bias", "state", "row"),
    ),
    Check(
        "last_state",
        "h-n",
        "h_n is not the last valid output",
        last_state.check,
        _numbers,
        sees=("state", "end", "row"),
    ),
    Check(
        "padding_zero",
        "lengths",
        "outputs in the padding are not zero",
        padding_zero.check,
        lambda config: _values(config) and _has_padding(config),
        sees=("held",),
    ),
    Check(
        "padding_ignored",
        "lengths",
        "what stands in the padding changes valid outputs",
        padding_ignored.check,
        lambda config: _values(config) and _has_padding(config),
        needs_repeat=True,
        sees=("padding",),
    ),
    Check(
        "rows_independent",
        "batch",
        "one batch row changes another, or a row's place matters",
        rows_independent.check,
        lambda config: config.batch > 1 and _numbers(config),
        sees=("neighbours", "row"),
    ),
    Check(
        "repeatable",
        "function",
        "the same input gives other bits the second time",
        repeatable.check,
        lambda config: _numbers(config) or config.aspect == "gradient",
        sees=("carry",),
    ),
    Check(
        "gradient",
        "gradient-parameters",
        "gradients that backpropagation through time cannot give",
        gradient.check,
        _of("gradient"),
        also=("gradient-x", "gradient-h-0", "gradient-signs"),
        sees=("zero", "sign", "carry", "row", "step"),
    ),
    Check(
        "gradient_padding",
        "gradient-padding",
        "what stands in the padding reaches gradients",
        gradient_padding.check,
        lambda config: config.aspect == "gradient" and _has_padding(config),
        sees=("padding",),
    ),
    _about("call", "", "a call is not accepted or refused as documented", replies.reply),
    _about("call_parity", "", "one refuses what the other accepts", replies.parity),
    _about(
        "call_contained",
        "contained-errors",
        "a call harms the one behind it",
        replies.contained,
    ),
    _about(
        "dropout_inert",
        "dropout-evaluation",
        "dropout matters in evaluation mode",
        dropout.inert,
        _of("training"),
        sees=("dropped",),
    ),
    _about(
        "dropout_none",
        "dropout-one-layer",
        "training mode changes what no dropout applies to",
        dropout.one_layer,
        lambda config: config.aspect == "training" and not _dropping(config),
        also=("dropout-extremes",),
        sees=("dropped",),
    ),
    _about(
        "dropout_values",
        "dropout-values",
        "elements are neither dropped nor scaled by 1 / (1 - p)",
        dropout.values,
        _dropping,
        also=("dropout-extremes",),
        sees=("unscaled",),
    ),
    _about(
        "dropout_rate",
        "dropout-rate",
        "not as many elements are dropped as p says",
        dropout_rate.check,
        _dropping,
        sees=("smallest_deviation",),
    ),
    _about(
        "dropout_independent",
        "dropout-independent",
        "elements are not dropped independently of each other",
        dropout_independent.check,
        _dropping,
        sees=("smallest_deviation",),
    ),
    _about(
        "dropout_states",
        "dropout-h-n",
        "h_n in training mode is not made of the states",
        dropout.states,
        _dropping,
        sees=("dropped",),
    ),
    _about(
        "fresh_mode",
        "fresh-mode",
        "a fresh layer is not in training mode",
        dropout.fresh_mode,
        lambda c: _dropping(c) and c.dropout >= 10 and c.dtype == "fp32",
    ),
    _about(
        "fresh_names",
        "initial-names",
        "parameters have other names, shapes or dtypes",
        parameters.names,
        _of("fresh"),
    ),
    _about(
        "fresh_order",
        "initial-order",
        "parameters come in another order",
        parameters.order,
        _of("fresh"),
    ),
    _about(
        "fresh_distribution",
        "initial-distribution",
        "fresh weights are not uniform within 1/sqrt(hidden_size)",
        parameters.distribution,
        _of("fresh"),
        sees=("smallest_distance",),
    ),
    _about(
        "fresh_seed",
        "initial-seed",
        "seeding does not reproduce fresh weights",
        parameters.seeding,
        _of("fresh"),
    ),
    _about(
        "fresh_side_effects",
        "initial-side-effects",
        "building a layer moves NumPy's global generator",
        parameters.side_effects,
        _of("fresh"),
    ),
    Check(
        "steady",
        "steady",
        "the same call gives other bits now and then",
        threads.steady,
        _of("steady"),
    ),
    _about(
        "own_file",
        "carried-own-file",
        "weights change on the way through the own file format",
        parameters.own_file,
        _of("files"),
    ),
    _about(
        "across",
        "carried-across",
        "weights change on the way to another framework and back",
        parameters.across,
        _of("files"),
    ),
)


def checks_for(config: Config) -> tuple[Check, ...]:
    """The checks that apply to a config, in the order they are reported."""
    return tuple(check for check in CHECKS if check.applies(config))
