import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.cli.folders import audit_of, digest_of

from vera.anonymization.request import Options
from vera.cli import main
from vera.faces.calibration import DEFAULT_FAR
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.types import Refused, Semantic, VeraError


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
    written, sha = {name: digest_of(out / name) for name in ("before.png", "before.preserved.png")}, digest_of(tmp_path / "before.jpg")
    assert record["files"][0] == {"source": "before.jpg", "role": "", "digest": sha, "masks": [], "written": written}


@pytest.mark.parametrize("options", [[], ["--no-mark"]])
def test_pictures_are_marked_unless_the_user_forbids_it(vera, studio, photo, tmp_path, options):
    assert vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out", "--method", "blur", *options)[0] == 0
    assert studio.arguments["method"] == "blur"
    with Image.open(tmp_path / "out" / "a.png") as image, Image.open(tmp_path / "out" / "a.preserved.png") as mask:
        assert ("xmp" in image.info) == (not options)
        assert "xmp" not in mask.info
        assert options or ALTERED_BY_ALGORITHM in image.info["xmp"].decode()
    assert audit_of(tmp_path / "out")["settings"]["mark"] == (not options)


def test_refused_leaves_3_and_no_image(vera, studio, photo, tmp_path, files):
    studio.refuse = ("p1",)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--person", "p1", "--out", tmp_path / "out")
    assert code == 3
    assert stderr.strip().splitlines()[-1] == "vera: 'p1' is still recognised"
    assert "Traceback" not in stderr
    assert files(tmp_path / "out") == ["audit.json"]
    assert audit_of(tmp_path / "out")["people"][0] | {"seconds_in_all": 0} == {
        "person": "p1",
        "status": "refused",
        "reason": "'p1' is still recognised",
        "distances": [0.25],
        "seconds_in_all": 0,
        "files": [{"source": "a.jpg", "role": "", "digest": digest_of(tmp_path / "a.jpg"), "masks": [], "written": {}}],
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jpg"], "nowhere.jpg is not there"),
        (["{a}", "--preserve", "tooth"], "unknown region 'tooth': did you mean 'teeth'"),
        (["{a}", "--preserve", "no.png"], "no.png is not there"),
        (["{a}", "{other}"], "would both be written as a.png"),
        (["{a}", "--manifest", "{csv}"], "were both given"),
        ([], "no photograph given"),
        (["{a}", "--method", "blur", "--seed", "1"], "--method blur draws no new face, so --seed means nothing"),
        (["{a}", "--method", "cover", "--renderer", "generator"], "so --renderer means nothing"),
        (["{a}", "--method", "pixelate", "--save-identity", "{csv}.id"], "so --save-identity means nothing"),
        (["{a}", "--identity", "{csv}", "--seed", "1"], "--identity and --seed were both given"),
        (["{a}", "--preserve", "x" * 300], "unknown region"),
        (["x" * 300 + ".jpg"], "check the path"),
        (["{a}", "--save-identity", "x" * 300], "can't be written"),
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
    for option in ([], ["--overwrite"]):
        code, _, stderr = vera("anonymize", a, photo("b.jpg", 7), "--out", out, *option)
        assert code == 2
        assert "no audit says that VerA wrote it" in stderr
    (out / "b.png").unlink()
    studio.refuse = ("p",)
    before = {name: digest_of(out / name) for name in ("a.png", "a.preserved.png")}
    assert vera("anonymize", a, "--person", "p", "--out", out, "--overwrite")[0] == 3
    assert {name: digest_of(out / name) for name in before} == before, "what was there stays until there is something in its place"
    assert [record["status"] for record in audit_of(out)["people"]] == ["refused"]
    assert audit_of(out)["earlier"][0]["files"][0]["written"] == before, "with its record"
    studio.refuse = ()
    assert vera("anonymize", a, "--person", "p", "--out", out)[0] == 0, "the audit of a refusal may be replaced"
    assert "earlier" not in audit_of(out)


def test_an_output_folder_that_may_not_be_looked_into(vera, studio, photo, tmp_path, monkeypatch):
    def closed(self):
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "out").mkdir()
    real = Path.lstat
    monkeypatch.setattr(Path, "lstat", lambda self: closed(self) if "out" in self.parts[:-1] else real(self))
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "can't be written (Permission denied)" in stderr
    assert not studio.seen


def test_no_image_of_a_replaced_call_stays_without_its_record(vera, studio, photo, tmp_path, files):
    out, smith, other = tmp_path / "out", photo("smith.jpg"), photo("other.jpg", 9)
    assert vera("anonymize", smith, "--out", out)[0] == 0
    assert vera("anonymize", smith, "--rename", "--out", out)[0] == 0
    assert files(out) == ["0001.png", "0001.preserved.png", "audit.json"]
    assert vera("anonymize", smith, other, "--out", out, "--overwrite")[0] == 0
    (out / "notes.txt").write_text("not ours")
    assert vera("anonymize", other, "--out", out, "--overwrite")[0] == 0
    assert files(out) == ["audit.json", "notes.txt", "other.png", "other.preserved.png"]
    before = files(out)
    code, _, stderr = vera("anonymize", out / "other.png", "--rename", "--out", out, "--overwrite")
    assert code == 2
    assert "other.png is read, but would be overwritten or removed" in stderr
    assert files(out) == before


@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_a_source_is_never_overwritten(vera, studio, photo, tmp_path, option):
    a = photo("a.png")
    before = a.read_bytes()
    code, _, stderr = vera("anonymize", a, "--out", tmp_path, *option)
    assert code == 2
    assert "is read, but would be overwritten or removed" in stderr
    assert a.read_bytes() == before


def test_manifest_keeps_the_others(vera, studio, photo, tmp_path, files, manifest):
    studio.refuse = ("bert",)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", "--manifest", manifest, "--out", out)
    assert code == 3
    assert "1 of 3 people were not written (bert): 'bert' is still recognised" in stderr
    assert [record["status"] for record in audit_of(out)["people"]] == ["written", "refused", "written"]
    assert files(out) == ["anna-before.png", "anna-before.preserved.png", "audit.json", "carl-before.png", "carl-before.preserved.png"]
    studio.refuse, studio.fail = (), ("anna",)
    assert vera("anonymize", "--manifest", manifest, "--out", tmp_path / "two")[0] == 3
    assert [record["status"] for record in audit_of(tmp_path / "two")["people"]] == ["failed", "written", "written"]


def test_rename_keeps_no_name_and_no_id(vera, studio, photo, tmp_path, files, manifest):
    studio.refuse, studio.fail = ("bert",), ("carl",)
    out = tmp_path / "out"
    assert vera("anonymize", "--manifest", manifest, "--rename", "--out", out)[0] == 3
    assert files(out) == ["0001.png", "0001.preserved.png", "audit.json"]
    text = (out / "audit.json").read_text()
    assert audit_of(out)["people"][1]["reason"] == "'person-0002' is still recognised"
    assert audit_of(out)["people"][2]["reason"] == "no face found in 0003"
    assert not [name for name in ("anna", "bert", "carl", str(tmp_path)) if name in text]
    records = audit_of(out)["people"]
    assert [record["person"] for record in records] == ["person-0001", "person-0002", "person-0003"]
    assert [record["files"][0]["role"] for record in records] == ["before"] * 3
    assert [person for person, _, _ in studio.seen] == ["anna", "bert", "carl"], "the face is still drawn from the real id"


def test_rename_with_numbers_as_ids_changes_nothing_else(vera, studio, photo, tmp_path):
    photo("status.jpg")
    (tmp_path / "m.csv").write_text("person,role,path\n1,before,status.jpg\n")
    assert vera("anonymize", "--manifest", tmp_path / "m.csv", "--rename", "--out", tmp_path / "out")[0] == 0
    (record,) = audit_of(tmp_path / "out")["people"]
    assert record["status"] == "written"
    assert record["versions"] == {"torch": "2.14.1+cu130"}
    assert record["person"] == "person-0001"


def test_a_fault_loses_one_person_only(vera, studio, photo, tmp_path, monkeypatch, manifest):
    studio.break_ = ("bert",)
    code, _, stderr = vera("anonymize", "--manifest", manifest, "--rename", "--out", tmp_path / "out")
    assert code == 3
    assert "Traceback" not in stderr
    records = audit_of(tmp_path / "out")["people"]
    assert [record["status"] for record in records] == ["written", "failed", "written"]
    assert "ZeroDivisionError" in records[1]["reason"]
    assert "secret" not in records[1]["reason"]
    assert records[1]["files"][0]["digest"] == digest_of(tmp_path / "bert" / "bert-before.jpg")
    monkeypatch.setenv("VERA_DEBUG", "1")
    monkeypatch.setattr("sys.argv", ["vera", "anonymize", "--manifest", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "two")])
    with pytest.raises(Refused) as refused:
        main()
    assert isinstance(refused.value.__cause__, ZeroDivisionError)


def test_the_audit_names_masks_and_an_unreadable_source(vera, studio, photo, tmp_path, monkeypatch):
    masks = [photo("m.png", 255), photo("n.png", 254)]
    given = [part for mask in masks for part in ("--preserve", mask)]
    assert vera("anonymize", photo("a.jpg"), *given, "--out", tmp_path / "out")[0] == 0
    assert audit_of(tmp_path / "out")["people"][0]["files"][0]["masks"] == [digest_of(mask) for mask in masks]

    def lost(self, person, identity, progress):
        person.entries[0].path.unlink()
        raise VeraError("gone")

    monkeypatch.setattr(type(studio), "anonymize", lost)
    assert vera("anonymize", photo("b.jpg"), "--out", tmp_path / "two")[0] == 2
    assert audit_of(tmp_path / "two")["people"][0]["files"][0]["digest"], "it was there when the call began"


def test_warnings_reach_the_terminal(vera, studio, photo, tmp_path):
    studio.warnings = ("a doubtful face at (1, 2, 3, 4) stays",)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--person", "p", "--out", tmp_path / "out")
    assert code == 0
    assert "p: warning: a doubtful face at (1, 2, 3, 4) stays" in stderr


def test_identity_is_saved(vera, studio, photo, tmp_path):
    face = tmp_path / "face.json"
    assert vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out", "--save-identity", face)[0] == 0
    assert face.read_text() == "face"
    for target in (face, tmp_path / "nowhere" / "face"):
        code, _, stderr = vera("anonymize", photo("b.jpg"), "--out", tmp_path / "two", "--save-identity", target)
        assert code == 2
        assert "--save-identity" in stderr or "must be there" in stderr
    assert not (tmp_path / "two").exists()


def test_a_file_name_that_is_not_utf8_is_read(vera, studio, photo, tmp_path, files):
    source = os.fsencode(photo("a.jpg"))
    named = source.replace(b"a.jpg", b"M\xfcller\x80.jpg")
    os.rename(source, named)
    code, _, stderr = vera("anonymize", os.fsdecode(named), "--out", tmp_path / "out", "--person", "p1")
    assert code == 0, stderr
    assert files(tmp_path / "out") == ["M%FCller%80.png", "M%FCller%80.preserved.png", "audit.json"]
    assert audit_of(tmp_path / "out")["people"][0]["files"][0]["source"] == "M%FCller%80.jpg"


def test_a_file_that_is_no_regular_one_is_bad_input(vera, studio, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    code, _, stderr = vera("anonymize", tmp_path / "pipe.jpg", "--out", tmp_path / "out")
    assert code == 2
    assert "is a pipe or a device, not a file" in stderr


def test_further_recognisers_and_the_false_accept_rate_are_handed_on(vera, studio, photo, tmp_path):
    assert vera("anonymize", photo("a.png"), "--out", tmp_path / "plain")[0] == 0
    assert studio.arguments["far"] == DEFAULT_FAR
    assert studio.arguments["upright"] == Options().upright == "refuse"
    given = ["--recogniser", "mine.onnx", "--recogniser", "insightface:buffalo_l", "--far", "0.01", "--upright", "auto"]
    assert vera("anonymize", photo("a.png"), "--out", tmp_path / "more", *given)[0] == 0
    assert studio.arguments["recognisers"] == ["mine.onnx", "insightface:buffalo_l"]
    assert studio.arguments["far"] == 0.01
    assert studio.arguments["upright"] == "auto"


@pytest.mark.parametrize(
    ("option", "value", "says"), [("--far", "0.5", "choose from 0.01, 0.001, 0.0001"), ("--recogniser", "mine", "give an .onnx file")]
)
def test_an_unknown_rate_or_recogniser_leaves_2(vera, photo, tmp_path, files, option, value, says):
    code, _, stderr = vera("anonymize", photo("a.png"), "--out", tmp_path / "out", option, value)
    assert code == 2
    assert says in stderr
    assert files(tmp_path / "out") == []
