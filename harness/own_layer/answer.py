"""The answer about a user's layer: drop-in or not, the largest errors, what concerns it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.backends.reference import name_in
from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Judged
from harness.own_layer.applying import Applying
from harness.own_layer.asked import Asked
from harness.report.wording import place_text
from harness.results import as_float
from harness.text import one_line
from harness.verdicts import CONCLUDED, FAILED, Verdict

__all__ = ["ANSWER", "Answer", "answer", "as_markdown", "write_answer"]

ANSWER = "answer.md"


@dataclass(frozen=True)
class Answer:
    """`lines`: the verdict, then one for each backend."""

    lines: tuple[str, ...]
    applying: Applying

    @property
    def counts(self) -> str:
        """How many known differences concern the layer."""
        showed, may, others = map(
            len, (self.applying.showed, self.applying.may, self.applying.others)
        )
        return (
            f"known differences: {showed} show here, {may} may concern this layer, with other "
            f"inputs or calls, {others} do not"
        )


def answer(asked: Asked, results: Sequence[Judged], applying: Applying) -> Answer:
    """From the results of a run about one layer."""
    backends = list(dict.fromkeys(result.backend for result in results))
    by_backend = {name: [r for r in results if r.backend == name] for name in backends}
    errors = [f"{name}: {_errors(own)}" for name, own in by_backend.items()]
    return Answer((_verdict(asked, by_backend), *errors), applying)


def _verdict(asked: Asked, by_backend: dict[str, list[Judged]]) -> str:
    """One sentence about the framework that the layer is from, and all others."""
    home = next((name for name in by_backend if name_in(name) == asked.home), None)
    others = [name for name in by_backend if name != home]
    named = [home, *others] if home else others
    where = f"{' and '.join(others)} for {home}" if home and others else " and ".join(named)
    wrong = {name: said for name in named if (said := _differs(asked, by_backend[name]))}
    wrong |= {
        name: f"gives no answer to this call ({_unsupported(by_backend[name])})"
        + ("; asked otherwise it agrees" if _concluded(by_backend[name]) else "")
        for name in named
        if name not in wrong and not _concluded(_own(asked, by_backend[name]))
    }
    if wrong:
        said = "; ".join(f"{name} {what}" for name, what in wrong.items())
        return f"NOT A DROP-IN ({where}): {said}"
    compared = sum(r.compared for own in by_backend.values() for r in own if r.verdict in CONCLUDED)
    if not (home and others):
        return f"AS THE EQUATION SAYS ({where}): {compared:,} numbers compared, none differs"
    return f"DROP-IN ({where}): {compared:,} numbers compared, none differs beyond rounding"


def _own(asked: Asked, results: Sequence[Judged]) -> list[Judged]:
    """Those about values in the user's own call."""
    return [result for result in results if result.config_id == asked.configs[0].id]


def _concluded(results: Sequence[Judged]) -> bool:
    return any(result.verdict in CONCLUDED for result in results)


def _unsupported(results: Sequence[Judged]) -> str:
    said = [r.message for r in results if r.verdict is Verdict.UNSUPPORTED and r.message]
    return one_line(said[0], 300) if said else "nothing was concluded"


def _differs(asked: Asked, results: Sequence[Judged]) -> str:
    """What differs, in the user's own call or beyond it; empty where nothing does."""
    failing = [result for result in results if result.verdict in FAILED]
    if not failing:
        return ""
    calls = {config.id for config in asked.configs if _is_as_called(asked, config)}
    own = [r for r in failing if r.config_id in calls]
    beyond = "" if own else " (with lengths or states that were not given, and drawn)"
    checks = ", ".join(dict.fromkeys(r.check for r in own or failing))
    unexpected = [r for r in failing if r.unexpected]
    if not unexpected:
        ids = ", ".join(dict.fromkeys(str(r.known) for r in failing))
        return f"differs{beyond} in {checks}, as is known ({ids})"
    worst = max(unexpected, key=_size)
    at = place_text(worst.worst)
    place = f", worst in {at}" if at else f": {one_line(worst.message, 200)}"
    return f"differs{beyond} in {checks}{place}"


def _is_as_called(asked: Asked, config: Config) -> bool:
    """Whether nothing was drawn that the user leaves out."""
    own = asked.configs[0]
    return config.aspect == "checkpoint" or config.replace(aspect="values") == own


def _size(result: Judged) -> float:
    ratio = as_float(result.ratio)
    return ratio if ratio == ratio else -1.0


def _errors(results: Sequence[Judged]) -> str:
    """The largest error against the equation, of outputs from start to end, and of gradients."""
    outputs = _largest(r for r in results if r.check == "forward_error" and r.against is None)
    gradients = _largest(r for r in results if r.check == "gradient" and r.part != "signs")
    parts = [
        f"{title} {text}"
        for title, text in (("outputs", outputs), ("gradients", gradients))
        if text
    ]
    if parts:
        return "largest error " + "; ".join(parts)
    return f"no numbers to compare: {_unsupported(results)}"


def _largest(results: Iterable[Judged]) -> str:
    """Absolute, relative, in ulp; and where it is furthest for what rounding explains."""
    measured = [r for r in results if r.max_abs is not None]
    if not measured:
        return ""
    top = max(measured, key=lambda r: as_float(r.max_abs))
    relative, ulps = (
        max(as_float(getattr(r, n)) for r in measured) for n in ("max_rel", "max_ulp")
    )
    place = f", at {place_text(top.worst)}" if top.worst is not None else ""
    return (
        f"{as_float(top.max_abs):.3g} absolute, {relative:.3g} relative, {ulps:.4g} ulp"
        f"{place} ({as_float(top.ratio):.3g} of what rounding explains)"
    )


def as_markdown(asked: Asked, said: Answer, files: Iterable[str]) -> str:
    """The answer as a page."""
    applying = said.applying
    lines = [f"# {asked.title}", "", f"`{asked.called.id}`", "", *(f"- {x}" for x in said.lines)]
    for title, entries in (
        ("Known differences that show here", applying.showed),
        ("Known differences that may concern this layer, with other inputs or calls", applying.may),
    ):
        lines += ["", f"## {title}", "", *([_entry(one) for one in entries] or ["None."])]
    ids = ", ".join(f"`{one.id}`" for one in applying.others)
    lines += ["", "## Known differences that do not concern it", "", ids or "None."]
    lines += ["", "## Scripts", "", *(f"- `python {name}`" for name in files), ""]
    return "\n".join(lines)


def _entry(entry: KnownDifference) -> str:
    return f"- `{entry.id}`: {entry.statement}"


def write_answer(out: Path, asked: Asked, said: Answer, files: Iterable[str]) -> Path:
    """Raises OSError."""
    path = out / ANSWER
    path.write_text(as_markdown(asked, said, files), "utf-8")
    return path
