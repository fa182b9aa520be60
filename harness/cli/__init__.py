"""The command line, `rnn-parity`; a file for each kind of command.

Exit 0: nothing unexpected. Exit 1: an unexpected verdict. Exit 2: the run could not be done.
"""

from harness.cli import judge, pages, replay, run, selftest
from harness.cli.options import main

__all__ = ["judge", "main", "pages", "replay", "run", "selftest"]
