"""How numbers and verdicts are worded, the same in every report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Judged
from harness.findings import Finding
from harness.groups import Group
from harness.matrix import Cell
from harness.probes import Probe
from harness.results import Number, Place, as_float, number
from harness.verdicts import Verdict

__all__ = [
    "SENSIBLE",
    "cell_mark",
    "error_text",
    "finding_lines",
    "group_title",
    "place_text",
    "plural",
    "power_text",
    "ratio_rounded",
    "ratio_text",
    "reason",
    "tally",
]


SENSIBLE = 1e5
"""Errors of more ulp are about numbers near 0, and say nothing of size."""


def ratio_text(value: Number | None) -> str:
    """A ratio to its bound: three digits, as in 1,690 and 2.8e14, or why there is none."""
    if value is None:
        return "–"
    ratio = as_float(value)
    if ratio == 0:
        return "0"
    if math.isinf(ratio):
        return "∞"
    rounded = ratio_rounded(ratio)
    return f"{rounded:.7g}" if 1 < rounded < 1.005 else error_text(rounded)


def ratio_rounded(ratio: float) -> float:
    """To three digits, but just beyond the bound must not read as on it."""
    return float(f"{ratio:.7g}" if 1 < ratio < 1.005 else f"{ratio:.3g}")


SMALL, LARGE = 1e-3, 1e6
"""Sizes between these are written without a power of ten."""


def error_text(value: Number | None) -> str:
    """An error (absolute, relative, ulp): three significant digits, as in 1.01e-4 and 1,690."""
    if value is None:
        return "–"
    size = as_float(value)
    if size == 0 or not math.isfinite(size):
        return f"{size:g}"
    short = float(f"{size:.3g}")
    if SMALL <= abs(short) < LARGE:
        return f"{short:,.0f}" if abs(short) >= 1000 else f"{short:.3g}"
    digits, _, power = f"{short:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def place_text(place: Place | None, config_id: str = "") -> str:
    """Where, in words: 'output, layer 1 reverse, step 3, row 0, unit 2'; of a cell, which has one
    layer and one step, without these. The unit of a gradient of a gated layer's parameter is that
    of a gate, which is named.
    """
    if place is None:
        return ""
    config = Config.parse(config_id) if config_id else None
    single = config is not None and config.record.single_step
    parts = [place.output.removesuffix("_l0") if single else place.output]
    if place.layer is not None and not single:
        parts.append(f"layer {place.layer} {place.direction or ''}".strip())
    if place.step is not None and not single:
        parts.append(f"step {place.step}")
    if place.batch is not None:
        parts.append(f"row {place.batch}")
    if place.unit is not None:
        parts.append(_unit(place.output, place.unit, config))
    if place.pre_activation is not None:
        parts.append(f"pre-activation {as_float(place.pre_activation):.6g}")
    return ", ".join(parts)


def _unit(output: str, row: int, config: Config | None) -> str:
    """A row of a parameter is a unit of a gate, where there are several."""
    parameter = output.removeprefix("gradient of ").rpartition("_l")[0]
    if config is not None and len(config.cell.gates) > 1:
        for one in config.cell.arrays(bias=True):
            if one.name == parameter and one.axes[0] == "gates":
                gate, unit = divmod(row, config.hidden_size)
                return f"gate {config.cell.gates[gate]}, unit {unit}"
    return f"unit {row}"


def plural(count: int, noun: str) -> str:
    """'1 config', '2 configs', '1,000 configs'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def power_text(power: Mapping[Probe, float]) -> str:
    """'bias 40%, state 62%'; of a size what it is: 'smallest deviation 0.0142'."""
    return ", ".join(
        f"{name.value.replace('_', ' ')} {value:.3g}"
        if name.is_size
        else f"{name} {_percent(value)}"
        for name, value in power.items()
    )


def _percent(share: float) -> str:
    """A share that is not 0 must not read as 0, nor one that is not 1 as 1."""
    return f"{share:.0%}" if 0.005 <= share <= 0.995 or share in (0, 1) else f"{share:.2%}"


def tally(results: Sequence[Judged]) -> str:
    """'636 configs (333 corpus, 303 drawn; judged: 521 torch, 460 mindspore)'."""
    origins: dict[str, set[str]] = {}
    judged: dict[str, set[str]] = {result.backend: set() for result in results}
    for result in results:
        origins.setdefault(result.origin, set()).add(result.config_id)
        if result.verdict is not Verdict.UNSUPPORTED:
            judged.setdefault(result.backend, set()).add(result.config_id)
    total = len(set().union(*origins.values()))
    if not total:
        return "0 configs"
    where = ", ".join(f"{len(ids):,} {origin}" for origin, ids in origins.items())
    by = ", ".join(f"{len(ids):,} {backend}" for backend, ids in judged.items())
    return f"{plural(total, 'config')} ({where}; judged: {by})"


def cell_mark(cell: Cell) -> str:
    """The verdict with its sign; a star where something differs for a cause judged elsewhere."""
    return cell.verdict.mark + "*" * (cell.verdict is Verdict.PASS and cell.elsewhere > 0)


def group_title(members: Group, known: Mapping[str, KnownDifference]) -> str:
    """The statement of a known difference; of an unknown one what it is, in words."""
    entry = known.get(members.topic)
    return members.title if entry is None else entry.statement


def reason(entry: str, known: Mapping[str, KnownDifference]) -> str:
    """Why a known difference is accepted."""
    return known[entry].reason


def finding_lines(finding: Finding) -> list[str]:
    """How many configs show a finding, which options they share, and how large it gets."""
    summary = (
        f"{finding.consequence}, in {finding.configs} of {plural(finding.judged, 'config')} "
        "that could show it"
    )
    lines = [summary]
    if finding.depends:
        lines.append(f"depends on {finding.depends}")
    if finding.alone is False:
        lines.append(
            "its smallest config does not show it in a fresh process: it depends on what ran before"
        )
    if finding.places:
        lines.append(f"always worst {' and '.join(finding.places)}")
    config_id = finding.worst.config_id
    at = place_text(finding.worst.worst, config_id)
    if finding.off_by is not None:
        absolute, ulps = finding.off_by
        in_ulp = f" = {error_text(number(ulps))} ulp" if ulps < SENSIBLE else ""
        lines.append(
            f"worst: {ratio_text(finding.worst.ratio)} times the bound, off by "
            f"{error_text(number(absolute))}{in_ulp}, at {at}"
            if math.isfinite(absolute)
            else f"worst: not a number, or infinite, at {at}"
        )
    first = place_text(finding.worst.first, config_id)
    if first not in ("", at):
        lines.append(f"the first there: {first}")
    if finding.telling.message:
        where = "there" if finding.telling is finding.worst else "the smallest"
        lines.append(f"{where}, {finding.telling.message}")
    if finding.configs > 1:
        lines.append(f"worst config: {config_id}")
    return lines
