"""``--report``: a contact sheet and a page for each person, which name nobody."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.folders import audit_of, digest_of

from vera.anonymization.contact_sheet import GAP, LINE, OUTLINE, TILE, contact_sheet
from vera.cli.person_report import SECRET, labels_of, neutral
from vera.cli.plan import Entry, PlannedPerson
from vera.faces.photograph import read_photograph
from vera.types import Anonymized

NAMES = ["0001.png", "0001.preserved.png", "0002.png", "0002.preserved.png"]
PAGES = ["person-0001.report.html", "person-0001.sheet.png"]


class Page(HTMLParser):
    """Text, tags, and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "data", "action", "poster", "srcset")]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def pair(photo, tmp_path):
    photo("Jane Doe/Jane before.png", 1), photo("Jane Doe/Jane after.png", 2)
    return tmp_path / "Jane Doe"


def page_of(folder, name="person-0001.report.html"):
    text = (folder / name).read_text("utf-8")
    return Page(text), re.sub(r"base64,[^\"]+", "", text)  # whose letters may make a name by chance


def test_a_page_and_a_sheet_for_a_person(vera, studio, pair, tmp_path, files):
    code, _, told = vera("anonymize", pair, "--person", "Jane Doe 4711", "--rename", "--report", "--out", tmp_path / "out")
    assert code == 0, told
    assert files(tmp_path / "out") == [*NAMES, "audit.json", *PAGES]
    page, text = page_of(tmp_path / "out")
    assert "person-0001 PASS" in page.text
    assert "1: before" in page.text
    assert "2: after" in page.text
    assert "0.750 0.500 passed" in page.text
    for secret in ("Jane", "Doe", "4711", str(tmp_path), digest_of(pair / "Jane before.png")):
        assert secret not in text
    assert page.addresses == [address for address in page.addresses if address.startswith("data:image/png;base64,")]
    assert len(page.addresses) == 1
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    record = audit_of(tmp_path / "out")["people"][0]
    assert record["report"] == {name: digest_of(tmp_path / "out" / name) for name in sorted(PAGES, reverse=True)}
    sheet = read_photograph(tmp_path / "out" / PAGES[1]).pixels
    assert sheet.shape == (GAP + 6 + LINE + GAP, GAP + 2 * (TILE + GAP), 3)


def test_without_it_nothing_changes(vera, studio, pair, tmp_path, files):
    for name, more in (("with", ["--report"]), ("without", [])):
        assert vera("anonymize", pair, "--rename", *more, "--out", tmp_path / name)[0] == 0
    assert files(tmp_path / "without") == [*NAMES, "audit.json"]
    for name in NAMES:
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    assert "report" not in audit_of(tmp_path / "without")["people"][0]


def test_warnings_are_reviewed_and_attempts_are_not(vera, studio, pair, tmp_path):
    studio.warnings = ("attempt 1 refused: x", "Jane before: something looks like <b>a face</b>", "'Jane after' is dark", "Jane was here")
    assert vera("anonymize", pair, "--report", "--out", tmp_path / "out")[0] == 0
    page, text = page_of(tmp_path / "out")
    assert "REVIEW" in page.text
    assert "photograph 2: something looks like <b>a face</b>" in page.text or "photograph 1: something looks" in page.text
    assert "<b>" not in text
    assert "attempt 1 refused" not in text
    assert "Jane" not in text


def test_a_refused_person_has_a_page_without_a_sheet(vera, studio, manifest, tmp_path, files):
    studio.refuse, studio.fail, studio.break_ = ("anna",), ("bert",), ("carl",)
    code, _, _ = vera("anonymize", "--manifest", manifest, "--report", "--out", tmp_path / "out")
    assert code == 3
    assert files(tmp_path / "out") == ["audit.json", *(f"person-000{number}.refused.html" for number in (1, 2, 3))]
    whys = ((1, "'person-0001' is still recognised"), (2, "no face found in photograph 1"), (3, "unforeseen ZeroDivisionError"))
    for number, says in whys:
        page, text = page_of(tmp_path / "out", f"person-000{number}.refused.html")
        assert says in page.text
        assert "REFUSED" in page.text
        assert not re.search("anna|bert|carl", text)
    assert list(audit_of(tmp_path / "out")["people"][0]["report"]) == ["person-0001.refused.html"]
    studio.refuse = studio.fail = studio.break_ = ()
    assert vera("anonymize", "--manifest", manifest, "--report", "--out", tmp_path / "out")[0] == 0
    assert not [name for name in files(tmp_path / "out") if "refused" in name]
    assert "earlier" not in audit_of(tmp_path / "out")


def test_a_refusal_leaves_the_pictures_and_the_report_of_an_earlier_call(vera, studio, pair, tmp_path, files):
    def call(*more):
        return vera("anonymize", pair, "--person", "p", "--rename", "--report", *more, "--out", tmp_path / "out")[0]

    assert call() == 0
    studio.refuse = ("p",)
    assert call() == 3
    assert call() == 3
    assert files(tmp_path / "out") == [*NAMES, "audit.json", "person-0001.refused.html", *PAGES]
    assert [len(audit_of(tmp_path / "out")[name]) for name in ("people", "earlier")] == [1, 1]
    studio.refuse = ()
    assert call() == 0
    assert files(tmp_path / "out") == [*NAMES, "audit.json", *PAGES]


def test_files_of_others_are_not_replaced(refused, pair, photo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "person-0001.sheet.png").write_text("mine")
    assert "no audit says that VerA wrote it" in refused(pair, "--report", "--out", tmp_path / "out")
    photo("person-0001.sheet.png")
    assert "both a picture and a report" in refused(tmp_path / "person-0001.sheet.png", "--report", "--out", tmp_path / "two")


def test_verify_finds_a_changed_page(vera, studio, pair, tmp_path, monkeypatch):
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: Silent())
    assert vera("anonymize", pair, "--report", "--out", tmp_path / "out")[0] == 0
    code, _, told = vera("verify", tmp_path / "out", "--sources", tmp_path / "nowhere")
    assert code == 2, told
    told = vera("verify", tmp_path / "out")[1]
    assert "report.html" not in told
    (tmp_path / "out" / PAGES[0]).write_text("PASS")
    (tmp_path / "out" / PAGES[1]).unlink()
    told = vera("verify", tmp_path / "out")[1]
    assert "person-0001.report.html is not as it was written" in told
    assert "person-0001.sheet.png is missing" in told


class Silent:
    """A rechecker without recognisers."""

    def absent(self, record):
        return []

    def __call__(self, sources, outputs, record):
        return []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no face found in photograph 'smith'", "no face found in photograph photograph 1"),
        ("smith: 3 pixels changed; week 6: x", "photograph 1: 3 pixels changed; photograph 2: x"),
        ("/clinic/Smith, John/smith.jpg can't be read", "photograph 1 can't be read"),
        ("'4711' is refused after 1 attempt", "'person-0003' is refused after 1 attempt"),
        ("number 4711 again", SECRET),
        ("for Smith, John", SECRET),
        ("Dr. Smith's face is dark", SECRET),
        ("the smithy is far", "the smithy is far"),
        ("the output folder /clinic/Miller/out can't be written", SECRET),
        ("frontal and/or oblique", "frontal and/or oblique"),
    ],
)
def test_messages_are_made_neutral_or_left_out(text, shown):
    folder = Path("/clinic/Smith, John")
    person = PlannedPerson("4711", "4711", (Entry(folder / "smith.jpg", "smith"), Entry(folder / "week 6.jpg", "week 6")))
    assert neutral(text, person, 3) == shown


def test_a_role_that_names_the_patient_is_no_label():
    entries = [Entry(Path("1.jpg"), "1", "Jane Doe, week 6", view="profile"), Entry(Path("2.jpg"), "2", "Jane Doe")]
    assert labels_of(entries) == ["1: week 6, profile", "photograph 2"]


def test_the_region_is_outlined_and_what_is_not_kept_is_not_changed():
    mask = np.zeros((960, 480), dtype=bool)
    mask[400:600, 100:300] = True
    results = [Anonymized("a", np.full((960, 480, 3), 90, np.uint8), mask, ~mask)] * 5
    sheet = contact_sheet(results, ["before", "week 6", "x" * 99, "ж", "after"])
    assert sheet.shape == (GAP + 2 * (TILE + LINE + GAP), GAP + 4 * (TILE + GAP), 3)
    assert (sheet == OUTLINE).all(axis=2).sum() == 5 * 4 * 99
    left = GAP + (TILE - 240) // 2
    assert (sheet[GAP : GAP + 150, left : left + 240] == 90).all()
    assert sheet[0, 0].tolist() == [255, 255, 255]
