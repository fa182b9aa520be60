"""Differential conformance testing of recurrent layers against the NumPy oracle."""

__version__ = "0.5.0"
