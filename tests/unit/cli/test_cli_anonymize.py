import json
import os
import stat

import numpy as np
import pytest
from PIL import Image

from vera.types import Semantic


def audit_of(folder):
    return json.loads((folder / "audit.json").read_text())


def test_writes_images_masks_and_a_private_audit(vera, studio, photo, tmp_path, files):
    out = tmp_path / "new" / "out"
    code, _, stderr = vera("anonymize", photo("before.jpg"), photo("after.jpg", 9), "--preserve", "mouth", "--seed", 4, "--out", out)
    assert code == 0, stderr
    assert files(out) == ["after.png", "after.preserved.png", "audit.json", "before.png", "before.preserved.png"]
    assert stat.S_IMODE((out / "audit.json").stat().st_mode) == 0o600
    assert studio.arguments["preserve"] == (Semantic.MOUTH,)
    assert studio.arguments["seed"] == 4
    mask = np.array(Image.open(out / "before.preserved.png"))
    assert mask.shape == (6, 5)
    assert set(np.unique(mask)) == {0, 255}
    (record,) = audit_of(out)["people"]
    assert record["status"] == "written"
    assert record["distances"] == [0.75]
    assert record["files"][0] == {"source": "before.jpg", "role": "", "written": ["before.png", "before.preserved.png"]}


def test_refused_leaves_3_and_no_image(vera, studio, photo, tmp_path, files):
    studio.refuse = ("p1",)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--person", "p1", "--out", tmp_path / "out")
    assert code == 3
    assert stderr.strip().splitlines()[-1] == "vera: p1 is still recognised"
    assert "Traceback" not in stderr
    assert files(tmp_path / "out") == ["audit.json"]
    assert audit_of(tmp_path / "out")["people"][0] | {"seconds_in_all": 0} == {
        "person": "p1",
        "status": "refused",
        "reason": "p1 is still recognised",
        "distances": [0.25],
        "seconds_in_all": 0,
        "files": [{"source": "a.jpg", "role": "", "written": []}],
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jpg"], "nowhere.jpg is not there"),
        (["{a}", "--preserve", "teeth"], "unknown semantic class 'teeth'"),
        (["{a}", "--preserve", "no.png"], "no.png is not there"),
        (["{a}", "{other}"], "would both be written as a.png"),
        (["{a}", "--manifest", "{csv}"], "were both given"),
        ([], "no photograph given"),
    ],
)
def test_bad_input_leaves_2_before_any_work(vera, studio, photo, tmp_path, files, arguments, says):
    (tmp_path / "m.csv").write_text("person,role,path\n1,x,a.jpg\n")
    names = {"a": photo("a.jpg"), "other": photo("x/a.png"), "csv": tmp_path / "m.csv"}
    code, _, stderr = vera("anonymize", *[argument.format(**names) for argument in arguments], "--out", tmp_path / "out")
    assert code == 2
    assert says in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert not studio.seen
    assert files(tmp_path / "out") == []


def test_unwritable_output_folder(vera, studio, photo, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "taken" / "out")
    assert code == 2
    assert "can't be written" in stderr
    assert not studio.seen


def test_a_call_may_be_repeated_but_outputs_of_others_need_overwrite(vera, studio, photo, tmp_path, files):
    out, a, other = tmp_path / "out", photo("a.jpg"), photo("elsewhere/a.jpg", 9)
    assert vera("anonymize", a, "--out", out)[0] == 0
    assert vera("anonymize", a, "--out", out, "--seed", "5")[0] == 0
    code, _, stderr = vera("anonymize", other, "--out", out)
    assert code == 2
    assert "--overwrite" in stderr
    code, _, stderr = vera("anonymize", photo("b.jpg", 7), "--out", out)
    assert code == 2, "the record of a.jpg would be lost"
    assert "audit.json is there already" in stderr
    (out / "b.png").write_text("somebody's own file")
    assert vera("anonymize", a, photo("b.jpg", 7), "--out", out)[0] == 2
    (out / "b.png").unlink()
    studio.refuse = ("p",)
    assert vera("anonymize", a, "--person", "p", "--out", out, "--overwrite")[0] == 3
    assert files(out) == ["audit.json"], "an earlier result must not stay beside an audit that says refused"
    studio.refuse = ()
    assert vera("anonymize", a, "--person", "p", "--out", out)[0] == 0, "the audit of a refusal may be replaced"


@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_a_source_is_never_overwritten(vera, studio, photo, tmp_path, option):
    a = photo("a.png")
    before = a.read_bytes()
    code, _, stderr = vera("anonymize", a, "--out", tmp_path, *option)
    assert code == 2
    assert "would overwrite a file that is read" in stderr
    assert a.read_bytes() == before


def manifest(tmp_path, photo):
    for person in ("anna", "bert", "carl"):
        photo(f"{person}/{person}-before.jpg")
    path = tmp_path / "pairs.csv"
    path.write_text("person,role,path\n" + "".join(f"{p},before,{p}/{p}-before.jpg\n" for p in ("anna", "bert", "carl")))
    return path


def test_manifest_keeps_the_others(vera, studio, photo, tmp_path, files):
    studio.refuse = ("bert",)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", "--manifest", manifest(tmp_path, photo), "--out", out)
    assert code == 3
    assert "1 of 3 people were not written (bert)" in stderr
    assert [record["status"] for record in audit_of(out)["people"]] == ["written", "refused", "written"]
    assert files(out) == ["anna-before.png", "anna-before.preserved.png", "audit.json", "carl-before.png", "carl-before.preserved.png"]
    studio.refuse, studio.fail = (), ("anna",)
    assert vera("anonymize", "--manifest", manifest(tmp_path, photo), "--out", tmp_path / "two")[0] == 3
    assert [record["status"] for record in audit_of(tmp_path / "two")["people"]] == ["failed", "written", "written"]


def test_rename_keeps_no_name_and_no_id(vera, studio, photo, tmp_path, files):
    studio.refuse, studio.fail = ("bert",), ("carl",)
    out = tmp_path / "out"
    assert vera("anonymize", "--manifest", manifest(tmp_path, photo), "--rename", "--out", out)[0] == 3
    assert files(out) == ["0001.png", "0001.preserved.png", "audit.json"]
    text = (out / "audit.json").read_text()
    assert not [name for name in ("anna", "bert", "carl", str(tmp_path)) if name in text]
    records = audit_of(out)["people"]
    assert [record["person"] for record in records] == ["person-0001", "person-0002", "person-0003"]
    assert [record["files"][0]["role"] for record in records] == ["before"] * 3
    assert [person for person, _, _ in studio.seen] == ["anna", "bert", "carl"], "the face is still drawn from the real id"


def test_all_files_of_a_person_or_none(vera, studio, photo, tmp_path, files, monkeypatch):
    real, moved = os.replace, []

    def replace(source, target):
        moved.append(target)
        if len(moved) == 3:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("vera.cli.output.os.replace", replace)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", photo("a.jpg"), photo("b.jpg", 7), "--out", out)
    assert code == 2
    assert "No space left" in stderr
    assert files(out) == ["audit.json"]
    assert audit_of(out)["people"][0]["status"] == "failed"


def test_no_image_without_its_audit(vera, studio, photo, tmp_path, files, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vera.cli.output.write_private", full)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "audit.json can't be written" in stderr
    assert files(tmp_path / "out") == []


def test_interruption_keeps_what_is_recorded(vera, studio, photo, tmp_path, files, monkeypatch):
    real = type(studio).anonymize

    def anonymize(self, person, identity, progress):
        if person.id == "bert":
            raise KeyboardInterrupt
        return real(self, person, identity, progress)

    monkeypatch.setattr(type(studio), "anonymize", anonymize)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", "--manifest", manifest(tmp_path, photo), "--out", out)
    assert code == 130
    assert "Traceback" not in stderr
    assert files(out) == ["anna-before.png", "anna-before.preserved.png", "audit.json"]


def test_identity_is_saved(vera, studio, photo, tmp_path):
    face = tmp_path / "face.json"
    assert vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out", "--save-identity", face)[0] == 0
    assert face.read_text() == "face"
    for target in (face, tmp_path / "nowhere" / "face"):
        code, _, stderr = vera("anonymize", photo("b.jpg"), "--out", tmp_path / "two", "--save-identity", target)
        assert code == 2
        assert "--save-identity" in stderr or "must be there" in stderr
    assert not (tmp_path / "two").exists()


def test_programming_errors_keep_their_traceback(studio, photo, tmp_path, monkeypatch):
    from vera.cli import main

    def broken(self, person, identity, progress):
        raise ZeroDivisionError

    monkeypatch.setattr(type(studio), "anonymize", broken)
    monkeypatch.setattr("sys.argv", ["vera", "anonymize", str(photo("a.jpg")), "--out", str(tmp_path / "out")])
    with pytest.raises(ZeroDivisionError):
        main()
