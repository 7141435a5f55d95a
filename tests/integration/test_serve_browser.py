"""The page in Debian's Chromium, with the shipped engine: the whole way of a pair, painted; its pictures go into the manual.

VERA_SCREENSHOTS=docs .venv/bin/python -m pytest -m slow tests/integration/test_serve_browser.py    makes these pictures anew
"""

import io
import zipfile

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageEnhance
from tests.integration.browsing import chromium, needs_chromium, opened_page, paint, review, run, screenshot, upload
from tests.integration.serving import TOKEN, serving

from vera.faces.photograph import write_png
from vera.serve.strokes import paint as painted
from vera.serve.strokes import read_strokes

pytestmark = needs_chromium
OUTPUTS = [f"000{number}{ending}" for number in (1, 2) for ending in (".png", ".preserved.png")]
REPORT = ["person-0001.report.html", "person-0001.sheet.png"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """`vera serve` as a process of its own; at its end no photograph is left."""
    folder = tmp_path_factory.mktemp("served") / "private"
    with serving("--folder", folder) as (address, _):
        yield address
    assert [path.name for path in folder.rglob("*")] == [".vera-serve-lock"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser, served):
    with opened_page(browser, served, TOKEN) as shown:
        yield shown


@pytest.fixture
def pair(tmp_path):
    """The astronaut, and the astronaut a little turned, in less light."""
    portrait = Image.fromarray(skimage.data.astronaut()[0:320, 80:380])
    after = ImageEnhance.Brightness(portrait).enhance(0.9).rotate(2, Image.Resampling.BICUBIC).crop((8, 4, 292, 310))
    portrait.save(tmp_path / "before.png")
    after.save(tmp_path / "after.png")
    return [tmp_path / "before.png", tmp_path / "after.png"]


def wait_for_pictures(shown):
    """The page's policy forbids the browser to wait for an expression, so it is asked again and again."""
    while not shown.evaluate("[...document.querySelectorAll('#compare img')].every((image) => image.complete && image.naturalWidth)"):
        shown.wait_for_timeout(50)


def unpacked(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def assert_equal(files, folder):
    """The ZIP's files are those of a folder of `vera anonymize`, byte for byte; the audit differs in its seconds."""
    for name in (*OUTPUTS, *REPORT):
        assert files[name] == (folder / name).read_bytes(), name
    assert set(files) == {*OUTPUTS, *REPORT, "audit.json", "review.json"}


def test_the_whole_way_of_a_painted_pair_gives_what_the_command_line_gives(page, pair, tmp_path, vera):
    upload(page, pair)
    paint(page, [(0.48, 0.42), (0.52, 0.43)])
    page.locator("#tabs button").nth(1).click()
    paint(page, [(0.47, 0.42), (0.51, 0.44)])
    page.check("input[name=way][value=cover]")
    with page.expect_request("**/run") as asked:
        run(page, "PASS|REVIEW")
    sent = asked.value.post_data_json
    masks = []
    for number, path in enumerate(pair, 1):
        width, height = Image.open(path).size
        masks.append(path.with_suffix(".mask.png"))
        mask = painted(read_strokes(sent["drawn"][str(number)]), (height, width))
        write_png(masks[-1], mask)
        assert mask[round(0.42 * height), round(0.48 * width)]
        assert 0 < mask.mean() < 0.02
    files = unpacked(review(page))
    keep = ["--preserve", ",".join(map(str, masks)), "--method", "cover", "--rename", "--report", "--out", tmp_path / "out"]
    left, _, told = vera("anonymize", *pair, *keep)
    assert left == 0, told
    assert_equal(files, tmp_path / "out")
    for number, path in enumerate(pair, 1):
        kept = np.asarray(Image.open(io.BytesIO(files[f"000{number}.preserved.png"]))) > 127
        result = np.asarray(Image.open(io.BytesIO(files[f"000{number}.png"])).convert("RGB"))
        assert (kept == (np.asarray(Image.open(masks[number - 1])) > 127)).all()
        assert (result[kept] == np.asarray(Image.open(path).convert("RGB"))[kept]).all()


def test_a_photograph_without_a_face_is_refused_in_words(page, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.full((300, 300, 3), 120, np.uint8)).save(path)
    upload(page, [path])
    assert "No face found" in page.inner_text("#cards")
    assert path.name in page.inner_text("#cards")
    run(page, "REFUSED")
    assert "no face found" in page.inner_text("#verdict-said")


@pytest.mark.slow
def test_a_photograph_of_50_megapixels_is_painted_at_its_full_size(page, tmp_path):
    height, width = 5800, 8700
    grey = np.linspace(60, 200, width, dtype=np.uint8)
    canvas = Image.fromarray(np.broadcast_to(grey[None, :, None], (height, width, 3)).copy())
    face = Image.fromarray(skimage.data.astronaut()[0:320, 80:380]).resize((3000, 3200), Image.Resampling.BICUBIC)
    canvas.paste(face, (2800, 1200))
    canvas.save(tmp_path / "large.jpg", quality=90)
    upload(page, [tmp_path / "large.jpg"])
    page.click("#painter button[data-text=one_to_one]")
    page.locator("#radius").fill("3")
    paint(page, [(0.5, 0.4), (0.505, 0.4)])
    page.check("input[name=way][value=cover]")
    run(page, "PASS|REVIEW")
    files = unpacked(review(page))
    kept = np.asarray(Image.open(io.BytesIO(files["0001.preserved.png"]))) > 127
    result = np.asarray(Image.open(io.BytesIO(files["0001.png"])))
    assert kept.shape == (height, width)
    rows = np.flatnonzero(kept.any(axis=1))
    assert rows[-1] - rows[0] < 6  # a line of three pixels
    assert (result[kept] == np.asarray(Image.open(tmp_path / "large.jpg"))[kept]).all()


@pytest.mark.slow
def test_the_whole_way_with_a_new_face_and_its_pictures_for_the_manual(page, pair, tmp_path, vera):
    upload(page, pair)
    screenshot(page, "serve_1_photographs", "main > section:nth-of-type(1)")
    page.check("#regions input[value=mouth]")
    paint(page, [(0.62, 0.3), (0.64, 0.3)])
    page.wait_for_selector("#regions input[value=mouth]")
    screenshot(page, "serve_2_keep", "#s-keep")
    page.click("#undo")
    page.click("summary")
    page.fill("#seed", "3")
    page.fill("#person", "a")
    screenshot(page, "serve_3_face", "#s-face")
    page.click("#run")
    page.wait_for_selector("#progress-said:has-text('/')")
    screenshot(page, "serve_4_run", "#s-run")
    page.wait_for_selector("#s-result:not([hidden])")
    assert page.inner_text("#verdict-word").startswith(("PASS", "REVIEW"))
    wait_for_pictures(page)
    screenshot(page, "serve_5_result", "#s-result")
    screenshot(page, "serve_6_review", "#s-review")
    files = unpacked(review(page))
    keep = ["--preserve", "mouth", "--person", "a", "--seed", "3", "--rename", "--report", "--out", tmp_path / "out"]
    left, _, told = vera("anonymize", *pair, *keep)
    assert left == 0, told
    assert_equal(files, tmp_path / "out")
