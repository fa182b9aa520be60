"""Writes the pinned corpus: `python -m harness.build_corpus` (needs the extra `test`).

A covering array of strength 3 over all options (every triple of option values stands together
in at least one config that the constraints allow), one of strength 2 with the other precisions,
and for every aspect configs in which classes of sizes meet options, as many as a run can afford;
`--strength` says how much of all combinations that is. What it writes is committed: the corpus
changes when somebody runs this and reviews the change, never because a library was upgraded.
"""

from __future__ import annotations

from harness.build_corpus.content import RESEEDED, build, build_sample
from harness.build_corpus.covering import allowed, factors_of

__all__ = ["RESEEDED", "allowed", "build", "build_sample", "factors_of"]
