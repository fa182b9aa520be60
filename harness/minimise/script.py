"""What is left of a case, as a program for a bug tracker: at most 15 lines, none of our files.

It builds the framework's own layer, calls it, and prints one number twice, as `actual` and as
`expected`: from the equation in NumPy where that is one layer in one direction, from torch in
float64 where it is more or where gradients are asked, from another call where two should agree.
What is said of two frameworks calls both.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.axes import output_names
from harness.backends.reference import name_in
from harness.case import Case
from harness.checks import Need, Partner
from harness.minimise.arrays import arrays_of, index_of
from harness.minimise.expected import (
    by_equation,
    by_torch,
    fits_a_line,
    output_of_torch,
    torch_in_float64,
)
from harness.minimise.failure import Failure
from harness.minimise.forms import ScriptForm, form_of
from harness.minimise.literals import literal, numbers_in, wrapped
from harness.minimise.numbers import is_uniform
from harness.observe import RepeatedCalls, Series
from harness.results import Place, as_float
from reference.arrays import Array

__all__ = ["MOST_LINES", "MOST_NUMBERS", "Script", "write_script"]

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
    failure: Failure,
    backend: str,
    statement: str,
    versions: Mapping[str, str],
    *,
    rows: int = 1,
    calls: int = 0,
    peer: str = "",
) -> Script:
    """The script of a minimised case.

    Args:
        backend: the name of a backend whose scripts are known; of others there are none.
        statement: what is different, in words.
        versions: of the packages that are used, for the first line.
        rows: so many times the rows of the case, for what depends on the size of tensors.
        calls: so many calls before the one that counts, for what depends on what ran before.
        peer: another backend that the statement is about; its layer is called too, where that fits.
    """
    script = Script()
    for other in dict.fromkeys((peer, "")):
        script = _written(failure, backend, statement, versions, rows, calls, other)
        if not script.refused:
            break
    return script


def _written(
    failure: Failure,
    backend: str,
    statement: str,
    versions: Mapping[str, str],
    rows: int,
    calls: int,
    peer: str,
) -> Script:
    form = form_of(backend)
    if form is None:
        return Script(refused=f"no script calls {backend}: it is no published framework")
    try:
        body = list(_Writer(failure, form, rows, calls, peer).lines())
    except _NotWritten as reason:
        return Script(refused=str(reason))
    used = [name for name in versions if re.search(rf"\b{name}\b", body[0])]
    named = ", ".join(f"{name} {versions[name]}" for name in used)
    room = min(MOST_COMMENTS, max(MOST_LINES - len(body), 1))
    comments = _comments(named, statement, room)
    text = "\n".join([*(f"# {line}" for line in comments), *body]) + "\n"
    script = Script(text, _numbers(failure))
    if script.lines > MOST_LINES:
        return Script(refused=f"it takes {script.lines} lines")
    if script.numbers > MOST_NUMBERS:
        return Script(refused=f"it takes {script.numbers} numbers")
    return script


def _comments(named: str, statement: str, room: int) -> list[str]:
    """As much as there is room for: all, else up to a comma or a semicolon, else up to a word."""
    parts = re.split("(?<=[,;:]) ", statement)
    for count in range(len(parts), 0, -1):
        shorter = " ".join(parts[:count]).rstrip(",;:")
        lines = textwrap.wrap(f"{named}: {shorter}", WIDTH - 2)
        if len(lines) <= room:
            return lines
    return textwrap.wrap(f"{named}: {statement}", WIDTH - 2, max_lines=room, placeholder=" ...")


def _numbers(failure: Failure) -> int:
    """Numbers that stand in the script; a plain sum is a cotangent of ones and has none."""
    arrays = arrays_of(failure.case)
    if failure.check.second_call is None:
        arrays.pop("second_x", None)
    plain = [name for name, array in failure.case.given_cotangents.items() if _is_sum(array)]
    return sum(numbers_in(array) for name, array in arrays.items() if name not in plain)


def _is_sum(cotangent: Array) -> bool:
    return bool((cotangent == 1).all())


class _Writer:
    """The lines of one script."""

    def __init__(
        self, failure: Failure, form: ScriptForm, rows: int, calls: int, peer: str
    ) -> None:
        self.peer, self.peer_form = name_in(peer), form_of(peer) if peer else None
        self.case, self.result, self.check = failure.case, failure.result, failure.check
        self.failure, self.form, self.rows, self.calls = failure, form, rows, calls
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
        names = self.form.imports(torch=torch)
        if self.peer_form is not None:
            names = list(dict.fromkeys((*names, self.peer_form.module)))
        return "import " + ", ".join(names)

    def _given(self) -> Iterator[str]:
        """The arrays, the layer, its weights."""
        case = self.case
        yield from wrapped("x = ", self._repeated(case.x))
        for state, array in case.initial.items():
            yield from wrapped(f"{state}_0 = ", self._repeated(array))
        yield from _weights(case)
        yield f"rnn = {self.form.layer(case.config)}"
        yield from self.form.load

    def _repeated(self, array: Array) -> str:
        """The rows so many times, in the shortest expression."""
        every = array.repeat(self.rows, axis=1)
        if self.rows == 1 or is_uniform(every) or not every.any():
            return literal(every)
        return f"{literal(array)}.repeat({self.rows}, axis=1)"

    def _call(self, name: str, x: str = "x") -> str:
        return self.form.call(self.case, x, name)

    def _against_the_equation(self) -> Iterator[str]:
        place = self._place_in_output()
        name, equation = place.output, fits_a_line(self.case)
        yield self._imports(torch=not equation)
        yield from self.form.mode
        yield from self._given()
        yield from self._peer_given()
        if self.calls:
            yield f"for _ in range({self.calls}): {self._call(name)}"
        yield f"actual = {self._call(name)}"
        yield from by_equation(self.case, self.rows) if equation else by_torch(self.case, name)
        index = _subscript(index_of(self.case.config, name, place))
        last = "[-1:]" if equation and name != "output" else ""
        yield f'print("actual  ", {self.form.array("actual", self.case.config)}{index})'
        if self.peer_form is not None:
            theirs = self.peer_form.call(self.case, "x", name)
            found = self.peer_form.array(_of_peer(theirs), self.case.config)
            yield f'print("{self.peer:8}", {found}{index})'
        yield f'print("expected", expected{last}{index})'

    def _peer_given(self) -> Iterator[str]:
        """The other framework's layer, with the same weights."""
        if self.peer_form is not None:
            yield from self.peer_form.mode
            yield f"theirs = {self.peer_form.layer(self.case.config)}"
            yield from map(_of_peer, self.peer_form.load)

    def _two_calls(self) -> Iterator[str]:
        place = self._place_in_output()
        series = self._series()
        threads = series.threads if series else None
        if threads is not None and self.form.threads is None:
            raise _NotWritten("its number of threads is not set in scripts")
        if series and series.own_thread:
            raise _NotWritten("calls from other threads are not written as scripts")
        yield self._imports(torch=False)
        yield from self.form.mode
        yield from self._given()
        other = self.case.second_x
        if other is not None:
            yield from wrapped("other = ", literal(other))
        yield f"expected = {self._call(place.output)}  # the first call"
        if threads is not None and self.form.threads:
            yield self.form.threads.format(threads)
        comment = self.check.second_call.value if self.check.second_call else ""
        yield f"actual = {self._call(place.output, 'x' if other is None else 'other')}  # {comment}"
        yield from self._printed(place)

    def _series(self) -> Series | None:
        """The identical calls of which the result is about one; None where there was one call."""
        details = self.failure.observation.details
        every = details.series if isinstance(details, RepeatedCalls) else ()
        return next((one for one in every if one.title == self.result.part), None)

    def _two_modes(self) -> Iterator[str]:
        place = self._place_in_output()
        yield self._imports(torch=False)
        yield from self._given()
        yield from self.form.mode
        yield f"actual = {self._call(place.output)}"
        yield from self.form.other_mode
        yield f"expected = {self._call(place.output)}"
        yield from self._printed(place)

    def _printed(self, place: Place) -> Iterator[str]:
        index = _subscript(index_of(self.case.config, place.output, place))
        for name in ("actual", "expected"):
            yield f'print("{name:8}", {self.form.array(name, self.case.config)}{index})'

    def _gradient(self) -> Iterator[str]:
        case, place = self.case, self._place()
        name = place.output.removeprefix("gradient of ")
        if name != "x" and name not in case.weights:
            raise _NotWritten("gradients of initial states are not written as scripts")
        output, cotangent = self._cotangents()
        plain = _is_sum(cotangent)
        if output == "output" and not plain and case.lengths is not None:
            raise _NotWritten("cotangents of padded outputs are not written as scripts")
        yield self._imports(torch=True)
        yield from self.form.mode
        yield from self._given()
        if not plain:
            yield from wrapped("c = ", literal(cotangent))
        own = self._call(output, "v")
        own = own if plain else f"({own} * {self.form.given('c', case.config)})"
        yield from self.form.gradient(name, f"{own}.sum()", self.form.given("x", case.config))
        leaf = name == "x"
        yield from torch_in_float64(case, leaf=leaf)
        theirs = output_of_torch(case, output, leaf=leaf)
        if case.lengths is not None and case.config.batch > 1 and output == "output":
            theirs += ".data"
        theirs = theirs if plain else f"({theirs} * torch.tensor(c))"
        yield f"{theirs}.sum().backward()"
        index = _subscript(_gradient_index(self.failure, name, place))
        of = "v" if leaf else f"peer.{name}"
        found = f"{self.form.array('actual', case.config)}{index}"
        yield f'print("actual  ", {found}, "\\nexpected", {of}.grad.numpy(){index})'

    def _cotangents(self) -> tuple[str, Array]:
        """The only cotangent that is not 0 throughout, and its output's name."""
        given = self.case.given_cotangents
        names = [name for name, array in given.items() if array.any()]
        if len(names) > 1:
            raise _NotWritten(f"it takes cotangents of {' and '.join(names)}")
        name = names[0] if names else "output"
        return name, given[name]

    def _place_in_output(self) -> Place:
        """Where an output is furthest off."""
        place = self._place()
        if place.output not in output_names(self.case.config):
            raise _NotWritten(f"{place.output} is not seen from outside a layer")
        return place

    def _place(self) -> Place:
        """Where the failure is furthest off, if a script can print it."""
        place = self.result.worst
        if place is None or place.actual is None:
            raise _NotWritten("its numbers are not seen from outside a layer")
        return place


def _of_peer(code: str) -> str:
    """With the other layer in place of the own one."""
    return re.sub(r"(?<![.\w])rnn\b", "theirs", code)


def _weights(case: Case) -> Iterator[str]:
    entries = [f'"{name}": {literal(array)}' for name, array in case.weights.items()]
    line = f"w = {{{', '.join(entries)}}}"
    if len(line) <= WIDTH:
        yield line
        return
    half = (len(entries) + 1) // 2
    yield f"w = {{{', '.join(entries[:half])},"
    yield f"     {', '.join(entries[half:])}}}"


def _subscript(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _gradient_index(failure: Failure, name: str, place: Place) -> tuple[int, ...]:
    """A result names the row of a parameter only: its column is where that value stands."""
    if name == "x":
        return index_of(failure.case.config, name, place)
    derivatives = failure.observation.derivatives
    assert derivatives is not None
    row, actual = place.unit or 0, as_float(place.actual)
    if derivatives.clean[name].ndim == 1:
        return (row,)
    same = [  # with zeros in the padding, or with the case's own: whichever was judged
        (array[row] == actual) | (np.isnan(array[row]) & np.isnan(actual))
        for array in (derivatives.clean[name], derivatives.found[name])
    ]
    return row, int(np.argmax(same[0] if same[0].any() else same[1]))
