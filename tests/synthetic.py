"""Evidence from arrays written by hand: cases, observations, and activations as measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from harness.activation import OwnActivation, OwnActivations
from harness.axes import shape_of
from harness.case import Case, make_case
from harness.comparison import Comparison
from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.evidence import Evidence
from harness.faults.correct import CorrectBackend
from harness.observe import Derivatives, Observation, Outputs, observe
from harness.oracle import Oracle
from reference import FORMATS, exact_activation

TINY = 2.0**-126
"""The smallest normal number of float32."""


def summary(result: Comparison) -> tuple[str, str | None, int, int]:
    """The verdict and its counts."""
    return result.verdict, result.cause, result.compared, result.failing


def wording(result: Comparison) -> tuple[Any, ...]:
    """What a result line says of a comparison without numbers."""
    return result.part, result.verdict, result.compared, result.message, result.cause, result.ratio


def outputs_of(output: Any, h_n: Any = 0.0) -> Outputs:
    """What a call returned, in float32."""
    return {"output": np.array(output, "f"), "h_n": np.array(h_n, "f")}


def case_of(
    config: Config,
    *,
    lengths: Sequence[int] | None = None,
    weights: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> Case:
    """A case of these arrays; x and parameters that are left out are 0."""
    dtype = NUMPY_DTYPES[config.dtype]
    zeros = {name: np.zeros(shape) for name, shape in config.parameter_shapes().items()}
    given: dict[str, Any] = {"x": np.zeros(shape_of(config, "x")), **inputs}
    arrays: dict[str, Any] = {name: np.array(array, dtype) for name, array in given.items()}
    if lengths is not None:
        arrays["lengths"] = np.array(lengths)
    parameters = {n: np.array(a, dtype) for n, a in {**zeros, **(weights or {})}.items()}
    return Case(config, parameters, arrays)


def relu_case(
    x: Any, *, lengths: Sequence[int] | None = None, h_0: Any = None, weights: Any = None,
    **changes: Any,
) -> Case:  # fmt: skip
    """A relu layer that passes on x (T, B, H), of one direction; other weights are 0."""
    steps, batch, hidden = np.shape(x)
    given = {} if h_0 is None else {"h_0": h_0}
    config = Config.of(
        nonlinearity="relu", states=h_0 is not None, steps=steps, batch=batch,
        input_size=hidden, hidden_size=hidden, **changes,
    )  # fmt: skip
    own = {"weight_ih_l0": np.eye(hidden), **(weights or {})}
    return case_of(config, lengths=lengths, weights=own, x=x, **given)


def evidence_of(
    case: Case | Config,
    outputs: Outputs | None = None,
    *,
    own: OwnActivations | None = None,
    oracle: Any = None,
    peer_own: OwnActivations | None = None,
    peer: Observation | None = None,
    eager: Observation | None = None,
    **observed: Any,
) -> Evidence:
    """Evidence of a backend on a case; of a config, all of whose arrays are 0."""
    case = case_of(case) if isinstance(case, Config) else case
    return Evidence(
        case,
        oracle or Oracle(case),
        Observation("mine", outputs=outputs, **observed),
        lambda: own,
        peer=peer,
        peer_activations=lambda: peer_own,
        eager=eager,
    )


def oracle_of(exact: Outputs, tolerance: Outputs | None = None, **more: Any) -> Any:
    """An oracle of which only what a check reads is given."""
    nothing = {name: np.zeros(array.shape) for name, array in exact.items()}
    given = {"exact": exact, "tolerance": tolerance or nothing, "faulty": {}, "surely_nan": nothing}
    return SimpleNamespace(**given | more)


def measured(
    *, flushes: bool = False, error: float = 0.0, largest: float | None = None, name: str = "tanh"
) -> OwnActivations:
    """An activation with the same error everywhere; `largest` is a value that it gave beside."""
    points = np.linspace(-200.0, 200.0, 4001)
    values = exact_activation(name, points) + error
    if largest is not None:
        points, values = np.append(points, 300.0), np.append(values, largest)
    one = OwnActivation(name, points, values, FORMATS["fp32"], flushes)
    return OwnActivations({name: one})


def right_outputs(case: Case) -> Outputs:
    """The oracle's, rounded."""
    dtype = NUMPY_DTYPES[case.config.dtype]
    return {name: array.astype(dtype) for name, array in Oracle(case).exact.items()}


def right_evidence(
    config: Config | Case, own: OwnActivations | None = None, **moved: float
) -> Evidence:
    """A right implementation; the first element of some gradients moved by an amount."""
    case = config if isinstance(config, Case) else make_case(config)
    seen = observe(CorrectBackend(name="mine"), case, repeat=False)
    if seen.derivatives is not None:
        clean = {name: array.copy() for name, array in seen.derivatives.clean.items()}
        for name, amount in moved.items():
            clean[name].flat[0] += amount
        derivatives = Derivatives(seen.derivatives.cotangents, clean, clean)
        seen = msgspec.structs.replace(seen, derivatives=derivatives)
    return Evidence(case, Oracle(case), seen, lambda: own)
