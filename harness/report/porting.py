"""What a port changes, as code: building and calling a layer in both frameworks, its weights."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.layers import LAYERS
from harness.layers.record import LayerRecord

__all__ = ["Porting", "porting_of"]

SIZES = "10, 16"

WEIGHTS = """\
for parameter in ours.get_parameters():
    weight = theirs.get_parameter(parameter.name).detach().numpy()
    parameter.set_data(mindspore.Tensor(weight))
"""


@dataclass(frozen=True)
class Porting:
    """Lines for torch, lines for MindSpore, and those that carry the weights from one to the other.

    Given are x (batch first), lengths, and the initial states.
    """

    torch: str
    mindspore: str
    weights: str = WEIGHTS


def porting_of(layer: str) -> Porting:
    """With every option that has another name or meaning, and lengths where there are any."""
    record = LAYERS[layer]
    given, left = _states(record, "_0"), _states(record, "_n")
    if record.single_step:
        return Porting(
            f"theirs = torch.nn.{record.title}({SIZES}, bias=True)\n"
            f"{_states(record, '_1')} = theirs(x, {given})  # without states: zeros\n",
            f"ours = mindspore.nn.{record.title}({SIZES}, has_bias=True)\n"
            f"{_states(record, '_1')} = ours(x, {given})  # the states must be given\n",
        )
    arguments = "num_layers=2, {}=True, batch_first=True, dropout=0.5, bidirectional=True"
    built = f"(\n    {SIZES}, {arguments}\n)\n"
    packed = "pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)"
    return Porting(
        "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence\n\n"
        f"theirs = torch.nn.{record.title}{built.format('bias')}"
        f"packed = {packed}\n"
        f"output, {left} = theirs(packed, {given})  # lengths: a tensor or a list\n"
        "output, _ = pad_packed_sequence(output, batch_first=True)\n",
        f"ours = mindspore.nn.{record.title}{built.format('has_bias')}"
        "ours.set_train(True)  # a torch module is in training mode when it is built\n"
        f"output, {left} = ours(x, {given}, lengths)  # lengths: an int32 or int64 tensor\n",
    )


def _states(record: LayerRecord, suffix: str) -> str:
    """'h_0', or '(h_0, c_0)'."""
    states = Config.of(record.name).cell.states
    names = [f"{state}{suffix}" for state in states]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"
