"""report.html in a real browser: whoever opens it finds, follows, copies and reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from harness.baseline import read_baseline
from harness.config import Config
from harness.outcome import Outcome
from harness.report import write_reports
from harness.results import as_float
from tests import browsing
from tests.synthetic_results import changed
from tests.synthetic_run import KNOWN, SCRIPT, config_of, synthetic_run

COUNT = 120
MARKUP = '</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} "><b>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as one:
        yield one


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return synthetic_run(COUNT, MARKUP)


@pytest.fixture(scope="module")
def report(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_reports(outcome, out)
    return out / "report.html"


@pytest.fixture
def visit(browser: Browser) -> Iterator[browsing.Visit]:
    with browsing.visiting(browser, viewport={"width": 1200, "height": 900}) as one:
        yield one
        assert one.complaints == []
        assert all(url.startswith(("file:", "blob:", "data:")) for url in one.requests)
        pages = {url.partition("#")[0] for url in one.requests if not url.startswith("data:")}
        assert len(pages) <= 1


def open_all(page: Page) -> None:
    page.locator("details.finding").evaluate_all("all => all.forEach(one => { one.open = true })")


def rows(page: Page) -> list[str]:
    found = page.locator("#list .row").evaluate_all("all => all.map(one => one.dataset.config)")
    return [str(one) for one in found]


def ratios(page: Page) -> list[str]:
    return page.locator("#list .row .ratio").all_text_contents()


def count(page: Page) -> int:
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


@pytest.mark.parametrize(("ci", "outcome"), [("1", pytest.fail), ("", pytest.skip)])
def test_without_a_browser_tests_are_skipped_but_not_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: Any
) -> None:
    monkeypatch.setattr(browsing, "executable", lambda: None)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome.Exception, match="install chromium"), browsing.chromium():
        pass


def test_it_says_at_the_top_what_was_tested_and_what_is_new(
    visit: browsing.Visit, report: Path
) -> None:
    page = visit.open(report)
    assert page.title() == "rnn-parity: unexpected results"
    facts = page.locator("main .facts").first.inner_text().replace("\n", " ")
    assert facts.startswith(f"judged {COUNT} configs (")
    assert "rnn-parity 0.0 torch 2.0 mindspore 2.0" in facts
    heads = page.locator(".matrix thead th").all_inner_texts()
    assert [" ".join(head.split()) for head in heads] == [
        *("Requirement", "torch", "mindspore", "mindspore:graph", "Claimed in")
    ]
    new = page.locator(".news").inner_text()
    assert "mindspore differs, and no cause is established" in new
    assert "known difference 'x' vanished" in new


def test_the_answer_comes_first_and_names_stay(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    assert page.inner_text("h1") == "mindspore's RNN differs from torch's in 2 ways"
    assert page.inner_text(".lead") == "2 change numbers or crash; 1 is new."
    (section,) = page.locator(".section").all()
    assert section.locator("h2").inner_text() == "Changes numbers, or crashes"
    assert section.locator("li").last.inner_text().endswith(read_baseline_remedy(KNOWN))
    assert page.locator("#claim").bounding_box()["y"] < 200  # type: ignore[index]
    names = page.locator(".difference").evaluate_all("all => all.map(one => one.id)")
    assert names == ["mindspore-last-state-unexplained-unexpected", KNOWN]
    linked = page.locator(f".matrix a[href='#{KNOWN}']").first
    linked.click()
    assert page.locator(f"#{KNOWN}").bounding_box()["y"] < 200  # type: ignore[index]


def read_baseline_remedy(name: str) -> str:
    return next(entry.remedy for entry in read_baseline() if entry.id == name)


def shown(page: Page) -> list[str]:
    found = page.locator(".difference:not([hidden])").evaluate_all("all => all.map(one => one.id)")
    return [str(one) for one in found]


def test_one_search_finds_differences_by_their_words_and_by_what_shows_them(
    visit: browsing.Visit, report: Path
) -> None:
    page = visit.open(report)
    page.fill("#search", "trained weights")
    assert (shown(page), count(page)) == ([KNOWN], 0)
    assert page.inner_text("#found [role=status]") == "1 difference, 0 configs"
    page.fill("#search", "relu bidir")
    assert shown(page) == []
    assert page.locator("#nothing").is_visible()
    page.fill("#search", "tanh bidir scale04")
    assert shown(page) == [KNOWN]
    assert "of the configs found" in page.inner_text(f"#{KNOWN} .here")
    page.click("#unsearch")
    assert len(shown(page)) == 2
    expect(page.locator("#found")).to_be_hidden()


def test_the_address_holds_search_and_filters_and_back_undoes_them(
    browser: Browser, report: Path
) -> None:
    with browsing.visiting(browser) as visit:
        page = visit.open(report)
        page.locator("#search").press_sequentially("relu bidir")
        found = count(page)
        page.select_option("#backend", "mindspore:graph")
        page.select_option("#sort", "least")
        assert page.url.endswith("#?q=relu+bidir&backend=mindspore%3Agraph&sort=least")
        first = rows(page)
        page.reload()
        expect(page.locator("#list .row code").first).to_have_text(first[0])
        assert (page.input_value("#search"), rows(page)) == ("relu bidir", first)
        page.go_back()
        page.go_back()
        expect(page.locator("#backend")).to_have_value("")
        assert (page.input_value("#search"), count(page)) == ("relu bidir", found)
        page.go_back()
        expect(page.locator("#count")).to_have_text(re.compile(f"^{COUNT} "))
        assert page.input_value("#search") == ""
        page.go_forward()
        expect(page.locator("#search")).to_have_value("relu bidir")
        page.locator(".section li a").first.click()
        assert len(shown(page)) == 2


def test_a_difference_may_be_called_as_a_part_of_the_page(
    visit: browsing.Visit, tmp_path: Path
) -> None:
    """A baseline of one's own may name its entries so."""
    one = synthetic_run(6)
    called = {"check": msgspec.structs.replace(one.known[KNOWN], id="check")}
    results = [changed(r, known="check" if r.known else None) for r in one.results]
    write_reports(Outcome(one.header, results, called), tmp_path)
    page = visit.open(tmp_path / "report.html", "check")
    expect(page.locator(".difference#check")).to_be_in_viewport()
    page.select_option("select#check", "last_state")
    assert count(page) == 6


def test_a_name_that_nothing_has_is_told(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report, "difference-17")
    said = page.locator("#unknown")
    assert "Nothing in this report is called “difference-17”" in said.inner_text()
    assert said.bounding_box()["y"] < 120  # type: ignore[index]
    page.goto(report.as_uri() + f"#{KNOWN}")
    expect(said).to_be_hidden()


def test_text_of_a_backend_is_there_and_does_nothing(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    open_all(page)
    assert MARKUP in " ".join(page.locator("main").inner_text().split())
    page.fill("#search", f"s{7:06d}")
    page.locator("#list .row summary").first.click()
    assert MARKUP in page.locator("#list .row").first.inner_text()
    assert page.locator("img[src=x], main b b, iframe").count() == 0
    assert page.locator("script").count() == 2


def test_a_search_finds_parts_of_ids_and_words_of_defaults(
    visit: browsing.Visit, report: Path
) -> None:
    page = visit.open(report)
    assert count(page) == COUNT
    page.fill("#search", "RELU bidir")
    assert 0 < count(page) < COUNT
    assert all("relu" in one and "bidir" in one for one in rows(page))
    page.fill("#search", config_of(9).id)
    assert rows(page) == [config_of(9).id]
    page.press("#search", "Escape")
    assert count(page) == COUNT
    page.fill("#search", "tanh unidir nolengths")
    plain = [config_of(n) for n in range(COUNT)]
    plain = [c for c in plain if c.lengths == "nolengths" and not c.bidirectional]
    assert count(page) == sum("tanh" in c.cell.activations for c in plain)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        *(("bidirectional float16", "both"), ("half", "both"), ("lstm", "lstm"), ("proj", "proj")),
        *(("unbatched", "flat"), ("lstmcell", "cell"), ("fp64", "double"), ("trained", "")),
        ("mindspore-tanh-steps", "both lstm"),
    ],
)
def test_a_search_takes_words_as_people_know_them_and_names_as_a_whole(
    visit: browsing.Visit, several: tuple[Path, dict[str, str]], asked: str, found: str
) -> None:
    """LSTMCell is no LSTM, and what is unprojected has no projection."""
    report, ids = several
    page = visit.open(report)
    page.fill("#search", asked)
    names = found.replace("lstm", "lstm proj") if asked == "lstm" else found
    assert sorted(rows(page)) == sorted(ids[name] for name in names.split())


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A report of layers of their own options; two of its configs show a known difference."""
    out, one = tmp_path_factory.mktemp("several"), synthetic_run(6)
    ids = {
        "lstm": Config.of("lstm").id,
        "proj": Config.of("lstm", hidden_size=4, proj_size=2).id,
        "cell": Config.of("lstmcell").id,
        "both": Config.of("gru", bidirectional=True, dtype="fp16").id,
        "double": Config.of("gru", dtype="fp64").id,
        "flat": Config.of(aspect="call.x.flat", data="plain").id,
    }
    passing = next(r for r in one.results if r.verdict == "pass")
    showing = next(r for r in one.results if r.known == KNOWN)
    results = [
        changed(showing if name in ("lstm", "both") else passing, config_id=config_id)
        for name, config_id in ids.items()
    ]
    write_reports(Outcome(one.header, results, one.known), out)
    return out / "report.html", ids


def test_what_a_search_finds_is_seen(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    page.fill("#search", "trained weights")
    expect(page.locator(f"#{KNOWN}")).to_be_in_viewport()
    page.fill("#search", config_of(9).id)
    expect(page.locator("#list .row").first).to_be_in_viewport()
    page.reload()
    expect(page.locator("#list .row").first).to_be_in_viewport()


def test_filters_by_option_verdict_backend_and_check(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    page.select_option("select[data-field=nonlinearity]", "tanh")
    assert count(page) == sum(config_of(n).nonlinearity == "tanh" for n in range(COUNT))
    page.select_option("#backend", "mindspore:graph")
    assert count(page) == sum(
        config_of(n).nonlinearity == "tanh" and n % 5 == 0 for n in range(COUNT)
    )
    page.select_option("#verdict", "known")
    known = count(page)
    assert 0 < known < COUNT // 5
    page.select_option("#check", "last_state")
    assert count(page) == 0
    page.click("#filters button[type=reset]")
    expect(page.locator("#count")).to_have_text(re.compile(f"^{COUNT} "))
    page.select_option("#verdict", "fail")
    assert rows(page) == [config_of(7).id]


def test_several_layers_have_an_overview_and_a_matrix_each(
    visit: browsing.Visit, tmp_path: Path
) -> None:
    """And what one of them was not asked is not said to have a verdict."""
    one = synthetic_run(6)
    gru = Config.of("gru").id
    own = [changed(r, config_id=gru) for r in one.results if r.config_id == config_of(1).id]
    both = Outcome(one.header, [*one.results, *own], one.known)
    write_reports(both, tmp_path)
    page = visit.open(tmp_path / "report.html")
    assert "RNN and GRU differ from torch's" in page.inner_text("h1")
    rows = page.locator("#answer .layers tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["RNN", "GRU"]
    assert page.locator(".overview tbody tr").count() == page.locator(".matrix").count() == 2
    assert "every requirement has a verdict" not in page.locator("#new").inner_text()
    assert re.match(
        r"\d+ requirements, counted for each layer, have no verdict of some",
        page.inner_text("#open"),
    )
    heads = page.locator(".matrix").nth(1).locator("tbody").first.locator("th").all_inner_texts()
    assert any(one.startswith("pack_padded_sequence → seq_length: ") for one in heads)
    assert not any(one.startswith("nonlinearity") for one in heads)
    page.locator("#answer .layers a", has_text="GRU").click()
    expect(page.locator("#verdicts-gru")).to_be_in_viewport()


def test_sorts_by_ratio(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    values = [float(one) for one in ratios(page)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 100
    page.select_option("#backend", "torch")
    page.select_option("#sort", "least")
    values = [float(one) for one in ratios(page)]
    assert values == sorted(values)
    assert values[-1] < 1


def test_the_method_tells_of_gates_where_layers_have_some(
    visit: browsing.Visit, report: Path, several: tuple[Path, dict[str, str]]
) -> None:
    text = visit.open(several[0]).inner_text("section[aria-labelledby=method]")
    plain = report.read_text("utf-8").partition('id="method"')[2].partition("</section>")[0]
    assert "sigmoid" not in plain
    assert "sigmoid" in text
    assert "c = f c′ + i g" in text


def test_marks_of_a_row_stand_on_the_line_of_its_id(visit: browsing.Visit, tmp_path: Path) -> None:
    """Also where the first backends have no verdict; and a large ratio has its thousands apart."""
    one = synthetic_run(6)
    alone = [changed(r, ratio=12345.0) for r in one.results if r.backend == "mindspore:graph"]
    write_reports(Outcome(one.header, [*one.results[:2], *alone], one.known), tmp_path)
    page = visit.open(tmp_path / "report.html")
    page.fill("#search", alone[-1].config_id)
    row = page.locator("#list .row summary").first
    tops = row.locator(":scope > code, .marks, .ratio").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().bottom)"
    )
    assert max(tops) - min(tops) < 6
    assert row.locator(".ratio").inner_text() == "12,300"


def test_a_number_is_not_broken_at_its_minus(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    whole = page.locator(f"#{KNOWN} h4 .whole")
    assert whole.inner_text() == "1.01e-4"
    assert whole.evaluate("one => getComputedStyle(one).whiteSpace") == "nowrap"


def test_what_has_no_size_comes_after_what_has_one(visit: browsing.Visit, tmp_path: Path) -> None:
    """A ratio is infinite where nothing was allowed: that says nothing of how far off it is."""
    few = synthetic_run(12)
    unsized = {config_of(n).id for n in (3, 5)}
    for number, result in enumerate(few.results):
        if result.config_id in unsized and result.check == "last_state":
            few.results[number] = changed(result, ratio="inf")
    write_reports(few, tmp_path)
    page = visit.open(tmp_path / "report.html")
    values = ["inf" if one == "∞" else one for one in ratios(page)]
    finite = [float(one) for one in values if one != "inf"]
    assert finite == sorted(finite, reverse=True)
    assert values[len(finite) :] == ["inf"] * len(unsized)
    assert len(finite) == 12 - len(unsized)


def test_rows_come_as_they_are_scrolled_to(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    assert len(rows(page)) < COUNT
    for _ in range(100):
        page.mouse.wheel(0, 40_000)
        page.wait_for_timeout(60)
        if len(rows(page)) >= COUNT:
            break
    assert len(set(rows(page))) == len(rows(page)) == COUNT


@pytest.mark.parametrize("number", [7, 9, 10])
def test_a_config_opens_with_all_its_comparisons(
    visit: browsing.Visit, report: Path, outcome: Outcome, number: int
) -> None:
    page = visit.open(report)
    config = config_of(number)
    page.fill("#search", config.id)
    page.locator("#list .row summary").click()
    text = page.locator("#list .report").inner_text()
    lines = [line for line in outcome.results if line.config_id == config.id]
    for part in ("layer 0 forward", "bias ", "%", "rnn-parity replay", lines[0].origin):
        assert part in text
    expect(page).to_have_url(re.compile(rf"#{config.id}(\?|$)"))
    for row, line in zip(page.locator("#list .report tbody tr").all(), lines, strict=True):
        subject, verdict, ratio, compared, *_, details = row.locator("td").all_inner_texts()
        assert subject.split(" ", 1) == [line.check, line.part]
        assert ("pass" in verdict) == (line.verdict == "pass")
        assert compared == f"{line.compared}"
        assert " ".join(line.message.split()) in " ".join(details.split())
        if line.ratio is not None:
            assert float(ratio) == pytest.approx(as_float(line.ratio), rel=0.006)


def test_configs_of_layers_with_options_of_their_own_are_found_by_their_ids(
    visit: browsing.Visit, tmp_path: Path
) -> None:
    """Whichever layer comes first: an option of the second stands in the middle of its ids."""
    one = synthetic_run(4)
    ids = [Config.of("gru").id, Config.of("rnn", nonlinearity="relu", states=True).id]
    ids.append(Config.of("lstm", hidden_size=4, proj_size=2, states=True).id)
    made = [changed(one.results[n], config_id=name) for n, name in enumerate(ids)]
    write_reports(Outcome(one.header, made, one.known), tmp_path)
    page = visit.open(tmp_path / "report.html")
    assert sorted(rows(page)) == sorted(ids)
    for name in ids:
        page.goto((tmp_path / "report.html").as_uri() + f"#{name}")
        page.wait_for_selector(f"#linked [data-config='{name}']")


@pytest.mark.parametrize("number", [3, 119])
def test_a_link_to_a_config_survives(visit: browsing.Visit, report: Path, number: int) -> None:
    config = config_of(number)
    page = visit.open(report, config.id)
    assert page.locator("#linked details[open] code").first.inner_text() == config.id
    assert page.locator("#linked details").bounding_box()["y"] < 900  # type: ignore[index]
    page.goto(report.as_uri() + f"#{config_of(5).id}")
    page.wait_for_selector(f"#linked [data-config='{config_of(5).id}']")


def test_a_finding_is_linked_and_lists_its_configs(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report, f"finding-mindspore-step-residual-activation-{KNOWN}")
    finding = page.locator("details.finding:target")
    assert finding.get_attribute("open") is not None
    text = finding.inner_text()
    assert "depends on nonlinearity = tanh" in text
    assert "does not depend on" in text
    assert "layer 0 forward, step" in text
    finding.locator("button.link").click()
    expect(page.locator("#only")).not_to_be_empty()
    assert 0 < count(page) < COUNT
    assert all("relu" not in one for one in rows(page))


def test_pictures_say_what_they_show(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report, f"finding-mindspore-step-residual-activation-{KNOWN}")
    labels = page.locator("figure img").evaluate_all("all => all.map(one => one.alt)")
    for text in ("Heat map of errors", "3 of 5 cells beyond", "Histogram of ratios", "tanh over"):
        assert any(text in label for label in labels), text
    assert page.locator("details.finding:target figure img").first.is_visible()
    assert page.locator("#activations ~ figure img").count() == 1
    drawn = page.locator("figure img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert all(drawn)


def test_what_is_to_be_copied_is_copied(browser: Browser, report: Path) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with browsing.visiting(browser, permissions=allowed) as visit:
        page = visit.open(report, f"finding-mindspore-step-residual-activation-{KNOWN}")
        button = page.locator("details.finding:target .copy").first
        button.click()
        expect(page.locator("#status")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == SCRIPT
        page.fill("#search", config_of(9).id)
        page.locator("#list .row summary").click()
        page.locator("#list .copy").first.click()
        command = f"rnn-parity replay {config_of(9).id} --backend torch"
        for _ in range(100):
            if page.evaluate("navigator.clipboard.readText()") != SCRIPT:
                break
            page.wait_for_timeout(100)
        assert page.evaluate("navigator.clipboard.readText()") == command


def test_dark_and_light_follow_the_system_and_the_toggle(browser: Browser, report: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    drawing = "getComputedStyle(document.querySelector('figure img')).filter"
    with browsing.visiting(browser, color_scheme="light") as visit:
        page = visit.open(report)
        light = page.evaluate(paper), page.evaluate(drawing)
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(paper), page.evaluate(drawing)
        assert light[0] != dark[0]
        assert light[1] != dark[1]
        page.click("#theme")
        assert (page.inner_text("#theme"), page.evaluate(paper)) == ("Theme: light", light[0])
        page.click("#theme")
        page.emulate_media(color_scheme="light")
        assert (page.inner_text("#theme"), page.evaluate(paper)) == ("Theme: dark", dark[0])
        page.reload()
        assert page.inner_text("#theme") == "Theme: dark"


def test_all_can_be_done_from_the_keyboard(visit: browsing.Visit, report: Path) -> None:
    page = visit.open(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the configs"
    page.keyboard.press("/")
    page.keyboard.type("relu")
    assert page.input_value("#search") == "relu"
    page.locator("#list summary").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#list details").nth(1).get_attribute("open") is not None
    expect(page).to_have_url(re.compile(rf"#{rows(page)[1]}\?q=relu$"))
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.parentElement.dataset.config") == rows(page)[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_between_it_and_anyone(
    browser: Browser, report: Path, scheme: str
) -> None:
    with browsing.visiting(browser, color_scheme=scheme) as visit:
        page = visit.open(report, config_of(8).id)
        open_all(page)
        violations = Axe().run(page).response["violations"]
    grave = [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_on_a_phone_every_column_is_whole_and_a_verdict_is_one_line(
    browser: Browser, report: Path
) -> None:
    with browsing.visiting(browser, viewport={"width": 375, "height": 800}) as visit:
        page = visit.open(report, config_of(8).id)
        cells = page.locator(".matrix th:not(.source), .matrix td:not(.source), #linked td")
        ends = cells.evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
        assert len(ends) > 200
        assert max(ends) <= 375
        over = "all => all.filter((one) => one.scrollWidth > one.clientWidth).length"
        assert (
            page.locator(".matrix thead th:not(.source), .matrix tbody th").evaluate_all(over) == 0
        )
        lines = page.locator(".matrix td:not(.source)").evaluate_all(
            """all => all.map((one) => {
              const range = document.createRange();
              range.selectNodeContents(one);
              const boxes = [...range.getClientRects()];
              return new Set(boxes.map((box) => Math.round(box.bottom / 8))).size;
            })"""
        )
        assert max(lines) == 1


@pytest.mark.parametrize("width", [320, 375, 890])
def test_a_narrow_screen_needs_no_scrolling_sideways(
    browser: Browser, report: Path, width: int
) -> None:
    with browsing.visiting(browser, viewport={"width": width, "height": 800}) as visit:
        page = visit.open(report, config_of(8).id)
        open_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_is_light_whole_and_without_controls(browser: Browser, report: Path) -> None:
    with browsing.visiting(browser, color_scheme="dark") as visit:
        page = visit.open(report)
        page.emulate_media(media="print", color_scheme="dark")
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(26, 28, 30)"
        for gone in ("header", "#filters", "details.finding", "#configs", "#method"):
            assert not page.locator(gone).first.is_visible()
        for kept in ("#claim", ".difference h4", ".difference .remedy", ".matrix"):
            assert page.locator(kept).first.is_visible()


def test_without_javascript_it_says_what_it_can(browser: Browser, report: Path) -> None:
    with browsing.visiting(browser, java_script_enabled=False) as visit:
        page = visit.page
        page.goto(report.as_uri())
        text = page.locator("main").inner_text()
        assert f"{COUNT} configs with" in text
        assert "listing them takes JavaScript" in text
        assert "Unexpected results" in text
        assert not page.locator("#theme").is_visible()
        assert not page.locator("#filters").is_visible()
        page.locator("details.finding:not([open]) > summary").first.click()
        assert page.locator("details.finding[open] pre").first.is_visible()


def test_thousands_of_configs_are_one_small_file_that_works(
    visit: browsing.Visit, tmp_path: Path
) -> None:
    write_reports(synthetic_run(2_000), tmp_path)
    report = tmp_path / "report.html"
    assert report.stat().st_size < 1_100_000
    page = visit.open(report, config_of(1_999).id)
    assert page.locator("#linked .report").count() == 1
    assert count(page) == 2_000
    page.fill("#search", "relu bidir")
    assert 0 < count(page) < 2_000
    assert len(rows(page)) < 500
