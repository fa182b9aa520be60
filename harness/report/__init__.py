"""Telling people: console, summary.md, report.html, junit.xml, all from the same outcome."""

from harness.report.files import write_reports

__all__ = ["write_reports"]
