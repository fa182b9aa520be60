"""Differential conformance testing of recurrent layers against the NumPy oracle."""

__version__ = "0.4.0"
