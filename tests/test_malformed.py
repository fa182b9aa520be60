"""A backend that answers with the wrong thing, or raises anywhere, gets a verdict that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from harness.aspects import VALUES
from harness.backends import BackendUnavailable
from harness.config import Config
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session, replay_command
from harness.report.markdown import as_code, as_text
from harness.runners import Isolated
from tests.campaigns.fuzz import TARGETS, campaign

ORDINARY = Config.of(input_size=3, hidden_size=4, batch=5, steps=6, states=True, data="plain")
CONTROLS = "<b> \x1b[31m \x00 [bold]x[/] \N{LINE SEPARATOR} \ud800 " + "x" * 10_000


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Named(np.ndarray[Any, Any]):
    """A subclass that computes otherwise, with the right numbers in memory."""

    def __mul__(self, other: Any) -> Any:
        raise TypeError("units are missing")

    __sub__ = __eq__ = __mul__


def raises(error: BaseException) -> Callable[[Any], Any]:
    def act(_: Any) -> Any:
        raise error

    return act


ANSWERS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "list": ("forward", lambda found: [*found.values()], "forward returned list"),
    "nothing": ("forward", lambda found: None, "forward returned NoneType"),
    "fewer": ("forward", lambda found: {"output": found["output"]}, "forward returned ['output']"),
    "lists": ("forward", lambda f: {**f, "output": f["output"].tolist()}, "output is a list"),
    "objects": ("forward", lambda f: {**f, "output": f["output"].astype(object)}, "dtype = object"),
    "masked": ("forward", lambda f: {**f, "h_n": f["h_n"].view(np.ma.MaskedArray)}, "MaskedArray"),
    "huge": (
        "forward",
        lambda f: {**f, "output": np.broadcast_to(f["output"][0], (10**9, 5, 4))},
        "1000000000, 5",
    ),
    "error": ("forward", raises(RuntimeError(CONTROLS)), r"RuntimeError: <b> \x1b[31m \x00 [bold]"),
    "mute": ("forward", raises(Mute()), "Mute: (no message: its __str__ raises)"),
    "memory": ("forward", raises(MemoryError()), "out of memory"),
    "read-list": ("read_weights", list, "read_weights returned a list"),
    "read-number": ("read_weights", lambda w: {**w, 5: w["bias_ih_l0"]}, "has the name 5"),
    "read-text": ("read_weights", lambda w: dict.fromkeys(w, "x"), "read back is a str"),
    "read-huge": (
        "read_weights",
        lambda w: {**w, "bias_ih_l0": np.broadcast_to(w["bias_ih_l0"], (2**40, 4))},
        "out of memory",
    ),
    "gradients-none": ("gradients", lambda found: None, "gradients: of NoneType"),
    "gradients-fewer": ("gradients", lambda found: {"x": found["x"]}, "gradients: of ['x']"),
    "gradients-text": ("gradients", lambda found: {**found, "x": "x"}, "gradient of x: a str"),
}
"""What is wrong: in which method of a layer, how, and what the verdict says of it."""


class Malformed(CorrectLayer):
    """The input size says which of the answers is malformed; others are right."""

    def _given(self, method: str, right: Any) -> Any:
        kind = self.options.input_size - 100
        if kind < 0 or list(ANSWERS.values())[kind][0] != method:
            return right
        return list(ANSWERS.values())[kind][1](right)

    def forward(self, *given: Any) -> Any:
        return self._given("forward", super().forward(*given))

    def read_weights(self) -> Any:
        return self._given("read_weights", super().read_weights())

    def gradients(self, *given: Any) -> Any:
        return self._given("gradients", super().gradients(*given))


backend = CorrectBackend(Malformed, "malformed")


@pytest.fixture(scope="module", params=["in-process", "worker"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    one = backend if request.param == "in-process" else Isolated(f"{Path(__file__)}:backend")
    with Session({"malformed": one}) as made:
        yield made


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_malformed_answer_gets_a_verdict(kind: str, session: Session) -> None:
    method, _, message = ANSWERS[kind]
    aspect = "gradient" if method == "gradients" else VALUES
    config = ORDINARY.replace(aspect=aspect, input_size=100 + list(ANSWERS).index(kind))
    wrong = [r for r in session.judge(config) if r.verdict in ("fail", "error")]
    assert any(message in result.message for result in wrong), [r.message for r in wrong]
    assert all(r.message.isprintable() and len(r.message) <= 2000 for r in wrong)
    assert {r.verdict for r in session.judge(ORDINARY)} <= {"pass", "inconclusive"}


@pytest.mark.parametrize(
    "odd", [lambda a: a.view(Named), lambda a: np.repeat(a, 2, axis=-1)[..., ::2]]
)
def test_a_subclass_or_view_with_the_right_numbers_passes(odd: Callable[[Any], Any]) -> None:
    class Odd(CorrectLayer):
        def forward(self, *given: Any) -> Any:
            return {name: odd(array) for name, array in super().forward(*given).items()}

    with Session({"x": CorrectBackend(Odd, "odd")}) as session:
        assert {r.verdict for r in session.judge(ORDINARY)} <= {"pass", "inconclusive"}


@pytest.mark.parametrize(("reason", "verdict"), [(5, "unsupported"), (CONTROLS, "unsupported")])
def test_a_reason_is_any_value(reason: Any, verdict: str) -> None:
    class Refuses(CorrectBackend):
        def unsupported(self, config: Config) -> Any:
            return reason

    with Session({"x": Refuses()}) as session:
        (only,) = session.judge(ORDINARY)
    assert only.verdict == verdict
    assert only.message.isprintable()


@pytest.mark.parametrize("given", [5, None, [1]])
def test_versions_that_are_no_mapping_are_named(given: object) -> None:
    class Odd(CorrectBackend):
        def versions(self) -> Any:
            return given

    with pytest.raises(BackendUnavailable, match=r"Odd.versions\(\) raised .*expected a dict"):
        Session({"odd": Odd()})


def test_a_replay_command_is_one_command() -> None:
    command = replay_command(Config(), "my file.py:x; rm -rf $HOME")
    assert command.endswith(" --backend 'my file.py:x; rm -rf $HOME'")


@pytest.mark.parametrize("text", ["a | b_c_ **d** `e` <f> [g](http://h) www.i.de", "``", "\\|"])
@pytest.mark.parametrize("written", [as_text, as_code])
def test_text_in_markdown_stays_text(written: Callable[[str], str], text: str) -> None:
    cell = MarkdownIt("commonmark").enable("table").parse(f"|x|\n|-|\n|{written(text)}|")
    (inline,) = [token for token in cell if token.type == "inline" and token.content != "x"]
    assert "".join(token.content for token in inline.children or ()) == text


@pytest.mark.parametrize("name", TARGETS)
def test_malformed_input_is_taken_or_refused(name: str) -> None:
    """Files, ids and workers' answers."""
    campaign(TARGETS[name], 100)
