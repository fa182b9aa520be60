"""What is claimed or taken for granted of the two layers, and which results bear on each claim.

A result belongs to the requirement that its check names, and to every other one whose `bears`
says so: that of `bidirectional` rests on all values of bidirectional configs. A failure whose
cause has a requirement of its own (`harness.causes`) counts only there: that a tanh is inaccurate
says nothing of bidirectional.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.aspects import VALUES
from harness.backends.reference import variant_in
from harness.causes import Cause
from harness.config import Config
from harness.layers.record import LayerRecord
from harness.layers.registry import LAYERS
from harness.results import Result
from harness.verdicts import Verdict

__all__ = ["GROUPS", "PAGE", "REFUSALS", "REQUIREMENTS", "Requirement", "of_page_example"]

Bears = Callable[[Result, Config], bool]

EVERY_CAUSE = frozenset(cause for cause in Cause if cause.about.requirement)
SLOPE = frozenset({Cause.ACTIVATION, Cause.FLUSH})

_VALUES = frozenset(
    ("transfer", "shape_dtype", "step_residual", "exact_lane", "prefix", "last_state")
)


_POWERFUL = frozenset(("step_residual", "exact_lane", "gradient", "gradient_error", "activation"))
_DROPS = frozenset(("dropout_values", "dropout_rate", "dropout_independent"))


@dataclass(frozen=True)
class Requirement:
    """A claim: key, group, the statement tested, where it is made; which results bear on it.

    `row` is the row of the mapping page that it is about, if one is. `causes` are the
    attributed causes that count here; one `of_variants` is about no other backends, one with
    `layers` about no other layers, and none about layers that `_MEANT` excludes.
    """

    key: str
    group: str
    statement: str
    source: str
    bears: Bears = lambda result, config: False
    row: str | None = None
    causes: frozenset[Cause] = frozenset()
    of_variants: bool = False
    layers: tuple[str, ...] = ()

    def concerns(self, record: LayerRecord) -> bool:
        """Whether it means anything of a layer."""
        named = not self.layers or record.name in self.layers
        return named and _MEANT.get(self.key, _always)(record)

    def holds(self, result: Result, config: Config) -> bool:
        """Whether a result bears on this requirement."""
        return result.requirement == self.key or self.bears(result, config)

    def counts(self, result: Result) -> bool:
        """Whether a failing result counts against it: not if its cause speaks about another."""
        cause = result.cause
        about = None if cause is None else cause.about.requirement
        return about is None or about == self.key or cause in self.causes


def _always(record: LayerRecord) -> bool:
    return True


def _is_stack(record: LayerRecord) -> bool:
    return not record.single_step


_MEANT: Mapping[str, Callable[[LayerRecord], bool]] = {
    "relu-at-0": lambda record: "relu" in record.activations,
    **dict.fromkeys(
        (
            *("num-layers", "batch-first", "bidirectional", "lengths", "empty-rows", "long"),
            *("refused-lengths", "refused-dropout", "gradient-padding", "initial-mode", "dropout"),
            *("dropout-evaluation", "dropout-one-layer", "dropout-values", "dropout-rate"),
            *("dropout-independent", "dropout-h-n", "dropout-extremes"),
        ),
        _is_stack,
    ),
}
"""What requirements take for granted of a layer, by their keys."""


def _concludes(result: Result) -> bool:
    """A pass counts only of a check that states what it could have seen."""
    return result.verdict is not Verdict.PASS or result.check in _POWERFUL


def _values(when: Callable[[Config], bool]) -> Bears:
    """All results about states, of the configs for which `when` holds."""
    return lambda result, config: (
        result.check in _VALUES and config.aspect == VALUES and when(config) and _concludes(result)
    )


def of_page_example(result: Result, config: Config) -> bool:
    """Whether a result is about a mapping page's own example."""
    against_another = result.check == "forward_error" and result.against is not None
    return (
        config.data == "page"
        and (result.check in _VALUES or against_another)
        and _concludes(result)
    )


def _in_group(result: Result, group: str) -> bool:
    about = REQUIREMENTS.get(result.requirement)
    return about is not None and about.group == group


def _dtype(name: str) -> Bears:
    return lambda result, config: (
        config.dtype == name
        and config.aspect in (VALUES, "gradient")
        and result.check in (*_VALUES, "gradient", "activation")
        and _concludes(result)
    )


PAGE = "The mapping page's rows"
ANSWERS = "What comes out"
CALL = "The call"
REFUSALS = "Accepted and refused"
GRADIENTS = "Gradients"
DROPOUT = "Dropout"
INITIAL = "Initial values"
CARRIED = "Weights carried"
NUMBERS = "Numbers"
MODES = "Execution modes"

GROUPS = (
    PAGE,
    ANSWERS,
    CALL,
    REFUSALS,
    GRADIENTS,
    DROPOUT,
    INITIAL,
    CARRIED,
    NUMBERS,
    MODES,
)

_PAGE_ROW = "mapping page, row "
_TORCH = "torch documentation"


def _row(key: str, row: str, statement: str, when: Callable[[Config], bool]) -> Requirement:
    return Requirement(key, PAGE, statement, _PAGE_ROW + row, _values(when), row)


_ALL = (
    _row(
        "input-size",
        "input_size",
        "Layer 0 takes input_size features, any number from 1",
        lambda c: True,
    ),
    _row(
        "hidden-size",
        "hidden_size",
        "Every state has hidden_size units, any number from 1",
        lambda c: True,
    ),
    Requirement(
        "num-layers",
        PAGE,
        "Layer k takes the output of layer k - 1 as its input",
        _PAGE_ROW + "num_layers",
        _values(lambda c: c.num_layers > 1),
        "num_layers",
    ),
    Requirement(
        "activation",
        PAGE,
        "Every activation is as accurate as its allowance",
        _PAGE_ROW + "nonlinearity",
        lambda result, config: result.cause is Cause.ACTIVATION,
        "nonlinearity",
    ),
    _row("bias", "bias / has_bias", "Both biases are added, or none is there", lambda c: True),
    _row(
        "batch-first",
        "batch_first",
        "batch_first swaps the first two axes of x and output, not those of h",
        lambda c: c.layout == "batchfirst",
    ),
    Requirement(
        "dropout",
        PAGE,
        "dropout drops between layers in training mode, and does nothing else",
        _PAGE_ROW + "dropout",
        lambda result, config: (
            _in_group(result, DROPOUT)
            and (result.verdict is not Verdict.PASS or result.check in _DROPS)
        ),
        "dropout",
    ),
    _row(
        "bidirectional",
        "bidirectional",
        "A second direction runs backwards; its output comes after the first one's",
        lambda c: c.bidirectional,
    ),
    _row(
        "x",
        "input / x",
        "x is the input of each step",
        lambda c: c.finite,
    ),
    _row(
        "h-0-given",
        "h_0 / hx",
        "A given h_0 is the state before the first step",
        lambda c: c.states,
    ),
    _row("h-0-absent", "h_0 / hx", "Without h_0 the first state is 0", lambda c: not c.states),
    Requirement(
        "lengths",
        PAGE,
        "seq_length means what packing means: no padded element counts",
        _PAGE_ROW + "seq_length",
        _values(lambda c: c.lengths != "nolengths"),
        "seq_length",
    ),
    Requirement(
        "same-functions",
        PAGE,
        "With equal weights and inputs, start to end, the outputs are equal to rounding",
        "mapping page: 'Implement the same functions'",
        row="the same functions",
        causes=EVERY_CAUSE,
    ),
    Requirement(
        "equation",
        ANSWERS,
        "Every state is what the documented equation gives, to rounding",
        "both API pages",
        causes=EVERY_CAUSE,
    ),
    Requirement(
        "outputs",
        ANSWERS,
        "Outputs and states have the documented shapes and dtype",
        "both API pages, Outputs",
    ),
    Requirement(
        "h-n",
        ANSWERS,
        "The final states are those after the last valid step",
        "both API pages, Outputs",
    ),
    Requirement(
        "empty-rows",
        ANSWERS,
        "The final state of a row of length 0 is its initial one",
        "no page: of the equation the state before the first step is left (as MindSpore gives it; "
        "torch refuses such lengths, ONNX Runtime and OpenVINO give 0)",
        lambda result, config: (
            config.lengths == "emptyrows" and result.verdict is Verdict.UNSUPPORTED
        ),
    ),
    Requirement(
        "weights",
        ANSWERS,
        "Parameters take weights by torch's names, bit for bit",
        "both API pages, Variables",
    ),
    Requirement("batch", ANSWERS, "Batch rows are independent of each other", "both API pages"),
    Requirement(
        "function",
        ANSWERS,
        "A call in evaluation mode is a function of its inputs, and leaves them alone",
        "both API pages",
    ),
    Requirement(
        "life",
        ANSWERS,
        "An answer depends on the layer's weights, mode and inputs alone, whatever happened before",
        "both API pages",
        causes=EVERY_CAUSE,
    ),
    Requirement(
        "positional-order",
        CALL,
        "Constructor arguments can be given by position, in torch's order",
        _TORCH + ", signature",
    ),
    Requirement("defaults", CALL, "Arguments left out have torch's defaults", _TORCH),
    Requirement(
        "initial-mode", CALL, "A fresh layer is in training mode: its dropout drops", _TORCH
    ),
    Requirement("argument-types", CALL, "Arguments may have the types that torch takes", _TORCH),
    Requirement("unbatched", CALL, "x may have no batch axis", _TORCH),
    Requirement(
        "keyword-names",
        CALL,
        "Keywords are torch's: bias, input, hx; unknown ones are refused",
        _TORCH + ", signature",
    ),
    Requirement(
        "refused-sizes", REFUSALS, "Sizes that are no positive integers are refused", _TORCH
    ),
    Requirement("refused-flags", REFUSALS, "Flags that are no bool are refused", _TORCH),
    Requirement("refused-dropout", REFUSALS, "A dropout that is no probability is refused", _TORCH),
    Requirement(
        "refused-lengths",
        REFUSALS,
        "Lengths that are none (negative, beyond T, too few, of another shape) are refused",
        "torch documentation, pack_padded_sequence",
    ),
    Requirement("refused-h-0", REFUSALS, "h_0 of any other shape is refused", _TORCH),
    Requirement("refused-x", REFUSALS, "x of another rank or size is refused", _TORCH),
    Requirement("empty", REFUSALS, "Both do the same with no steps or no batch rows", "both"),
    Requirement("mixed-dtypes", REFUSALS, "Dtypes that do not fit together are refused", "both"),
    Requirement(
        "contained-errors", REFUSALS, "An error of one call leaves the next one alone", "both"
    ),
    Requirement(
        "gradient-x", GRADIENTS, "The gradient of x is that of the equation", _TORCH, causes=SLOPE
    ),
    Requirement(
        "gradient-h-0",
        GRADIENTS,
        "The gradient of h_0 is that of the equation",
        _TORCH,
        causes=SLOPE,
    ),
    Requirement(
        "gradient-parameters",
        GRADIENTS,
        "The gradients of weights and biases are those of the equation",
        _TORCH,
        causes=SLOPE,
    ),
    Requirement(
        "gradient-signs",
        GRADIENTS,
        "No gradient has the wrong sign",
        _TORCH,
        causes=SLOPE,
    ),
    Requirement(
        "relu-at-0",
        GRADIENTS,
        "The slope of relu at exactly 0 is 0, the subgradient of least magnitude",
        "torch documentation, autograd mechanics",
        lambda result, config: (
            result.cause is Cause.SLOPE or (result.check == "gradient" and config.data == "ints")
        ),
    ),
    Requirement(
        "gradient-padding",
        GRADIENTS,
        "Padding reaches no gradient, whatever stands in it",
        "torch documentation, pack_padded_sequence",
    ),
    Requirement("dropout-evaluation", DROPOUT, "Evaluation mode equals p = 0", _TORCH),
    Requirement("dropout-one-layer", DROPOUT, "One layer never drops", _TORCH),
    Requirement(
        "dropout-values", DROPOUT, "Dropped values are 0, kept ones scaled by 1 / (1 - p)", _TORCH
    ),
    Requirement("dropout-rate", DROPOUT, "Elements are dropped with probability p", _TORCH),
    Requirement(
        "dropout-independent",
        DROPOUT,
        "Steps, rows, units, directions and calls are dropped independently",
        _TORCH,
    ),
    Requirement("dropout-h-n", DROPOUT, "h_n is made of the states, undropped", _TORCH),
    Requirement("dropout-extremes", DROPOUT, "p = 0 does nothing; p near 1 still scales", _TORCH),
    Requirement("initial-names", INITIAL, "Parameters have torch's names and shapes", _TORCH),
    Requirement("initial-order", INITIAL, "Parameters come in torch's order", _TORCH),
    Requirement(
        "initial-distribution",
        INITIAL,
        "Fresh weights are uniform within 1/sqrt(hidden_size)",
        "both API pages, Variables",
    ),
    Requirement("initial-seed", INITIAL, "Seeding reproduces fresh weights", "both"),
    Requirement(
        "initial-side-effects", INITIAL, "Building leaves NumPy's global generator alone", _TORCH
    ),
    Requirement(
        "carried-own-file",
        CARRIED,
        "Weights survive the framework's own file format, bit for bit",
        "both",
    ),
    Requirement(
        "carried-across",
        CARRIED,
        "Weights survive the way to the other framework's files and back, bit for bit",
        "mapping page: 'Implement the same functions'",
    ),
    *(
        Requirement(
            key,
            NUMBERS,
            f"{name} is computed to {name} precision",
            "both",
            _dtype(key),
            causes=frozenset({Cause.ACTIVATION, Cause.PRECISION}),
        )
        for key, name in (
            ("fp32", "float32"),
            ("fp16", "float16"),
            ("bf16", "bfloat16"),
            ("fp64", "float64"),
        )
    ),
    Requirement(
        "nan",
        NUMBERS,
        "NaN in x, h_0 or weights comes out as NaN",
        "IEEE 754",
        lambda result, config: result.cause is Cause.NAN,
    ),
    Requirement("infinity", NUMBERS, "Infinities come out as IEEE 754 says", "IEEE 754"),
    Requirement(
        "subnormals",
        NUMBERS,
        "Subnormal numbers count (gradual underflow)",
        "IEEE 754",
        lambda result, config: (
            result.cause is Cause.FLUSH
            or (
                result.check in ("step_residual", "activation")
                and config.data in ("mixed", "sweep")
            )
        ),
    ),
    Requirement(
        "repeated-calls",
        NUMBERS,
        "The same call gives the same bits, whichever and how many threads compute it",
        "both",
        causes=frozenset({Cause.FLUSH}),
    ),
    Requirement(
        "concurrency",
        NUMBERS,
        "Layers may be called from several threads at once, where that is documented",
        "torch documentation, CPU threading",
    ),
    Requirement("growth", NUMBERS, "Many calls take no more memory than one", "both"),
    Requirement(
        "thread",
        NUMBERS,
        "A call leaves its thread's rounding and underflow as IEEE 754 has them",
        "IEEE 754",
    ),
    Requirement(
        "long",
        NUMBERS,
        "Long sequences (T >= 1,000; with a variant T >= 100) are computed like short ones",
        "both",
        lambda result, config: (
            result.check in _VALUES
            and _concludes(result)
            and config.steps >= (100 if variant_in(result.backend) else 1000)
        ),
    ),
    Requirement(
        "modes",
        MODES,
        "A variant (execution mode, device) gives what the backend without it gives",
        "both",
        of_variants=True,
    ),
)


class _Requirements(Mapping[str, Requirement]):
    """All by key, in the order of their groups: the common ones, and each layer's own."""

    def __getitem__(self, key: str) -> Requirement:
        return _of_layers(tuple(LAYERS))[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_of_layers(tuple(LAYERS)))

    def __len__(self) -> int:
        return len(_of_layers(tuple(LAYERS)))


@functools.cache
def _of_layers(layers: tuple[str, ...]) -> dict[str, Requirement]:
    by_layer: dict[str, list[str]] = {}
    every = {one.key: one for name in layers for one in LAYERS[name].requirements}
    for name in layers:
        for one in LAYERS[name].requirements:
            by_layer.setdefault(one.key, []).append(name)
    own = [replace(one, layers=tuple(by_layer[key])) for key, one in every.items()]
    ordered = sorted((*_ALL, *own), key=lambda one: GROUPS.index(one.group))
    return {requirement.key: requirement for requirement in ordered}


REQUIREMENTS: Mapping[str, Requirement] = _Requirements()
