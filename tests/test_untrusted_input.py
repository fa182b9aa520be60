"""Files and ids from outside are data: taken, or refused in one printable line, and never run."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.expectations import BASELINE, BaselineError, read_baseline
from harness.judge import replay_command
from tests.campaigns.fuzz import TARGETS, Target, campaign
from tests.campaigns.harmless_reports import assert_printable
from tests.campaigns.untrusted_input import HEADER, HOSTILE, LINE, encoded, page

ROOT = Path(__file__).parent.parent
EXAMPLES = {"ids": 300, "wire": 200, "baseline": 100, "corpus": 100, "results": 60, "reports": 20}


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_taken_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES[name])
    @given(target.inputs)
    def holds(value: object) -> None:
        target.holds(value)

    holds()


def test_every_hostile_text_is_shown_by_every_report_and_does_nothing() -> None:
    for first in range(0, len(HOSTILE), 8):
        page(" ".join(HOSTILE[first : first + 8]))
        page("".join(HOSTILE[first : first + 8]))


def test_a_case_that_no_memory_holds_is_no_config() -> None:
    largest = Config().id.replace("i001", "i999").replace("h001", "h999").replace("t0001", "t9999")
    with pytest.raises(ConfigError, match=f"too large, expected at most {MOST_NUMBERS:,} numbers"):
        Config.parse(largest.replace("b00001", "b65536"))
    assert Config(input_size=999, hidden_size=999, num_layers=4, bidirectional=True).id
    assert Config(batch=99999, steps=100).id


def test_a_message_does_not_repeat_a_million_characters() -> None:
    for text in ("1" * 10**6, "-" * 10**6, Config().id.replace("s000000", "s" + "0" * 10**6)):
        with pytest.raises(ConfigError) as raised:
            Config.parse(text)
        assert len(str(raised.value)) < 1000
    with pytest.raises(ConfigError, match="seed = "):
        Config(seed=10**6000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "line 1"),
        (json.dumps(HEADER | {"versions": 5}).encode(), "versions"),
        (json.dumps(HEADER | {"platform": "\x1b[31m"}).encode(), r"\x1b[31m"),
        (
            encoded(HEADER) + b'\n{"x":' + b"[" * 9999 + b"\n",
            "line 2",
        ),
        (encoded(HEADER) + b'\n{"kind":"\xff"}\n', "line 2"),
        (
            encoded(HEADER) + b"\n" + encoded(LINE | {"config_id": "tanh"}) + b"\n",
            "config id 'tanh' has 1 tokens",
        ),
        (
            encoded(HEADER) + b"\n" + encoded(LINE | {"message": "\x1b]0;x\x07"}) + b"\n",
            r"message = '\x1b]0;x\x07', expected at most",
        ),
    ],
    ids=["empty", "types", "control", "deep", "bytes", "id", "ansi"],
)
@pytest.mark.parametrize("command", ["report", "mapping", "run"])
def test_a_results_file_that_cannot_be_shown_exits_2(
    command: str, content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(content if b"\n" in content else content + b"\n")
    options = {
        "report": ["--out", str(tmp_path)],
        "mapping": ["--results", str(path), "--out", str(tmp_path / "page.md")],
        "run": ["--resume", "--in-process", "--out", str(tmp_path)],
    }
    done = CliRunner().invoke(main, [command, *options[command]])
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert len(done.output.splitlines()) == 1
    assert_printable(done.output)


def test_a_results_file_without_results_is_no_green(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(encoded(HEADER) + b"\n")
    done = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "unfinished: 0 of 1 planned configs were judged" in done.output
    done = CliRunner().invoke(main, ["mapping", "--results", str(tmp_path / "results.jsonl")])
    assert done.exit_code == 2
    assert "is of an unfinished run; go on with it first" in done.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('">=2.10,<2.11"', '">=' + "9" * 5000 + '"', "Exceeds the limit"),
        ("mindspore = ", '"" = ', "expected the name of a package"),
        ("[[difference]]", "[[differences]]", "expected [[difference]] only"),
        ("statement = ", 'statement = "\\u001b[31m" # ', "expected at most"),
        ("mindspore-tanh-approximation", "<b>", "id, expected a name of"),
    ],
    ids=["version", "package", "table", "ansi", "html"],
)
def test_a_baseline_that_cannot_be_shown_or_used_is_named(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    text = BASELINE.read_text("utf-8")
    first = text[text.index("[[difference]]") : text.index("[[difference]]", 2000)]
    path = tmp_path / "known.toml"
    path.write_text(first.replace(old, new, 1), "utf-8")
    with pytest.raises(BaselineError) as raised:
        read_baseline(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)
    assert_printable(str(raised.value))


def test_a_replay_command_is_one_command() -> None:
    command = replay_command(Config(), "my file.py:x; rm -rf $HOME")
    assert command.endswith(" --backend 'my file.py:x; rm -rf $HOME'")


def test_a_campaign_ends_with_the_smallest_input() -> None:
    def holds(text: str) -> None:
        if "-" in text:
            raise KeyError(text)

    with pytest.raises(KeyError) as raised:
        campaign(Target(st.text(), holds), 1000)
    assert raised.value.args == ("-",)


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
SAFE = {"load": {"np": "allow_pickle", "numpy": "allow_pickle", "torch": "weights_only"}}


def dangerous(tree: ast.AST) -> list[str]:
    """What could run data: unpicklers, eval, exec, a shell, loads without their safe argument."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            found += sorted({name.partition(".")[0] for name in names} & FORBIDDEN)
        if not isinstance(node, ast.Call):
            continue
        keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile"):
            found.append(node.func.id)
        if keywords.get("shell") not in (None, False) or keywords.get("allow_pickle"):
            found.append("shell or allow_pickle")
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            owner, name = node.func.value.id, node.func.attr
            if (owner, name) in {("os", "system"), ("os", "popen")}:
                found.append(f"{owner}.{name}")
            safe = SAFE.get(name, {}).get(owner)
            if safe is not None and keywords.get(safe) is not (safe == "weights_only"):
                found.append(f"{owner}.{name} without {safe}")
    return found


@pytest.mark.parametrize(
    "path",
    [p for room in ("harness", "reference") for p in sorted((ROOT / room).rglob("*.py"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_no_code_runs_data(path: Path) -> None:
    assert dangerous(ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from dill import loads",
        "eval(x)",
        "subprocess.run(x, shell=True)",
        "np.load(x)",
        "np.load(x, allow_pickle=True)",
        "torch.load(x)",
        "os.system(x)",
    ],
)
def test_what_runs_data_is_found(code: str) -> None:
    assert dangerous(ast.parse(code))
