"""`replay` and `reproduce`: one config."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
from harness.limits import Limits

__all__ = ["CONFIG_OPTIONS", "config_options", "replay", "reproduce"]

_number = functools.partial(click.option, type=click.IntRange(0), metavar="N")
_word = functools.partial(click.option, metavar="WORD")

CONFIG_OPTIONS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("layer", _word("--layer", help="rnn, lstm, gru, rnncell, lstmcell or grucell.")),
    (
        "aspect",
        _word(
            "--aspect",
            help="What is asked: values, gradient, training, initial, checkpoint, repeated, or a "
            "call such as call.lengths.beyond.",
        ),
    ),
    ("input_size", _number("--input-size")),
    ("hidden_size", _number("--hidden-size")),
    ("num_layers", _number("--num-layers")),
    ("nonlinearity", _word("--nonlinearity", help="tanh or relu, of rnn and rnncell.")),
    ("proj_size", _number("--proj-size", help="Of lstm.")),
    ("bias", click.option("--bias/--no-bias", default=True)),
    ("batch_first", click.option("--batch-first", is_flag=True)),
    ("unbatched", click.option("--unbatched", is_flag=True, help="x of shape (T, I).")),
    (
        "dropout",
        click.option("--dropout", type=float, metavar="P", help="As torch's."),
    ),
    ("bidirectional", click.option("--bidirectional", is_flag=True)),
    ("states", click.option("--states/--no-states", help="Whether initial states are given.")),
    (
        "lengths",
        _word(
            "--lengths",
            help="nolengths, fulllengths (T), ragged (1 to T), emptyrows (0 to T), shorter (below "
            "T), equal, descending or ascending.",
        ),
    ),
    ("dtype", _word("--dtype", help="float32, float64, float16 or bfloat16; fp32, and so on.")),
    ("mode", _word("--mode", help="evaluation or training, of gradients.")),
    (
        "cotangents",
        _word(
            "--cotangents",
            help="Of which loss: all, output, final, zero, sparse, large, h_n or c_n.",
        ),
    ),
    (
        "memory",
        _word(
            "--memory",
            help="How arrays lie in memory: contiguous, fortran, permuted, strided, reversed, "
            "broadcast, offset, unaligned, readonly, windows, unlike or shared.",
        ),
    ),
    (
        "data",
        _word(
            "--data",
            help="Which numbers: plain (default of options), mixed (extreme rows too; default of "
            "ids), special, lone, missing, strewn, ints, lasting, page or sweep.",
        ),
    ),
    ("scale", _number("--scale", help="What weights are multiplied by, 1 to 16.")),
    ("batch", _number("--batch")),
    ("steps", _number("--steps")),
    ("seed", _number("--seed")),
)
"""By field or, where torch calls it otherwise, by torch's name."""


def config_options(command: Callable[..., None]) -> Callable[..., None]:
    """A config id, or options that make one, or both; the command gets the config."""

    @functools.wraps(command)
    def wrapped(config_id: str | None, **kwargs: Any) -> None:
        source = click.get_current_context().get_parameter_source
        every = {name: kwargs.pop(name) for name, _ in CONFIG_OPTIONS}
        given = {n: v for n, v in every.items() if source(n) == ParameterSource.COMMANDLINE}
        if config_id is None and not given:
            raise click.UsageError(
                "expected a config id, or options such as --layer rnn --hidden-size 512; the "
                "reports name the id of every config"
            )
        command(functools.partial(_config, config_id, given), **kwargs)

    for _, option in reversed(CONFIG_OPTIONS):
        wrapped = option(wrapped)
    return click.argument("config_id", required=False)(wrapped)


def _config(config_id: str | None, given: dict[str, Any]) -> Any:
    from harness.cli.given_config import config_of

    return config_of(config_id, given)


@main.command()
@config_options
@backend_option
@baseline_option
@click.option(
    "--arrays",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder `arrays` that `judge` wrote, of a config with given arrays.",
)
@click.option(
    "--verbose", is_flag=True, help="Print everything that is known of each comparison, too."
)
@isolation_options
@reports_errors
def replay(
    config: Callable[[], Any],
    backends: tuple[str, ...],
    baseline: Path,
    arrays: Path | None,
    verbose: bool,
    limits: Limits | None,
) -> None:
    """Print the tolerance report of one config: of its id, of options, or of an id with changes.

    \b
    rnn-parity replay rnn-bidir-i300-h512-b4-t8-s0
    rnn-parity replay --layer rnn --input-size 300 --hidden-size 512 --bidirectional
    """
    made = config()
    from harness.cli.replaying import replay_and_print

    replay_and_print(made, backends, baseline, arrays, verbose, limits)


@main.command()
@config_options
@backend_option
@isolation_options
@reports_errors
def reproduce(config: Callable[[], Any], backends: tuple[str, ...], limits: Limits | None) -> None:
    """Print the smallest script for each numeric difference that one config shows."""
    made = config()
    from harness.cli.replaying import print_scripts

    print_scripts(made, backends, limits)
