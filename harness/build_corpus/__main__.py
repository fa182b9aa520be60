"""Writes both files."""

from __future__ import annotations

from harness.build_corpus.content import build, build_sample
from harness.corpus import CORPUS, SAMPLE


def main() -> None:
    for path, lines in ((CORPUS, build()), (SAMPLE, build_sample())):
        path.write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{sum(not line.startswith('#') for line in lines)} configs in {path}")


if __name__ == "__main__":
    main()
