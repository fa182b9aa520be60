"""The command line, `rnn-parity`; a file for each kind of command.

Exit 0: nothing unexpected. Exit 1: an unexpected verdict. Exit 2: the run could not be done.

A command's file declares its options and imports click alone: `--help` and what is refused at once
wait for no framework, and for no library of numbers. Its work stands in a file that it imports
when it is called.
"""

from harness.cli import baseline, diff, judge, mapping, replay, run, selftest
from harness.cli.options import main

__all__ = ["baseline", "diff", "judge", "main", "mapping", "replay", "run", "selftest"]
