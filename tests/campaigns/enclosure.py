"""The oracle enclosed in balls, and the bounds by legal evaluations: `make enclosure`.

    python -m harness.trust.enclosure [--configs N] [--seed S]

Draws configs of values and gradients, in every format, and shows that the oracle lies in ball
arithmetic's enclosure of the equation, widened by the oracle's own error bound
(`harness.trust.positions`); then how close legal evaluations in other orders come to the bounds
that judge implementations (`harness.trust.approach`). Exit 1 if anything lies outside.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from harness.case import make_case
from harness.config import Config
from harness.draw import draw_configs
from harness.strategies import configs
from harness.trust.approach import WIDTHS, Approach, survey
from harness.trust.balls import PRECISION
from harness.trust.positions import Positions, enclose

__all__ = ["drawn_configs", "main", "report_approach", "report_positions"]

MAX_STEPS = 24

SCALES = (1, 16, 8, 4, 2)
"""All of 1 to 16; the second is what the strategy lets gradients have at most."""


def drawn_configs(count: int, seed: int) -> list[Config]:
    """Values and gradients, every format and option; sizes as for every run, T to 24."""
    strategy = configs(max_steps=MAX_STEPS, scales=SCALES, aspects=("gradient", "forward"))
    return draw_configs(strategy, count, seed)


def report_positions(positions: Positions) -> str:
    """A line for each question; then what was left out, and distances from start to end."""
    lines = [f"oracle in balls of {PRECISION} bits; position: distance over the oracle's own bound"]
    for question, compared in sorted(positions.compared.items()):
        furthest, where = positions.furthest[question]
        lines.append(f"  {question:10} {compared:8} elements, furthest {furthest:.4f}  {where}")
    for (question, reason), n in sorted(positions.left_out.items()):
        lines.append(f"  left out of {question}: {n} ({reason})")
    lines.append("from start to end, nothing claimed, in ulp of float64 (at an array's largest):")
    for name, parts in positions.ulps.items():
        ulps = np.concatenate(parts)
        if len(ulps):
            median, most, all_ = np.percentile(ulps, [50, 99, 100])
            lines.append(
                f"  {name:10} {len(ulps):8} elements, median {median:.2g}, 99% {most:.3g}, "
                f"all {all_:.3g}"
            )
    return "\n".join(lines)


def report_approach(approach: Approach) -> str:
    """Closest approaches, by check, format, nonlinearity and kind; and by number of terms."""
    lines = [
        f"legal evaluations: {approach.compared} elements, {approach.undefined} without a bound; "
        f"largest ratio (terms); {approach.clipped} more comparisons end at a relu's 0",
    ]
    kinds = list(dict.fromkeys(kind for *_, kind in approach.closest))
    for row in sorted({key[:3] for key in approach.closest}):
        cells = [
            f"{kind} {approach.closest[(*row, kind)][0]:.3f} ({approach.closest[(*row, kind)][1]})"
            for kind in kinds
            if (*row, kind) in approach.closest
        ]
        lines += [f"  {row[0]}, {row[1]}, {row[2]}:", "    " + ", ".join(cells)]
    lines.append("by number of terms, sums alone (tanh rounded correctly):")
    for check, dtype in sorted({key[:2] for key in approach.by_terms}):
        cells = [
            f"{n}: {ratio:.3f}"
            for (c, d, n), ratio in sorted(approach.by_terms.items())
            if (c, d) == (check, dtype)
        ]
        lines.append(f"  {check}, {dtype}: " + ", ".join(cells))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: everything lies within its bound. Exit 1: something does not."""
    parser = argparse.ArgumentParser(prog="harness.trust.enclosure", description=__doc__)
    parser.add_argument("--configs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    drawn = drawn_configs(options.configs, options.seed)
    gradients = sum(config.aspect == "gradient" for config in drawn)
    print(f"{len(drawn)} configs, {gradients} of them with gradients")
    positions = Positions()
    with np.errstate(all="ignore"):
        for config in drawn:
            enclose(make_case(config), positions)
    print(report_positions(positions), flush=True)
    approach = survey(drawn[::2], options.seed, WIDTHS)
    print(report_approach(approach))
    outside = positions.outside + approach.beyond
    print(f"{len(outside)} outside" + "".join(f"\n  {line}" for line in outside[:50]))
    print(f"{time.perf_counter() - start:.0f} s")
    return 1 if outside or not positions.compared else 0


if __name__ == "__main__":
    sys.exit(main())
