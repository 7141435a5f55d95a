from pathlib import Path

import pytest

from vera.cli.plan import parse_preserve, plan, plan_manifest, plan_photographs
from vera.types import Semantic, VeraError


def test_preserve_takes_lists_repetitions_and_masks(photo):
    mask = photo("drawn.png")
    classes, regions, masks = parse_preserve(["mouth,Nose", " eyes ", "mouth", str(mask), "lips+0.1,box:0.5,1,2,3,chin"])
    assert classes == (Semantic.MOUTH, Semantic.NOSE, Semantic.EYES)
    assert [str(region) for region in regions] == ["lips+0.1", "box:0.5,1,2,3", "chin"]
    assert masks == (mask,)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("tooth", "did you mean 'teeth'"),
        ("upper lip", "did you mean 'lips'"),
        ("moth", "did you mean 'mouth'"),
        ("scar", "a drawn mask"),
        ("none.png", "not there"),
        ("mouth,,nose", "empty entry"),
    ],
)
def test_preserve_refuses(value, says):
    with pytest.raises(VeraError, match=says):
        parse_preserve([value])


def test_photographs_of_one_call_are_one_person(photo):
    before, after = photo("before.jpg", 10), photo("after.jpg", 20)
    (person,) = plan_photographs([before, after], person="p7", masks=[], rename=False)
    assert (person.id, person.label, [entry.name for entry in person.entries]) == ("p7", "p7", ["before", "after"])


def test_unnamed_person_depends_on_content_only(photo):
    before, after, copy = photo("a/before.jpg", 10), photo("a/after.jpg", 20), photo("b/other.jpg", 10)
    groups = ([before, after], [after, before], [copy, after], [before])
    names = [plan_photographs(files, person=None, masks=[], rename=False)[0].id for files in groups]
    assert names[0] == names[1] == names[2] != names[3]


def test_masks_belong_to_photographs_in_order(photo):
    files, masks = [photo("a.jpg"), photo("b.jpg")], [photo("m1.png"), photo("m2.png")]
    (person,) = plan_photographs(files, person=None, masks=masks, rename=False)
    assert [entry.masks for entry in person.entries] == [(masks[0],), (masks[1],)]
    (person,) = plan_photographs(files[:1], person=None, masks=masks, rename=False)
    assert person.entries[0].masks == tuple(masks)
    (person,) = plan_photographs(files, person=None, masks=parse_preserve([str(masks[0])] * 2).masks, rename=False)
    assert [entry.masks for entry in person.entries] == [(masks[0],), (masks[0],)], "one mask may belong to both"
    with pytest.raises(VeraError, match="one mask for each photograph"):
        plan_photographs(files, person=None, masks=masks[:1], rename=False)


@pytest.mark.parametrize("pair", [("x/a.jpg", "y/a.png"), ("a.jpg", "A.png"), ("a.jpg", "a.preserved.jpg")])
def test_colliding_names_are_refused_and_renamed(photo, pair):
    files = [photo(name) for name in pair]
    with pytest.raises(VeraError, match="--rename"):
        plan_photographs(files, person=None, masks=[], rename=False)
    (person,) = plan_photographs(files, person="Smith", masks=[], rename=True)
    assert [entry.name for entry in person.entries] == ["0001", "0002"]
    assert (person.id, person.label) == ("Smith", "person-0001")


def test_the_same_photograph_twice_is_refused(photo):
    with pytest.raises(VeraError, match="both be written"):
        plan_photographs([photo("a.jpg"), photo("a.jpg")], person=None, masks=[], rename=False)


@pytest.mark.parametrize("method", ["is_file", "open"])
def test_a_photograph_that_may_not_be_read(photo, monkeypatch, method):
    path = photo("a.jpg")

    def closed(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, closed)
    with pytest.raises(VeraError, match="can't be read"):
        plan_photographs([path], person=None, masks=[], rename=False)


def test_manifest_groups_people(photo, tmp_path):
    for name in ("p1/before.jpg", "p1/after.jpg", "p2/side.jpg", "m.png"):
        photo(name)
    table = tmp_path / "pairs.csv"
    rows = ("\ufeffperson,role,path,mask", "1,before,p1/before.jpg,m.png", "2,side,p2/side.jpg,", "1,after,p1/after.jpg,")
    table.write_text("\n".join(rows), encoding="utf-8")
    first, second = plan_manifest(table, rename=False)
    assert [(entry.name, entry.role, len(entry.masks)) for entry in first.entries] == [("before", "before", 1), ("after", "after", 0)]
    assert second.entries[0].path == tmp_path / "p2" / "side.jpg"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs person, path"),
        ("person,role,path\n", "names no photograph"),
        ("person,role\n1,a.jpg\n", "needs person, path"),
        ("person,path,view\n1,a.jpg,above\n", "line 2: unknown view 'above': choose from frontal, oblique, profile, close-up"),
        ("person,role,path,maks\n1,x,a.jpg,m.png\n", "needs person, path"),
        ("person,role,path\n,x,a.jpg\n", "line 2: person and path"),
        ("person,role,path\n1,x,a.jpg\n2,x\n", "line 3: has not as many cells"),
        ("person,role,path\n1,x,a.jpg,m.png\n", "line 2: has not as many cells"),
        ('person,role,path\n\n1,"two\nlines",a.jpg\n2,x\n', "line 5: has not as many cells"),
        ("person,role,path\n1,x,b.jpg\n", "line 2: .*b.jpg is not there"),
        ("person,role,path,mask\n1,x,a.jpg,no.png\n", "no.png is not there"),
    ],
)
def test_manifest_refuses(photo, tmp_path, text, says):
    photo("a.jpg")
    table = tmp_path / "pairs.csv"
    table.write_text(text)
    with pytest.raises(VeraError, match=says):
        plan_manifest(table, rename=False)


def test_manifest_that_is_no_text(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(VeraError, match="no text in UTF-8"):
        plan_manifest(table, rename=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"person": "x"}, "names its people itself"),
        ({"masks": "m.png"}, "column 'mask'"),
        ({"photographs": "a.jpg"}, "names its photographs itself"),
        ({"identity": "face.json"}, "one face"),
    ],
)
def test_manifest_contradictions(photo, tmp_path, options, says):
    a, b, m = photo("a.jpg"), photo("b.jpg"), photo("m.png")
    table = tmp_path / "pairs.csv"
    table.write_text(f"person,role,path\n1,x,{a.name}\n2,x,{b.name}\n")
    with pytest.raises(VeraError, match=says):
        plan(
            [a] if "photographs" in options else [],
            table,
            person=options.get("person"),
            masks=[m] if "masks" in options else [],
            rename=False,
            identity=tmp_path / "face.json" if "identity" in options else None,
        )


def test_nothing_given():
    with pytest.raises(VeraError, match="no photograph given"):
        plan([], None, person=None, masks=[], rename=False, identity=None)
