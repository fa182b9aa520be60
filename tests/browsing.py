"""Chromium for tests of the report: found on this machine, driven by Playwright, offline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def executable() -> str | None:
    """Where the browser is, if one is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; without one tests are skipped, but not in CI: there that is a failure."""
    path = executable()
    if path is None:
        message = f"no browser, expected one of {', '.join(NAMES)}; install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is open; everything it logs, asks of the network, or raises is kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.requests.append(request.url))

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, report: Path, anchor: str = "") -> Page:
        """Go there, and wait until it can be used."""
        self.page.goto(report.as_uri() + (f"#{anchor}" if anchor else ""))
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=20_000)
        return self.page


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Visit]:
    """A new profile with one page."""
    context = browser.new_context(**options)
    try:
        yield Visit(context.new_page())
    finally:
        context.close()
