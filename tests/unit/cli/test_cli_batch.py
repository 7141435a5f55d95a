from pathlib import Path

from vera.cli.batch import neutral
from vera.cli.plan import Entry, Person


def test_neutral_replaces_whole_words_only():
    entries = (Entry(Path("/data/Smith/ann.jpg"), "0001", "before", (Path("/data/ann-mask.png"),)), Entry(Path("mouth.jpg"), "0002"))
    person = Person("ann", "person-0001", entries)
    record = {
        "reason": "'ann' is refused: no face in /data/Smith/ann.jpg, mask ann-mask.png, annual",
        "digest": "0annbeef",
        "warnings": ["ann: 2 faces"],
        "options": {"preserve": ["mouth"], "seed": 3},
    }
    assert neutral(record, person) == {
        "reason": "'person-0001' is refused: no face in 0001, mask 0001 mask, annual",
        "digest": "0annbeef",
        "warnings": ["person-0001: 2 faces"],
        "options": {"preserve": ["mouth"], "seed": 3},
    }
