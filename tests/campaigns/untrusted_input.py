"""Untrusted input: ids, files and workers' answers as Hypothesis draws them, and what must hold."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st
from rich.console import Console

from harness.causes import Cause
from harness.comparison import Comparison, Worst
from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.corpus import load_corpus
from harness.expectations import (
    BASELINE,
    BaselineError,
    Expectations,
    expectations_of,
    read_baseline,
)
from harness.journal import read_run
from harness.observe import Forward, Observation, Reply
from harness.outcome import outcome_of
from harness.report import write_reports
from harness.report.console import print_summary
from harness.report.mapping import render_mapping
from harness.results import Result, ResultsError, from_comparison
from harness.runners.wire import WireError, pack, unpack_answer, unpack_request
from harness.verdicts import Verdict
from tests.campaigns.harmless_reports import assert_harmless, assert_markdown, assert_printable

__all__ = [
    *("BASELINES", "CORPORA", "HEADER", "HOSTILE", "IDS", "LINE", "PAGES", "RESULTS", "WIRE"),
    *("baseline", "corpus", "encoded", "identifier", "page", "results", "wire"),
]

LONGEST = 6000

HOSTILE = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;&#x0;", "]]>", "<!--"),
    *("\x1b[31m", "\x1b]0;x\x07", "\x9b2J", "\x00", "\r\n", "\u202e", "\u2028", "\ud800", "\ufffe"),
    *("[bold]x[/]", "[/]", "[link=file:///etc]y[/link]", "\\[", ":bomb:", "{{ 7*7 }}", "{% x %}"),
    *("`", "``", "| x |", "**b**", "![i](http://x)", "[l](javascript:x)", "<http://x>", "http://x"),
    *("# h", "- l", "\\", "_e_", "~~~", "www.x.de", "a@b.de", "[x]: http://y", "nan", "../../x"),
)
_TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), max_size=4).map("".join)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**18, 10**30) | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)


# Ids.


@st.composite
def _ids(draw: st.DrawFn) -> str:
    """A valid id with some tokens replaced, dropped or doubled, or only characters."""
    sizes = st.sampled_from((1, 2, 7, 999))
    one = Config(
        num_layers=draw(st.integers(1, 4)),
        bidirectional=draw(st.booleans()),
        input_size=draw(sizes),
        hidden_size=draw(sizes),
    )
    tokens = one.id.split("-")
    other = st.one_of(
        st.sampled_from((*tokens, "b99999", "t9999", "h999", "gradient", "call.x.flat", "l09", "")),
        st.sampled_from("ihbtwsl").flatmap(
            lambda c: st.integers(0, 10**7).map(lambda n: f"{c}{n}") | st.just(c + "9" * 5000)
        ),
        _TEXTS,
        st.just("i\u0660\u0661\u0662"),
    )
    for _ in range(draw(st.integers(0, 4))):
        tokens[draw(st.integers(0, len(tokens) - 1))] = draw(other)
    return "-".join(tokens) + draw(st.sampled_from(("", "\n", "-", " ", "-" * 5000)))


IDS = st.text(max_size=30) | _ids()


def _assert_readable(error: Exception) -> None:
    """An error as a user meets it: one printable line, not too long."""
    text = str(error)
    assert_printable(text)
    assert "\n" not in text
    assert 0 < len(text) < LONGEST, len(text)


def identifier(text: str) -> None:
    """It is the id of a config of a size that can be judged, or is refused."""
    try:
        config = Config.parse(text)
    except ConfigError as error:
        _assert_readable(error)
        return
    assert config.id == text
    assert config.numbers <= MOST_NUMBERS


# Results.

_CONFIG = Config(input_size=2, hidden_size=3, batch=4, steps=5)
HEADER: dict[str, Any] = {
    "kind": "run",
    "format_version": 2,
    "date": "2026-01-01T00:00:00+00:00",
    "versions": {"numpy": "1.0"},
    "platform": "here",
    "machine": "here",
    "cpu": "one",
    "cpu_count": 1,
    "backends": {"torch": {"name": "torch", "versions": {"torch": "2.0"}}},
    "parameters": {"examples": 0, "seed": 0, "corpus": None},
    "planned": 1,
    "state": "complete",
}


def _result(text: str = "said") -> Result:
    """A failing result; the text stands wherever a backend can put one."""
    worst = Worst("output", 0, "forward", 1, 2, 0, 1.5, float("nan"), 1e-6)
    comparison = Comparison(
        f"output{text}", Verdict.FAIL, 3, text, Cause.UNEXPLAINED, 1.0, 2.0, 3.0, 4.0, worst, worst
    )
    return from_comparison(
        comparison,
        config_id=_CONFIG.id,
        backend="torch",
        check="step_residual",
        requirement="equation",
        replay=f"rnn-parity replay {_CONFIG.id} --backend torch",
        origin="corpus",
    )


LINE: dict[str, Any] = json.loads(msgspec.json.encode(_result())) | {"last": True}


@st.composite
def _changed(draw: st.DrawFn, record: dict[str, Any]) -> dict[str, Any]:
    """A valid record with some fields of another value, or missing; one level down too."""
    changed = dict(record)
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=3)):
        inner = changed.get(name)
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            changed[name] = draw(_changed(inner))
        elif draw(st.integers(0, 4)):
            changed[name] = draw(_TEXTS if isinstance(inner, str) else _JSON)
        else:
            changed.pop(name, None)
    return changed


def encoded(record: Any) -> bytes:
    return json.dumps(record).encode()


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A header and two lines: valid, changed, any JSON, or any bytes."""
    raw = st.binary(max_size=40) | _JSON.map(encoded) | st.just(b'{"x":' + b"[" * 5000)
    valid = st.just(HEADER).map(encoded)
    header = draw(st.one_of(valid, valid, valid, _changed(HEADER).map(encoded), raw))
    changed = _changed(LINE).map(encoded)
    line = st.one_of(st.just(LINE).map(encoded), changed, changed, changed, raw)
    return b"\n".join([header, draw(line), draw(line), b""][: draw(st.integers(1, 4))])


RESULTS = st.binary(max_size=60) | _files()


def results(content: bytes) -> None:
    """A results file is refused by one line, or every report of it is harmless."""
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        out = Path(directory)
        path = out / "results.jsonl"
        path.write_bytes(content)
        try:
            recorded = read_run(path)
        except ResultsError as error:
            _assert_readable(error)
            return
        outcome = outcome_of(recorded, Expectations())
        paths = write_reports(outcome, out)
        printed = io.StringIO()
        print_summary(Console(file=printed, emoji=False), outcome, [p.name for p in paths])
        assert_harmless(out, printed.getvalue())
        if recorded.results:
            expected = expectations_of(recorded.header)
            mapped = render_mapping(recorded.header, expected.join(recorded.results), expected, "")
            assert_markdown(mapped, links=("#", "../"))


PAGES = _TEXTS


def page(text: str) -> None:
    """A backend's message is shown, and does nothing, in every report."""
    line = msgspec.json.encode(msgspec.structs.replace(_result(text), last=True))
    results(encoded(HEADER) + b"\n" + line + b"\n")


# What goes between processes.


def _answers() -> list[bytes]:
    array = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    reply = Reply("call", None, (array, "a list"), {"weight_ih_l0": array}, None)
    forward = Forward(array, array)
    return [pack(Observation("x", forward=forward)), pack(Observation("x", facts=reply))]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    whole = bytearray(draw(st.sampled_from(_answers())))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(whole) - 1))
        action = draw(st.integers(0, 2))
        if action == 0:
            whole[at] = draw(st.integers(0, 255))
        elif action == 1:
            whole[at:at] = draw(st.binary(max_size=9))
        else:
            del whole[at : at + draw(st.integers(0, 9))]
        if not whole:
            return b""
    return bytes(whole)


_SHAPES = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from((0, 1, 2)), max_size=40)
_ARRAYS = st.tuples(
    st.sampled_from(("<f4", "|O", ">f4", "bfloat16", "V8", "")), _SHAPES, st.binary(max_size=24)
).map(lambda triple: msgspec.msgpack.Ext(1, msgspec.msgpack.encode(triple)))
_NESTED = b"\x83\xa4type\xabObservation\xa7backend\xa1x\xa2zz" + b"\x91" * 5000
WIRE = st.one_of(
    st.binary(max_size=80),
    _damaged(),
    st.just(_NESTED),
    _ARRAYS.map(
        lambda a: msgspec.msgpack.encode(
            {"type": "Observation", "backend": "x", "forward": {"output": a, "h_n": a}}
        )
    ),
)


def wire(content: bytes) -> None:
    """An answer holds plain arrays and numbers, or it is refused."""
    for unpack in (unpack_answer, unpack_request):
        try:
            answer: Any = unpack(content)
        except WireError as error:
            _assert_readable(error)
            continue
        forward = getattr(answer, "forward", None)
        if forward is not None:
            assert type(forward.output) is type(forward.h_n) is np.ndarray
            assert forward.output.dtype.kind in "fiucbV"
            assert forward.output.nbytes <= len(content)


# The baseline, and files of ids.


@st.composite
def _tables(draw: st.DrawFn) -> str:
    """The real baseline's beginning with pieces replaced."""
    text = BASELINE.read_text("utf-8").partition("[[difference]]\n")[2]
    text = "[[difference]]\n" + text.partition("[[difference]]")[0]
    pieces = text.split("\n")
    values = st.one_of(
        _TEXTS.map(json.dumps),
        st.integers().map(str),
        st.sampled_from(("nan", "1979-05-27", "{ a = 1 }", "[[1]]", "9" * 5000, "[" * 2000, "{}")),
    )
    names = st.sampled_from(("id", "statement", "versions", "checks", "when", "parts", "max_ratio"))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(pieces) - 1))
        name = pieces[at].partition("=")[0].strip() or "x"
        pieces[at] = f"{draw(st.just(name) | names)} = {draw(values)}"
    return "\n".join(pieces)


BASELINES = (
    st.binary(max_size=60)
    | _TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _tables().map(lambda text: text.encode("utf-8", "surrogatepass"))
)


CORPORA = st.binary(max_size=60) | IDS.map(lambda text: text.encode("utf-8", "surrogatepass"))


def _file(content: bytes, take: Any, refusal: type[Exception]) -> None:
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        path = Path(directory) / "file"
        path.write_bytes(content)
        try:
            take(path)
        except refusal as error:
            _assert_readable(error)
            named = str(path) in str(error)
        else:
            return
    assert named


def baseline(content: bytes) -> None:
    """A baseline is taken, or refused with the file and what was expected."""
    _file(content, read_baseline, BaselineError)


def corpus(content: bytes) -> None:
    """A file of ids is taken, or refused with file and line."""
    _file(content, load_corpus, ConfigError)
