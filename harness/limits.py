"""How long a sequence each backend takes: `make limits`. It takes some twenty minutes.

Each length is a replay in a process of its own, with a time limit; a process that does not come
back is where the backend ends here. A time is that of the whole replay, imports included.
"""

from __future__ import annotations

import subprocess
import sys
import time

from harness.config import Config

__all__ = ["main"]

LIMIT = 400.0
"""Seconds after which a replay is given up."""

LENGTHS = {
    "torch": (1000, 5000, 9999),
    "mindspore": (1000, 5000, 9999),
    "mindspore-graph": (100, 200, 400, 600, 800, 1000, 1500, 2000),
}


def replay(backend: str, steps: int) -> str:
    """What came of it, in a word, and how long it took."""
    config = Config(
        nonlinearity="relu", h_0=True, input_size=3, hidden_size=5, batch=3, steps=steps
    )
    command = [sys.executable, "-m", "harness.cli", "replay", config.id, "--backend", backend]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {LIMIT:.0f} s"
    said = {0: "as expected", 1: "UNEXPECTED"}.get(done.returncode, f"exit {done.returncode}")
    if done.returncode not in (0, 1):
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said += f": {lines[-1][:160]}" if lines else ""
    return f"{said}, {time.perf_counter() - start:.0f} s"


def main() -> None:
    for backend, lengths in LENGTHS.items():
        for steps in lengths:
            said = replay(backend, steps)
            print(f"{backend:16} T = {steps:5}: {said}", flush=True)
            if not said.startswith("as expected"):
                break


if __name__ == "__main__":
    main()
