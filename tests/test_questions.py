"""The questions that reports/README.md lists, asked of the example as a reader would.

Each is answered by what is on the screen after as many clicks, searches or commands as stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from harness.cli import main
from tests import browsing

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "reports" / "example" / "report.html"
MOST_PAGES = 10


class Reader:
    """Who looks at the page, and counts what it takes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0

    def clicks(self, selector: str, text: str = "") -> None:
        self.steps += 1
        self.page.locator(selector, has_text=text).first.click()

    def searches(self, words: str) -> None:
        self.steps += 1
        self.page.keyboard.press("/")
        self.page.keyboard.type(words)

    def sees(self, selector: str, text: str) -> None:
        """In the window, without scrolling."""
        found = self.page.locator(selector, has_text=text).first
        expect(found).to_be_in_viewport()

    def differences(self) -> list[str]:
        found = self.page.locator(".difference:not([hidden])")
        return [str(one) for one in found.evaluate_all("all => all.map(one => one.id)")]


def how_many(reader: Reader) -> None:
    reader.sees("h1", "differ from torch's")
    reader.sees("h1", " ways")
    reader.sees(".lead", "new.")


def what_to_do(reader: Reader) -> None:
    reader.sees(".section h2", "Changes numbers, or crashes")
    reader.sees(".section .remedy", "Use float64")


def relu(reader: Reader) -> None:
    reader.searches("relu bidir")
    reader.sees("#found", "difference")
    found = reader.differences()
    assert "mindspore-padding-reaches-gradients" in found
    assert "mindspore-tanh-steps" not in found


def padding(reader: Reader) -> None:
    reader.searches("nan padding gradients")
    assert "mindspore-padding-reaches-gradients" in reader.differences()
    assert len(reader.differences()) <= 3


def script(reader: Reader) -> None:
    reader.clicks(".section li a", "tanh")
    name = reader.page.url.partition("#")[2]
    reader.clicks(f"#{name} .finding > summary")
    text = reader.page.locator(f"#{name} .finding[open]").first.inner_text()
    assert "reproducers/" in text
    assert ".py" in text


def config(reader: Reader) -> None:
    name = reader.page.locator("#list .row code").nth(3).inner_text()
    reader.searches(name)
    reader.clicks("#list .row summary")
    assert "rnn-parity replay" in reader.page.locator("#list .report").inner_text()


def which_configs(reader: Reader) -> None:
    reader.clicks(".difference .finding > summary")
    reader.clicks(".finding[open] button.link", "all")
    reader.sees("#only", "that show the finding")
    assert reader.page.locator("#list .row").count() > 1


def gru(reader: Reader) -> None:
    reader.clicks("#answer .layers a", "GRU")
    reader.sees(".matrices h3", "GRU")


def tolerance(reader: Reader) -> None:
    reader.clicks("nav a", "Method")
    reader.sees("#method", "How the tolerance is derived")


def changed(reader: Reader) -> None:
    reader.steps += 1
    assert "OLD NEW" in CliRunner().invoke(main, ["diff", "--help"]).output


ANSWERED: dict[str, Callable[[Reader], None]] = {
    "In how many ways do they differ, and is any new?": how_many,
    "What changes my numbers, and what do I do?": what_to_do,
    "Is my bidirectional relu affected?": relu,
    "Is NaN in the padding safe for gradients?": padding,
    "Which script shows this difference?": script,
    "What did this config give?": config,
    "Which configs show this difference?": which_configs,
    "How does GRU do?": gru,
    "Why should I believe the tolerance?": tolerance,
    "What changed since last week?": changed,
}


def listed() -> dict[str, int]:
    """The questions of the page, and what each takes."""
    text = (ROOT / "reports" / "README.md").read_text("utf-8")
    table = text.partition("### Ten questions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+\?) \|.*\| (\d+) \|$", table, re.MULTILINE)
    return {question: int(steps) for question, steps in rows}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as one:
        yield one


def test_there_are_ten_and_each_takes_two_steps_at_most() -> None:
    assert listed().keys() == ANSWERED.keys()
    assert len(ANSWERED) == 10
    assert max(listed().values()) <= 2


@pytest.mark.parametrize("question", ANSWERED)
def test_it_is_answered_in_as_many_steps_as_the_page_says(browser: Browser, question: str) -> None:
    with browsing.visiting(browser, viewport={"width": 1280, "height": 900}) as visit:
        reader = Reader(visit.open(EXAMPLE))
        ANSWERED[question](reader)
        assert reader.steps == listed()[question]
        assert visit.complaints == []


def test_on_paper_answer_differences_and_verdicts_take_ten_pages(browser: Browser) -> None:
    with browsing.visiting(browser) as visit:
        page = visit.open(EXAMPLE)
        assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) <= MOST_PAGES
        page.emulate_media(media="print")
        for part in ("#claim", ".section", ".difference", ".matrix"):
            assert page.locator(part).first.is_visible()


@pytest.mark.parametrize("width", [1280, 890, 375])
def test_the_example_fits_and_its_picture_has_that_width(browser: Browser, width: int) -> None:
    with browsing.visiting(browser, viewport={"width": width, "height": 900}) as visit:
        page = visit.open(EXAMPLE)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    png = EXAMPLE.with_name(f"report-{width}.png").read_bytes()
    assert int.from_bytes(png[16:20], "big") == width
