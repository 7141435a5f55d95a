"""A person's series: a folder or a manifest with roles and views."""

import pytest
from tests.unit.cli.folders import audit_of

from vera.cli.roles import role_of, time_of


@pytest.mark.parametrize(
    ("stem", "role"),
    [
        ("before", "before"),
        ("0417_AFTER-2", "after"),
        ("left week06", "week 6"),
        ("3_months_12", "month 12"),
        ("day-1", "day 1"),
        ("afternoon", ""),
        ("before-after", ""),
        ("hereafter", ""),
        ("IMG_0417", ""),
    ],
)
def test_a_name_tells_its_role(stem, role):
    assert role_of(stem) == role


def test_roles_are_ordered_by_time():
    times = [time_of(role) for role in ("before", "day 1", "week 6", "month 3", "year 1", "", "after")]
    assert times == sorted(set(times))


def test_a_folder_is_one_person_in_the_order_of_time(vera, studio, photo, tmp_path):
    for number, name in enumerate(("p/after.png", "p/before.jpg", "p/week 6.png", "p/side.png", "p/inner/other.png", "p/.hidden")):
        photo(f"{name}.png" if name.endswith("hidden") else name, 10 * number)
    (tmp_path / "p" / "Thumbs.db").write_bytes(b"litter")
    code, _, told = vera("anonymize", tmp_path / "p", "--person", "p7", "--out", tmp_path / "out")
    assert code == 0, told
    assert studio.seen[0][:2] == ("p7", ["before.jpg", "week 6.png", "side.png", "after.png"])
    assert [file["role"] for file in audit_of(tmp_path / "out")["people"][0]["files"]] == ["before", "week 6", "", "after"]


def test_masks_in_the_folder_are_no_photographs(vera, studio, photo, tmp_path):
    mask = photo("p/mask.png", 255)
    photo("p/before.png", 9)
    assert vera("anonymize", tmp_path / "p", "--preserve", mask, "--out", tmp_path / "out")[0] == 0
    assert studio.seen[0][1] == ["before.png"]


def test_roles_and_views_of_a_manifest_reach_the_audit(vera, studio, photo, tmp_path):
    photo("a.png", 1), photo("b.png", 2)
    (tmp_path / "m.csv").write_text("person,path,role,view\n1,a.png,week 6 — left,Profile\n1,b.png,,\n")
    assert vera("anonymize", "--manifest", tmp_path / "m.csv", "--out", tmp_path / "out")[0] == 0
    first, second = audit_of(tmp_path / "out")["people"][0]["files"]
    assert (first["role"], first["view"]) == ("week 6 — left", "profile")
    assert (second["role"], second.get("view")) == ("", None)
    (tmp_path / "c.csv").write_text("person,path,role\n1,a.png,be\u202efore\n")
    assert vera("anonymize", "--manifest", tmp_path / "c.csv", "--out", tmp_path / "three")[0] == 0
    assert audit_of(tmp_path / "three")["people"][0]["files"][0]["role"] == "be%E2%80%AEfore"
    (tmp_path / "n.csv").write_text("person,path\n1,a.png\n")
    assert vera("anonymize", "--manifest", tmp_path / "n.csv", "--out", tmp_path / "two")[0] == 0


def test_a_folder_that_cannot_be_a_persons_is_refused(refused, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    photo("p/before.png")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "notes.txt").write_text("who")
    assert "holds no photograph" in refused(tmp_path / "empty", "--out", tmp_path / "out")
    assert "is not an image" in refused(tmp_path / "mixed", "--out", tmp_path / "out")
    assert "is read and written" in refused(tmp_path / "p", "--out", tmp_path / "p")
    assert "were both given" in refused(tmp_path / "p", "--manifest", tmp_path / "m.csv", "--out", tmp_path / "out")


def test_a_folder_of_two_photographs_is_not_one_photograph(refused, photo, tmp_path):
    photo("p/before.png", 1), photo("p/after.png", 2)
    told = refused(tmp_path / "p", "--preserve", "box:1,1,2,2", "--out", tmp_path / "out")
    assert "box:1,1,2,2" in told
