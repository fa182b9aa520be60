"""The wheel, installed into an empty environment elsewhere, with what `rnn-parity[torch]` names.

The environment has the files of the distributions that the wheel's metadata ask for, as they are
installed here, and no others: whatever is missing there is missing in the metadata.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from harness.config import Config

ROOT = Path(__file__).parent.parent

CONFIGS = (
    Config.of(steps=2, batch=2, hidden_size=3, seed=5),
    Config.of("lstm", aspect="gradient", data="plain", steps=2, hidden_size=3),
)


def built(folder: Path) -> Path:
    """A wheel of this working tree."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    copied = folder / "source"
    copied.mkdir()
    for name in ("harness", "reference", "pyproject.toml", "README.md", "LICENSE"):
        (copied / name).symlink_to(ROOT / name)
    subprocess.run([*command, "--wheel-dir", str(folder), str(copied)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def required(requirements: list[str], extras: set[str], seen: set[str]) -> Iterator[str]:
    """The distributions that these requirements name, and those that they need."""
    for text in requirements:
        one = Requirement(text)
        wanted = {"", *extras}
        if one.marker is not None and not any(one.marker.evaluate({"extra": x}) for x in wanted):
            continue
        if one.name.lower() in seen:
            continue
        seen.add(one.name.lower())
        yield one.name
        own = metadata.distribution(one.name).requires or []
        yield from required(own, set(one.extras), seen)


@dataclass(frozen=True)
class Installed:
    """An environment, somewhere else than this working tree."""

    place: Path
    python: Path

    def parity(self, *command: object) -> subprocess.CompletedProcess[str]:
        return self.run(self.python.with_name("rnn-parity"), *command)

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return subprocess.run(
            [str(self.python), *map(str, command)],
            cwd=self.place,
            env=clean,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("elsewhere")
    wheel = built(tmp_path_factory.mktemp("wheel"))
    venv.create(place / "env", with_pip=False, symlinks=True)
    python = place / "env" / "bin" / "python"
    (packages,) = (place / "env" / "lib").glob("python*/site-packages")
    install = [
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
    ]
    subprocess.run([sys.executable, *install, str(wheel)], check=True)
    (own,) = metadata.distributions(name="rnn-parity", path=[str(packages)])
    for name in required(own.requires or [], {"torch"}, {"rnn-parity"}):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {".."}:
            there = Path(str(distribution.locate_file(top)))
            if not (packages / top).exists() and top != "__pycache__":
                (packages / top).symlink_to(there)
    return Installed(place, python)


def test_nothing_else_is_there(installed: Installed) -> None:
    script = "import harness, sys; print(harness.__file__); import mindspore"
    done = installed.run("-c", script)
    assert done.returncode == 1
    assert str(installed.place) in done.stdout
    assert "No module named 'mindspore'" in done.stderr


def test_it_runs(installed: Installed) -> None:
    corpus = installed.place / "corpus.txt"
    corpus.write_text("".join(f"{config.id}\n" for config in CONFIGS), "utf-8")
    options = ["--corpus", corpus, "--examples", 0, "--out", installed.place / "run"]
    done = installed.parity("run", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mindspore is not installed here, and is not judged" in done.stderr
    assert (installed.place / "run" / "report.html").exists()


def test_it_judges_a_layer(installed: Installed) -> None:
    numbers = np.random.default_rng(1)
    shapes = {"weight_ih_l0": (12, 3), "weight_hh_l0": (12, 4)}
    arrays = {name: numbers.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    np.savez(installed.place / "lone.npz", **{f"gru.{n}": array for n, array in arrays.items()})
    model = (
        "import numpy, torch; made = numpy.load('lone.npz');"
        "torch.save({n: torch.tensor(made[n]) for n in made.files}, 'model.pt')"
    )
    assert installed.run("-c", model).returncode == 0
    done = installed.parity("judge", "model.pt", "--out", "judged")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AS THE EQUATION SAYS (torch)" in done.stdout
    done = installed.run("judged/port_to_torch.py")
    assert done.returncode == 0, done.stderr


def test_the_conformance_suite_needs_no_checkout(installed: Installed) -> None:
    select = f"{CONFIGS[0].id} and torch"
    done = installed.run(
        *("-m", "pytest", "-q", "--pyargs", "harness.conformance", "-k", select, "-p"),
        "no:cacheprovider",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
