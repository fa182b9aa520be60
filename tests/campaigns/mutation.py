"""The mutation score, from what `mutmut run` left in mutants/; `make mutation` runs both.

    python -m tests.campaigns.mutation [MODULE]

Prints mutants, killed, explained and unexplained ones for each module. A survivor is explained by
a line of mutation_survivors.txt, `function: change  # reason`, in which the change is shown
as `git diff --word-diff` shows one; `any: change` stands for that change in any function. Ends
with 1 where a survivor is not explained, or a line of that file explains nothing any more.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

MUTANTS = Path("mutants")
SURVIVORS = Path(__file__).with_name("mutation_survivors.txt")
KILLED = {"killed", "timeout", "segfault", "suspicious"}


def word_diff(diff: str) -> str:
    """A unified diff of one mutant as one line, with what changed in brackets."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("---", "+++")]
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    old, new = (re.findall(r"\w+|\s+|.", text) for text in (before, after))
    start = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    gone, come = ("".join(text[start : len(text) - end]) for text in (old, new))
    changed = (f"[-{gone}-]" if gone else "") + (f"{{+{come}+}}" if come else "")
    return "".join(old[:start]) + changed + "".join(old[len(old) - end :])


def readable(mutant: str) -> str:
    """`reference.rounding.x_gamma__mutmut_1` as `reference.rounding.gamma`."""
    module, _, name = mutant.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name.removeprefix('x_').strip('xǁ').replace('ǁ', '.')}"


def explained() -> dict[str, str]:
    """Change -> reason."""
    if not SURVIVORS.exists():
        return {}
    lines = SURVIVORS.read_text().splitlines()
    return dict(line.split("  # ", 1) for line in lines if "  # " in line and line[0] != "#")


def reason_for(change: str, reasons: dict[str, str]) -> str | None:
    """The line that explains a change: its own, or one for that change in any function."""
    if change in reasons:
        return change
    anywhere = (line for line in reasons if line.startswith("any: "))
    return next((line for line in anywhere if line.removeprefix("any: ") in change), None)


def verdicts(prefix: str) -> Iterator[tuple[str, str, str]]:
    """Module, mutant and status of each mutant that was run."""
    for meta in sorted(MUTANTS.rglob("*.py.meta")):
        path = str(meta.relative_to(MUTANTS)).removesuffix(".meta")
        module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        if not f"{module}.".startswith(f"{prefix}." if prefix else ""):
            continue
        for mutant, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            if code is not None:
                yield module, mutant, status_by_exit_code[code]


def main(prefix: str = "") -> int:
    reasons, used = explained(), set()
    counts: dict[str, Counter[str]] = {}
    unexplained = []
    for module, mutant, status in verdicts(prefix):
        count = counts.setdefault(module, Counter())
        count["mutants"] += 1
        if status in KILLED:
            count["killed"] += 1
            continue
        path = MUTANTS / f"{module.replace('.', '/')}.py"
        source = path if path.exists() else path.with_suffix("") / "__init__.py"
        diff = get_diff_for_mutant(mutant, path=source.relative_to(MUTANTS))
        change = f"{readable(mutant)}: {word_diff(diff)}"
        line = reason_for(change, reasons)
        if line is not None:
            count["explained"] += 1
            used.add(line)
        else:
            count["unexplained"] += 1
            unexplained.append(f"{mutant} ({status})\n    {change}")
    print("\n".join(unexplained))
    columns = ("mutants", "killed", "explained", "unexplained")
    print(f"{'':38}" + "".join(f"{column:>12}" for column in columns))
    total: Counter[str] = sum(counts.values(), Counter())
    for module, count in (*counts.items(), ("all", total)):
        print(f"{module:38}" + "".join(f"{count[column]:12}" for column in columns))
    stale = [
        change
        for change in reasons
        if change not in used and any(change.startswith(f"{module}.") for module in counts)
    ]
    for change in stale:
        print(f"explained, but no survivor: {change}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
