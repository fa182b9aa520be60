"""Writes both files; with `--strength`, says what the corpus covers."""

from __future__ import annotations

import sys

from harness.build_corpus.content import build, build_sample
from harness.build_corpus.strength import print_strengths
from harness.corpus import CORPUS, SAMPLE


def main(arguments: list[str]) -> None:
    if arguments == ["--strength"]:
        print_strengths()
        return
    if arguments:
        sys.exit(f"{arguments}, expected nothing, or --strength")
    for path, lines in ((CORPUS, build()), (SAMPLE, build_sample())):
        path.write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{sum(not line.startswith('#') for line in lines)} configs in {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
