"""The page in Debian's Chromium, with an engine that draws in a moment: accessibility, tabs, cancelling, a lost connection."""

import threading

import pytest
from tests.integration.browsing import chromium, needs_chromium, opened_page, paint, run, upload
from tests.integration.painted_engine import LARGE, PaintedEngine, picture
from tests.integration.serving import TOKEN, free_port

pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed: no check by axe-core")

import uvicorn
from axe_playwright_python.sync_playwright import Axe

from vera.serve.app import Server
from vera.serve.security import Access, hosts_of

pytestmark = needs_chromium
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
WAYS = [("light", "en", 1280), ("dark", "de", 1280), ("light", "de", 390), ("dark", "en", 390)]
"""Colours, language and width of the screen in which each step is checked."""


class Served:
    """A server in a thread, which can be stopped and started again at the same port."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"
        self.server = self.renew()

    def renew(self):
        """Forget everything, as another `vera serve` with the same token would."""
        access = Access(hosts_of(["127.0.0.1"], self.port), TOKEN)
        self.folder = self.folder.parent / f"{self.folder.name}-"
        self.folder.mkdir()
        self.server = Server(self.folder, PaintedEngine, access)
        return self.server

    def start(self):
        settings = uvicorn.Config(self.server.app, port=self.port, log_level="error", timeout_graceful_shutdown=1)
        self.uvicorn = uvicorn.Server(settings)
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.uvicorn.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("private") / "session")
    made.start()
    yield made
    made.stop()
    made.server.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser, served):
    with opened_page(browser, served.address, TOKEN) as shown:
        yield shown


@pytest.fixture
def photographs(tmp_path):
    """Files by these names; the engine does not read them."""

    def made(*names):
        for name in names:
            picture(90).save(tmp_path / name)
        return [tmp_path / name for name in names]

    return made


def check(page, step):
    """Let axe-core look at the page in all ways; what it finds is told with the step and the way."""
    found = []
    for colours, language, width in WAYS:
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size({"width": width, "height": 900})
        page.select_option("#language", language)
        page.wait_for_selector(f"html[lang={language}]")
        for violation in Axe().run(page, options=RULES).response["violations"]:
            nodes = [f"{node['target']}: {node['failureSummary']}" for node in violation["nodes"]]
            found.append(f"{step}, {colours}, {language}, {width}: {violation['id']}: {nodes}")
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found.append(f"{step}, {language}, {width}: the page is wider than the screen")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.select_option("#language", "en")
    page.wait_for_selector("html[lang=en]")  # the page is drawn again then, with an earlier verdict
    return found


def test_axe_finds_nothing_at_any_step(page, photographs):
    found = check(page, "empty")
    upload(page, photographs("before two.png", "after turned.png"))
    page.check("#regions input[value=mouth]")
    paint(page, [(0.4, 0.4), (0.6, 0.45)])
    page.click("button[data-tool=polygon]")
    page.locator("#painter .stage").press("Space")
    page.check("input[name=way][value=earlier]")
    page.click("summary")
    found += check(page, "choices")
    page.click("#run")
    page.wait_for_selector("#run-error:not([hidden])")  # no face of an earlier visit is there
    found += check(page, "error")
    page.check("input[name=way][value=new]")
    page.fill("#person", "slow")
    page.click("#run")
    page.wait_for_selector("#progress-said:not(:empty)")
    found += check(page, "running")
    page.click("#cancel")
    page.wait_for_selector("text=Cancelled. Nothing was written.")
    for person, verdict in (("refuse", "REFUSED"), ("review", "REVIEW"), ("a", "PASS")):
        page.fill("#person", person)
        run(page, verdict)
        found += check(page, verdict)
    assert not found, "\n".join(found)


def test_the_keyboard_is_enough(page, photographs):
    """From the photographs to the ZIP: focus by Tab in the page's order, keys only; the file's dialogue is the browser's."""
    upload(page, photographs("before.png"))

    def to(selector, most=60):
        for _ in range(most):
            if page.evaluate("(selector) => document.activeElement?.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector} cannot be reached by Tab")

    to("#regions input[value=mouth]")
    page.keyboard.press("Space")
    to("button[data-tool=brush]")
    page.keyboard.press("Enter")
    to("#painter .stage")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    to("#run")
    with page.expect_request("**/run") as asked:
        page.keyboard.press("Enter")
    sent = asked.value.post_data_json
    assert sent["preserve"] == ["mouth"]
    assert [stroke["kind"] for stroke in sent["drawn"]["1"]] == ["brush", "brush"]
    assert sent["drawn"]["1"][0]["points"] != sent["drawn"]["1"][1]["points"]
    page.wait_for_selector("#s-review:not([hidden])")
    for _ in range(10):
        to("#checklist input:not(:checked)")
        page.keyboard.press("Space")
    to("#reviewer")
    page.keyboard.type("Dr Ito")
    to("#confirm")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "anonymized.zip"


def test_a_margin_is_drawn_and_a_wrong_one_is_told_at_its_field(page, photographs):
    upload(page, photographs("before.png"))
    page.check("#regions input[value=mouth]")
    page.fill("#margin", "3")
    assert page.locator("#painter .margin").get_attribute("stroke-width") == "12"  # 3 mm on both sides of the edge, 2 pixels each
    page.fill("#margin", "70")
    page.click("#run")
    assert page.evaluate("document.activeElement.id") == "margin"
    assert page.locator("#painter .margin").count() == 0
    page.fill("#margin", "3")
    with page.expect_request("**/run") as asked:
        page.click("#run")
    assert asked.value.post_data_json["preserve"] == ["mouth+3mm"]
    page.wait_for_selector("#s-result:not([hidden])")
    page.wait_for_selector("#verdict:focus")  # the result comes into sight


def test_a_wrong_number_of_the_face_is_told_though_its_field_was_folded_away(page, photographs):
    upload(page, photographs("before.png"))
    page.click("summary")
    page.fill("#seed", "-1")
    page.click("summary")
    page.click("#run")
    assert page.evaluate("document.activeElement.id") == "seed"
    page.check("input[name=way][value=cover]")
    run(page, "PASS")


def test_what_is_missing_for_the_review_is_told_at_its_place(page, photographs):
    upload(page, photographs("before.png"))
    run(page, "PASS")
    page.select_option("#language", "de")
    page.wait_for_selector("html[lang=de]")
    page.check("#checklist input[value='1']")
    page.click("#confirm")
    page.wait_for_selector("#review-error:has-text('Nicht alle Punkte sind bestätigt.')")
    assert page.evaluate("document.activeElement.value") == "2"
    for box in page.locator("#checklist input").all():
        box.check()
    page.click("#confirm")
    page.wait_for_selector("#review-error:has-text('Der Name der prüfenden Person fehlt.')")
    assert page.evaluate("document.activeElement.id") == "reviewer"


def test_a_page_with_choices_is_not_left_by_mistake(page, photographs):
    upload(page, photographs("before.png"))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    page.wait_for_selector("#regions input[value=mouth]")
    assert asked == []
    page.check("#regions input[value=mouth]")
    page.reload()
    assert asked == ["beforeunload"]


def test_another_face_can_be_tried_after_a_refusal(page, photographs):
    upload(page, photographs("before.png"))
    page.click("summary")
    page.fill("#person", "refuse")
    run(page, "REFUSED")
    page.fill("#person", "a")
    with page.expect_request("**/run") as asked:
        page.click("#another")
    assert asked.value.post_data_json["seed"] == 6
    page.wait_for_selector("#verdict-word:has-text('PASS')")


def test_results_are_compared_zoomed_and_made_again(page, photographs):
    upload(page, photographs("before.png", "after.png"))
    page.click("summary")
    page.fill("#seed", "8")
    page.check("#keep-identity")
    run(page, "PASS")
    assert page.locator("#result-tabs button").all_inner_texts() == [
        "before.png: source and result",
        "after.png: source and result",
        "Results: first and last",
    ]
    page.locator("#compare .slide").press("Home")
    assert page.evaluate("document.querySelector('#compare .divider').style.left") == "0px"
    page.click("#compare button[data-text=one_to_one]")
    assert page.evaluate("document.querySelector('#compare .sheet').style.width") == "300px"
    page.uncheck("#compare input[type=checkbox]")
    assert not page.locator("#compare .ring").first.is_visible()
    with page.expect_request("**/run") as asked:
        page.click("#another")
    assert asked.value.post_data_json["seed"] == 9
    page.wait_for_selector("text=Number of the face: 9.")
    face = photographs("face.identity.png")[0]
    page.check("input[name=way][value=earlier]")
    page.locator("#identity").set_input_files(face)
    page.wait_for_selector("text=The file is here.")
    with page.expect_request("**/run") as asked:
        page.click("#run")
    assert (asked.value.post_data_json["use_identity"], "seed" in asked.value.post_data_json) == (True, False)


def test_a_photograph_of_50_megapixels_is_painted_in_its_own_pixels(page, photographs):
    upload(page, photographs("large.png"))
    page.click("#painter button[data-text=one_to_one]")
    paint(page, [(0.5, 0.45), (0.505, 0.45)])
    assert page.evaluate("document.querySelector('#painter .sheet').style.width") == f"{LARGE[1]}px"
    with page.expect_request("**/run") as asked:
        run(page, "PASS")
    (stroke,) = asked.value.post_data_json["drawn"]["1"]
    assert stroke["radius"] == 12.0  # half of the width that is set, at 1:1
    assert abs(stroke["points"][0][0] - 0.5 * LARGE[1]) <= 1
    assert abs(stroke["points"][-1][0] - 0.505 * LARGE[1]) <= 1
    assert all(abs(y - 0.45 * LARGE[0]) <= 1 for _, y in stroke["points"])


def test_two_tabs_work_at_once(page, photographs, served):
    files = photographs("before.png", "after.png")
    upload(page, files[:1])
    page.click("summary")
    page.fill("#person", "slow")
    other = page.context.new_page()
    other.goto(served.address)
    other.wait_for_selector("#people button")
    other.click("#add-person")
    upload(other, files[1:])
    page.click("#run")
    other.wait_for_selector("#people >> text=is being made")
    other.click("#run")
    other.wait_for_selector("text=Waits until others are done")
    page.wait_for_selector("#people >> text=waits in the queue")
    page.click("#cancel")
    page.wait_for_selector("text=Cancelled. Nothing was written.")
    other.wait_for_selector("#s-result:not([hidden])")
    assert other.locator("#result-tabs button").all_inner_texts() == ["after.png: source and result"]
    assert page.locator("#s-result").is_hidden()
    assert page.inner_text("#cards .name") == "before.png"
    other.wait_for_selector("#people >> text=cancelled")
    other.once("dialog", lambda asked: asked.accept())
    count = page.locator("#people li").count()
    other.click("#people li:has([aria-current=true]) button:last-child")  # closed in one tab, it goes in the other
    page.locator("#people li").nth(count - 1).wait_for(state="detached")


def test_a_lost_connection_is_told_and_comes_back(browser, served, photographs):
    with opened_page(browser, served.address, TOKEN) as page:
        upload(page, photographs("before.png"))
        paint(page, [(0.4, 0.4), (0.6, 0.45)])
        served.stop()
        page.wait_for_selector("#lost:not([hidden])")
        assert "The page tries again by itself" in page.inner_text("#lost")
        page.click("#run")
        page.wait_for_selector("#run-error:not([hidden])")
        assert "The connection to VerA is lost" in page.inner_text("#run-error")
        served.start()
        page.wait_for_selector("#lost", state="hidden")
        with page.expect_request("**/run") as asked:
            page.click("#run")
        assert asked.value.post_data_json["drawn"]["1"]  # painted before
        page.wait_for_selector("#s-result:not([hidden])")
        served.stop()
        served.server.close()
        served.renew()
        served.start()
        page.wait_for_selector("#lost:not([hidden]):has-text('started anew')")
        page.goto(f"{served.address}/?token={TOKEN}")
        page.wait_for_selector("#people button")
        assert page.locator("#lost").is_hidden()
