"""The answer about a user's layer: drop-in or not, the largest errors, what concerns it.

The verdict is about what was given: weights, x, and lengths and states if there are any. What was
asked besides, with drawn lengths or with NaN that the harness writes into padding, has lines of its
own that name the condition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.backends.reference import name_in
from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Judged
from harness.own_layer.applying import Applying, is_of_training
from harness.own_layer.asked import Asked
from harness.report.wording import place_text, ratio_text
from harness.results import as_float
from harness.text import one_line
from harness.verdicts import CONCLUDED, FAILED, Verdict

__all__ = ["ANSWER", "Answer", "answer", "as_markdown", "write_answer"]

ANSWER = "answer.md"


@dataclass(frozen=True)
class Answer:
    """`lines`: the verdict first. `drop_in`: nothing differs in what was given, and nothing that
    is not known in what was asked besides.
    """

    lines: tuple[str, ...]
    applying: Applying
    drop_in: bool

    @property
    def counts(self) -> str:
        """How many known differences concern the layer."""
        showed, may, others = map(
            len, (self.applying.showed, self.applying.may, self.applying.others)
        )
        return (
            f"known differences: {showed} {'shows' if showed == 1 else 'show'} here, {may} may "
            f"concern this layer, with other inputs, options or calls, {others} "
            f"{'does' if others == 1 else 'do'} not"
        )


def answer(
    asked: Asked,
    results: Sequence[Judged],
    applying: Applying,
    inputs: Collection[str],
    *,
    finished: bool = True,
) -> Answer:
    """From the results of a run about one layer; `inputs` are the names of what was given."""
    backends = list(dict.fromkeys(result.backend for result in results))
    by_backend = {name: [r for r in results if r.backend == name] for name in backends}
    known = {entry.id: entry for entry in applying.showed}
    failing = [result for result in results if result.verdict in FAILED]
    conditions = {id(r): _condition(asked, r, inputs) for r in results}
    given = [r for r in failing if not conditions[id(r)]]
    concluded = [r for r in results if r.verdict in CONCLUDED and not conditions[id(r)]]
    compared = sum(r.compared for r in concluded)
    wrong = dict(_wrong(asked, by_backend, given, finished))
    new = [r for r in failing if r.unexpected]
    lines = [
        _verdict(asked, by_backend, wrong, compared, bool(new), finished),
        *_explained(given, known),
        *_besides([r for r in failing if conditions[id(r)]], conditions, known),
        *(
            f"{name}: {_errors([r for r in own if not conditions[id(r)]])}"
            for name, own in by_backend.items()
        ),
        *_not_asked(asked, applying),
    ]
    return Answer(tuple(lines), applying, drop_in=not (wrong or new))


def _verdict(
    asked: Asked,
    by_backend: Mapping[str, Sequence[Judged]],
    wrong: Mapping[str, str],
    compared: int,
    besides: bool,
    finished: bool,
) -> str:
    """One sentence about the framework that the layer is from, and all others."""
    home = _home(asked, by_backend)
    others = [name for name in by_backend if name != home]
    where = f"{' and '.join(others)} for {home}" if home and others else " and ".join(by_backend)
    of_options = [text for text in asked.assumed if not text.startswith(("batch_first", "dropout"))]
    if of_options:
        where += f"; assumed: {', '.join(of_options)}"
    if wrong:
        said = "; ".join(f"{name} {what}" for name, what in wrong.items())
        return f"NOT A DROP-IN ({where}): {said}"
    if not finished:
        return f"UNFINISHED: {compared:,} numbers compared so far, none differs in what was given"
    word, beyond = "AS THE EQUATION SAYS", ""
    if home and others:
        word, beyond = "DROP-IN", " beyond rounding"
    if besides:
        return (
            f"{word} FOR THIS CALL ALONE ({where}): nothing differs{beyond} in what was given; "
            "what was asked besides shows a new difference"
        )
    return (
        f"{word} ({where}): {compared:,} numbers compared, none differs{beyond} in what was given"
    )


def _home(asked: Asked, backends: Iterable[str]) -> str | None:
    return next((name for name in backends if name_in(name) == asked.home), None)


def _wrong(
    asked: Asked,
    by_backend: Mapping[str, Sequence[Judged]],
    given: Sequence[Judged],
    finished: bool,
) -> Iterator[tuple[str, str]]:
    """Who differs, or gives no answer, in what was given; the framework of the layer first."""
    home = _home(asked, by_backend)
    for name in sorted(by_backend, key=lambda name: name != home):
        failing = [result for result in given if result.backend == name]
        if failing:
            yield name, _differs(failing)
        elif finished and not _concluded(_own(asked, by_backend[name])):
            yield (
                name,
                f"gives no answer to this call ({_unsupported(by_backend[name])})"
                + ("; asked otherwise it agrees" if _concluded(by_backend[name]) else ""),
            )


PADDED = ("padding_ignored", "gradient_padding")
"""Checks of what stands in the padding: the first writes NaN there, the second where x is drawn."""


def _condition(asked: Asked, result: Judged, inputs: Collection[str]) -> str:
    """What a result rests on that was not given; empty where it is about the user's own call."""
    own, config = asked.configs[0], Config.parse(result.config_id)
    parts = []
    if config.lengths != own.lengths and config.aspect != "checkpoint":
        parts.append("lengths (drawn)")
    if config.states and not own.states:
        parts.append("initial states (drawn)")
    if config.layout != own.layout:
        parts.append("a batch")
    if result.check in PADDED[: 1 if "x" in inputs else 2]:
        parts.append("NaN and infinities in the padding")
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _explained(given: Iterable[Judged], known: Mapping[str, KnownDifference]) -> Iterator[str]:
    """Of every known difference that the verdict rests on, what it is, and what to do."""
    for name in dict.fromkeys(result.known for result in given if result.known):
        yield _entry(known[name])


def _besides(
    failing: Iterable[Judged], conditions: Mapping[int, str], known: Mapping[str, KnownDifference]
) -> Iterator[str]:
    """A line for each known difference that shows under a condition, and each backend that shows
    a new one: the condition, what it does, and what to do.
    """
    found: dict[tuple[str, str | None], list[Judged]] = {}
    for result in failing:
        found.setdefault((result.backend, result.known), []).append(result)
    for (backend, name), results in found.items():
        condition = min((conditions[id(r)] for r in results), key=len)
        what = f"{backend} {_differs(results)}" if name is None else _entry(known[name])
        yield f"besides, with {condition}: {what}"


def _entry(entry: KnownDifference, mark: str = "") -> str:
    """Its id, its statement and its remedy."""
    said = f"{mark}{entry.id}{mark}: {entry.statement}"
    return f"{said} → {entry.remedy}" if entry.remedy else said


def _not_asked(asked: Asked, applying: Applying) -> Iterator[str]:
    """What of a port this judgement says nothing of."""
    if asked.called.num_layers > 1:
        ids = ", ".join(one.id for one in (*applying.showed, *applying.may) if is_of_training(one))
        known = f"; known of it: {ids}" if ids else ""
        dropout = "" if asked.called.dropout else ", if it has any"
        yield f"not asked: training, where dropout drops{dropout}; it is in evaluation mode{known}"
    if applying.unjudged:
        first, *_ = applying.unjudged
        yield f"not judged: {', '.join(applying.unjudged)}; --backend {first} judges it"


def _own(asked: Asked, results: Sequence[Judged]) -> list[Judged]:
    """Those about values in the user's own call."""
    return [result for result in results if result.config_id == asked.configs[0].id]


def _concluded(results: Sequence[Judged]) -> bool:
    return any(result.verdict in CONCLUDED for result in results)


def _unsupported(results: Sequence[Judged]) -> str:
    said = [r.message for r in results if r.verdict is Verdict.UNSUPPORTED and r.message]
    return one_line(said[0], 300) if said else "nothing was concluded"


def _differs(failing: Sequence[Judged]) -> str:
    """In which checks, for which known difference, or where most."""
    checks = ", ".join(dict.fromkeys(r.check for r in failing))
    unexpected = [r for r in failing if r.unexpected]
    if not unexpected:
        ids = ", ".join(dict.fromkeys(str(r.known) for r in failing))
        return f"differs in {checks}, as is known ({ids})"
    worst = max(unexpected, key=_size)
    at = place_text(worst.worst, worst.config_id)
    place = f", worst in {at}" if at else f": {one_line(worst.message, 200)}"
    return f"differs in {checks}{place}"


def _size(result: Judged) -> float:
    ratio = as_float(result.ratio)
    return ratio if ratio == ratio else -1.0


def _errors(results: Sequence[Judged]) -> str:
    """The largest error against the equation, of outputs from start to end, and of gradients, in
    what was given.
    """
    outputs = _largest(r for r in results if r.check == "forward_error" and r.against is None)
    gradients = _largest(
        r for r in results if r.check in ("gradient", "gradient_error") and r.part != "signs"
    )
    parts = [
        f"{title} {text}"
        for title, text in (("outputs", outputs), ("gradients", gradients))
        if text
    ]
    return "; ".join(parts) or f"no numbers to compare: {_unsupported(results)}"


def _largest(results: Iterable[Judged]) -> str:
    """The largest error; and where one is nearest to its bound, which may be elsewhere."""
    measured = [r for r in results if r.max_abs is not None]
    if not measured:
        return ""
    largest = max(as_float(r.max_abs) for r in measured)
    nearest = max(measured, key=_size)
    place = (
        f" at {place_text(nearest.worst, nearest.config_id)}" if nearest.worst is not None else ""
    )
    ratio = ratio_text(nearest.ratio)
    return f"off by {largest:.3g} at most; largest ratio to the bound {ratio}{place}"


def as_markdown(asked: Asked, said: Answer, files: Iterable[str]) -> str:
    """The answer as a page."""
    applying = said.applying
    lines = [f"# {asked.title}", "", f"`{asked.called.id}`", "", *(f"- {x}" for x in said.lines)]
    for title, entries in (
        ("Known differences that show here", applying.showed),
        (
            "Known differences that may concern this layer, with other inputs, options or calls",
            applying.may,
        ),
    ):
        listed = [f"- {_entry(one, '`')}" for one in entries]
        lines += ["", f"## {title}", "", *(listed or ["None."])]
    ids = ", ".join(f"`{one.id}`" for one in applying.others)
    lines += ["", "## Known differences that do not concern it", "", ids or "None."]
    lines += ["", "## Scripts", "", *(f"- `python {name}`" for name in files), ""]
    return "\n".join(lines)


def write_answer(out: Path, asked: Asked, said: Answer, files: Iterable[str]) -> Path:
    """Raises OSError."""
    path = out / ANSWER
    path.write_text(as_markdown(asked, said, files), "utf-8")
    return path
