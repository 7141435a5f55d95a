"""What goes wrong during ``vera anonymize``: files that change, full disks, interruptions, faults; images and records stay together."""

import os

import pytest
from tests.unit.cli.folders import audit_of

from vera.cli import main
from vera.cli.output import OutputFolder
from vera.files import write_whole


@pytest.mark.parametrize("name", ["a.jpg", "m.png"])
def test_a_file_that_changes_during_the_call_is_refused(vera, studio, photo, tmp_path, files, monkeypatch, name):
    real = type(studio).anonymize

    def change(self, person, identity, progress):
        photo(name, 77)
        return real(self, person, identity, progress)

    monkeypatch.setattr(type(studio), "anonymize", change)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--preserve", photo("m.png", 255), "--out", tmp_path / "out")
    assert code == 2
    assert "was changed during the call" in stderr
    assert files(tmp_path / "out") == ["audit.json"]


def test_the_digest_is_that_of_the_decoded_bytes(vera, studio, photo, tmp_path, monkeypatch):
    real = type(studio).anonymize

    def decode(self, person, identity, progress):
        result, face = real(self, person, identity, progress)
        result.audit["photographs"] = [{"digest": "0" * 64}]
        return result, face

    monkeypatch.setattr(type(studio), "anonymize", decode)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "was changed during the call" in stderr


@pytest.mark.parametrize(("kind", "name"), [("bool", "a.preserved.png"), ("uint8", "a.png")])
def test_a_file_that_reads_back_differently_is_not_kept(vera, studio, photo, tmp_path, files, monkeypatch, kind, name):
    from vera.faces import photograph

    real = photograph.encoded_png
    monkeypatch.setattr(photograph, "encoded_png", lambda array, **mark: real(~array if array.dtype == kind else array, **mark))
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert f"{name} reads back differently" in stderr
    assert files(tmp_path / "out") == ["audit.json"]


def test_a_folder_that_fills_up_is_one_line(vera, studio, photo, tmp_path, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vera.cli.output.Staging.make", full)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "No space left" in stderr


@pytest.mark.parametrize("moment", ["save_identity", "_place"])
def test_interruption_leaves_no_image_and_no_identity_without_record(vera, studio, photo, tmp_path, files, monkeypatch, moment):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((type(studio), moment) if moment == "save_identity" else (OutputFolder, moment)), interrupt)
    face = tmp_path / "face"
    assert vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out", "--save-identity", face)[0] == 130
    assert files(tmp_path / "out") == []
    assert not face.exists()


def test_all_files_of_a_person_or_none(vera, studio, photo, tmp_path, files, monkeypatch):
    real, moved = os.link, []

    def link(source, target, **options):
        moved.append(target)
        if len(moved) == 3:
            raise OSError(28, "No space left on device")
        real(source, target, **options)

    monkeypatch.setattr("vera.files.os.link", link)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", photo("a.jpg"), photo("b.jpg", 7), "--out", out)
    assert code == 2
    assert "No space left" in stderr
    assert files(out) == ["audit.json"]
    assert audit_of(out)["people"][0]["status"] == "failed"


def test_no_image_without_its_audit(vera, studio, photo, tmp_path, files, monkeypatch):
    real = write_whole

    def full(path, content, **options):
        if path.name == "audit.json":
            raise OSError(28, "No space left on device")
        return real(path, content, **options)

    monkeypatch.setattr("vera.files.write_whole", full)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "audit.json can't be written" in stderr
    assert files(tmp_path / "out") == []


def test_interruption_keeps_what_is_recorded(vera, studio, photo, tmp_path, files, monkeypatch, manifest):
    real = type(studio).anonymize

    def anonymize(self, person, identity, progress):
        if person.id == "bert":
            raise KeyboardInterrupt
        return real(self, person, identity, progress)

    monkeypatch.setattr(type(studio), "anonymize", anonymize)
    out = tmp_path / "out"
    code, _, stderr = vera("anonymize", "--manifest", manifest, "--out", out)
    assert code == 130
    assert "Traceback" not in stderr
    assert files(out) == ["anna-before.png", "anna-before.preserved.png", "audit.json"]


def test_programming_errors_are_one_sentence_without_names_and_a_traceback_where_asked(vera, studio, photo, tmp_path, monkeypatch):
    studio.break_ = ("anna",)
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--person", "anna", "--out", tmp_path / "out")
    assert code == 1
    assert stderr.strip().startswith("vera: internal error (ZeroDivisionError")
    assert "VERA_DEBUG=1" in stderr
    assert "anna" not in stderr
    monkeypatch.setenv("VERA_DEBUG", "1")

    def broken(self, person, identity, progress):
        raise ZeroDivisionError

    monkeypatch.setattr(type(studio), "anonymize", broken)
    monkeypatch.setattr("sys.argv", ["vera", "anonymize", str(photo("a.jpg")), "--out", str(tmp_path / "out")])
    with pytest.raises(ZeroDivisionError):
        main()
