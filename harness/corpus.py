"""The pinned corpus: the configs that every run judges, in the order of the file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness.config import Config, ConfigError
from harness.shipped import CORPUS, QUICK, SAMPLE

__all__ = ["CORPUS", "QUICK", "SAMPLE", "load_corpus"]


def load_corpus(path: Path = CORPUS) -> list[Config]:
    """The configs of a corpus file: an id a line, `#` begins a comment.

    Raises:
        ConfigError: a line is not a config id, and names file and line; or there is none.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {error}, expected a config id a line, in UTF-8") from None
    configs = []
    for count, line in enumerate(text.splitlines(), start=1):
        config_id = line.partition("#")[0].strip()
        if config_id:
            try:
                configs.append(_config(config_id))
            except ConfigError as error:
                raise ConfigError(f"{path}, line {count}: {error}") from None
    if not configs:
        raise ConfigError(f"{path} holds no config id; expected one a line, such as {Config().id}")
    return configs


def _config(text: str) -> Config:
    """Of an id as it is written, which is read once in a process, or of one with other words."""
    with contextlib.suppress(ConfigError):
        return Config.parse(text)
    return Config.understood(text)
