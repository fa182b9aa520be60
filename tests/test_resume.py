"""Nothing that was measured is lost, and nothing is counted twice, however a run is ended."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.corpus import load_corpus
from harness.journal import Recorded, locked, read_run
from harness.results import ResultsError

FAULTY = str(Path(__file__).with_name("faulty.py"))
RESUMED = ["run", "--in-process", "--resume", "--backend", f"{FAULTY}:right", "--out"]


def command(out: Path, *more: object) -> list[str]:
    return [sys.executable, "-m", "harness.cli", "run", "--out", str(out), *map(str, more)]


def scrubbed(out: Path) -> tuple[dict[str, object], list[str]]:
    """The header without its date, and every line."""
    first, *lines = (out / "results.jsonl").read_text("utf-8").splitlines()
    header = json.loads(first)
    del header["date"]
    return header, lines


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configs of every aspect but those whose results are drawn by chance."""
    chosen = [c.id for c in load_corpus() if c.aspect not in ("fresh", "training")][::4]
    path = tmp_path_factory.mktemp("pinned") / "corpus.txt"
    path.write_text("\n".join(chosen), "utf-8")
    return path


@pytest.mark.parametrize(("victim", "kills"), [("run", 20), ("worker", 6)])
def test_a_run_that_is_killed_and_resumed_is_the_undisturbed_one(
    victim: str, kills: int, pinned: Path, tmp_path: Path
) -> None:
    """kill -9 at random moments: of the run itself, or of a worker, which it survives."""
    options = ("--backend", "torch", "--backend", f"{FAULTY}:scaled", "--corpus", pinned)
    options = (*options, "--examples", 40)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    whole = subprocess.run(command(undisturbed, *options), capture_output=True, check=False)
    assert whole.returncode == 1, whole.stderr  # scaled is wrong, and is said to be
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    size = (undisturbed / "results.jsonl").stat().st_size
    moments = sorted(rng.randrange(size * 9 // 10) for _ in range(kills))
    starts = 0
    while moments or starts == 0:
        starts += 1
        run = subprocess.Popen(
            command(disturbed, "--resume", *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        while moments:
            wait_for_size(run, disturbed, moments.pop(0))
            if victim == "run":
                run.kill()
                break
            rng.choice(psutil.Process(run.pid).children()).kill()
        error = run.communicate()[1]
    if victim == "run":
        run = subprocess.Popen(command(disturbed, "--resume", *options), stdout=subprocess.DEVNULL)
        run.wait()
        starts += 1
    assert starts == (kills + 1 if victim == "run" else 1)
    assert run.returncode == 1, error
    assert scrubbed(disturbed) == scrubbed(undisturbed), f"seed {seed}"


def wait_for_size(run: subprocess.Popen[bytes], out: Path, size: int) -> None:
    """Until so many bytes of results are written."""
    path = out / "results.jsonl"
    while run.poll() is None:
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.003)
    raise AssertionError(f"the run ended with {run.returncode} before {size} bytes")


def test_workers_do_not_outlive_a_killed_run(pinned: Path, tmp_path: Path) -> None:
    run = subprocess.Popen(command(tmp_path, "--backend", "torch", "--corpus", pinned))
    wait_for_lines(tmp_path, 20)
    workers = psutil.Process(run.pid).children(recursive=True)
    assert workers
    run.kill()
    run.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_reports_what_is_there(
    sent: signal.Signals, pinned: Path, tmp_path: Path
) -> None:
    options = ("--backend", f"{FAULTY}:right", "--corpus", pinned, "--examples", 0)
    run = subprocess.Popen(command(tmp_path, *options), stderr=subprocess.PIPE, text=True)
    wait_for_lines(tmp_path, 50)
    run.send_signal(sent)
    error = run.communicate()[1]
    assert run.returncode == 2, error
    mine = ["--backend", f"{FAULTY}:right"]
    assert f"go on with: rnn-parity run --resume {' '.join(mine)} --out {tmp_path}" in error
    assert "unfinished:" in (tmp_path / "report.html").read_text("utf-8")
    assert not read_run(tmp_path / "results.jsonl").complete
    again = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert again.exit_code == 2, again.output
    done = CliRunner().invoke(main, ["run", "--resume", *mine, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert read_run(tmp_path / "results.jsonl").complete
    again = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert again.exit_code == 0, again.output


def wait_for_lines(out: Path, count: int) -> None:
    path = out / "results.jsonl"
    for _ in range(600):
        if path.exists() and path.read_bytes().count(b"\n") > count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} does not grow")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A corpus of six configs, and the results file of a whole run of it."""
    out = tmp_path_factory.mktemp("small")
    corpus = out / "corpus.txt"
    corpus.write_text("\n".join(c.id for c in load_corpus()[:12:2]), "utf-8")
    options = ["--backend", f"{FAULTY}:right", "--corpus", str(corpus), "--examples", "0"]
    done = CliRunner().invoke(main, ["run", "--in-process", "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return out, (out / "results.jsonl").read_bytes()


@settings(max_examples=40)
@given(st.data())
def test_a_file_cut_anywhere_is_gone_on_with(
    small: tuple[Path, bytes], data: st.DataObject
) -> None:
    out, whole = small
    content = whole.replace(b'"complete"', b'"underway"')
    cut = data.draw(st.integers(0, len(content)))
    (out / "results.jsonl").write_bytes(content[:cut])
    options = ["run", "--in-process", "--resume", "--out", str(out)]
    options += ["--backend", f"{FAULTY}:right"]
    if cut <= content.index(b"\n"):  # not even a header: begun anew
        options += ["--examples", "0"]
        options += ["--corpus", str(out / "corpus.txt")]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    now = (out / "results.jsonl").read_bytes()
    assert now.partition(b"\n")[2] == whole.partition(b"\n")[2]


@settings(max_examples=200)
@given(st.data())
def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_config(
    small: tuple[Path, bytes], data: st.DataObject
) -> None:
    out, whole = small
    every = read(out, whole)
    cut = data.draw(st.integers(whole.index(b"\n") + 1, len(whole)))
    part = read(out, whole[:cut])
    assert part.blocks == every.blocks[: len(part.blocks)]
    assert part.end <= cut
    assert part.torn == (part.end < cut)
    assert not part.torn or not part.complete


def read(out: Path, content: bytes) -> Recorded:
    path = out / "some.jsonl"
    path.write_bytes(content)
    return read_run(path)


def test_a_broken_line_among_whole_ones_is_named(small: tuple[Path, bytes]) -> None:
    out, whole = small
    lines = whole.split(b"\n")
    lines[3] = b'{"kind":"result"}'
    with pytest.raises(ResultsError, match=r"line 4: .*expected a result"):
        read(out, b"\n".join(lines))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1"),
        (b"[]\n", "line 1"),
        (b"\xff\xfe\n", "line 1"),
        (b'{"kind":"run","format_version":99}\n', "format_version 99, expected 'run' and 2"),
    ],
    ids=["empty", "list", "no text", "other version"],
)
def test_what_is_no_results_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(content)
    result = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert said in result.output


def test_another_run_cannot_be_gone_on_with(small: tuple[Path, bytes]) -> None:
    out, whole = small
    path = out / "results.jsonl"
    for change, said in (
        ((b'"rnn-parity":"', b'"rnn-parity":"9'), "had versions"),
        ((b'"plan":"', b'"plan":"f'), "had plan"),
    ):
        path.write_bytes(whole.replace(*change))
        result = CliRunner().invoke(main, [*RESUMED, str(out)])
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
    path.write_bytes(whole)
    result = CliRunner().invoke(main, [*RESUMED, str(out), "--seed", "5"])
    assert result.exit_code == 2
    assert "begun with seed = 0, not 5" in " ".join(result.output.split())


def test_results_that_lack_a_config_in_the_middle_are_not_gone_on_with(
    small: tuple[Path, bytes],
) -> None:
    """Else the last config would be judged twice, and the missing one never."""
    out, whole = small
    header, *lines = whole.splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines, start=1) if b'"last":true' in line]
    left = header.replace(b'"complete"', b'"underway"') + b"".join(
        lines[: ends[1]] + lines[ends[2] :]
    )
    (out / "results.jsonl").write_bytes(left)
    result = CliRunner().invoke(main, [*RESUMED, str(out)])
    assert result.exit_code == 2
    assert "lines are missing" in " ".join(result.output.split())
    assert (out / "results.jsonl").read_bytes() == left


def test_two_runs_do_not_write_one_file(small: tuple[Path, bytes]) -> None:
    out, whole = small
    path = out / "results.jsonl"
    path.write_bytes(whole)
    with locked(out):
        options = ["--backend", f"{FAULTY}:right", "--in-process", "--out", str(out)]
        for more in (["--resume"], []):
            result = CliRunner().invoke(main, ["run", *options, *more])
            assert result.exit_code == 2
            assert "another run" in " ".join(result.output.split())
    assert path.read_bytes().partition(b"\n")[2] == whole.partition(b"\n")[2]


def test_a_new_run_keeps_the_results_of_the_one_before(small: tuple[Path, bytes]) -> None:
    out, whole = small
    (out / "results.jsonl").write_bytes(whole)
    options = ["--backend", f"{FAULTY}:right", "--corpus", str(out / "corpus.txt")]
    CliRunner().invoke(main, ["run", "--in-process", "--out", str(out), *options])
    assert (out / "results.previous.jsonl").read_bytes() == whole


def test_a_full_disk_is_said_and_gone_on_from(pinned: Path, tmp_path: Path) -> None:
    """No file may grow beyond 100 kB: the operating system refuses as a full disk does."""
    options = ("--backend", f"{FAULTY}:right", "--corpus", pinned, "--examples", 0)
    limit = (100_000, 100_000)
    full = subprocess.run(
        command(tmp_path, *options),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    said = " ".join(full.stderr.split())
    assert full.returncode == 2, said
    assert "cannot be written any more (File too large)" in said
    assert f"rnn-parity run --resume --out {tmp_path}" in said
    kept = len(read_run(tmp_path / "results.jsonl").blocks)
    assert kept > 5
    mine = ["--backend", f"{FAULTY}:right"]
    done = CliRunner().invoke(main, ["run", "--resume", *mine, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    undisturbed = tmp_path / "undisturbed"
    CliRunner().invoke(main, ["run", "--out", str(undisturbed), *map(str, options)])
    assert scrubbed(tmp_path) == scrubbed(undisturbed)


@pytest.mark.parametrize("place", ["file/below", "full"])
def test_a_place_that_cannot_be_written_is_said(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.jsonl").symlink_to("/dev/full")
    out = str(tmp_path / place)
    result = CliRunner().invoke(main, ["run", "--backend", f"{FAULTY}:right", "--out", out])
    assert result.exit_code == 2
    assert "error: " in result.output
    assert out in " ".join(result.output.split()).replace(" ", "") or place == "full"
    assert "Traceback" not in result.output


def test_a_results_file_alone_makes_no_foreign_code_run(small: tuple[Path, bytes]) -> None:
    out, whole = small
    (out / "results.jsonl").write_bytes(whole)
    result = CliRunner().invoke(main, ["run", "--resume", "--out", str(out)])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "names code to run" in said
    assert f"rnn-parity run --resume --backend {FAULTY}:right --out" in said


def test_a_run_that_lacks_a_config_in_the_middle_is_not_whole(small: tuple[Path, bytes]) -> None:
    out, whole = small
    recorded = read(out, whole)
    assert recorded.complete
    gone = {result.config_id for result in recorded.blocks[1]}
    kept = [line for line in whole.split(b"\n") if not any(i.encode() in line for i in gone)]
    assert not read(out, b"\n".join(kept)).complete
