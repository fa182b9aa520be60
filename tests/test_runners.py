"""Backends in processes of their own: the same answers, and what they do there stays there."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import execnet
import msgspec
import numpy as np
import psutil
import pytest
from execnet.gateway_base import Channel

from harness.backends import BackendUnavailable
from harness.causes import Cause
from harness.config import Config
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.observe import CallOutcome
from harness.runners import InProcess, Isolated, Limits
from harness.runners.wire import PROTOCOL, WireError, pack, unpack_answer
from harness.verdicts import FAILED
from tests.crashing import BACKENDS, TRIGGER

FILE = str(Path(__file__).with_name("crashing.py"))
ORDINARY = Config.of(
    input_size=3, hidden_size=4, batch=5, steps=6, states=True, lengths="ragged", num_layers=2
)
BAD = ORDINARY.replace(input_size=TRIGGER)
LIMITS = Limits(seconds=3.0, mebibytes=256)

ENDS = {
    "segfaults": "ended by SIGSEGV (Segmentation fault); last words: Fatal Python error: Segm",
    "aborts": "ended by SIGABRT (Aborted); last words: Fatal Python error: Aborted",
    "killed": "ended by SIGKILL (Killed)",
    "leaves": "ended with exit status 7",
    "forks_and_crashes": "ended by SIGSEGV",
    "hangs": "no answer in 3 s (--time-limit); last words: still waiting",
    "hangs_with_the_lock": "no answer in 3 s",
    "eats_memory": "out of memory: more than 256 MiB asked for",
    "fills_the_disk": "OSError: [Errno 27] File too large",
    "recurses": "RecursionError",
    "raises_exotic": "Exotic: (no message: its __str__ raises)",
    "raises_interrupt": "KeyboardInterrupt: (no message)",
}
"""What is known of each kind of end; all of them are real."""


def test_every_kind_of_misbehaviour_is_tried() -> None:
    assert set(ENDS) | {"prints", "forks"} == set(BACKENDS)


@pytest.fixture
def runner(request: pytest.FixtureRequest) -> Iterator[Isolated]:
    made = Isolated(f"{FILE}:{request.param}_backend", LIMITS)
    yield made
    made.close()


@pytest.mark.parametrize(("runner", "message"), ENDS.items(), indirect=["runner"], ids=list(ENDS))
def test_an_end_costs_its_own_config_only(runner: Isolated, message: str) -> None:
    runner.begin(BAD, repeat=False)
    runner.begin(ORDINARY, repeat=False)  # waits in the worker that ends
    bad = runner.observe(BAD, repeat=False)
    assert bad.outputs is None
    assert bad.trouble is not None
    assert message in bad.trouble
    assert len(bad.trouble) < 1000
    assert bad.trouble.isprintable()
    right = InProcess(CorrectBackend()).observe(ORDINARY, repeat=False)
    assert pack(runner.observe(ORDINARY, repeat=False).outputs) == pack(right.outputs)


@pytest.mark.parametrize("runner", ["prints", "forks"], indirect=True)
def test_what_need_not_end_it_changes_nothing(runner: Isolated) -> None:
    there = runner.observe(BAD, repeat=True)
    here = InProcess(CorrectBackend(name="crashing")).observe(BAD, repeat=True)
    assert pack(there) == pack(here)
    assert runner.observe(ORDINARY, repeat=False).trouble is None


@pytest.mark.parametrize("name", ["segfaults", "hangs", "leaves"])
def test_a_call_that_does_not_come_back_fails_whatever_is_documented(name: str) -> None:
    config = ORDINARY.replace(
        aspect="call.x.wider", input_size=TRIGGER - 1, lengths="nolengths", data="plain"
    )
    with Session({"x": Isolated(f"{FILE}:{name}_backend", LIMITS)}) as session:
        (call,) = [result for result in session.judge(config) if result.check == "call"]
        other = session.judge(config.replace(aspect="call.x.flat"))
    assert (call.verdict, call.cause) == ("fail", "hung" if name == "hangs" else "crashed")
    assert not any(result.verdict in FAILED for result in other)


def test_a_worker_that_cannot_begin_loses_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed as it starts, it got none of those that wait: the next one gets them all."""
    waiting = [ORDINARY.replace(seed=seed, batch=2 + seed) for seed in (1, 2)]
    runner = Isolated(f"{FILE}:complete", LIMITS)
    right = [pack(runner.observe(config, repeat=False)) for config in waiting]
    for child in psutil.Process().children():  # it may not answer before it is killed
        child.suspend()
    for config in waiting:
        runner.begin(config, repeat=False)
    begin, failing = execnet.Group.makegateway, [EOFError, OSError]

    def sometimes(self: execnet.Group, spec: str) -> execnet.Gateway:
        if failing:
            raise failing.pop()
        return begin(self, spec)

    monkeypatch.setattr(execnet.Group, "makegateway", sometimes)
    for child in psutil.Process().children():
        child.kill()
    assert [pack(runner.observe(config, repeat=False)) for config in waiting] == right
    assert not failing
    runner.close()


@pytest.mark.parametrize("content", [(8, b""), (1, "text"), (1,), b"", 7, None])
def test_an_answer_to_something_else_is_none(
    content: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = Channel.receive
    runner = Isolated(f"{FILE}:complete", LIMITS)
    assert runner.about.name == "complete"
    monkeypatch.setattr(
        Channel, "receive", lambda self, timeout: receive(self, timeout) and content
    )
    observation = runner.observe(ORDINARY, repeat=False)
    runner.close()
    assert observation.ended is Cause.CRASHED
    assert "something else than an answer" in (observation.trouble or "")


def test_what_was_answered_already_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that came while another one was waited for, as of weights that are carried."""
    send = Channel.send
    sent: list[object] = []

    def counted(self: Channel, item: object) -> None:
        sent.append(item)
        send(self, item)

    monkeypatch.setattr(Channel, "send", counted)
    runner = Isolated(f"{FILE}:complete", LIMITS)
    assert runner.about.name == "complete"
    sent.clear()
    runner.begin(ORDINARY, repeat=False)
    runner.observe(ORDINARY.replace(seed=1), repeat=False)
    runner.begin(ORDINARY, repeat=False)
    assert runner.observe(ORDINARY, repeat=False).trouble is None
    runner.close()
    assert len([item for item in sent if isinstance(item, tuple)]) == 2


def test_the_last_answer_of_a_worker_that_has_ended_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came between a look that was too early and the look at the process."""
    receive = Channel.receive
    late: list[object] = []

    def ends_before_it_is_read(self: Channel, timeout: float) -> object:
        if late:
            return late.pop()
        late.append(receive(self, 60))
        for child in psutil.Process().children():
            child.kill()
            child.wait()
        raise execnet.TimeoutError

    runner = Isolated(f"{FILE}:complete", LIMITS)
    right = pack(runner.observe(ORDINARY, repeat=False))
    monkeypatch.setattr(Channel, "receive", ends_before_it_is_read)
    assert pack(runner.observe(ORDINARY, repeat=False)) == right
    monkeypatch.undo()
    runner.close()


def test_no_process_is_left_over() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    runner = Isolated(f"{FILE}:forks_and_crashes_backend", LIMITS)
    runner.observe(BAD, repeat=False)
    started = psutil.Process().children(recursive=True)
    runner.close()
    alive = psutil.wait_procs([child for child in started if child.pid not in before], timeout=5)[1]
    assert alive == []


def test_a_backend_that_cannot_be_loaded_says_so() -> None:
    with pytest.raises(BackendUnavailable, match="does not exist"):
        _ = Isolated("nowhere.py:x").about
    with pytest.raises(BackendUnavailable, match=r"cannot be loaded: .*SIGABRT"):
        _ = Isolated(f"{FILE}:CrashesWhenLoaded").about


def test_a_worker_of_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.runners.isolated.PROTOCOL", 99)
    with pytest.raises(
        BackendUnavailable, match=rf"speaks protocol version {PROTOCOL}, expected version 99"
    ):
        _ = Isolated(f"{FILE}:complete").about


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has cores to choose from")
def test_a_worker_is_on_one_core_for_the_configs_of_which_its_backend_says_so() -> None:
    every = len(os.sched_getaffinity(0))
    worker = Isolated(f"{Path(__file__).with_name('faulty.py')}:on_one_core")
    try:
        for steps, cores in ((2, 1), (6, every), (2, 1)):
            trouble = worker.observe(ORDINARY.replace(steps=steps), repeat=False).trouble
            assert f"on [{cores}] cores" in str(trouble)  # of all threads
    finally:
        worker.close()


def test_a_worker_takes_as_many_requests_as_its_backend_says() -> None:
    """And no more are asked ahead of it; its successor loads while it works."""
    worker = Isolated(f"{Path(__file__).with_name('faulty.py')}:short_lived")
    every = [ORDINARY.replace(seed=number) for number in range(8)]
    try:
        for config in every:
            worker.begin(config, repeat=False)
        said = [str(worker.observe(config, repeat=False).trouble) for config in every]
    finally:
        worker.close()
    assert all("in process" in one for one in said)
    assert [len([*group]) for _, group in itertools.groupby(said)] == [3, 3, 2]
    assert len(set(said)) == 3
    assert not psutil.Process().children()


def test_a_worker_of_another_interpreter_answers() -> None:
    """An environment without this project says what is missing; one with it works as any."""
    spec = f"popen//python={sys.executable}"
    runner = Isolated("torch", spec=spec)
    try:
        assert runner.about.versions["torch"] == metadata.version("torch")
    finally:
        runner.close()
    with pytest.raises(BackendUnavailable, match="No module named 'harness'"):
        _ = Isolated("torch", spec=f"popen//python={sys.executable} -I -S").about


def test_no_framework_is_imported_where_the_oracle_runs() -> None:
    code = (
        "import sys\n"
        "from harness.config import Config\n"
        "from harness.judge import Session\n"
        "from harness.runners import Isolated\n"
        "with Session({'torch': Isolated('torch')}) as session:\n"
        "    verdicts = {r.verdict for r in session.judge(Config.of(steps=3))}\n"
        "assert 'pass' in verdicts and verdicts <= {'pass', 'inconclusive'}\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


SAME_ANSWERS = """
import sys

from harness.backends.loading import load_backend
from harness.config import Config
from harness.layers import LAYERS
from harness.runners import InProcess, Isolated
from harness.runners.wire import pack
from harness.strategies import configs, draw_configs

key = sys.argv[1]
there, here = Isolated(key), InProcess(load_backend(key))
drawn = draw_configs(configs(max_steps=5), 60, seed=3)
sizes = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6, "num_layers": 2}
calls = [
    Config.of(
        record.name,
        **{"aspect": f"call.{name}", "data": "plain", "states": True, **sizes, **record.fixed},
    )
    for record in LAYERS.values()
    for name in tuple(record.calls)[::3]
]
for config in (*drawn, *calls):
    if config.aspect == "initial":
        continue  # drawn from a generator that each process has its own of
    one, other = (r.observe(config, repeat=True) for r in (there, here))
    assert pack(one) == pack(other), config.id
there.close()
print(len(drawn) + len(calls), "configs")
"""


@pytest.mark.parametrize("key", ["torch", f"{FILE}:complete"])
def test_a_worker_answers_what_the_own_process_answers(key: str) -> None:
    """Every aspect and a third of the calls, bit for bit; in a process of its own, for where
    MindSpore was imported torch computes with other threads, and rounds otherwise.
    """
    command = [sys.executable, "-c", SAME_ANSWERS, key]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 70


# What is sent.


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array(["text"]),
        np.zeros(2, "M8[s]"),
        object(),
        {1: np.zeros(1)}.get,
    ],
    ids=["objects", "texts", "dates", "object", "function"],
)
def test_what_is_no_number_cannot_be_sent(value: object) -> None:
    with pytest.raises(WireError):
        pack(CallOutcome("call", None, (value, None), {}, None))


@pytest.mark.parametrize(
    ("dtype", "shape", "message"),
    [("|O", (1,), "expected numbers"), ("<f4", (2**40,), "cannot reshape|size|too")],
    ids=["objects", "more than was sent"],
)
def test_an_array_from_outside_is_one_of_as_many_numbers(
    dtype: str, shape: tuple[int, ...], message: str
) -> None:
    array = msgspec.msgpack.Ext(1, msgspec.msgpack.encode((dtype, shape, b"\0" * 8)))
    outcome: dict[str, object] = {
        "type": "CallOutcome",
        "stage": "",
        "error": None,
        "returned": [array, 0],
    }
    details = {**outcome, "aftermath": None, "weights": {}}
    answer = {"type": "Observation", "backend": "x", "details": details}
    with pytest.raises(WireError, match=message):
        unpack_answer(msgspec.msgpack.encode(answer))
