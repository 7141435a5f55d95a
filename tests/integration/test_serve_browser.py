"""The page in Debian's Chromium, with the shipped engine: the whole way of a pair, painted; its pictures go into the manual.

VERA_SCREENSHOTS=docs .venv/bin/python -m pytest -m slow tests/integration/test_serve_browser.py    makes these pictures anew
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageEnhance

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser to test the page with")
pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed: no page to test")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium): no browser to test the page with"),
]
TOKEN = "a-token-of-the-browser-tests"
PATIENCE = 600_000
"""Milliseconds: two cores may have other work."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """`vera serve` as a process of its own: its address and its folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("served") / "private"
    command = [sys.executable, "-m", "vera.cli", "serve", "--port", str(port), "--folder", str(folder), "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        assert f"http://127.0.0.1:{port}/?token={TOKEN}" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}", folder
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
    assert not [path for path in folder.rglob("*") if path.name != ".vera-serve-lock"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, served):
    """The opened page; a script error or a request to elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", device_scale_factor=1)
    shown, faults = context.new_page(), []
    shown.set_default_timeout(PATIENCE)
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.on("request", lambda request: faults.append(request.url) if not request.url.startswith((served[0], "blob:", "data:")) else None)
    shown.goto(f"{served[0]}/?token={TOKEN}")
    shown.wait_for_selector("#people button")
    shown.click("#add-person")  # those of other tests are still there
    yield shown
    context.close()
    assert not faults


@pytest.fixture
def pair(tmp_path):
    """The astronaut, and the astronaut a little turned, in less light."""
    portrait = Image.fromarray(skimage.data.astronaut()[0:320, 80:380])
    after = ImageEnhance.Brightness(portrait).enhance(0.9).rotate(2, Image.Resampling.BICUBIC).crop((8, 4, 292, 310))
    portrait.save(tmp_path / "before.png")
    after.save(tmp_path / "after.png")
    return [tmp_path / "before.png", tmp_path / "after.png"]


def picture(shown, name, selector):
    """A picture for the manual, where one is wanted."""
    if folder := os.environ.get("VERA_SCREENSHOTS"):
        shown.locator(selector).screenshot(path=Path(folder) / f"{name}.png")


def upload(shown, photographs):
    shown.locator("#files").set_input_files(photographs)
    shown.locator("#cards svg").nth(len(photographs) - 1).wait_for()


def wait_for_pictures(shown):
    """The page's policy forbids the browser to wait for an expression, so it is asked again and again."""
    while not shown.evaluate("[...document.querySelectorAll('#compare img')].every((image) => image.complete && image.naturalWidth)"):
        shown.wait_for_timeout(50)


def run(shown, verdicts=("PASS", "REVIEW")):
    shown.click("#run")
    shown.wait_for_selector("#s-result:not([hidden])")
    assert re.match("|".join(verdicts), shown.inner_text("#verdict-word"))


def review(shown):
    """Confirm the checklist, and give the ZIP's bytes."""
    for box in shown.locator("#checklist input").all():
        box.check()
    shown.fill("#reviewer", "Dr Ito")
    with shown.expect_download() as download:
        shown.click("#confirm")
    return Path(download.value.path()).read_bytes()


def test_the_whole_way_of_a_pair_gives_what_the_command_line_gives(page, pair, tmp_path, vera):
    upload(page, pair)
    picture(page, "serve_1_photographs", "main > section:nth-of-type(1)")
    page.check("#regions input[value=mouth]")
    picture(page, "serve_2_keep", "#s-keep")
    page.click("summary")
    page.fill("#seed", "3")
    page.fill("#person", "a")
    run(page)
    wait_for_pictures(page)
    picture(page, "serve_5_result", "#s-result")
    packed = zipfile.ZipFile(io.BytesIO(review(page)))
    keep = ["--preserve", "mouth", "--person", "a", "--seed", "3", "--rename", "--out", tmp_path / "out"]
    left, _, told = vera("anonymize", *pair, *keep)
    assert left == 0, told
    for name in ("0001.png", "0001.preserved.png", "0002.png", "0002.preserved.png"):
        assert packed.read(name) == (tmp_path / "out" / name).read_bytes(), name
    assert {"audit.json", "review.json"} < set(packed.namelist())


def test_a_painted_mask_is_kept_where_it_was_painted(page, pair):
    upload(page, pair[:1])
    page.click("button[data-tool=brush]")
    page.locator("#painter .bar").scroll_into_view_if_needed()
    sheet = page.locator("#painter .sheet").bounding_box()
    at = [(sheet["x"] + sheet["width"] * x, sheet["y"] + sheet["height"] * y) for x, y in ((0.48, 0.42), (0.52, 0.43))]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=4)
    page.mouse.up()
    page.check("input[name=way][value=cover]")
    run(page)
    packed = zipfile.ZipFile(io.BytesIO(review(page)))
    kept = np.asarray(Image.open(io.BytesIO(packed.read("0001.preserved.png")))) > 127
    result = np.asarray(Image.open(io.BytesIO(packed.read("0001.png"))).convert("RGB"))
    source = np.asarray(Image.open(pair[0]).convert("RGB"))
    height, width = kept.shape
    assert kept[round(0.42 * height), round(0.48 * width)]
    assert not kept[round(0.30 * height), round(0.48 * width)]
    assert 0 < kept.mean() < 0.02
    assert (result[kept] == source[kept]).all()


def test_a_photograph_without_a_face_is_refused_in_words(page, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.full((300, 300, 3), 120, np.uint8)).save(path)
    upload(page, [path])
    assert "No face found" in page.inner_text("#cards")
    assert path.name in page.inner_text("#cards")
    run(page, ("REFUSED",))
    assert "no face found" in page.inner_text("#verdict-said")


def test_a_call_is_cancelled_and_two_tabs_see_it(page, pair, served):
    upload(page, pair[:1])
    other = page.context.new_page()
    other.goto(served[0])
    page.click("#run")
    other.wait_for_selector("text=is being made")
    page.click("#cancel")
    page.wait_for_selector("text=Cancelled. Nothing was written.")
    other.wait_for_selector("#people >> text=cancelled")


def test_small_screens_dark_mode_and_german(page):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.select_option("#language", "de")
    page.wait_for_selector("text=Fotos auswählen")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    has_name = "(one) => one.textContent.trim() || one.ariaLabel || one.labels?.length"
    controls = "[...document.querySelectorAll('button, input, select')]"
    assert page.evaluate(f"{controls}.filter((one) => !({has_name})(one)).map((one) => one.id)") == []
