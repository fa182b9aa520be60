"""Backends in workers, as the options of a command ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from harness.backends import absent_backends, default_backends, found_reference, load_backend
from harness.judge import Session
from harness.limits import Limits
from harness.logs import log_of
from harness.runners import InProcess, Isolated, Runner

__all__ = ["session_of"]


def session_of(
    references: tuple[str, ...],
    limits: Limits | None,
    *,
    variants: bool = False,
    logs: Path | None = None,
) -> Session:
    """Backends in workers with these limits; in this process if None.

    `logs` is the folder for what they print and raise.
    `variants`: where no reference is given, variants that the default backends name come too.
    """
    chosen = [str(found_reference(text)) for text in references or default_backends()]
    for name in () if references else absent_backends():
        click.echo(f"{name} is not installed here, and is not judged", err=True)
    runners: dict[str, Runner] = {}

    def begin(references: Iterable[str]) -> None:  # all begin to load, side by side
        for one in dict.fromkeys(references):
            log = logs and log_of(logs, one)
            runners[one] = (
                Isolated(one, limits, log=log) if limits else InProcess(load_backend(one))
            )

    try:
        begin(chosen)
        if variants and not references:
            loaded = [(key, runner.about) for key, runner in runners.items()]
            begin(f"{key}:{name}" for key, about in loaded for name in about.default_variants)
        return Session(runners)
    except BaseException:
        for runner in runners.values():
            runner.close()
        raise
