"""Figures as they lie beside a run's results: the records, and `figures.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.folder import FIGURES
from harness.results import Number, ResultsError, as_float

__all__ = ["ActivationError", "ErrorMap", "Figures", "load_figures", "store_figures"]

MOST_STEPS, MOST_UNITS, MOST_BINS = 96, 48, 400
"""Cells of a map, and bins of an activation; what is longer shares them."""

Row = list[Number | None]


class ErrorMap(msgspec.Struct, frozen=True):
    """One batch row of one direction of one layer, over steps and units.

    `ratio` and `ulps` are by unit, then by step: the largest |actual - expected| over its bound,
    and in ulp of the expected value; null for padding and where no bound exists. `steps` and
    `units` are how many there were, of which several may share a cell. `local` says that each
    state is judged from the implementation's own previous one, not from start to end.

    Raises:
        ValueError: not a rectangle of a size that can be drawn.
    """

    finding: str
    config_id: str
    local: bool
    layer: int
    direction: str
    batch: int
    steps: int
    units: int
    ratio: list[Row]
    ulps: list[Row]

    @property
    def tells(self) -> bool:
        """Whether anything in it is beyond its bound; else what differs is no distance."""
        return any(not as_float(one) <= 1 for row in self.ratio for one in row if one is not None)

    def __post_init__(self) -> None:
        for rows in (self.ratio, self.ulps):
            widths = {len(row) for row in rows}
            if not (1 <= len(rows) <= MOST_UNITS and len(widths) == 1 and min(widths) >= 1):
                raise ValueError(f"expected 1 to {MOST_UNITS} rows of one width")
            if max(widths) > MOST_STEPS or len(rows) != len(self.ratio):
                raise ValueError(f"expected rows of at most {MOST_STEPS} cells")
        if {len(row) for row in self.ratio} != {len(row) for row in self.ulps}:
            raise ValueError("expected ratio and ulps of one shape")


class ActivationError(msgspec.Struct, frozen=True):
    """An activation alone, float32: least and largest error in ulp, in equal bins of [low, high].

    Null where nothing was measured. `layer` is the one that it was measured through.

    Raises:
        ValueError: bins that cannot be drawn.
    """

    backend: str
    activation: str
    low: float
    high: float
    least: Row
    most: Row
    layer: str = ""

    def __post_init__(self) -> None:
        if not (1 <= len(self.least) == len(self.most) <= MOST_BINS):
            raise ValueError(f"expected 1 to {MOST_BINS} bins, each with its least and most")
        if not -1e6 < self.low < self.high < 1e6:
            raise ValueError("low and high, expected a range")


class Figures(msgspec.Struct, frozen=True):
    """All of a run, which its `date` names: results of another run are not illustrated by them."""

    date: str = ""
    maps: list[ErrorMap] = []
    activations: list[ActivationError] = []

    def map_of(self, finding: str) -> ErrorMap | None:
        """By the finding's slug."""
        return next((one for one in self.maps if one.finding == finding), None)


def store_figures(out: Path, figures: Figures) -> Path:
    """Write them into a run's directory. Raises OSError."""
    path = out / FIGURES
    path.write_bytes(msgspec.json.encode(figures))
    return path


def load_figures(out: Path, header: dict[str, Any]) -> Figures:
    """Those of the run with this header; none where none were made.

    Raises:
        ResultsError: the file is not one of ours.
    """
    path = out / FIGURES
    if not path.exists():
        return Figures()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Figures)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read: {error}; delete it, or run again") from error
    return found if found.date == header.get("date") else Figures()
