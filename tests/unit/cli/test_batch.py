from pathlib import Path

import numpy as np

from vera.cli.batch import reason, run
from vera.cli.output import OutputFolder
from vera.cli.plan import Entry, PlannedPerson
from vera.files import plain
from vera.types import VeraError


def test_a_reason_names_nobody_who_was_renamed():
    entries = (Entry(Path("/data/Smith/ann.jpg"), "0001", "before", (Path("/data/ann-mask.png"),)), Entry(Path("mouth.jpg"), "0002"))
    error = VeraError("'1' is refused after 1 attempt: no face in '/data/Smith/ann.jpg', mask 'ann-mask.png', mouth.jpg, 'mouth'")
    assert reason(error, PlannedPerson("1", "person-0001", entries)) == (
        "'person-0001' is refused after 1 attempt: no face in '0001', mask '0001 mask', 0002, 'mouth'"
    )
    assert reason(error, PlannedPerson("1", "1", entries)) == str(error)


def test_announcements_are_printed_and_steps_move_the_bar(studio, photo, tmp_path, capsys):
    def anonymize(person, identity, progress, plainly=studio.anonymize):
        for report in (("inverting by 9 steps, about 7 min", 0, 0), ("inverting", 0, 9), ("inverting", 1, 9)):
            progress(*report)
        return plainly(person, identity, progress)

    studio.anonymize = anonymize
    entry = Entry(photo("a.jpg"), "a")
    people = [PlannedPerson("p", "p", (entry,))]
    with OutputFolder(tmp_path / "out", people, sources=[entry.path], overwrite=False) as folder:
        run(people, folder, studio)
    said = capsys.readouterr().err
    assert "p: inverting by 9 steps, about 7 min\n" in said
    assert "p: inverting\n" not in said


def test_audit_becomes_plain_json():
    audit = {"d": [np.float32(0.5), float("nan"), np.float64("inf")], 3: (np.int64(2), np.bool_(1)), "a": np.arange(2), "p": Path("x")}
    assert plain(audit) == {"d": [0.5, None, None], "3": [2, True], "a": [0, 1], "p": "x"}


def test_a_renamed_person_stays_unnamed_where_the_file_name_is_not_utf8():
    path = Path("/data/M\udcfcller.jpg")
    error = VeraError("'/data/M%FCller.jpg' is empty")
    assert reason(error, PlannedPerson("1", "person-0001", (Entry(path, "0001"),))) == "'0001' is empty"
