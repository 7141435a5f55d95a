"""Parts of the browser tests: what is skipped where there is no browser, the browser, and a page that is watched."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser to test the page with")
pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed: no page to test")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium): no browser to test the page with"
)
PATIENCE = 600_000
"""Milliseconds: two cores may have other work."""


@contextlib.contextmanager
def chromium():
    """Debian's browser; nothing is downloaded."""
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextlib.contextmanager
def opened_page(browser, address, token):
    """The opened page with a new person; a script error, a breach of the page's policy or a request to elsewhere fails the test.

    Args:
        browser: of :func:`chromium`.
        address: of the server, without a path.
        token: what opens it.

    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", device_scale_factor=1)
    context.set_default_timeout(PATIENCE)
    shown, faults = context.new_page(), []
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.on("request", lambda request: faults.append(request.url) if not request.url.startswith((address, "blob:", "data:")) else None)
    shown.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    shown.goto(f"{address}/?token={token}")
    shown.wait_for_selector("#people button")
    shown.click("#add-person")  # those of other tests are still there
    yield shown
    context.close()
    assert not faults


def screenshot(shown, name, selector):
    """A picture for the manual, where one is wanted."""
    if folder := os.environ.get("VERA_SCREENSHOTS"):
        shown.locator(selector).screenshot(path=Path(folder) / f"{name}.png")


def upload(shown, photographs):
    """Choose files, and wait until faces were looked for in all."""
    shown.locator("#files").set_input_files(photographs)
    shown.locator("#cards svg").nth(len(photographs) - 1).wait_for()


def run(shown, verdict):
    """Anonymize, and wait for the verdict, a pattern."""
    shown.evaluate("document.getElementById('verdict-word').textContent = ''")  # of an earlier call
    shown.click("#run")
    shown.wait_for_selector("#verdict-word:not(:empty)")
    assert re.match(verdict, shown.inner_text("#verdict-word"))


def paint(shown, places):
    """Paint one line with the brush through places, in shares of the picture's width and height."""
    shown.click("button[data-tool=brush]")
    shown.evaluate(
        """([x, y]) => {
            const stage = document.querySelector("#painter .stage"), sheet = stage.querySelector(".sheet");
            stage.scrollIntoView({ block: "center" });
            stage.scrollTo(sheet.offsetWidth * x - stage.clientWidth / 2, sheet.offsetHeight * y - stage.clientHeight / 2);
        }""",
        list(places[0]),
    )
    sheet = shown.locator("#painter .sheet").bounding_box()
    first, *others = [(sheet["x"] + sheet["width"] * x, sheet["y"] + sheet["height"] * y) for x, y in places]
    shown.mouse.move(*first)
    shown.mouse.down()
    for place in others:
        shown.mouse.move(*place, steps=4)
    shown.mouse.up()


def review(shown):
    """Confirm the checklist, and give the ZIP's bytes."""
    for box in shown.locator("#checklist input").all():
        box.check()
    shown.fill("#reviewer", "Dr Ito")
    with shown.expect_download() as download:
        shown.click("#confirm")
    return Path(download.value.path()).read_bytes()
