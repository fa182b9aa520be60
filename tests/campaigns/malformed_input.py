"""Malformed input: ids, files and workers' answers as Hypothesis draws them, and what must hold."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from harness.baseline import BASELINE, BaselineError, read_baseline
from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.corpus import load_corpus
from harness.journal import read_run
from harness.observe import CallOutcome, Observation
from harness.results import ResultsError
from harness.runners.wire import WireError, pack, unpack_answer, unpack_request
from tests.synthetic_results import line, written_header

_TEXTS = st.text(max_size=9)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**18, 10**30) | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)


# Ids.


@st.composite
def _ids(draw: st.DrawFn) -> str:
    """A valid id with some tokens replaced, dropped or doubled, or only characters."""
    sizes = st.sampled_from((1, 2, 7))
    one = Config.of(
        num_layers=draw(st.integers(1, 3)),
        bidirectional=draw(st.booleans()),
        input_size=draw(sizes),
        hidden_size=draw(sizes),
        steps=draw(st.sampled_from((1, 65_535, 100_000))),
    )
    tokens = one.id.split("-")
    other = st.one_of(
        st.sampled_from(
            (*tokens, "b99999", "h65535", "i00999", "gradient", "call.x.flat", "l09", "")
        ),
        st.sampled_from(("i", "h", "b", "t", "s", "l", "i5.", "t6.", "scale")).flatmap(
            lambda c: st.integers(0, 10**7).map(lambda n: f"{c}{n}") | st.just(c + "9" * 5000)
        ),
        _TEXTS,
        st.sampled_from(("i\u0660\u0661\u0662", "i5000." + "9" * 5000, "t" + "9" * 5000 + ".1")),
    )
    for _ in range(draw(st.integers(0, 4))):
        tokens[draw(st.integers(0, len(tokens) - 1))] = draw(other)
    return "-".join(tokens) + draw(st.sampled_from(("", "\n", "-", " ", "-" * 5000)))


IDS = st.text(max_size=30) | _ids()


def identifier(text: str) -> None:
    """It is the id of a config of a size that can be judged, or is refused."""
    try:
        config = Config.parse(text)
    except ConfigError:
        return
    assert config.id == text
    assert config.numbers <= MOST_NUMBERS


# Results.

_HEADER = written_header("torch")
_LINE: dict[str, Any] = json.loads(msgspec.json.encode(line(1, 3.0)))


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


def _encoded(record: Any) -> bytes:
    return json.dumps(record).encode()


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A header and two lines: valid, changed, any JSON, or any bytes."""
    raw = st.binary(max_size=40) | _JSON.map(_encoded) | st.just(b'{"x":' + b"[" * 5000)
    valid = st.just(_HEADER).map(_encoded)
    header = draw(st.one_of(valid, valid, valid, _changed(_HEADER).map(_encoded), raw))
    changed = _changed(_LINE).map(_encoded)
    some = st.one_of(st.just(_LINE).map(_encoded), changed, changed, changed, raw)
    return b"\n".join([header, draw(some), draw(some), b""][: draw(st.integers(1, 4))])


RESULTS = st.binary(max_size=60) | _files()


def results(content: bytes) -> None:
    """A results file is read, or refused."""
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory:
        path = Path(directory) / "results.jsonl"
        path.write_bytes(content)
        with contextlib.suppress(ResultsError):
            read_run(path)


# What goes between processes.


def _answers() -> list[bytes]:
    array = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    call = CallOutcome("call", None, (array, "a list"), {"weight_ih_l0": array}, None)
    outputs = {"output": array, "h_n": array}
    return [pack(Observation("x", outputs=outputs)), pack(Observation("x", details=call))]


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
            {"type": "Observation", "backend": "x", "outputs": {"output": a, "h_n": a}}
        )
    ),
)


def wire(content: bytes) -> None:
    """An answer holds plain arrays and numbers, or it is refused."""
    for unpack in (unpack_answer, unpack_request):
        try:
            answer: Any = unpack(content)
        except WireError:
            continue
        for array in (getattr(answer, "outputs", None) or {}).values():
            assert type(array) is np.ndarray
            assert array.dtype.kind in "fiucbV"
            assert array.nbytes <= len(content)


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
