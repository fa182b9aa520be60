"""Is the oracle right, are the bounds? Asked of ball arithmetic and correct evaluations.

    make enclosure, or python -m tests.campaigns.enclosure [--configs N] [--torch N] [--seed S]

Draws configs of values and gradients, in every format, and shows that the oracle lies in ball
arithmetic's enclosure of the equation, widened by the oracle's own error bound
(`oracle_error`); then how close correct evaluations in other orders come to the bounds that judge
implementations (`worst_case_search`), and gradients of gated layers to torch's in float64
(`torch_gradients`). Exit 1 if anything lies outside.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from harness.case import make_case
from harness.config import Config
from harness.strategies import configs, draw_configs
from tests.campaigns import torch_gradients
from tests.campaigns.ball_arithmetic import PRECISION
from tests.campaigns.correct_evaluations import cell_of
from tests.campaigns.oracle_error import OracleErrors, enclose
from tests.campaigns.torch_gradients import compare_with_torch
from tests.campaigns.worst_case_search import WIDTHS, LargestRatios, search

MAX_STEPS = 24

SCALES = (1, 16, 8, 4, 2)
"""All of 1 to 16; the second is what the strategy lets gradients have at most."""


def drawn_configs(count: int, seed: int, layers: Sequence[str] = ()) -> list[Config]:
    """Values and gradients of every layer, format and option but dropout, which is no part of the
    equations; sizes as for every run, T to 24.
    """
    strategy = configs(
        layers=layers, max_steps=MAX_STEPS, scales=SCALES, aspects=("gradient", "values")
    )
    return draw_configs(strategy.filter(lambda config: not config.drops), count, seed)


def report_oracle(cell: str, errors: OracleErrors) -> str:
    """A line for each question; then what was left out, and errors from start to end."""
    lines = [f"{cell} in balls of {PRECISION} bits; ratio: error over the oracle's own bound"]
    for question, compared in sorted(errors.compared.items()):
        largest, where = errors.largest[question]
        lines.append(f"  {question:10} {compared:8} elements, largest {largest:.4f}  {where}")
    for (question, reason), n in sorted(errors.left_out.items()):
        lines.append(f"  left out of {question}: {n} ({reason})")
    lines.append("from start to end, nothing claimed, in ulp of float64 (at an array's largest):")
    for name, parts in errors.ulps.items():
        ulps = np.concatenate(parts)
        if len(ulps):
            median, most, all_ = np.percentile(ulps, [50, 99, 100])
            lines.append(
                f"  {name:10} {len(ulps):8} elements, median {median:.2g}, 99% {most:.3g}, "
                f"all {all_:.3g}"
            )
    return "\n".join(lines)


def report_evaluations(ratios: LargestRatios) -> str:
    """Largest ratios, by check, format, cell and kind; and by number of terms."""
    lines = [
        f"correct evaluations: {ratios.compared} elements, {ratios.undefined} without a bound; "
        f"largest ratio (terms); {ratios.clipped} more comparisons end at a relu's 0",
    ]
    kinds = list(dict.fromkeys(kind for *_, kind in ratios.largest))
    for row in sorted({key[:3] for key in ratios.largest}):
        cells = [
            f"{kind} {ratios.largest[(*row, kind)][0]:.3f} ({ratios.largest[(*row, kind)][1]})"
            for kind in kinds
            if (*row, kind) in ratios.largest
        ]
        lines += [f"  {row[0]}, {row[1]}, {row[2]}:", "    " + ", ".join(cells)]
    lines.append("by number of terms, activations rounded correctly:")
    for check, dtype in sorted({key[:2] for key in ratios.by_terms}):
        cells = [
            f"{n}: {ratio:.3f}"
            for (c, d, n), ratio in sorted(ratios.by_terms.items())
            if (c, d) == (check, dtype)
        ]
        lines.append(f"  {check}, {dtype}: " + ", ".join(cells))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0: everything lies within its bound. Exit 1: something does not."""
    parser = argparse.ArgumentParser(prog="tests.campaigns.enclosure", description=__doc__)
    parser.add_argument("--configs", type=int, default=1000)
    parser.add_argument("--torch", type=int, default=500, help="configs of each gated layer")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    drawn = drawn_configs(options.configs, options.seed)
    gradients = sum(config.aspect == "gradient" for config in drawn)
    by_layer = ", ".join(f"{n} {layer}" for layer, n in Counter(c.layer for c in drawn).items())
    print(f"{len(drawn)} configs ({by_layer}), {gradients} of them with gradients")
    errors: defaultdict[str, OracleErrors] = defaultdict(OracleErrors)
    with np.errstate(all="ignore"):
        for config in drawn:
            enclose(make_case(config), errors[cell_of(config)])
    for cell, of in errors.items():
        print(report_oracle(cell, of), flush=True)
    ratios = search(drawn[::2], options.seed, WIDTHS)
    print(report_evaluations(ratios))
    others = compare_with_torch(torch_gradients.drawn_configs(options.torch, options.seed))
    print("\n".join(map(str, others)))
    outside = [line for of in errors.values() for line in of.outside] + ratios.exceeded
    outside += [line for one in others for line in one.outside]
    print(f"{len(outside)} outside" + "".join(f"\n  {line}" for line in outside[:50]))
    print(f"{time.perf_counter() - start:.0f} s")
    return 1 if outside or not all(of.compared for of in errors.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
