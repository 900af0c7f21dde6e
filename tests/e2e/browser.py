"""A system Chromium over the Dagster UI: the few things a person does there, and a picture of each page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

RELOAD_MS = 15_000
WAIT_MS = 60_000  # on two cores that also run the other tests


def chromium() -> str | None:
    """The system's Chromium, if there is one."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@contextmanager
def browser_page() -> Iterator[Page]:
    """A fresh page of a headless system Chromium; skips the test where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on this machine: the UI is not driven")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--headless"])
        except Error as error:
            pytest.skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        page = browser.new_page(viewport={"width": 1500, "height": 950}, color_scheme="light")
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


class Console:
    """What a person does in the UI. Each picture goes to `pictures`, and to XETRADE_SCREENSHOTS if that is set."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page = page
        self.url = url
        kept = os.environ.get("XETRADE_SCREENSHOTS")
        self.folders = [pictures, *([Path(kept)] if kept else [])]

    def open(self, path: str, *texts: str) -> None:
        """Go to a page and wait until it shows all of `texts`; load it anew meanwhile: not every page follows news."""
        for _ in range(WAIT_MS // RELOAD_MS - 1):
            self.page.goto(f"{self.url}{path}")
            with suppress(TimeoutError):
                self.shows(*texts, within_ms=RELOAD_MS)
                return
        self.page.goto(f"{self.url}{path}")
        self.shows(*texts, within_ms=RELOAD_MS)

    def shows(self, *texts: str, within_ms: int = WAIT_MS) -> None:
        """Wait until the page shows all of `texts`."""
        for text in texts:
            try:
                self.page.get_by_text(text).locator("visible=true").first.wait_for(timeout=within_ms)
            except TimeoutError as error:
                shown = " | ".join(self.page.locator("body").inner_text().split("\n"))
                raise TimeoutError(f"{text!r} is not shown at {self.page.url}: {shown[:3000]}") from error

    def picture(self, name: str) -> Path:
        """Take a picture of what is shown, when it has stopped moving."""
        self.page.wait_for_timeout(600)
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=folder / f"{name}.png")
        return self.folders[0] / f"{name}.png"

    def launch(self, job: str, config: str, *, partitioned: bool = True) -> str:
        """Type `config` into the launchpad, launch without a partition, and follow to the run's page; the run's id.

        A `partitioned` job is asked about before it starts without one.
        """
        self.open(f"/locations/xetrade/jobs/{job}/playground", "Launch Run")
        self.page.locator(".CodeMirror").wait_for()
        self.page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", config)
        self.shows("No errors")
        self.picture(f"launchpad-{job}")
        self.page.get_by_role("button", name="Launch Run").click()
        if partitioned:
            self.page.get_by_role("button", name="Confirm").click()
        self.page.wait_for_url("**/runs/*")
        return self.page.url.rstrip("/").rsplit("/", 1)[-1].split("?")[0]
