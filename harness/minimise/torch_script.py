"""torch's layers in scripts."""

from __future__ import annotations

from collections.abc import Iterator

from harness.case import Case
from harness.config import Config
from harness.minimise.forms import FLOATS, ScriptForm, constructor, output_of, states_given

__all__ = ["form", "packed", "padded", "torch_layer"]


def form(variant: str) -> ScriptForm | None:
    """On the CPU; there is none for other devices."""
    if variant:
        return None
    found = ScriptForm(
        module="torch",
        mode=(),
        other_mode=(),
        load=("rnn.load_state_dict({name: torch.tensor(v) for name, v in w.items()})",),
        layer=torch_layer,
        tensor="torch.tensor({})",
        to_array="{}.detach().numpy()",
        output=_output,
        gradient=_gradient,
        threads="torch.set_num_threads({})",
        to_bfloat16="{}.bfloat16()",
        from_bfloat16="{}.float()",
        evaluate="rnn.eval()",
        port=lambda case: _port(found, case),
    )
    return found


def _port(form: ScriptForm, case: Case) -> Iterator[str]:
    config, given = case.config, form.inputs(case)
    if config.record.single_step:
        yield f"returned = rnn({given})"
    elif case.lengths is None:
        yield f"output, final = rnn({given})"
    else:
        first = f"batch_first={config.layout == 'batchfirst'}"
        yield "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence"
        yield f"x, states = {form.given('x', config)}, {_states(form, case)}"
        yield "lengths = torch.tensor(lengths)"
        yield f"packed = pack_padded_sequence(x, lengths, {first}, enforce_sorted=False)"
        yield "output, final = rnn(packed, states)"
        yield f"output, _ = pad_packed_sequence(output, {first}, total_length={config.steps})"


def _states(form: ScriptForm, case: Case) -> str:
    return states_given([form.given(f"{s}_0", case.config) for s in case.initial])[2:] or "None"


def torch_layer(config: Config, *, double: bool = False) -> str:
    """The constructor's call; in float64 where it is what others are compared with."""
    dtype = "fp64" if double else config.dtype
    more = () if dtype == "fp32" else (f"dtype=torch.{FLOATS[dtype]}",)
    return f"torch.nn.{constructor(config, *more)}"


def packed(x: str, lengths: list[int]) -> str:
    """How torch takes lengths."""
    return f"torch.nn.utils.rnn.pack_padded_sequence({x}, {lengths}, enforce_sorted=False)"


def padded(output: str, steps: int) -> str:
    """And back."""
    return f"torch.nn.utils.rnn.pad_packed_sequence({output}, total_length={steps})[0]"


def _output(case: Case, x: str, states: str, name: str) -> str:
    if case.lengths is None:
        return output_of(case.config, f"rnn({x}{states})", name)
    call = f"rnn({packed(x, case.lengths.tolist())}{states})"
    output = output_of(case.config, call, name)
    return padded(output, case.config.steps) if name == "output" else output


def _gradient(name: str, loss: str, x: str) -> Iterator[str]:
    yield f"v = {x}.requires_grad_()"
    yield f"actual, = torch.autograd.grad({loss}, {'v' if name == 'x' else f'rnn.{name}'})"
