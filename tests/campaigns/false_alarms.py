"""How often the harness alarms on an implementation that is right: `make false-alarms`.

torch is judged on tens of thousands of drawn configs with the baseline that every run has. A
result that no known difference explains is an alarm: a finding about torch, or a false alarm,
which is a fault of the harness. Calls are not drawn: some end torch's process. What was
inconclusive is counted beside it, because a harness that concludes nothing never alarms either.
With `--backend mindspore` an alarm may also be a difference that is not known yet. With
`--executor dask://HOST:PORT` it runs on a cluster; scheduler and workers need this checkout on
their PYTHONPATH.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.aspects import VALUES
from harness.backends import load_backend
from harness.config import Config
from harness.environment import describe
from harness.executors import Recipe, executor_named, in_order, processes, session_for
from harness.expectations import Judged, expectations_of
from harness.judge import Session
from harness.layers import LAYERS
from harness.results import Result, as_float
from harness.strategies import configs, draw_configs

CHUNK = 250
"""Configs that a process draws and judges at a time."""

MAX_STEPS = 200

SCALES = (1, 16, 8, 4, 2)
"""All of 1 to 16; the second is what the strategy lets gradients have at most."""

OTHERS = ("training", "initial", "checkpoint", "life")

ASPECTS = {
    "fp32": (VALUES,) * 12 + ("gradient",) * 5 + OTHERS,
    "fp64": (VALUES,) * 12 + ("gradient",) * 5 + OTHERS,
    "fp16": (VALUES,) * 12 + ("gradient",) * 5 + OTHERS,
}

SHARES = {"fp32": 1.0, "fp64": 0.15, "fp16": 0.15}
"""Configs of each format, as a share of the number asked for."""


@dataclass(frozen=True)
class Chunk:
    """Configs that one process draws and judges: format, how many, the seed of the draw, and of
    which layers; of all if none is named.
    """

    dtype: str
    count: int
    seed: int
    layers: tuple[str, ...] = ()


@dataclass
class Tally:
    """What came of some configs; tallies add up.

    `configs` by (format, aspect), `verdicts` by verdict, `compared` counts elements, `largest`
    maps (check, format, layer) to the largest finite ratio and its config, `ratios` to how often
    each came, in hundredths; `asked` counts comparisons by check, `open` the inconclusive ones by
    (check, reason).
    """

    configs: Counter[tuple[str, str]] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    verdicts: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    known: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
    largest: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)
    ratios: dict[tuple[str, str, str], Counter[int]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    open: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, config: Config, results: Sequence[Judged]) -> None:
        """Add the results of one config, unless this tally has it; two that are added may share."""
        if config.id in self.ids:
            return
        self.ids.add(config.id)
        aspect = "call" if config.is_call else config.aspect
        self.configs[config.dtype, aspect] += 1
        for result in results:
            self.verdicts[result.verdict] += 1
            self.asked[result.check] += 1
            self.compared += result.compared
            if result.unexpected:
                cause = f", cause {result.cause}" if result.cause else ""
                self.alarms.append(
                    f"{result.check}, {result.part}: {result.message}{cause}; {result.replay}"
                )
            elif result.known:
                self.known[result.known] += 1
            if result.verdict == "inconclusive":
                self.open[result.check, re.sub(r"\d+", "N", result.message)] += 1
            if result.verdict == "pass" and result.ratio is not None:
                self._raise((result.check, config.dtype, _layer(config)), result)

    def _raise(self, key: tuple[str, str, str], result: Result) -> None:
        ratio = as_float(result.ratio)
        self.largest[key] = max(self.largest.get(key, (-1.0, "")), (ratio, result.config_id))
        if math.isfinite(ratio):
            self.ratios.setdefault(key, Counter())[math.ceil(100 * ratio)] += 1

    def quantile(self, key: tuple[str, str, str], share: float) -> float:
        """The ratio that this share of all do not exceed, rounded up to a hundredth."""
        counted, seen = self.ratios[key], 0
        for hundredths, count in sorted(counted.items()):
            seen += count
            if seen >= share * counted.total():
                return hundredths / 100
        raise ValueError(f"share {share}, expected 0 to 1, of ratios that were counted")

    def add(self, other: Tally) -> None:
        """Take another tally in."""
        self.configs += other.configs
        self.ids |= other.ids
        self.verdicts += other.verdicts
        self.compared += other.compared
        self.known += other.known
        self.alarms += other.alarms
        for key, value in other.largest.items():
            self.largest[key] = max(self.largest.get(key, (-1.0, "")), value)
        for key, counted in other.ratios.items():
            self.ratios[key] = self.ratios.get(key, Counter()) + counted
        self.asked += other.asked
        self.open += other.open

    @property
    def sound(self) -> bool:
        """No alarm, and something was concluded at all."""
        return not self.alarms and self.verdicts["pass"] > 0


def _layer(config: Config) -> str:
    """The layer, and its own options: "rnn tanh"."""
    return " ".join([config.layer, *(str(value) for _, value in config.specific)])


def chunks(count: int, seed: int, layers: Sequence[str] = ()) -> Iterator[Chunk]:
    """`count` float32 configs and their share of the other formats, in chunks of their own seed."""
    number = 0
    for dtype, share in SHARES.items():
        left = max(1, round(count * share))
        while left > 0:
            yield Chunk(dtype, min(CHUNK, left), 100_000 * seed + number, tuple(layers))
            left -= CHUNK
            number += 1


@functools.cache
def session_of(backend: str = "torch") -> Session:
    return Session({backend: load_backend(backend)})


def judge_elsewhere(recipe: Recipe, chunk: Chunk) -> Tally:
    """In the process that is asked, with a session that it keeps."""
    return judge_chunk(chunk, session_for(recipe))


def judge_chunk(chunk: Chunk, session: Session | None = None) -> Tally:
    """Draw and judge; of torch, unless a session is given."""
    session = session or session_of()
    strategy = configs(
        layers=chunk.layers,
        max_steps=MAX_STEPS,
        dtypes=(chunk.dtype,),
        scales=SCALES,
        aspects=ASPECTS[chunk.dtype],
    )
    tally, expected = Tally(), expectations_of(describe(session.runners))
    for config in draw_configs(strategy, chunk.count, chunk.seed):
        tally.count(config, expected.join(session.judge(config)))
    return tally


def report(tally: Tally, backend: str = "torch") -> str:
    """The tally as text: counts, alarms, ratios, what was left open."""
    judged = sum(tally.configs.values())
    lines = [f"{judged} configs of {backend}, {len(tally.ids)} of them different:"]
    formats = sorted({dtype for dtype, _ in tally.configs})
    for dtype in formats:
        cells = sorted((a, n) for (d, a), n in tally.configs.items() if d == dtype)
        lines.append(f"  {dtype}  " + ", ".join(f"{aspect} {n}" for aspect, n in cells))
    total = sum(tally.verdicts.values())
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in tally.verdicts.most_common())
    lines.append(f"{total} comparisons ({tally.compared} elements): {verdicts}")
    known = ", ".join(f"{name} {n}" for name, n in tally.known.most_common())
    lines.append(f"known differences shown: {known or 'none'}")
    lines.append("ratios of what passed, by check, format, layer: median, 99%, the largest:")
    for key, (ratio, config_id) in sorted(tally.largest.items()):
        if ratio > 0:
            shares = "  ".join(f"{tally.quantile(key, share):.2f}" for share in (0.5, 0.99))
            lines.append(f"  {key[0]:14} {' '.join(key[1:])}  {shares}  {ratio:.4f}  {config_id}")
    lines.append("inconclusive, share of the check's comparisons:")
    for (check, reason), n in tally.open.most_common():
        lines.append(f"  {check:16} {n:6} of {tally.asked[check]:7} ({n / tally.asked[check]:.2%})")
        lines.append(f"    {reason}")
    lines.append(f"{len(tally.alarms)} alarms" + "".join(f"\n  {a}" for a in tally.alarms))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: no alarm. Exit 1: an alarm, or nothing concluded."""
    parser = argparse.ArgumentParser(prog="tests.campaigns.false_alarms", description=__doc__)
    parser.add_argument("--backend", default="torch", help="of which (torch)")
    parser.add_argument("--configs", type=int, default=20_000, help="float32 configs to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layer", action="append", default=[], choices=LAYERS, help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--executor", help="dask://HOST:PORT, in place of processes")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    # Read by the numeric libraries when a process loads them.
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    make = executor_named(options.executor) if options.executor else processes(options.jobs)
    session = session_of(options.backend)
    recipe = Recipe((options.backend,), None, describe(session.runners)["versions"])
    asked = [(recipe, chunk) for chunk in chunks(options.configs, options.seed, options.layer)]
    tally = Tally()
    for done, (_, own) in enumerate(in_order(make, judge_elsewhere, asked), start=1):
        tally.add(own)
        if sys.stderr.isatty():
            print(f"\r{done} of {len(asked)}", end="", file=sys.stderr, flush=True)
    print(report(tally, options.backend))
    where = options.executor or f"{options.jobs} processes"
    print(f"{time.perf_counter() - start:.0f} s in {where}")
    return 0 if tally.sound else 1


if __name__ == "__main__":
    from tests.campaigns import false_alarms  # by a name that other processes know

    sys.exit(false_alarms.main())
