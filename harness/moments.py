"""What a life makes of a layer: its weights and mode at every step, and the case of every answer.

This is the model that a layer is held against. Of a layer it knows which weights were loaded last,
the mode, what the saved file holds, and what was asked since the seed was set.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from harness.aspects import VALUES
from harness.case import Case, make_case
from harness.config import Config
from harness.life import ANSWERS
from reference.arrays import Array

__all__ = [
    "GOES_ON",
    "Moment",
    "asked_at",
    "case_at",
    "drops",
    "inputs_of",
    "moments",
    "weights_number",
]

BESIDE = 10
"""The first number of weights that only other layers have."""

GOES_ON = {"h0": 10, "h1": 11, "h2": 12, "h3": 10}
"""By step, the number of the inputs that go with what an earlier call of the step gave."""

SMALL = {"o0": 11, "o1": 13, "o2": 14, "o3": 11, "o4": 13}
"""By step, the number of inputs that are few."""

OF_GRADIENTS = ("b1", "n2", "o3", "o4", "d1")

NOTHING: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True)
class Moment:
    """One step: its place, its code, and the state of the layer once it is done.

    `weights` and `inputs` are numbers; of another layer's answer they are that layer's. `repeats`
    is the step whose answer this one must repeat, bit for bit, because the seed was the same.
    `of_gradients` says whether the answer is gradients.
    """

    step: int
    code: str
    weights: int
    training: bool
    inputs: int
    repeats: int | None
    of_gradients: bool = False

    @property
    def answers(self) -> bool:
        return self.code[0] in ANSWERS


@functools.lru_cache(maxsize=4096)
def moments(config: Config) -> tuple[Moment, ...]:
    """All steps of a config's life."""
    weights, saved, training, beside = 0, 0, False, BESIDE
    since: tuple[object, ...] | None = None
    asked: dict[tuple[object, ...], int] = {}
    found = []
    for step, code in enumerate(config.life):
        letter, number = code[0], int(code[1:] or 0)
        repeats = None
        if letter == "w":
            weights = number
        elif letter in "te":
            training = letter == "t"
        elif letter == "k":
            saved = weights
        elif letter == "l":
            weights = saved
        if letter == "s":
            since = (number, weights, saved, training)
        elif since is not None:
            since = None if letter in "bd" else (*since, code)
        if letter in "fg" and since is not None and training and drops(config):
            repeats = asked.setdefault(since, step)
        other = letter == "b"
        found.append(
            Moment(
                step,
                code,
                beside if other else weights,
                training and not other,
                number if letter in "fg" else SMALL.get(code, 0),
                None if repeats == step else repeats,
                letter == "g" or code in OF_GRADIENTS,
            )
        )
        beside += other
    return tuple(found)


def drops(config: Config) -> bool:
    """Whether anything is dropped in training mode."""
    return config.num_layers > 1 and config.dropout > 0


def asked_at(config: Config, step: int, given: Mapping[str, Array], derived: bool) -> Moment:
    """The moment of an answer; what was `given` back to the layer came from the same step."""
    moment = moments(config)[step]
    if not given:
        return moment
    return dataclasses.replace(moment, inputs=GOES_ON[moment.code], of_gradients=derived)


def case_at(config: Config, moment: Moment, given: Mapping[str, Array] = NOTHING) -> Case:
    """The case that an answer is an answer to; of what was `given` back, with that."""
    case = inputs_of(config, moment.inputs, moment.of_gradients).with_inputs(**given)
    return dataclasses.replace(case, weights=weights_number(config, moment.weights))


@functools.lru_cache(maxsize=256)
def weights_number(config: Config, number: int) -> dict[str, Array]:
    """Number 0 is the case's own; 8 and 9 are those but for the last array, or the first."""
    plain = config.replace(aspect=VALUES, life=())
    if number in (8, 9):
        own, others = weights_number(config, 0), weights_number(config, 5)
        changed = list(own)[-1 if number == 8 else 0]
        return {**own, changed: others[changed]}
    return dict(make_case(plain.replace(seed=plain.seed + 104_729 * number)).weights)


@functools.lru_cache(maxsize=256)
def inputs_of(config: Config, number: int, of_gradients: bool = False) -> Case:
    """A case with inputs of this number, and weights that mean nothing.

    For gradients the padding of x is 0: that it must not matter is asked elsewhere.
    """
    own = config.replace(aspect="gradient" if of_gradients else VALUES, life=())
    case = make_case(own.adapted(**_changes(own, number)))
    if number in (8, 14) and "lengths" in case.inputs:
        unpadded = make_case(own.replace(lengths="nolengths"))
        case = case.with_inputs(**unpadded.inputs)
    if number == 14 and case.lengths is not None:
        case = case.with_inputs(lengths=np.minimum(case.lengths, 2))
    if of_gradients:
        x = np.where(case.valid[:, :, None], case.x, case.x.dtype.type(0))
        case = case.with_inputs(x=x)
    return case


def _changes(config: Config, number: int) -> dict[str, object]:
    """Of a config, for inputs of this number (`harness.life.INPUTS`; beyond, of other steps)."""
    steps, rows, lengths = config.steps, config.batch, config.lengths
    single = config.layout == "unbatched"  # has neither rows nor lengths
    more: dict[str, object] = {"seed": config.seed + 7_919 * number}
    if number in (2, 3):
        more["steps"] = steps + 1 if number == 2 or steps == 1 else steps - 1
        if more["steps"] == 1 and lengths in ("shorter", "equal"):
            more["lengths"] = "fulllengths"  # no length is below 1
    elif number in (4, 5) and not single:
        more["batch"] = rows + 1 if number == 4 or rows == 1 else rows - 1
    elif number == 6:
        more |= {"seed": config.seed, "states": not config.states}
    elif number == 7 and not single:
        more |= {"seed": config.seed, "lengths": "nolengths" if _given(lengths) else "ragged"}
    elif number == 8 and not single:
        more["lengths"] = "ragged"
    elif number == 9:
        more |= {"states": True, "steps": steps + 2}
        more |= {} if single else {"batch": rows + 1, "lengths": "ragged"}
    elif number == 10:
        more["states"] = True
    elif number == 11:
        more |= {"states": True, "steps": 1, "lengths": "nolengths"}
    elif number == 13:
        more["batch"] = 1
    elif number == 14:
        more |= {"steps": min(steps, 2)} if single else {"lengths": "ragged"}
    return more


def _given(lengths: str) -> bool:
    return lengths != "nolengths"
