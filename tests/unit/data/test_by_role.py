import pytest

from vera.data.by_role import by_role
from vera.types import VeraError


def put(root, *names):
    for name in names:
        (root / name).touch()


def test_who_has_every_role_in_the_roles_order(tmp_path):
    put(tmp_path, "b_after.png", "b_before.jpg", "a_1_before.jpg", "a_1_after.jpg")
    put(tmp_path, "alone_before.jpg", "before.jpg", "b_other.jpg", "b_before.csv")
    people = by_role(tmp_path, ["before", "after"])
    assert [(person.id, [file.path.name for file in person.photographs]) for person in people] == [
        ("a_1", ["a_1_before.jpg", "a_1_after.jpg"]),
        ("b", ["b_before.jpg", "b_after.png"]),
    ]
    assert [file.role for file in people[0].photographs] == ["before", "after"]
    assert people.left_out == people.first(1).left_out == {"no photograph in one of the roles before, after": 1}
    assert len(people.first(1)) == 1
    assert [person.id for person in by_role(tmp_path, ["other"])] == ["b"]
    assert by_role(tmp_path, ["other"]).left_out == {}


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(VeraError, match="no folder"):
        by_role(tmp_path / "none", ["before"])
    with pytest.raises(VeraError, match="no role given"):
        by_role(tmp_path, [])
    with pytest.raises(VeraError, match=r"PERSON_before\.jpg and PERSON_after\.jpg"):
        by_role(tmp_path, ["before", "after"])
    put(tmp_path, "a_before.jpg", "a_before.png")
    with pytest.raises(VeraError, match="holds two photographs a_before"):
        by_role(tmp_path, ["before"])
