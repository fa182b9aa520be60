"""Implementations of others, over a third of the corpus: what is accused of them has its cause.

Over the whole of it: rnn-parity run --backend tests/third_party/onnxruntime_backend.py:backend
--baseline tests/third_party/onnxruntime.toml
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.corpus import load_corpus

HERE = Path(__file__).with_name("third_party")


@pytest.mark.parametrize("name", ["onnxruntime", "mlx"])
def test_nothing_is_accused_but_what_its_baseline_explains(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    backend, baseline = f"{HERE / name}_backend.py:backend", HERE / f"{name}.toml"
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(config.id for config in load_corpus()[::3]), "utf-8")
    options = f"--corpus {corpus} --examples 0 --no-reproducers --out {tmp_path}"
    command = f"run --backend {backend} {options}".split()
    if baseline.exists():
        command += ["--baseline", str(baseline)]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
