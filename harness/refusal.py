"""The root of all errors that a user can mend: the command line prints them without a traceback.

Refusal
+-- BackendUnavailable   a backend cannot be used at all
+-- BaselineError        a file of known differences
+-- ConfigError          a config, or its id
+-- Disturbed            the process of the oracle
+-- ResultsError         a file of results
"""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """The message says what was given, what was expected, and how to mend it."""
