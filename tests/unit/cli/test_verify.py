"""``vera verify`` finds what was changed after ``vera anonymize``; the faces are flat images, and the recognisers measure colours."""

import copy
import json

import numpy as np
import pytest
from PIL import Image
from tests.unit.anonymization.conftest import Detector, Recogniser, face_points
from tests.unit.cli.folders import audit_of, digest_of, facts

from vera.anonymization.recheck import Rechecker
from vera.cli.chain import RECORDS, broken_links, chain_of
from vera.cli.chain import digest_of as digest_of_value
from vera.cli.schema import SCHEMA, departures
from vera.faces.photograph import read_photograph, write_png
from vera.types import Anonymized, AnonymizedPerson, Refused

SIZE = (240, 200)


class Painter:
    """Paints a box in the middle of each photograph, keeps a smaller one in it, and measures what the recogniser measures."""

    def __init__(self):
        self.settings = {"false_accept_rate": 0.001}

    def anonymize(self, person, identity, progress):
        sources = [read_photograph(entry.path) for entry in person.entries]
        preserved, replaced = np.zeros(SIZE, dtype=bool), np.zeros(SIZE, dtype=bool)
        preserved[150:170, 80:120], replaced[60:195, 30:170] = True, True
        replaced &= ~preserved
        images = []
        for entry, source in zip(person.entries, sources, strict=True):
            pixels = source.pixels.copy()
            pixels[replaced] = 255 - pixels[replaced]
            images.append(Anonymized(entry.name, pixels, preserved, replaced))
        record = facts(person, images)
        measured = rechecker(0.001).measure(sources, images, record)
        return AnonymizedPerson(person.id, images, record | {"verification": measured}), None


def rechecker(far):
    return Rechecker(detector=Detector(face_points()), recognisers=[Recogniser()])


@pytest.fixture
def folder(vera, tmp_path, monkeypatch):
    """Two people with a photograph each, and a third with two, in ``out``; the sources are in ``photos``."""
    monkeypatch.setattr("vera.cli.assembly.assemble", lambda *arguments, **parts: Painter())
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: rechecker)
    rows = []
    for number, name in enumerate(("anna", "bert", "carl-1", "carl-2")):
        pixels = np.full((*SIZE, 3), 60, np.uint8) + np.arange(SIZE[1], dtype=np.uint8)[None, :, None] // 4 + number // 3
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
        rows.append(f"{name[:4]},{number},photos/{name}.png\n")
    (tmp_path / "people.csv").write_text("person,role,path\n" + "".join(rows))
    code, _, told = vera("anonymize", "--manifest", tmp_path / "people.csv", "--out", tmp_path / "out")
    assert code == 0, told
    return tmp_path / "out"


@pytest.fixture
def faults(vera, folder):
    """What ``vera verify`` says: a list of faults; empty where it passes."""

    def run(*options, sources=True):
        given = ["--sources", folder.parent / "photos"] if sources else []
        code, out, err = vera("verify", folder, *given, *options)
        assert (code == 0) == out.startswith("PASS"), out + err
        assert code in (0, 3), err
        return [] if code == 0 else out.splitlines()

    return run


def edited(folder, change, *, forged=False):
    """Change the audit; ``forged``: with a chain that fits again."""
    audit = audit_of(folder)
    change(audit)
    if forged:
        told = {name: value for name, value in audit.items() if name not in (*RECORDS, "chain")}
        audit["chain"] = chain_of(told, [digest_of_value(record) for name in RECORDS for record in audit.get(name, ())])
    (folder / "audit.json").write_text(json.dumps(audit))


def test_an_untouched_folder_passes(vera, folder, faults):
    assert not faults()
    _, out, _ = vera("verify", folder, "--sources", folder.parent / "photos")
    assert "4 pictures as they were written, 4 of them compared with their sources, 3 people judged again" in out
    head = audit_of(folder)["chain"]["head"]
    assert head in out
    assert not faults("--head", head)
    assert "not " + "0" * 64 in faults("--head", "0" * 64)[0]


def annas_digest_of(path):
    return lambda audit: audit["people"][0]["files"][0]["written"].update({"anna.png": digest_of(path)})


def both(audit):
    """The records and the entries of the chain, which a forger changes together."""
    return audit["people"], audit["chain"]["records"]


def repainted(folder, at, *, forged):
    """Change one pixel of anna's picture; ``forged``: with its digest in the audit, and a chain that fits."""
    pixels = read_photograph(folder / "anna.png").pixels.copy()
    pixels[at] ^= 255
    write_png(folder / "anna.png", pixels)
    if forged:
        edited(folder, annas_digest_of(folder / "anna.png"), forged=True)


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(
    ("at", "says"), [((160, 100), "1 preserved pixels are not the source's"), ((5, 5), "1 pixels outside the replaced region changed")]
)
def test_a_changed_pixel_is_found_even_where_digest_and_chain_are_forged(folder, faults, at, says, forged):
    repainted(folder, at, forged=forged)
    told = faults()
    assert any(says in fault for fault in told), told
    assert any("SHA-256 is another" in fault for fault in told) != forged
    assert all("('anna')" in fault for fault in told)


def test_a_changed_file_is_found_without_the_sources(folder, faults):
    (folder.parent / "photos").rename(folder.parent / "elsewhere")
    assert not faults(sources=False)
    for name in ("bert.png", "bert.preserved.png"):
        kept = (folder / name).read_bytes()
        write_png(folder / name, 255 - read_photograph(folder / name).pixels)
        assert faults(sources=False)[0] == f"record 2 ('bert'): {name} is not as it was written: its SHA-256 is another"
        (folder / name).write_bytes(kept)
    (folder / "bert.png").unlink()
    assert faults(sources=False) == ["record 2 ('bert'): bert.png is missing, or can't be read"]


def test_a_face_that_came_back_is_found_by_the_recognisers(folder, faults):
    source, output = read_photograph(folder.parent / "photos" / "anna.png").pixels, folder / "anna.png"
    write_png(output, source)
    edited(folder, annas_digest_of(output), forged=True)
    told = " ".join(faults())
    assert "still recognises the person" in told
    assert "measures a distance of 0.0 where the audit says" in told


EDITS = {
    "edited": (lambda audit: audit["people"][1].update(person="nobody"), "record 2 ('nobody') was edited"),
    "a distance": (lambda audit: audit["people"][1]["verification"].update(changed_share=[0.5]), "record 2 ('bert') was edited"),
    "removed": (lambda audit: audit["people"].pop(1), "records were removed: the chain has 3, the audit 2"),
    "the last removed": (lambda audit: audit["people"].pop(), "records were removed: the chain has 3, the audit 2"),
    "removed with its entry": (lambda audit: [part.pop(1) for part in both(audit)], "does not follow from the one before"),
    "the last removed with its entry": (lambda audit: [part.pop() for part in both(audit)], "is not its head"),
    "reordered": (lambda audit: audit["people"].reverse(), "records were reordered: record 1 ('carl'), record 3 ('anna')"),
    "reordered with its entries": (lambda audit: [part.reverse() for part in both(audit)], "does not follow from the one before"),
    "added": (lambda audit: audit["people"].append(refusal()), "record 4 ('dora') was edited, or added"),
    "the call": (lambda audit: audit["settings"].update(mark=False), "about the whole call was edited"),
    "the chain gone": (lambda audit: audit.pop("chain"), "the chain was removed"),
}


def refusal():
    return {"status": "refused", "person": "dora", "reason": "x", "files": [], "seconds_in_all": 1.0}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edited_removed_or_reordered_record_shows(folder, faults, vera, kind):
    change, says = EDITS[kind]
    audit = audit_of(folder)
    change(audit)
    (folder / "audit.json").write_text(json.dumps(audit))
    told = faults()
    assert any(says in fault for fault in told), told
    code, _, err = vera("anonymize", folder.parent / "photos" / "anna.png", "--out", folder, "--overwrite")
    assert code == 2
    assert "audit.json was changed after VerA wrote it" in err
    assert json.loads((folder / "audit.json").read_text()) == audit, "no new chain is made over it"


def test_a_chain_without_a_key_shows_no_forgery_but_its_head_does(folder, faults):
    head = audit_of(folder)["chain"]["head"]
    edited(folder, lambda audit: audit["people"].pop(), forged=True)
    assert not faults()
    assert "the head of the audit's chain is" in faults("--head", head)[0]


def test_the_layout_of_the_file_is_no_part_of_the_chain(folder, faults):
    edited(folder, lambda audit: None)
    assert not faults()


def test_the_chain_goes_on_over_the_records_of_earlier_calls(folder, vera):
    anna, carl = (folder.parent / "photos" / name for name in ("anna.png", "carl-2.png"))
    assert vera("anonymize", anna, "--out", folder, "--overwrite", "--person", "anna")[0] == 0
    Painter.anonymize, whole = refuse, Painter.anonymize
    try:
        assert vera("anonymize", carl, "--out", folder, "--overwrite", "--person", "carl")[0] == 3
    finally:
        Painter.anonymize = whole
    audit = audit_of(folder)
    assert [record["person"] for name in RECORDS for record in audit.get(name, ())] == ["anna", "carl"]
    assert broken_links(audit) == []


def refuse(self, person, identity, progress):
    raise Refused("still recognised")


def test_an_audit_of_version_1_is_still_read_checked_and_continued(folder, faults, vera):
    audit = audit_of(folder)
    del audit["chain"], audit["audit_version"], audit["settings"]["mark"]
    for photograph in (known for record in audit["people"] for known in record["photographs"]):
        del photograph["regions"], photograph["quarter_turns"]
    (folder / "audit.json").write_text(json.dumps(audit))
    assert not faults()
    repainted(folder, (160, 100), forged=False)
    assert any("1 preserved pixels are not the source's" in fault for fault in faults())
    (folder / "anna.png").unlink()
    assert vera("anonymize", "--manifest", folder.parent / "people.csv", "--out", folder)[0] == 0
    assert not faults()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.update(seed="three"), "$.people[0].seed"),
        (lambda record: record["photographs"][0]["regions"].update(replaced="?"), "is no base64"),
        (lambda record: record["photographs"][0].update(size=[9, 9]), "have not the size 9 x 9"),
        (lambda record: record["verification"].update(passed=False), "did not pass"),
        (lambda record: record["files"][0].update(digest="0" * 64), "its files and its photographs are not the same"),
        (lambda record: record["verification"]["recognisers"][0].update(output_to_source=[[0.9]]), "where the audit says 0.9"),
        (lambda record: record["verification"]["recognisers"][0].update(output_to_source=[]), "has 0 distances where there are 1"),
    ],
)
def test_a_record_that_cannot_be_true_is_a_fault_whatever_its_chain_says(folder, faults, change, says):
    edited(folder, lambda audit: change(audit["people"][0]), forged=True)
    assert any(says in fault for fault in faults()), faults()


def test_bad_input_is_one_sentence(vera, folder, tmp_path):
    for arguments, says in (
        ([tmp_path / "nowhere"], "there is no"),
        ([folder, "--sources", tmp_path / "nowhere"], "is no folder"),
    ):
        code, _, err = vera("verify", *arguments)
        assert (code, len(err.strip().splitlines())) == (2, 1)
        assert says in err
    (folder / "audit.json").write_text("{}")
    assert vera("verify", folder)[0] == 2


def test_the_schema_knows_what_it_refuses():
    whole = {"audit_version": 2, "vera": "0.1.0", "settings": {"mark": True}, "people": [refusal()]}
    whole["chain"] = chain_of({}, [digest_of_value(one) for one in whole["people"]])
    assert departures(whole) == []
    for path, value in (("audit_version", 1), ("people", [{}]), ("chain", {}), ("settings", {})):
        assert departures(copy.deepcopy(whole) | {path: value}), path
    assert json.loads(SCHEMA.read_text())["$id"] == "urn:vera:audit:2"
