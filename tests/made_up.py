"""Evidence made up for tests of verdicts: steps, activations as measured, calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.comparison import Comparison
from harness.config import Config
from harness.judging.steps import DirectionSteps
from harness.observe import Forward
from reference import FORMATS, activation_interval

TINY = 2.0**-126
"""The smallest normal number of float32."""


def forward(output: Any, h_n: Any = 0.0) -> Forward:
    """What a call returned."""
    return Forward(np.array(output, "f"), np.array(h_n, "f"))


def seen(result: Comparison) -> tuple[str, str | None, int, int]:
    """The verdict and its counts."""
    return result.verdict, result.cause, result.compared, result.failing


def steps_of(a: Any, actual: Any, error: Any = 0.5, **changes: Any) -> DirectionSteps:
    """Steps of one direction, (T, B, H), with pre-activations a and a bound on their error.

    relu, so that all is linear; 2 terms, factors of magnitude 3.
    """
    a = np.array(a, np.float64)
    error = np.broadcast_to(np.asarray(error, np.float64), a.shape)
    given = {
        "layer": 0,
        "reverse": False,
        "actual": np.array(actual, "f"),
        "from_input": a,
        "from_state": np.zeros(a.shape),
        "b_ih": np.zeros(a.shape[2]),
        "b_hh": np.zeros(a.shape[2]),
        "a": a,
        "magnitude": np.abs(a),
        "terms": 2,
        "factors": np.full(a.shape, 3.0),
        "error": error,
        "interval": activation_interval("relu", a, error, FORMATS["fp32"]),
        "defined": np.ones(a.shape, bool),
        "output": "output",
    }
    return DirectionSteps(**{**given, **changes})


class MadeUpCase(SimpleNamespace):
    """A case of which only what a check reads was made up."""

    @property
    def last_step(self) -> Any:
        """(B,), of each row; -1 for none."""
        return self.valid.sum(axis=0) - 1


class MadeUp(SimpleNamespace):
    """Evidence of which only what a check reads was made up."""

    @property
    def config(self) -> Config:
        """That of the case."""
        return self.case.config

    @config.setter
    def config(self, config: Config) -> None:
        self.case.config = config


def evidence_of(config: Config, own: Any = None, **more: Any) -> Any:
    """Evidence on a config, all of it valid; `own` is the activation as measured."""
    valid = np.ones((config.steps, config.batch), bool)
    case = MadeUpCase(config=config, fmt=FORMATS[config.dtype], valid=valid, h_0=None)
    return MadeUp(case=case, own_activation=lambda: own, **more)


def measured(flushes: bool = False, errs: bool = False, **more: Any) -> SimpleNamespace:
    """An activation as measured."""
    return SimpleNamespace(flushes=flushes, errs=errs, **more)
