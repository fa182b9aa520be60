"""Where a backend runs: in this process, or in a worker process of its own."""

from harness.limits import Limits
from harness.runners.inprocess import InProcess
from harness.runners.isolated import Isolated
from harness.runners.protocol import About, Runner

__all__ = ["About", "InProcess", "Isolated", "Limits", "Runner"]
