"""The table of people: what it may look like, and what is said about mistakes in it."""

import pytest

from vera.mosaic.people import chosen, read_people
from vera.types import VeraError


@pytest.fixture
def photos(tmp_path):
    for name in ("a_rest.jpg", "a_smile.jpg", "b_rest.jpg", "b_smile.PNG", "c_rest.jpg", "a_rest.csv", "nobody_rest.jpg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def table(photos, text):
    file = photos / "people.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_photographs_listed(photos):
    rows = ("\ufeffperson,role,path,sex,age,origin", "b,rest,b_rest.jpg,f,31,here", "b,smile,b_smile.PNG,f,31,")
    text = "\n".join([*rows, "a,rest,a_rest.jpg,m,NA,", "a,smile,a_smile.jpg,,,", ""])
    first, second = read_people(table(photos, text), photos)
    assert (first.id, first.sex, first.age, first.groups) == ("a", "m", None, {})
    assert (second.id, second.sex, second.age, second.groups) == ("b", "f", 31.0, {"origin": "here"})
    assert first.roles == second.roles == ("rest", "smile")
    assert second.photographs["smile"] == photos / "b_smile.PNG"


def test_photographs_found_by_name(photos):
    first, second = read_people(table(photos, "person,gender\nb,female\na,male\n"), photos)
    assert (first.id, first.sex, first.roles) == ("a", "male", ("rest", "smile"))
    assert second.photographs == {"rest": photos / "b_rest.jpg", "smile": photos / "b_smile.PNG"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs person, role, path, or person alone"),
        ("name\na\n", "needs person, role, path, or person alone"),
        ("person,role\na,rest\n", "needs person, role, path, or person alone"),
        ("person,role,path\n", "names no photograph"),
        ("person,role,path,role\na,rest,a_rest.jpg,x\n", "two columns of the same name"),
        ("person,role,path\na,rest\n", "line 2: has not as many cells"),
        ("person,role,path\na,rest,a_rest.jpg,more\n", "line 2: has not as many cells"),
        ("person,role,path\n,rest,a_rest.jpg\n", "line 2: person is ''"),
        ("person,role,path\na/b,rest,a_rest.jpg\n", "person is 'a/b': file names"),
        ("person,role,path\na,re_st,a_rest.jpg\n", "role is 're_st'"),
        ("person,role,path\na,rest,none.jpg\n", "no photograph '.*none.jpg'"),
        ("person,role,path\na,rest,\n", "no photograph"),
        ("person,role,path\na,rest,a_rest.jpg\na,rest,a_smile.jpg\n", "line 3: 'a' has another photograph with the role rest"),
        ("person,role,path\na,rest,a_rest.jpg\nb,smile,b_smile.PNG\n", "not everybody has a photograph with the role"),
        ("person,role,path,sex\na,rest,a_rest.jpg,f\na,smile,a_smile.jpg,m\n", "line 3: 'a' has another sex"),
        ("person,age\na,old\n", "the age of 'a' is 'old'"),
        ("person\na\na\n", "line 3: 'a' is there twice"),
        ("person\nz\n", "no photograph PERSON_ROLE.jpg of 'z'"),
        ("person\na\nc\n", "role smile \\(see 'c'\\)"),
    ],
)
def test_mistakes_are_named(photos, text, says):
    with pytest.raises(VeraError, match=says):
        read_people(table(photos, text), photos)


def test_files_that_are_none(photos, tmp_path):
    with pytest.raises(VeraError, match="is missing"):
        read_people(tmp_path / "nothing.csv", photos)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(VeraError, match="no text in UTF-8"):
        read_people(tmp_path / "bytes.csv", photos)
    with pytest.raises(VeraError, match="no folder"):
        read_people(table(photos, "person\na\n"), tmp_path / "elsewhere")


def test_two_files_of_one_name(photos):
    (photos / "a_rest.png").write_bytes(b"")
    with pytest.raises(VeraError, match="both a's photograph with the role rest"):
        read_people(table(photos, "person\na\n"), photos)


def test_some_are_left_out(photos, tmp_path):
    people = read_people(table(photos, "person\na\nb\n"), photos)
    names = tmp_path / "names.txt"
    names.write_text("b\n\n")
    assert [p.id for p in chosen(people, only=None, without=None)] == ["a", "b"]
    assert [p.id for p in chosen(people, only=names, without=None)] == ["b"]
    assert [p.id for p in chosen(people, only=None, without=names)] == ["a"]
    with pytest.raises(VeraError, match="nobody is left"):
        chosen(people, only=names, without=names)
    names.write_text("q\n")
    with pytest.raises(VeraError, match="'q', who is not in the table"):
        chosen(people, only=None, without=names)
    with pytest.raises(VeraError, match="list of people"):
        chosen(people, only=tmp_path / "none.txt", without=None)
