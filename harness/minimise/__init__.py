"""From a numeric finding to a stand-alone script: fewer sizes, options and numbers, then proof.

`shape` makes a case smaller, `numbers` makes its numbers simpler, `question` says whether the same
finding is still there, `script` writes what is left as a program that needs no file of ours, and
`verify` runs it in an interpreter of its own. `workshop` does all of it for a run.
"""

from harness.minimise.ddmin import ddmin
from harness.minimise.question import Question
from harness.minimise.script import Script, write_script
from harness.minimise.verify import shown_by
from harness.minimise.workshop import BUDGET, Made, minimised, reproduce

__all__ = [
    "BUDGET",
    "Made",
    "Question",
    "Script",
    "ddmin",
    "minimised",
    "reproduce",
    "shown_by",
    "write_script",
]
