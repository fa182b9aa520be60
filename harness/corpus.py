"""The pinned corpus: the configs that every run judges, in the order of the file."""

from __future__ import annotations

from pathlib import Path

from harness.config import Config, ConfigError

__all__ = ["CORPUS", "QUICK", "SAMPLE", "load_corpus"]

CORPUS = Path(__file__).with_name("corpus.txt")

SAMPLE = Path(__file__).with_name("corpus_sample.txt")
"""The configs for backends that are too expensive to be asked for all (`sampled`)."""

QUICK = Path(__file__).with_name("corpus_quick.txt")
"""Configs of both that show together what a whole run shows."""


def load_corpus(path: Path = CORPUS) -> list[Config]:
    """The configs of a corpus file: an id a line, `#` begins a comment.

    Raises:
        ConfigError: a line is not a config id; names file and line.
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
                configs.append(Config.parse(config_id))
            except ConfigError as error:
                raise ConfigError(f"{path}, line {count}: {error}") from None
    return configs
