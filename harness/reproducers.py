"""Reproducers of findings, as they lie beside a run's results: `reproducers.json` and scripts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.folder import REPRODUCERS, SCRIPTS
from harness.results import ResultsError

__all__ = ["Reproducer", "by_finding", "each_once", "load_reproducers", "store_reproducers"]


class Reproducer(msgspec.Struct, frozen=True):
    """A stand-alone script that was run and showed a finding.

    `finding` is `harness.findings.Finding.slug`; `config_id` the config that it was made from;
    `printed` what the script printed, with the versions that are installed. `name` is that of its
    file, after the known difference whose statement it shows; `also` are other findings that the
    same program shows.
    """

    finding: str
    config_id: str
    script: str
    printed: str
    name: str = ""
    also: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its file's name, among the scripts of a run."""
        return f"{self.name or self.finding}.py"

    @property
    def program(self) -> str:
        """The script without its comments."""
        return "\n".join(line for line in self.script.splitlines() if not line.startswith("#"))


def each_once(made: Iterable[tuple[Reproducer, str]]) -> list[Reproducer]:
    """Every program once, with the findings that it shows; `made` names the difference of each.

    The first of a difference has its name, others the finding's as well.
    """
    kept: dict[str, Reproducer] = {}
    for one, difference in made:
        first = kept.get(one.program)
        if first is None:
            taken = any(other.name == difference for other in kept.values())
            name = one.finding if taken else difference
            kept[one.program] = msgspec.structs.replace(one, name=name)
        else:
            kept[one.program] = msgspec.structs.replace(first, also=(*first.also, one.finding))
    return list(kept.values())


def by_finding(reproducers: Iterable[Reproducer]) -> dict[str, Reproducer]:
    """The script of each finding that one shows."""
    return {name: one for one in reproducers for name in (one.finding, *one.also)}


def store_reproducers(out: Path, reproducers: Iterable[Reproducer]) -> list[Path]:
    """Write all of a run into its directory; returns the paths of the scripts."""
    kept = list(reproducers)
    if not kept and not (out / REPRODUCERS).exists():
        return []
    (out / SCRIPTS).mkdir(exist_ok=True)
    for stale in (out / SCRIPTS).glob("*.py"):
        stale.unlink()
    (out / REPRODUCERS).write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1))
    paths = [out / SCRIPTS / one.file for one in kept]
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
    return by_finding(found)
