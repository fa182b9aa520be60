"""The answer of a run in words, the same on the console, in the summary and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.answer import Answer, Section, Way
from harness.layers import LAYERS
from harness.report.wording import SENSIBLE, error_text, plural
from harness.results import number

__all__ = ["answer_sentence", "layer_sentences", "section_size", "way_size"]


def answer_sentence(answer: Answer) -> str:
    """'mindspore's RNN differs from torch's in 36 ways: 11 change numbers or crash, ...'."""
    if not answer.frameworks:
        return "Nothing was judged."
    parts = ", ".join(one.harm.counted(len(one.ways)) for one in answer.sections if one.ways)
    if not parts:
        return f"{_subject(answer)} in no way that was asked."
    return f"{_subject(answer)} in {plural(len(answer.ways), 'way')}: {parts}; {_new(answer)}."


def _subject(answer: Answer) -> str:
    first, *others = answer.frameworks
    titles = _listed([LAYERS[name].title for name in answer.layers])
    verb = "differs" if len(answer.layers) == 1 and len(others) < 2 else "differ"
    if not others:
        return f"{first}'s {titles} {verb} from what is documented"
    owners = _listed([f"{name}'s" for name in others])
    return f"{owners} {titles} {verb} from {first}'s"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _new(answer: Answer) -> str:
    new = len(answer.new)
    return f"{new} {'is' if new == 1 else 'are'} new" if new else "none is new"


def layer_sentences(answer: Answer) -> Iterator[tuple[str, str]]:
    """Where several layers were judged, of each its name and how many ways it shows."""
    for layer in answer.layers if len(answer.layers) > 1 else ():
        own = answer.of_layer(layer)
        parts = ", ".join(harm.counted(len(ways)) for harm, ways in own.items() if ways)
        total = sum(map(len, own.values()))
        yield layer, f"{plural(total, 'way')}: {parts}" if total else "no way that was asked"


def section_size(section: Section) -> str:
    """'11 ways, in 350 of 1,640 configs'."""
    ways = plural(len(section.ways), "way")
    return f"{ways}, in {section.configs:,} of {plural(section.judged, 'config')}"


def way_size(way: Way) -> str:
    """'in 193 of 652 configs, by up to 1.01e-4 (1.69e+03 ulp)'."""
    reach = f"in {way.configs:,} of {plural(way.judged, 'config')}"
    if way.off_by is None or not way.off_by[0]:
        return reach
    absolute, ulps = way.off_by
    size = f"{reach}, by up to {error_text(number(absolute))}"
    return f"{size} ({error_text(number(ulps))} ulp)" if ulps < SENSIBLE else size
