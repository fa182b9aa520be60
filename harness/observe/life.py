"""A layer's life, lived: one layer goes through all steps, and every answer is kept.

Calls of one shape are given the same arrays each time, filled anew, as a training loop does it.
Whatever is raised at a step ends the life, and is its last answer.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from harness.axes import to_layout
from harness.backends.loading import unsupported_reason
from harness.backends.protocol import Backend, FullBackend, FullLayer, Layer, offers
from harness.case import Case, cotangents
from harness.config import Config
from harness.moments import GOES_ON, Moment, asked_at, case_at, inputs_of, moments, weights_number
from harness.observe.arrays import parameters, viewed
from harness.observe.as_new import AsNew
from harness.observe.calling import call, differing, loaded, same_outputs, well_formed
from harness.observe.errors import Malformed, NotOffered, described
from harness.observe.gradients import Answered, asked_gradients, giving_gradients
from harness.observe.new_thread import in_a_new_thread
from harness.observe.records import Answer, Derivatives, Lived, Observation, Outputs
from harness.observe.unfit import unfit_gradients, unfit_inputs, unfit_weights
from reference.arrays import Array

__all__ = ["observe_life"]

MANY = {"n0": 10, "n1": 60, "n2": 12}

IN_A_ROW = 3
"""Answers that are given back, one after another."""

DIFFERENT = 3
"""Answers of identical calls that are kept, if they have other bits."""

OTHER_WEIGHTS = 5
"""The number of the weights that a copied layer gets, and of those in a refused loading."""

RUBBISH = 7


def observe_life(backend: Backend, case: Case) -> Observation:
    """All steps, and then what new layers give for the same weights and inputs."""
    config = case.config
    asked = {case_at(config, one).config for one in moments(config) if one.answers}
    asked |= {inputs_of(config, GOES_ON[code]).config for code in config.life if code in GOES_ON}
    for one in sorted(asked, key=lambda one: one.id):
        reason = unsupported_reason(backend, one)
        if reason is not None:
            return Observation(backend.name, unsupported=reason)
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        life = _Life(backend, config, Path(directory))
        life.live()
    seen = AsNew(backend, config)
    return Observation(
        backend.name,
        transferred=sum(array.size for array in case.weights.values()),
        modified=tuple(dict.fromkeys(life.modified)),
        details=Lived(
            tuple(map(seen.within, life.answers)),
            life.spoiled,
            seeded=bool(getattr(backend, "seeds_dropout", False)),
        ),
    )


@dataclass
class _Life:
    """A life under way."""

    backend: Backend
    config: Config
    directory: Path
    answers: list[Answer] = field(default_factory=list)
    spoiled: tuple[int, int] | None = None
    modified: list[str] = field(default_factory=list)
    saves: int = 0
    kept: list[tuple[int, Array, bytes]] = field(default_factory=list)
    given: dict[tuple[Any, ...], Array] = field(default_factory=dict)
    beside: Layer | None = None

    def live(self) -> None:
        self.layer = loaded(self.backend, self.config, weights_number(self.config, 0))
        for moment in moments(self.config):
            try:
                _STEPS[moment.code[0]](self, moment)
            except (NotOffered, MemoryError):
                raise
            except Malformed as error:
                self.answers.append(Answer(moment.step, trouble=str(error)))
            except Exception as error:
                self.answers.append(Answer(moment.step, trouble=described(error)))
            self._look_back(moment)
            if self.answers and self.answers[-1].trouble is not None:
                return

    def _look_back(self, moment: Moment) -> None:
        """Whether all earlier answers still hold what they held."""
        if self.spoiled is None:
            changed = (step for step, array, held in self.kept if array.tobytes() != held)
            earlier = next(changed, None)
            self.spoiled = None if earlier is None else (moment.step, earlier)

    def offered(self, method: str) -> Any:
        """A method of the layer that it need not have."""
        if not offers(self.layer, method):
            raise NotOffered(f"has no method {method}")
        return getattr(self.layer, method)

    def load(self, moment: Moment) -> None:
        _load(self.layer, weights_number(self.config, moment.weights))

    def forward(self, moment: Moment) -> None:
        self.answers.append(Answer(moment.step, self._called(self.layer, moment)))

    def _called(self, layer: Layer, moment: Moment) -> Outputs:
        return self._exchanged(layer, moment, {}, {})[1]

    def _exchanged(
        self, layer: Layer, moment: Moment, back: Mapping[str, Any], held: Mapping[str, Array]
    ) -> tuple[Mapping[str, Any], Outputs]:
        """The very arrays that a call gave, and copies; `back` goes in, which `held` these numbers
        when it was given."""
        case = case_at(self.config, moment, held)
        given = {name: self._filled(case, name, array) for name, array in case.inputs.items()}
        given |= back
        before = {name: array.tobytes() for name, array in given.items()}
        returned = layer.forward(dict(given))
        self.modified += [n for n, array in given.items() if array.tobytes() != before[n]]
        outputs = well_formed(returned, case.config)
        self._keep(moment, returned)
        return returned, outputs

    def _filled(self, case: Case, name: str, array: Array) -> Array:
        """The caller's own array of this name and shape, with these numbers."""
        wanted = to_layout(case.config, name, array)
        mine = self.given.setdefault((name, wanted.shape, wanted.dtype.str), wanted)
        mine[...] = wanted
        return mine

    def _keep(self, moment: Moment, returned: Mapping[str, Any]) -> None:
        for value in returned.values():
            array = viewed(value)
            if not isinstance(array, str):
                self.kept.append((moment.step, array, array.tobytes()))

    def gradients(self, moment: Moment) -> None:
        self.offered("gradients")
        found = self._derived(self.layer, moment)
        self.answers.append(Answer(moment.step, derivatives=found))

    def _derived(self, layer: Layer, moment: Moment) -> Derivatives:
        case = case_at(self.config, moment)
        return _derivatives(case, self._answered(layer, moment, case, {})[1])

    def _answered(
        self, layer: Layer, moment: Moment, case: Case, back: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Answered]:
        """The very arrays that came with gradients, and copies; `back` goes in as it is."""
        recording = _Recording(layer)
        full = cast(FullLayer, layer)

        def lay(name: str, array: Array) -> Array:
            return back[name] if name in back else self._filled(case, name, array)

        with giving_gradients(self.backend, full, self.config, moment.training):
            found = asked_gradients(
                cast(FullLayer, recording), case, self.modified, lay, overwrite=not back
            )
        self._keep(moment, recording.returned)
        return recording.returned, found

    def given_back(self, moment: Moment) -> None:
        """What a call gave is given to the next one, as it came."""
        gradients = moment.code == "h3"
        if gradients:
            self.offered("gradients")
        returned, outputs = self._exchanged(self.layer, moment, {}, {})
        self.answers.append(Answer(moment.step, outputs))
        for _ in range(1 if moment.code == "h2" else IN_A_ROW):
            back, held = (_given_back(self.config, moment, one) for one in (returned, outputs))
            if not back:
                return
            then = asked_at(self.config, moment.step, held, gradients)
            if gradients:
                case = case_at(self.config, then, held)
                returned, found = self._answered(self.layer, then, case, back)
                derived = _derivatives(case, found)
                self.answers.append(Answer(moment.step, derivatives=derived, given=held))
                outputs = found.outputs or {}
            else:
                returned, outputs = self._exchanged(self.layer, then, back, held)
                self.answers.append(Answer(moment.step, outputs, given=held))

    def small(self, moment: Moment) -> None:
        if moment.of_gradients:
            self.gradients(moment)
        else:
            self.forward(moment)

    def elsewhere(self, moment: Moment) -> None:
        in_a_new_thread(lambda: self.small(moment))

    def many(self, moment: Moment) -> None:
        if moment.of_gradients:
            self.offered("gradients")
            found = [self._derived(self.layer, moment) for _ in range(MANY[moment.code])]
            last = found[-1]
            self.answers += [Answer(moment.step, derivatives=one) for one in (found[0], last)]
            return
        first = self._called(self.layer, moment)
        different = [first]
        for _ in range(MANY[moment.code] - 1):
            outputs = self._called(self.layer, moment)
            if not any(same_outputs(outputs, one) for one in different):
                different = [*different[: DIFFERENT - 1], outputs]
        self.answers += [Answer(moment.step, outputs) for outputs in different]

    def mode(self, moment: Moment) -> None:
        self.offered("train")(moment.training)

    def seed(self, moment: Moment) -> None:
        if not offers(self.backend, "seed"):
            raise NotOffered("has no method seed(value)")
        cast(FullBackend, self.backend).seed(self.config.seed + int(moment.code[1:]))

    def read(self, moment: Moment) -> None:
        found = parameters(self.layer.read_weights())
        expected = weights_number(self.config, moment.weights)
        names = differing(self.backend, expected, found)
        self.answers.append(Answer(moment.step, differing=names))

    def save(self, moment: Moment) -> None:
        self.saves += 1
        folder = self.directory / str(self.saves)
        folder.mkdir()
        self.offered("save")(folder)

    def open(self, moment: Moment) -> None:
        self.offered("load")(self.directory / str(self.saves))

    def copy(self, moment: Moment) -> None:
        """The life goes on with the copy; the original gets other weights, and is called."""
        original, method = self.layer, "pickled" if moment.code == "c1" else "copy"
        self.layer = self.offered(method)()
        _load(original, weights_number(self.config, OTHER_WEIGHTS))
        call(original, inputs_of(self.config, 1), self.modified)

    def another(self, moment: Moment) -> None:
        if self.beside is None:
            self.beside = self.backend.build(self.config.options)
        _load(self.beside, weights_number(self.config, moment.weights))
        if moment.of_gradients:
            self.offered("gradients")
            answer = Answer(moment.step, derivatives=self._derived(self.beside, moment))
        else:
            answer = Answer(moment.step, self._called(self.beside, moment))
        self.answers.append(answer)

    def refused(self, moment: Moment) -> None:
        """What is raised, or not, is asked by other configs. Where unfit weights are taken nobody
        knows what the layer has now: it gets those that it had.
        """
        if moment.code in ("x5", "x6"):
            method = self.offered("gradients")
            full, unfit = cast(FullLayer, self.layer), unfit_gradients(self.config, moment.code)
            giving = giving_gradients(self.backend, full, self.config, moment.training)
            with giving, contextlib.suppress(Exception):
                method(*unfit)
            return
        if moment.code not in ("x3", "x4"):
            with contextlib.suppress(Exception):
                self.layer.forward(unfit_inputs(self.config, moment.code))
            return
        weights = weights_number(self.config, OTHER_WEIGHTS)
        try:
            self.layer.load_weights(unfit_weights(weights, missing=moment.code == "x3"))
        except Exception:
            return
        self.load(moment)

    def write(self, moment: Moment) -> None:
        """Into the last call's inputs; or its answer, as far as that may be written to."""
        arrays = list(self.given.values())
        if moment.code == "a0" and self.kept:
            last = self.kept[-1][0]
            arrays = [array for step, array, _ in self.kept if step == last]
            self.kept = [one for one in self.kept if one[0] != last]
        for array in arrays:
            if array.flags.writeable:
                array[...] = array.dtype.type(RUBBISH)


_STEPS: Mapping[str, Callable[[_Life, Moment], None]] = {
    "w": _Life.load,
    "f": _Life.forward,
    "g": _Life.gradients,
    "n": _Life.many,
    "t": _Life.mode,
    "e": _Life.mode,
    "s": _Life.seed,
    "r": _Life.read,
    "k": _Life.save,
    "l": _Life.open,
    "c": _Life.copy,
    "b": _Life.another,
    "x": _Life.refused,
    "a": _Life.write,
    "h": _Life.given_back,
    "o": _Life.small,
    "d": _Life.elsewhere,
}


class _Recording:
    """A layer's gradients, and the very arrays that it returned."""

    def __init__(self, layer: Layer) -> None:
        self.layer = cast(FullLayer, layer)
        self.returned: Mapping[str, Any] = {}

    def gradients(self, inputs: Mapping[str, Array], of: Mapping[str, Array]) -> Any:
        self.returned = self.layer.gradients(inputs, of)
        return self.returned


def _derivatives(case: Case, found: Answered) -> Derivatives:
    return Derivatives(cotangents(case), found.gradients, found.gradients, outputs=found.outputs)


def _given_back(config: Config, moment: Moment, found: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of inputs, what a call gave; nothing where it does not fit, or is not there."""
    states = config.cell.states
    if moment.code == "h2":
        fits = config.input_size == config.directions * config.output_size
        return {"x": found["output"]} if fits else {}
    if not all(f"{state}_n" in found for state in states):
        return {}
    return {f"{state}_0": found[f"{state}_n"] for state in states}


def _load(layer: Layer, weights: Mapping[str, Array]) -> None:
    layer.load_weights({name: array.copy() for name, array in weights.items()})
