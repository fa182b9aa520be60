"""What is left of a case, as a program for a bug tracker: at most 15 lines, none of our files.

It builds the framework's own layer, calls it, and prints one number twice, as `actual` and as
`expected`: from the equation in NumPy where that is one layer in one direction, from torch in
float64 where it is more or where gradients are asked, from another call where two should agree.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.case import Case
from harness.checks import Need, Partner
from harness.config import Config
from harness.minimise.arrays import AGAIN, H_N, OUTPUT, arrays_of
from harness.minimise.dialect import Dialect, dialect_of
from harness.minimise.expected import by_equation, by_torch, call_of_torch, is_plain, peer_of_torch
from harness.minimise.literals import literal, numbers_in, wrapped
from harness.minimise.numbers import is_uniform
from harness.minimise.question import Answer
from harness.observe import Series, Steady
from harness.results import Place, as_float
from reference.arrays import Array

__all__ = ["MOST_LINES", "MOST_NUMBERS", "Script", "index_of", "write_script"]

MOST_LINES = 15
MOST_NUMBERS = 6
MOST_COMMENTS = 3
WIDTH = 99


@dataclass(frozen=True)
class Script:
    """A program, how many numbers besides sizes it holds that are not 0, or why there is none."""

    text: str = ""
    numbers: int = 0
    refused: str = ""

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


class _NotWritten(Exception):
    """Why a finding cannot be written as a script."""


def write_script(
    answer: Answer,
    backend: str,
    statement: str,
    versions: Mapping[str, str],
    *,
    rows: int = 1,
    calls: int = 0,
) -> Script:
    """The script of a minimised case.

    Args:
        backend: the name of a backend whose scripts are known; of others there are none.
        statement: what is different, in words.
        versions: of the packages that are used, for the first line.
        rows: so many times the rows of the case, for what depends on the size of tensors.
        calls: so many calls before the one that counts, for what depends on what ran before.
    """
    dialect = dialect_of(backend)
    if dialect is None:
        return Script(refused=f"no script calls {backend}: it is no published framework")
    try:
        body = list(_Writer(answer, dialect, rows, calls).lines())
    except _NotWritten as reason:
        return Script(refused=str(reason))
    used = [name for name in versions if re.search(rf"\b{name}\b", body[0])]
    named = ", ".join(f"{name} {versions[name]}" for name in used)
    room = min(MOST_COMMENTS, max(MOST_LINES - len(body), 1))
    comments = textwrap.wrap(f"{named}: {statement}", WIDTH - 2, max_lines=room, placeholder=" ...")
    text = "\n".join([*(f"# {line}" for line in comments), *body]) + "\n"
    script = Script(text, _numbers(answer))
    if script.lines > MOST_LINES:
        return Script(refused=f"it takes {script.lines} lines")
    if script.numbers > MOST_NUMBERS:
        return Script(refused=f"it takes {script.numbers} numbers")
    return script


def _numbers(answer: Answer) -> int:
    """Numbers that stand in the script; a plain sum is a cotangent of ones and has none."""
    arrays = arrays_of(answer.case)
    if answer.check.second_call is None:
        arrays.pop(AGAIN, None)
    plain = [n for n in (OUTPUT, H_N) if n in arrays and _is_sum(arrays[n])]
    return sum(numbers_in(array) for name, array in arrays.items() if name not in plain)


def _is_sum(cotangent: Array) -> bool:
    return bool((cotangent == 1).all())


class _Writer:
    """The lines of one script."""

    def __init__(self, answer: Answer, dialect: Dialect, rows: int, calls: int) -> None:
        self.case, self.result, self.check = answer.case, answer.result, answer.check
        self.answer, self.dialect, self.rows, self.calls = answer, dialect, rows, calls
        config = self.case.config
        if config.dropout or config.layout != "timefirst":
            raise _NotWritten("dropout and other layouts are not written as scripts")
        if rows > 1 and (self.case.lengths is not None or Need.GRADIENTS in self.check.needs):
            raise _NotWritten("rows are repeated for plain calls only")

    def lines(self) -> Iterator[str]:
        if Need.GRADIENTS in self.check.needs:
            yield from self._gradient()
        elif self.check.second_call is not None:
            yield from self._two_calls()
        elif self.check.partner is Partner.MODE:
            yield from self._two_modes()
        else:
            yield from self._against_the_equation()

    def _imports(self, *, torch: bool) -> str:
        return "import " + ", ".join(self.dialect.imports(torch=torch))

    def _given(self) -> Iterator[str]:
        """The arrays, the layer, its weights."""
        case = self.case
        yield from wrapped("x = ", self._repeated(case.x))
        if case.h_0 is not None:
            yield from wrapped("h_0 = ", self._repeated(case.h_0))
        yield from _weights(case)
        yield f"rnn = {self.dialect.layer(case.config)}"
        yield from self.dialect.load

    def _repeated(self, array: Array) -> str:
        """The rows so many times, the shortest way to say it."""
        every = array.repeat(self.rows, axis=1)
        if self.rows == 1 or is_uniform(every) or not every.any():
            return literal(every)
        return f"{literal(array)}.repeat({self.rows}, axis=1)"

    def _call(self, number: int, x: str = "x") -> str:
        return self.dialect.call(self.case, x, number)

    def _against_the_equation(self) -> Iterator[str]:
        place = self._place("output", "h_n")
        plain = is_plain(self.case)
        yield self._imports(torch=not plain)
        yield from self.dialect.mode
        yield from self._given()
        number = 0 if place.output == "output" else 1
        if self.calls:
            yield f"for _ in range({self.calls}): {self._call(number)}"
        yield f"actual = {self._call(number)}"
        yield from by_equation(self.case, self.rows) if plain else by_torch(self.case, number)
        index = _subscript(index_of(self.case.config, place))
        last = "[-1:]" if plain and number else ""
        yield f'print("actual  ", {self.dialect.array("actual", self.case.config)}{index})'
        yield f'print("expected", expected{last}{index})'

    def _two_calls(self) -> Iterator[str]:
        place = self._place("output", "h_n")
        series = self._series()
        threads = series.threads if series else None
        if threads is not None and self.dialect.threads is None:
            raise _NotWritten("its number of threads is not set in scripts")
        if series and series.own_thread:
            raise _NotWritten("calls from other threads are not written as scripts")
        yield self._imports(torch=False)
        yield from self.dialect.mode
        yield from self._given()
        other = self.case.again
        if other is not None:
            yield from wrapped("other = ", literal(other))
        number = 0 if place.output == "output" else 1
        yield f"expected = {self._call(number)}  # the first call"
        if threads is not None and self.dialect.threads:
            yield self.dialect.threads.format(threads)
        said = self.check.second_call.value if self.check.second_call else ""
        yield f"actual = {self._call(number, 'x' if other is None else 'other')}  # {said}"
        yield from self._printed(place)

    def _series(self) -> Series | None:
        """The identical calls of which the result is about one; None where there was one call."""
        facts = self.answer.observation.facts
        every = facts.series if isinstance(facts, Steady) else ()
        return next((one for one in every if one.title == self.result.part), None)

    def _two_modes(self) -> Iterator[str]:
        place = self._place("output", "h_n")
        number = 0 if place.output == "output" else 1
        yield self._imports(torch=False)
        yield from self._given()
        yield from self.dialect.mode
        yield f"actual = {self._call(number)}"
        yield from self.dialect.other_mode
        yield f"expected = {self._call(number)}"
        yield from self._printed(place)

    def _printed(self, place: Place) -> Iterator[str]:
        index = _subscript(index_of(self.case.config, place))
        for name in ("actual", "expected"):
            yield f'print("{name:8}", {self.dialect.array(name, self.case.config)}{index})'

    def _gradient(self) -> Iterator[str]:
        place = self._place()
        name = place.output.removeprefix("gradient of ")
        if name == "h_0":
            raise _NotWritten("gradients of h_0 are not written as scripts")
        number, cotangent = self._cotangents()
        plain = _is_sum(cotangent)
        yield self._imports(torch=True)
        yield from self.dialect.mode
        yield from self._given()
        if not plain:
            yield from wrapped("c = ", literal(cotangent))
        call = self.dialect.call(self.case, "v", number)
        own = call if plain else f"({call} * {self.dialect.given('c', self.case.config)})"
        yield from self.dialect.gradient(
            name, f"{own}.sum()", self.dialect.given("x", self.case.config)
        )
        leaf = name == "x"
        yield from peer_of_torch(self.case, leaf=leaf)
        if number == 0 and not plain and self.case.lengths is not None:
            raise _NotWritten("cotangents of padded outputs are not written as scripts")
        theirs = f"{call_of_torch(self.case, leaf=leaf)}[{number}]"
        if self.case.lengths is not None and self.case.config.batch > 1 and number == 0:
            theirs += ".data"
        theirs = theirs if plain else f"({theirs} * torch.tensor(c))"
        yield f"{theirs}.sum().backward()"
        index = _gradient_index(self.answer, name, place)
        of = "v" if leaf else f"peer.{name}"
        found = f"{self.dialect.array('actual', self.case.config)}{index}"
        yield f'print("actual  ", {found}, "\\nexpected", {of}.grad.numpy(){index})'

    def _cotangents(self) -> tuple[int, Array]:
        """Of output (0) or of h_n (1): the one that is not 0 throughout."""
        given = self.case.given_cotangents
        assert given is not None
        asked = [(number, array) for number, array in enumerate(given) if array.any()]
        if len(asked) > 1:
            raise _NotWritten("it takes cotangents of output and of h_n")
        return asked[0] if asked else (0, given[0])

    def _place(self, *outputs: str) -> Place:
        """Where the failure is furthest off, if a script can print it."""
        place = self.result.worst
        if place is None or place.actual is None or (outputs and place.output not in outputs):
            what = "nothing" if place is None else place.output
            raise _NotWritten(f"{what} is not seen from outside a layer")
        return place


def _weights(case: Case) -> Iterator[str]:
    entries = [f'"{name}": {literal(array)}' for name, array in case.weights.items()]
    line = f"w = {{{', '.join(entries)}}}"
    if len(line) <= WIDTH:
        yield line
        return
    half = (len(entries) + 1) // 2
    yield f"w = {{{', '.join(entries[:half])},"
    yield f"     {', '.join(entries[half:])}}}"


def index_of(config: Config, place: Place) -> tuple[int, int, int]:
    """Where a place is in output (T, B, D * H), or in h_n (L * D, B, H)."""
    direction, row, unit = int(place.direction == "reverse"), place.batch or 0, place.unit or 0
    if place.output == "output":
        return place.step or 0, row, direction * config.hidden_size + unit
    return (place.layer or 0) * config.directions + direction, row, unit


def _subscript(at: tuple[int | None, ...]) -> str:
    return f"[{', '.join(str(k or 0) for k in at)}]"


def _gradient_index(answer: Answer, name: str, place: Place) -> str:
    """A result names the row of a parameter only: its column is where that value stands."""
    if name == "x":
        return _subscript((place.step, place.batch, place.unit))
    derivatives = answer.observation.derivatives
    assert derivatives is not None
    row, actual = place.unit or 0, as_float(place.actual)
    if derivatives.clean[name].ndim == 1:
        return _subscript((row,))
    same = [  # with zeros in the padding, or with the case's own: whichever was judged
        (array[row] == actual) | (np.isnan(array[row]) & np.isnan(actual))
        for array in (derivatives.clean[name], derivatives.found[name])
    ]
    return _subscript((row, int(np.argmax(same[0] if same[0].any() else same[1]))))
