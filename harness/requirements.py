"""What is claimed or taken for granted of the two layers; every check stands for one of these."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REQUIREMENTS", "Requirement"]


@dataclass(frozen=True)
class Requirement:
    """A claim: its key, the statement that is tested, and where it is made."""

    key: str
    statement: str
    source: str


REQUIREMENTS = {
    requirement.key: requirement
    for requirement in (
        Requirement(
            "weights",
            "Parameters carry torch's names and shapes, and take weights bit for bit",
            "both API pages, Variables",
        ),
        Requirement(
            "outputs",
            "output and h_n have the documented shapes and dtype",
            "both API pages, Outputs",
        ),
        Requirement(
            "equation",
            "Every state is act(W_ih x + b_ih + W_hh h + b_hh), to rounding",
            "both API pages; mapping page: input_size, hidden_size, bias/has_bias, bidirectional, "
            "batch_first, input/x, h_0/hx",
        ),
        Requirement(
            "num-layers",
            "Layer k takes the output of layer k - 1 as its input",
            "mapping page: num_layers, dropout",
        ),
        Requirement("nonlinearity", "The activation is tanh or relu", "mapping page: nonlinearity"),
        Requirement("h-n", "h_n is the state after the last valid step", "both API pages, Outputs"),
        Requirement(
            "lengths",
            "seq_length means what packing means: no padded element counts",
            "mapping page: seq_length",
        ),
        Requirement("batch", "Batch rows are independent of each other", "both API pages"),
        Requirement(
            "function",
            "A call in evaluation mode is a function of its inputs, and leaves them alone",
            "both API pages",
        ),
        Requirement(
            "same-functions",
            "With equal weights and inputs, start to end, the outputs are equal to rounding",
            "mapping page: 'Implement the same functions'",
        ),
    )
}
