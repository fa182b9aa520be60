"""What new layers, of which nothing was asked, give for the weights and inputs of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from harness.backends.protocol import Backend, FullLayer
from harness.case import Case
from harness.config import Config
from harness.moments import Moment, asked_at, case_at, drops
from harness.observe.calling import call, loaded, same_outputs
from harness.observe.finite_padding import unspoiled
from harness.observe.gradients import (
    Answered,
    asked_gradients,
    giving_gradients,
    hidden_under_autograd,
)
from harness.observe.records import Answer, Outputs, Unspoiled
from harness.observe.values import hidden_layers

__all__ = ["AsNew"]


@dataclass
class AsNew:
    """Hidden layers, each seen once; and for gradients the states."""

    backend: Backend
    config: Config
    hidden: dict[tuple[Any, ...], tuple[Outputs, ...]] = field(default_factory=dict)

    def within(self, answer: Answer) -> Answer:
        """An answer with what it is judged by; what was dropped is not seen so."""
        derived = answer.derivatives
        moment = asked_at(self.config, answer.step, answer.given, derived is not None)
        dropped = moment.training and drops(self.config)
        if dropped or (answer.outputs is None and derived is None):
            return answer
        case = case_at(self.config, moment, answer.given)
        given = tuple(array.tobytes() for array in answer.given.values())
        key = (moment.weights, moment.inputs, moment.of_gradients, given)
        if key not in self.hidden:
            self.hidden[key] = hidden_layers(self.backend, case, [])
        outputs = answer.outputs
        if outputs is None:
            outputs = call(loaded(self.backend, case.config, case.weights), case, [])
        if derived is not None and derived.outputs is not None:
            same = same_outputs(derived.outputs, outputs)
            hidden = self.hidden[key] if same else self._under_autograd(moment, case)
            derived = msgspec.structs.replace(derived, hidden=hidden)
        finite = None if moment.of_gradients else self._unspoiled(case, outputs)
        return msgspec.structs.replace(
            answer,
            outputs=outputs,
            hidden=self.hidden[key],
            derivatives=derived,
            unspoiled=finite,
        )

    def _unspoiled(self, case: Case, outputs: Outputs) -> Unspoiled | None:
        return unspoiled(
            case,
            outputs,
            lambda other: call(loaded(self.backend, other.config, other.weights), other, []),
            lambda other: hidden_layers(self.backend, other, []),
        )

    def _under_autograd(self, moment: Moment, case: Case) -> tuple[Outputs, ...]:
        def ask(cut: Case) -> Answered:
            layer = cast(FullLayer, loaded(self.backend, cut.config, cut.weights))
            if moment.training:
                layer.train(True)
            with giving_gradients(self.backend, layer, self.config, moment.training):
                return asked_gradients(layer, cut, [])

        return hidden_under_autograd(case, ask)
