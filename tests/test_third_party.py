"""Implementations of others, over the whole corpus: what is accused of them has its cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).with_name("third_party")


@pytest.mark.parametrize("name", ["onnxruntime", "mlx"])
def test_nothing_is_accused_but_what_its_baseline_explains(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    backend, baseline = f"{HERE / name}_backend.py:backend", HERE / f"{name}.toml"
    command = f"run --backend {backend} --examples 0 --no-reproducers --out {tmp_path}".split()
    if baseline.exists():
        command += ["--baseline", str(baseline)]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
