import numpy as np
import pytest
from PIL import Image

from vera.data.manifest import read_manifest
from vera.data.people import celeba_hq, ffhq, folder, lfw
from vera.types import VeraError


@pytest.fixture
def photo(tmp_path):
    """Write a tiny photograph of one grey level; its suffix says the format."""

    def write(name, grey=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), grey, np.uint8)).save(path)
        return path

    return write


def shown(people):
    return {person.id: [(photograph.role, photograph.path.name) for photograph in person.photographs] for person in people}


def test_lfw(photo, tmp_path):
    for name in ("Zoe_B/Zoe_B_0001.jpg", "Al_A/Al_A_0002.jpg", "Al_A/Al_A_0001.jpg", "Al_A/other.jpg", "Al_A/Al_A_00001.jpg"):
        photo(name)
    (tmp_path / "pairs.txt").write_text("1 1")
    (tmp_path / "empty").mkdir()
    assert shown(lfw(tmp_path)) == {
        "Al_A": [("0001", "Al_A_0001.jpg"), ("0002", "Al_A_0002.jpg")],
        "Zoe_B": [("0001", "Zoe_B_0001.jpg")],
    }
    assert list(shown(lfw(tmp_path))) == ["Al_A", "Zoe_B"]


def test_a_photograph_is_decoded_when_it_is_read(photo, tmp_path):
    photo("A/A_0001.png", grey=7)
    (person,) = lfw(tmp_path)
    photograph = person.photographs[0].read()
    assert (photograph.name, photograph.pixels.shape, photograph.pixels.max()) == ("A_0001", (4, 4, 3), 7)
    (tmp_path / "A" / "A_0001.png").unlink()
    with pytest.raises(VeraError, match="not there"):
        person.photographs[0].read()


@pytest.mark.parametrize("name", ["{0}.png", "{1}/{0}.png"])
def test_ffhq_flat_and_in_thousands(photo, tmp_path, name):
    for number in ("00999", "01000", "00002"):
        photo(name.format(number, number[:2] + "000"))
    photo("LICENSE.png")
    (tmp_path / "ffhq-dataset-v2.json").write_text("{}")
    assert list(shown(ffhq(tmp_path))) == ["00002", "00999", "01000"]


def test_celeba_hq_without_identities(photo, tmp_path):
    for name in ("10.jpg", "9.jpg", "cover.jpg"):
        photo(name)
    assert shown(celeba_hq(tmp_path)) == {"9": [("9", "9.jpg")], "10": [("10", "10.jpg")]}


def test_celeba_hq_with_identities(photo, tmp_path):
    for number in (0, 1, 2, 3):
        photo(f"images/{number}.jpg")
    names = tmp_path / "identities.txt"
    names.write_text("0.jpg 77\n3.jpg 5\n2.jpg 77\n")
    assert shown(celeba_hq(tmp_path / "images", names)) == {"77": [("0", "0.jpg"), ("2", "2.jpg")], "5": [("3", "3.jpg")]}
    names.write_text("000119.jpg 5\n000200.jpg 5\n199999.jpg 8\n")
    with pytest.raises(VeraError, match="CelebA-HQ-to-CelebA-mapping"):
        celeba_hq(tmp_path / "images", names)
    mapping = tmp_path / "CelebA-HQ-to-CelebA-mapping.txt"
    rows = ("0      118      000119.jpg", "1   199998  199999.jpg", "2 199 000200.jpg", "3 9 000010.jpg")
    mapping.write_text("\n".join(["idx    orig_idx    orig_file", *rows]))
    assert shown(celeba_hq(tmp_path / "images", names, mapping)) == {"5": [("0", "0.jpg"), ("2", "2.jpg")], "8": [("1", "1.jpg")]}
    names.write_text("000119.jpg\n")
    with pytest.raises(VeraError, match="line 1: 1 words where 2"):
        celeba_hq(tmp_path / "images", names)


def test_plain_folders(photo, tmp_path):
    photo("files/b.JPG"), photo("files/a.png"), photo("files/._a.png")
    (tmp_path / "files" / "notes.txt").write_text("")
    assert shown(folder(tmp_path / "files")) == {"a": [("", "a.png")], "b": [("", "b.JPG")]}
    photo("people/p2/x.jpg"), photo("people/p1/before.jpg"), photo("people/p1/after.jpg")
    (tmp_path / "people" / "empty").mkdir()
    assert shown(folder(tmp_path / "people")) == {"p1": [("after", "after.jpg"), ("before", "before.jpg")], "p2": [("x", "x.jpg")]}
    photo("people/loose.jpg")
    with pytest.raises(VeraError, match="one photograph or one folder"):
        folder(tmp_path / "people")
    photo("files/a.jpg")
    with pytest.raises(VeraError, match="same name"):
        folder(tmp_path / "files")


@pytest.mark.parametrize("reader", [lfw, ffhq, celeba_hq, folder])
def test_nothing_there(reader, tmp_path):
    with pytest.raises(VeraError, match="no photograph in the layout"):
        reader(tmp_path)
    with pytest.raises(VeraError, match="no folder"):
        reader(tmp_path / "nowhere")


def manifest(tmp_path, text, *, groups=True):
    table = tmp_path / "pairs.csv"
    table.write_text(text)
    return read_manifest(table, groups=groups)


def test_manifest_with_groups(photo, tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg", "m.png"):
        photo(name)
    text = "person,sex,role,path,mask,age\np1,f,before,a.jpg,m.png,\np2,,x,c.jpg,,\np1,,after,b.jpg,,40\n"
    first, second = manifest(tmp_path, text)
    assert [(p.role, p.path, p.mask) for p in first.photographs] == [
        ("before", tmp_path / "a.jpg", tmp_path / "m.png"),
        ("after", tmp_path / "b.jpg", None),
    ]
    assert (first.groups, second.groups) == ({"sex": "f", "age": "40"}, {})


@pytest.mark.parametrize(
    ("text", "groups", "says"),
    [
        ("person,role,path,sex\np,x,a.jpg,f\n", False, "needs person, path"),
        ("person,path,sex\np,a.jpg,f\n", True, "needs person, role, path"),
        ("person,role,path,\np,x,a.jpg,f\n", True, "needs person, role, path"),
        ("person,role,path,sex,sex\np,x,a.jpg,f,m\n", True, "two columns of the same name"),
        ("person,role,path,Maks\np,x,a.jpg,m.png\n", True, "column 'Maks'"),
        ("person,role,path,sex\np,x,a.jpg,f\np,y,a.jpg,m\n", True, "line 3: 'p' has another sex"),
        ("person,role,path,sex\np,x,a.jpg\n", True, "not as many cells"),
    ],
)
def test_manifest_refuses_columns(photo, tmp_path, text, groups, says):
    photo("a.jpg")
    with pytest.raises(VeraError, match=says):
        manifest(tmp_path, text, groups=groups)
