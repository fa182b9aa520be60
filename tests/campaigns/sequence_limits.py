"""How long a sequence each backend takes: `make limits`, some three minutes.

Each length is a replay in a process of its own, with a time limit; a process that does not come
back is where the backend ends here. A time is that of the whole replay, imports included.
"""

from __future__ import annotations

import subprocess
import sys
import time

from harness.config import Config

LIMIT = 400.0
"""Seconds after which a replay is given up."""

LENGTHS = {
    "torch": (1000, 5000, 10_000),
    "mindspore": (1000, 5000, 10_000),
    "mindspore:graph": (100, 200, 220, 230, 240, 250, 300, 400, 1000),
}


def replay(backend: str, steps: int) -> str:
    """What came of it, in a word, and how long it took."""
    config = Config.of(
        "rnn", nonlinearity="relu", states=True, input_size=3, hidden_size=5, batch=3, steps=steps
    )
    replay = [sys.executable, "-m", "harness.cli", "replay", config.id]
    command = [*replay, "--backend", backend, "--time-limit", str(LIMIT)]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {LIMIT:.0f} s"
    took = f"{time.perf_counter() - start:.0f} s"
    if done.returncode == 0:
        return f"as expected, {took}"
    lines = (done.stdout + done.stderr).splitlines()
    error = next((line.strip() for line in lines if "Error" in line), f"exit {done.returncode}")
    return f"{error[:160]}, {took}"


def main() -> None:
    for backend, lengths in LENGTHS.items():
        for steps in lengths:
            outcome = replay(backend, steps)
            print(f"{backend:16} T = {steps:5}: {outcome}", flush=True)
            if not outcome.startswith("as expected"):
                break


if __name__ == "__main__":
    main()
