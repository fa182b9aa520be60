"""The files of data that are installed beside the code: known differences, pinned configs."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BASELINE", "CORPUS", "QUICK", "SAMPLE"]

BASELINE = Path(__file__).with_name("known_differences.toml")

CORPUS = Path(__file__).with_name("corpus.txt")

SAMPLE = Path(__file__).with_name("corpus_sample.txt")
"""The configs for backends that are too expensive to be asked for all (`sampled`)."""

QUICK = Path(__file__).with_name("corpus_quick.txt")
"""Configs of both that show together what a whole run shows."""
