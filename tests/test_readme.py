"""What the pages show is true: the example implementation, and the example script."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from harness.cli import main
from harness.minimise.verify import run_script

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
REPORTS = (ROOT / "reports/README.md").read_text("utf-8")


def test_the_example_implementation_is_complete_and_passes(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert code.count("\n") <= 20
    (tmp_path / "mine.py").write_text(code)
    arguments = ["--backend", f"{tmp_path}/mine.py:Mine", "--examples", "60", "--out", tmp_path]
    result = CliRunner().invoke(main, ["run", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "AS EXPECTED" in result.output
    assert "✓ pass" in result.output


def test_the_example_script_prints_what_it_says() -> None:
    (script,) = re.findall(r"```py\n(.*?)```", REPORTS, re.DOTALL)
    printed = run_script(script)
    assert printed is not None
    assert len(printed.splitlines()) == 2
    assert all(f"`{line}`" in REPORTS for line in printed.splitlines())
