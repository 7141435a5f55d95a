from pathlib import Path

import numpy as np

from vera.cli.batch import neutral
from vera.cli.output import plain
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


def test_audit_becomes_plain_json():
    audit = {"d": [np.float32(0.5), float("nan"), np.float64("inf")], 3: (np.int64(2), np.bool_(1)), "a": np.arange(2), "p": Path("x")}
    assert plain(audit) == {"d": [0.5, None, None], "3": [2, True], "a": [0, 1], "p": "x"}
