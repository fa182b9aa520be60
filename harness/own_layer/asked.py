"""What is asked of a user's layer, and the folder from which the same can be asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.given import GivenError, open_given, save_given
from reference.arrays import Array

__all__ = ["ARRAYS", "ASKED", "Asked", "begin", "questions", "saved"]

ARRAYS, ASKED, STORED = "arrays", "asked.txt", "layer.json"
"""In the folder of a judgement: the arrays, the configs, and what else it began with."""


@dataclass(frozen=True)
class Asked:
    """A layer with its call. `called` is the config of the user's own call; `configs` are all that
    are judged; `home` is the framework whose layer it was; `assumed` what was taken for granted of
    the layer, as 'dropout = 0 (--dropout)'.
    """

    called: Config
    configs: tuple[Config, ...]
    home: str
    title: str
    assumed: tuple[str, ...] = ()

    @property
    def assumed_options(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(text.partition(" ")[0] for text in self.assumed)


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    called: str
    home: str
    title: str
    assumed: tuple[str, ...] = ()


def begin(
    out: Path,
    config: Config,
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    home: str,
    title: str,
    assumed: Sequence[str] = (),
) -> Asked:
    """Write what is needed to ask the same again. Raises OSError."""
    given = save_given(out / ARRAYS, weights, inputs)
    called = config.replace(arrays=given.digest)
    stored = _Stored(called.id, home, title, tuple(assumed))
    (out / STORED).write_bytes(msgspec.json.encode(stored))
    asked = Asked(called, tuple(questions(called)), home, title, stored.assumed)
    (out / ASKED).write_text("".join(f"{one.id}\n" for one in asked.configs), "utf-8")
    return asked


def saved(folder: Path) -> Asked:
    """What `begin` wrote.

    Raises:
        GivenError: something else is there.
    """
    path = folder / STORED
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        called = Config.parse(stored.called)
    except OSError as error:
        raise GivenError(
            f"{folder}: no folder that judge wrote, there is no {STORED} in it "
            f"({error.strerror}); expected such a folder, or a file of weights"
        ) from error
    except ValueError as error:
        raise GivenError(f"{path}: {error}") from error
    given = open_given(folder / ARRAYS)
    if given.digest != called.arrays:
        raise GivenError(f"{folder / ARRAYS}: other arrays than {called.arrays}, which were judged")
    return Asked(called, tuple(questions(called)), stored.home, stored.title, stored.assumed)


def questions(called: Config) -> list[Config]:
    """The user's call, its gradients, checkpoints; and both again with what was not given drawn.

    Of a layer too large to be judged at once, the user's own call alone.
    """
    own = _with_state(called)
    configs = [own, own.replace(aspect="gradient"), _plain(own).replace(aspect="checkpoint")]
    if called.numbers <= MOST_NUMBERS:
        more = _completed(own)
        configs += [more, more.replace(aspect="gradient")]
    return list(dict.fromkeys(configs))


def _with_state(config: Config) -> Config:
    """A cell's initial state is drawn where none is given: not every framework has a default."""
    return config.replace(states=True) if config.record.single_step else config


def _plain(config: Config) -> Config:
    return config.replace(lengths="nolengths")


def _completed(config: Config) -> Config:
    """With initial states and lengths, drawn where they are not given, and a batch."""
    changes: dict[str, Any] = {"states": True}
    if config.layout == "unbatched":
        changes["layout"] = "timefirst"
    if config.lengths == "nolengths":
        changes["lengths"] = "ragged"
    try:
        return config.adapted(**changes)
    except ConfigError:
        return config
