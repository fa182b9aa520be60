"""Reproducers of findings, as they lie beside a run's results: `reproducers.json` and scripts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.folder import REPRODUCERS, SCRIPTS
from harness.results import ResultsError

__all__ = ["Reproducer", "load_reproducers", "store_reproducers"]


class Reproducer(msgspec.Struct, frozen=True):
    """A stand-alone script that was run and showed a finding.

    `finding` is `harness.findings.Finding.slug`; `config_id` the config that it was made from;
    `printed` what the script printed, with the versions that are installed.
    """

    finding: str
    config_id: str
    script: str
    printed: str


def store_reproducers(out: Path, reproducers: Iterable[Reproducer]) -> list[Path]:
    """Write all of a run into its directory; returns the paths of the scripts."""
    kept = list(reproducers)
    if not kept and not (out / REPRODUCERS).exists():
        return []
    (out / SCRIPTS).mkdir(exist_ok=True)
    for stale in (out / SCRIPTS).glob("*.py"):
        stale.unlink()
    (out / REPRODUCERS).write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1))
    paths = [out / SCRIPTS / f"{one.finding}.py" for one in kept]
    for path, one in zip(paths, kept, strict=True):
        path.write_text(one.script, "utf-8")
    return paths


def load_reproducers(out: Path) -> dict[str, Reproducer]:
    """By finding; none where none were made.

    Raises:
        ResultsError: the file is not one of ours.
    """
    path = out / REPRODUCERS
    if not path.exists():
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Reproducer])
    except msgspec.MsgspecError as error:
        raise ResultsError(f"{path} cannot be read: {error}; delete it, or run again") from error
    return {one.finding: one for one in found}
