"""`judge`: the user's own layer, with its weights and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.options import (
    backend_option,
    baseline_option,
    isolation_options,
    main,
    reports_errors,
)

__all__ = ["judge"]

ARRAY = click.Path(exists=True, dir_okay=False, path_type=Path)


@main.command()
@click.argument("weights", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--prefix", help="Which layer of a model, such as encoder.rnn. Default: the only one."
)
@click.option(
    "--x",
    type=ARRAY,
    help="The input, .npy; or .npz with the states and lengths too. Default: drawn.",
)
@click.option("--h-0", type=ARRAY, help="Initial state, .npy: (L * D, B, H), of a cell (B, H).")
@click.option("--c-0", type=ARRAY, help="Initial cell state of an LSTM, .npy.")
@click.option("--lengths", type=ARRAY, help="Length of each row, .npy: integers, (B,).")
@click.option("--batch-first", is_flag=True, help="x is (B, T, I). Default: (T, B, I).")
@click.option(
    "--dropout",
    type=float,
    default=0.0,
    help="The layer's dropout. It is judged in evaluation mode, where nothing drops.",
)
@click.option(
    "--nonlinearity",
    type=click.Choice(("tanh", "relu")),
    help="Of RNN and RNNCell. Default: torch's, tanh.",
)
@click.option(
    "--steps", type=click.IntRange(1), default=8, show_default=True, help="Steps of a drawn x."
)
@click.option(
    "--batch", type=click.IntRange(1), default=4, show_default=True, help="Rows of a drawn x."
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Of a large layer, judge so many rows of the batch at least. Default: all.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of all that is drawn.",
)
@backend_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/judged"),
    show_default=True,
    help="Directory for the answer, the scripts, the reports, and all arrays.",
)
@baseline_option
@click.option("--verbose", is_flag=True, help="Print every requirement.")
@isolation_options
@reports_errors
def judge(**options: Any) -> None:
    """Judge your own layer: WEIGHTS is .pt, .safetensors, .npz or .ckpt, or an --out of before.

    Out comes an answer in a few lines, which known differences concern this layer, a script for
    each framework that builds it there, and the reports of a run. Nothing in a file is executed.

    Exit code 0: DROP-IN. 1: it is not, or for this call alone. 2: it could not be judged, and the
    message says what to do.
    """
    context = click.get_current_context()
    given = [
        name
        for name in context.params
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    ]
    from harness.cli.judging import judge_layer

    judge_layer(**options, on_command_line=given)
