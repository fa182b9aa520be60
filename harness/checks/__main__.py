"""`python -m harness.checks` writes the table of checks anew."""

from harness.checks.table import PAGE, checks_page

PAGE.write_text(checks_page(), "utf-8")
print(f"wrote {PAGE}")
