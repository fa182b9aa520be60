"""Nothing that was measured is lost, and nothing is counted twice, however a run is ended."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from click.testing import CliRunner
from click.testing import Result as Printed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.config import Config
from harness.corpus import load_corpus
from harness.findings import TESTED
from harness.journal import Recorded, locked, read_run
from harness.results import Result

RIGHT = f"{Path(__file__).with_name('faulty.py')}:right"
SCALED = RIGHT.replace(":right", ":scaled")


def command(out: Path, *more: object) -> list[str]:
    return [sys.executable, "-m", "harness.cli", "run", "--out", str(out), *map(str, more)]


def invoke(*words: object) -> Printed:
    return CliRunner().invoke(main, [*map(str, words)])


CHANCE = ("initial", "training", "repeated")
"""Aspects whose results are drawn by the framework, anew in each process, or are of its memory."""


def recorded_in(out: Path) -> Recorded:
    """All that two runs of the same must share: what is drawn by chance they only both have."""
    recorded = read_run(out / "results.jsonl")
    results = [_without_numbers(one) for one in recorded.results]
    header = {**recorded.header, "date": ""}
    return msgspec.structs.replace(recorded, header=header, results=results, size=0)


def _without_numbers(result: Result) -> Result:
    if Config.parse(result.config_id).aspect not in CHANCE:
        return result
    numbers = dict.fromkeys(("max_abs", "max_rel", "max_ulp", "ratio", "worst", "first"))
    return msgspec.structs.replace(result, message="", power={}, **numbers)


def wait_for(out: Path, run: subprocess.Popen[str], size: int) -> None:
    """Until so many bytes of results are written."""
    path = out / "results.jsonl"
    while not (path.exists() and path.stat().st_size >= size):
        assert run.poll() is None, f"the run ended with {run.returncode} before {size} bytes"
        time.sleep(0.003)


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configs of every aspect but those whose results are drawn by chance."""
    chosen = [c.id for c in load_corpus() if c.aspect not in CHANCE][::80]
    path = tmp_path_factory.mktemp("pinned") / "corpus.txt"
    path.write_text("\n".join(chosen), "utf-8")
    return path


OF_TWO = ("--backend", "torch", "--backend", SCALED, "--examples", 10, "--no-reproducers")


@pytest.fixture(scope="module")
def undisturbed(pinned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    options = (*OF_TWO, "--corpus", pinned)
    whole = subprocess.run(command(out, *options), capture_output=True, check=False)
    assert whole.returncode == 1, whole.stderr  # scaled is wrong
    return out


@pytest.mark.parametrize(("victim", "kills"), [("run", 2), ("worker", 2)])
def test_a_run_that_is_killed_and_resumed_is_the_undisturbed_one(
    victim: str, kills: int, undisturbed: Path, pinned: Path, tmp_path: Path
) -> None:
    """kill -9 at random moments: of the run itself, or of a worker, which it survives."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    size = (undisturbed / "results.jsonl").stat().st_size
    resumed = command(tmp_path, "--resume", *OF_TWO, "--corpus", pinned)
    run = subprocess.Popen(resumed, stdout=subprocess.DEVNULL, text=True)
    for moment in sorted(rng.randrange(size * 9 // 10) for _ in range(kills)):
        wait_for(tmp_path, run, moment)
        if victim == "worker":
            rng.choice(psutil.Process(run.pid).children()).kill()
            continue
        run.kill()
        run.wait()
        run = subprocess.Popen(resumed, stdout=subprocess.DEVNULL, text=True)
    assert run.wait() == 1
    assert recorded_in(tmp_path) == recorded_in(undisturbed), f"seed {seed}"


@pytest.mark.parametrize("tested", [1, 9])
def test_a_run_that_was_ended_while_it_tested_findings_asks_the_same(
    tested: int, undisturbed: Path, tmp_path: Path
) -> None:
    """On what a finding depends is asked of planned configs only, and what was answered is kept."""
    lines = (undisturbed / "results.jsonl").read_bytes().splitlines(keepends=True)
    ids = {r.config_id: None for r in recorded_in(undisturbed).results if r.origin == TESTED}
    after = list(ids)[tested].encode()
    cut = next(number for number, line in enumerate(lines) if after in line)
    (tmp_path / "results.jsonl").write_bytes(b"".join(lines[: cut + 1]))
    assert invoke("run", "--resume", "--out", tmp_path, "--no-reproducers").exit_code == 1
    assert recorded_in(tmp_path) == recorded_in(undisturbed)


def test_workers_do_not_outlive_a_killed_run(pinned: Path, tmp_path: Path) -> None:
    run = subprocess.Popen(command(tmp_path, "--backend", "torch", "--corpus", pinned), text=True)
    wait_for(tmp_path, run, 10_000)
    workers = psutil.Process(run.pid).children(recursive=True)
    assert workers
    run.kill()
    run.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_reports_what_is_there(
    sent: signal.Signals, pinned: Path, tmp_path: Path
) -> None:
    options = ("--backend", RIGHT, "--corpus", pinned, "--examples", 0)
    run = subprocess.Popen(command(tmp_path, *options), stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path, run, 40_000)
    run.send_signal(sent)
    error = run.communicate()[1]
    assert run.returncode == 2, error
    assert f"resume with: rnn-parity run --resume --out {tmp_path}" in error
    assert "unfinished:" in (tmp_path / "report.html").read_text("utf-8")
    assert invoke("report", "--out", tmp_path).exit_code == 2
    done = invoke("run", "--resume", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert recorded_in(tmp_path).complete
    assert invoke("report", "--out", tmp_path).exit_code == 0


SLOW = "from pathlib import Path; import time; Path('loading').touch(); time.sleep(60)"


def test_a_run_that_is_ended_while_a_backend_loads_says_so(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW, "utf-8")
    options = ("--backend", "slow.py:X")
    run = subprocess.Popen(
        command(Path("out"), *options), stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    while not (tmp_path / "loading").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    error = run.communicate()[1]
    assert run.returncode == 2, error
    assert "the run was interrupted, before anything was judged; begin it again" in error
    assert "Aborted" not in error
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_a_run_that_can_be_resumed(pinned: Path, tmp_path: Path) -> None:
    """No file may grow beyond 100 kB: the operating system refuses as a full disk does."""
    full, undisturbed = tmp_path / "full", tmp_path / "undisturbed"
    options = ("--backend", RIGHT, "--corpus", pinned, "--examples", 0)
    limit = (100_000, 100_000)
    ended = subprocess.run(
        command(full, *options),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert ended.returncode == 2, ended.stderr
    message = " ".join(ended.stderr.split())
    assert "cannot be written any more (File too large)" in message
    assert f"rnn-parity run --resume --out {full}" in message
    assert len(recorded_in(full).results) > 20
    assert invoke("run", "--resume", "--out", full).exit_code == 0
    invoke("run", "--out", undisturbed, *options)
    assert recorded_in(full) == recorded_in(undisturbed)


SMALL = [config.id for config in load_corpus()[:12:2]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A directory for runs of six configs, and the lines of a whole one."""
    out = tmp_path_factory.mktemp("small")
    (out / "corpus.txt").write_text("\n".join(SMALL), "utf-8")
    options = ("--corpus", out / "corpus.txt", "--examples", 0)
    done = invoke("run", "--in-process", "--out", out, "--backend", RIGHT, *options)
    assert done.exit_code == 0, done.output
    return out, (out / "results.jsonl").read_bytes().splitlines(keepends=True)


def resumed(out: Path, content: bytes, *options: object) -> Printed:
    (out / "results.jsonl").write_bytes(content)
    return invoke("run", "--in-process", "--resume", "--out", out, *options)


@settings(max_examples=15)
@given(st.floats(0, 1))
@example(1.0)
def test_a_file_cut_anywhere_is_read_and_resumed(
    small: tuple[Path, list[bytes]], share: float
) -> None:
    """A whole one is not written to."""
    out, lines = small
    content = b"".join(lines)
    cut = int(share * len(content))
    options: tuple[object, ...] = ()
    if cut < len(lines[0]):  # not even a header: begun anew
        options = ("--backend", RIGHT, "--examples", 0, "--corpus", out / "corpus.txt")
    done = resumed(out, content[:cut], *options)
    assert done.exit_code == 0, done.output
    assert (out / "results.jsonl").read_bytes().splitlines(keepends=True)[1:] == lines[1:]


def test_what_is_missing_in_the_middle_is_judged_by_a_resumed_run(
    small: tuple[Path, list[bytes]],
) -> None:
    out, lines = small
    left = [line for line in lines[:-1] if SMALL[2].encode() not in line]
    assert resumed(out, b"".join(left)).exit_code == 0
    now = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    assert sorted(now) == sorted(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "line 1"),
        (lambda lines: [b"[]\n"], "line 1"),
        (lambda lines: [b"\xff\xfe\n"], "line 1"),
        (lambda lines: [b'{"kind":"run","format_version":99}\n'], "expected 'run' and 3"),
        (lambda lines: [*lines[:3], b'{"kind":"result"}\n', *lines[4:]], "line 4: "),
        (lambda lines: [*lines[:3], *lines[4:]], "some were lost or added"),
        (lambda lines: [*lines, lines[1]], "stands after the end"),
        (lambda lines: [lines[0].replace(b'"versions":{', b'"versions":5,"x":{')], "versions"),
        (lambda lines: [lines[0], lines[1].replace(b'"config_id":"', b'"config_id":"x')], "line 2"),
    ],
    ids=["empty", "list", "no-text", "version", "broken", "lost", "after", "types", "id"],
)
def test_what_is_no_results_file_is_refused(
    change: object, message: str, small: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "results.jsonl").write_bytes(b"".join(change(small[1])))  # type: ignore[operator]
    done = invoke("report", "--out", tmp_path)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("kept", "judged"), [(1, 0), (-1, 6)])
def test_an_unfinished_run_is_no_green_and_is_not_compared(
    kept: int, judged: int, small: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    """Of no config, or without its last line alone."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"".join(small[1][:kept]))
    done = invoke("report", "--out", tmp_path)
    assert done.exit_code == 2
    assert f"unfinished: {judged} of 6 planned" in done.output
    done = invoke("diff", path, path)
    assert (done.exit_code, "is of an unfinished run" in done.output) == (2, True)


def test_another_run_is_not_resumed(small: tuple[Path, list[bytes]]) -> None:
    out, lines = small
    other = lines[0].replace(b'"rnn-parity":"', b'"rnn-parity":"9')
    done = resumed(out, b"".join([other, *lines[1:]]))
    assert (done.exit_code, "had versions = " in done.output) == (2, True)
    for options in (("--seed", 5), ("--backend", SCALED)):
        done = resumed(out, b"".join(lines), *options)
        assert (done.exit_code, "cannot be resumed" in done.output) == (2, True), done.output


def test_two_runs_do_not_write_one_file(small: tuple[Path, list[bytes]]) -> None:
    out, lines = small
    (out / "results.jsonl").write_bytes(b"".join(lines))
    with locked(out):
        for more in (["--resume"], []):
            done = invoke("run", "--backend", RIGHT, "--in-process", "--out", out, *more)
            assert done.exit_code == 2
            assert "another run" in " ".join(done.output.split())
    assert (out / "results.jsonl").read_bytes() == b"".join(lines)


def test_a_new_run_keeps_the_results_of_the_one_before(small: tuple[Path, list[bytes]]) -> None:
    out, lines = small
    (out / "results.jsonl").write_bytes(b"".join(lines))
    (out / "one.txt").write_text(Config.of(steps=2).id)
    options = ("--backend", RIGHT, "--corpus", out / "one.txt", "--examples", 0)
    invoke("run", "--in-process", "--out", out, *options)
    assert (out / "results.previous.jsonl").read_bytes() == b"".join(lines)


@pytest.mark.parametrize("place", ["file/below", "full"])
def test_a_place_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.jsonl").symlink_to("/dev/full")
    done = invoke("run", "--backend", RIGHT, "--out", tmp_path / place)
    assert done.exit_code == 2
    assert "error: " in done.output
    assert "Traceback" not in done.output
