"""What the README shows is true: its example implementation, its commands, its ids."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from harness.checks import every_check
from harness.cli import main
from harness.config import Config
from harness.minimise.verify import printed_by

README = Path(__file__).parent.parent.joinpath("README.md").read_text("utf-8")


def test_the_example_implementation_is_complete_and_passes(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert code.count("\n") < 20
    (tmp_path / "mine.py").write_text(code)
    arguments = ["--backend", f"{tmp_path}/mine.py:Mine", "--examples", "60", "--out", tmp_path]
    result = CliRunner().invoke(main, ["run", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "AS EXPECTED" in result.output
    assert "✓ pass" in result.output


def test_the_example_script_prints_what_it_says() -> None:
    (script,) = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    printed = printed_by(script)
    assert printed is not None
    assert len(printed.splitlines()) == 2
    assert all(f"`{line}`" in README for line in printed.splitlines())


def test_every_config_id_in_it_is_one() -> None:
    ids = set(re.findall(r"\b(?:tanh|relu)-l[0-9][a-z0-9-]+", README))
    assert len(ids) >= 3
    for config_id in ids:
        assert Config.parse(config_id).id == config_id


def test_every_check_is_explained() -> None:
    for check in every_check():
        assert f"`{check.name}`" in README, check.name


def test_nothing_is_left_to_be_filled_in() -> None:
    assert "@@" not in README
