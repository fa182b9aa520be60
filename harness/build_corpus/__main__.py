r"""Writes both files; with `--strength`, says what the corpus covers.

With `--quick RESULTS TIMES` writes the configs of a quick run, from results.jsonl of a whole one
and from times.json of a run of the sample in graph mode alone:

    rnn-parity run --backend mindspore:graph --corpus harness/corpus_sample.txt \
        --no-reproducers --out reports/scratch
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.build_corpus.content import build, build_sample
from harness.build_corpus.quick import build_quick
from harness.build_corpus.strength import print_strengths
from harness.corpus import CORPUS, QUICK, SAMPLE


def main(arguments: list[str]) -> None:
    if arguments == ["--strength"]:
        print_strengths()
        return
    if len(arguments) == 3 and arguments[0] == "--quick":
        _write(QUICK, build_quick(*map(Path, arguments[1:])))
        return
    if arguments:
        sys.exit(f"{arguments}, expected nothing, --strength, or --quick RESULTS TIMES")
    for path, lines in ((CORPUS, build()), (SAMPLE, build_sample())):
        _write(path, lines)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{sum(not line.startswith('#') for line in lines)} configs in {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
