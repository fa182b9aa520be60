"""What new layers, of which nothing was asked, give for the weights and inputs of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from harness.backends.protocol import Backend
from harness.config import Config
from harness.moments import case_at, drops, moments
from harness.observe.calling import call, loaded
from harness.observe.records import Answer, Outputs
from harness.observe.values import hidden_layers

__all__ = ["AsNew"]


@dataclass
class AsNew:
    """Hidden layers, each seen once; and for gradients the states."""

    backend: Backend
    config: Config
    hidden: dict[tuple[int, int, bool], tuple[Outputs, ...]] = field(default_factory=dict)

    def within(self, answer: Answer) -> Answer:
        """An answer with what it is judged by; what was dropped is not seen so."""
        moment = moments(self.config)[answer.step]
        dropped = moment.training and drops(self.config)
        if dropped or (answer.outputs is None and answer.derivatives is None):
            return answer
        case = case_at(self.config, moment)
        key = (moment.weights, moment.inputs, moment.of_gradients)
        if key not in self.hidden:
            self.hidden[key] = hidden_layers(self.backend, case, [])
        outputs = answer.outputs
        if outputs is None:
            outputs = call(loaded(self.backend, case.config, case.weights), case, [])
        return msgspec.structs.replace(answer, outputs=outputs, hidden=self.hidden[key])
