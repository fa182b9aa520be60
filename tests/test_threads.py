"""The calling thread's floating-point environment, and answers that depend on the thread."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config import Config
from harness.floating_point import FLUSHED_OPERANDS, FLUSHED_RESULTS, disturbances
from harness.judge import Session
from harness.results import Result
from harness.runners import Isolated
from tests.faulty import ForwardLayer, backend

FLUSHING = str(Path(__file__).with_name("flushing.py"))
CONFIG = Config.of(steps=3, batch=4, hidden_size=3, states=True)
REPEATED = Config.of(aspect="repeated", data="mixed", steps=3, batch=4, hidden_size=3, states=True)


def judged(check: str, results: list[Result]) -> list[Result]:
    found = [result for result in results if result.check == check]
    assert found
    return found


def test_this_process_computes_as_ieee_754_has_it() -> None:
    assert disturbances() == ()


@pytest.mark.parametrize(
    ("name", "when"), [("FlushingBackend", "after"), ("FlushingFromTheStart", "before")]
)
def test_flushing_in_the_calling_thread_is_named(name: str, when: str) -> None:
    with Session({"x": Isolated(f"{FLUSHING}:{name}")}) as session:
        (result,) = judged("float_environment", session.judge(CONFIG))
    assert (result.verdict, result.cause) == ("fail", "environment")
    assert f"{when} the call {FLUSHED_RESULTS} and {FLUSHED_OPERANDS}" in result.message


def test_an_oracle_whose_thread_flushes_judges_nothing() -> None:
    """Where the thread cannot be put right: in a process of its own, which flushes from then on."""
    code = (
        "import harness.observe\n"
        "from harness.backends import load_backend\n"
        "from harness.config import Config\n"
        "from harness.judge import Disturbed, Session\n"
        "harness.observe.restore = lambda: None\n"
        f"session = Session({{'x': load_backend({FLUSHING + ':FlushingBackend'!r})}})\n"
        "try:\n"
        "    session.judge(Config.of(steps=3))\n"
        "except Disturbed as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    printed = " ".join(done.stdout.split())
    assert "flushing changed the thread of the oracle: subnormal results are flushed" in printed
    assert "without --in-process" in printed


class OtherInAThread(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        if threading.current_thread() is not threading.main_thread():
            found["output"].flat[-1] += np.float32(1e-4)
        return found


class OtherWithFourThreads(ForwardLayer):
    count = 0

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        return {**found, "output": -found["output"]} if self.count == 4 else found


@pytest.mark.parametrize(
    ("fault", "where", "cause"),
    [
        (OtherInAThread, "from a thread of its own each", "unexplained"),
        (OtherWithFourThreads, "computed by 4 threads", "unexplained"),
    ],
)
def test_an_answer_that_depends_on_the_thread_is_named(fault: Any, where: str, cause: str) -> None:
    made: Any = backend(fault)
    made.threads = lambda count: setattr(fault, "count", count)
    results = judged("repeated_calls", Session({"x": made}).judge(REPEATED))
    assert {result.part for result in results if result.verdict == "fail"} == {where}
    assert {result.cause for result in results if result.verdict == "fail"} == {cause}


def test_at_least_forty_calls_are_compared_with_several_thread_counts() -> None:
    counts: list[int | None] = []
    made: Any = backend(ForwardLayer, "right")
    made.threads = counts.append
    results = judged("repeated_calls", Session({"x": made}).judge(REPEATED))
    assert {result.verdict for result in results} == {"pass", "unsupported"}
    size = 3 * 4 * 3 + 4 * 3
    assert sum(result.compared for result in results) >= 40 * size
    assert counts == [1, 2, 4, None]


def test_a_disturbed_thread_is_put_right() -> None:
    """In a process of its own: should it fail, nothing else is disturbed."""
    code = (
        "import torch\n"
        "from harness.floating_point import disturbances, restore\n"
        "from harness.faults.threads import UPWARD, set_rounding\n"
        "import platform\n"
        "torch.set_flush_denormal(True)\n"
        "set_rounding(UPWARD[platform.machine()])\n"
        "assert len(disturbances()) == 3, disturbances()\n"
        "restore()\n"
        "assert disturbances() == (), disturbances()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_grave_answer_after_a_slight_one_is_the_one_that_is_judged() -> None:
    """The second call is a last bit off, the others by far: no rounding explains that."""

    class WorseAndWorse(ForwardLayer):
        def forward(self, inputs: Any) -> Any:
            found = super().forward(inputs)
            if self.calls == 2:
                found["output"] = np.nextafter(found["output"], np.float32(9))
            elif self.calls > 2:
                found["output"] = -10 * found["output"]
            return found

    with Session({"x": backend(WorseAndWorse)}) as session:
        first, *_ = judged("repeated_calls", session.judge(REPEATED))
    assert (first.verdict, first.cause) == ("fail", "unexplained")
    assert first.max_abs is not None
    assert float(first.max_abs) > 0.1
