"""Hostile and unusual things where ``vera anonymize`` writes: one sentence, the right exit code, and nothing of others is touched."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save
from tests.unit.cli.folders import audit, picture, state

FOREIGN = {
    "a picture": lambda path: picture(path),
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a link to the source": lambda path: path.symlink_to(path.parents[1] / "a.jpg"),
    "a link to another file": lambda path: path.symlink_to(path.parents[1] / "keep.txt"),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "the source by another name": lambda path: os.link(path.parents[1] / "a.jpg", path),
    "a pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("name", ["a.png", "a.preserved.png"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_no_audit_records_is_never_replaced(refused, photo, tmp_path, kind, name):
    source = photo("a.jpg")
    (tmp_path / "keep.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    FOREIGN[kind](tmp_path / "out" / name)
    for option in ([], ["--overwrite"]):
        refused(source, "--out", tmp_path / "out", *option)


CRAFTED = {
    "empty": "",
    "no JSON": "hello",
    "a list": [],
    "a number": 3,
    "another program's": {"name": "audit", "people": []},
    "people who are none": {"vera": "1", "people": 3},
    "people without records": {"vera": "1", "people": ["x"]},
    "a record without files": {"vera": "1", "people": [{"status": "written"}]},
    "names without digests": {"vera": "1", "people": [{"status": "written", "files": [{"digest": None, "written": ["a.png"]}]}]},
    "an unknown status": audit("a.png", b"", status="perhaps"),
    "somebody's text": audit("keep.txt", b"mine"),
    "the folder above": audit("../keep.png", b"mine"),
    "an absolute path": audit("/tmp/keep.png", b"mine"),
    "a folder": audit("sub/keep.png", b"mine"),
    "a NUL": audit("keep\0.png", b"mine"),
    "dots": audit("..", b"mine"),
    "no name": audit("", b"mine"),
    "a digest that is none": {"vera": "1", "people": [{"status": "written", "files": [{"digest": None, "written": {"a.png": "abc"}}]}]},
    "a digest that is a number": {"vera": "1", "people": [{"status": "written", "files": [{"digest": 3, "written": {"a.png": "0" * 64}}]}]},
    "placing from a folder elsewhere": audit("keep.png", b"mine", status="placing", staging="../sub"),
    "placing from nowhere": audit("keep.png", b"mine", status="placing"),
    "placing an identity elsewhere": audit(
        "b.png",
        b"",
        status="placing",
        staging=".vera-staging-" + "0" * 16,
        saved_identity={"digest": "0" * 64, "staged": "../x", "aside": "y"},
    ),
    "a name twice": {"vera": "1", "people": audit("a.png", b"")["people"] * 2},
    "deep": "[" * 200_000,
    "deep in the right place": '{"vera": "1", "people": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "not UTF-8": b'{"vera": "\xff", "people": []}',
    "infinite": '{"vera": "1", "people": Infinity}',
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_an_audit_that_vera_did_not_write_is_neither_replaced_nor_followed(refused, photo, tmp_path, kind):
    content, out = CRAFTED[kind], tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for path in (tmp_path / "keep.png", out / "keep.txt", out / "keep.png", out / "sub" / "keep.png"):
        path.write_text("mine")
    raw = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode()
    (out / "audit.json").write_bytes(raw)
    for option in ([], ["--overwrite"]):
        assert "audit.json is not an audit that VerA wrote" in refused(photo("b.jpg"), "--out", out, *option)


@pytest.mark.parametrize("kind", ["a link", "a folder", "a pipe"])
def test_an_audit_that_is_no_file(refused, photo, tmp_path, kind):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "elsewhere.json").write_text(json.dumps(audit("a.png", b"")))
    path = out / "audit.json"
    {"a link": lambda: path.symlink_to(tmp_path / "elsewhere.json"), "a folder": path.mkdir, "a pipe": lambda: os.mkfifo(path)}[kind]()
    assert "is not an audit that VerA wrote" in refused(photo("a.jpg"), "--out", out, "--overwrite")


def test_another_users_audit_is_not_believed(refused, photo, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "audit.json").write_text(json.dumps(audit("a.png", b"")))
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert "is not an audit that VerA wrote" in refused(photo("a.jpg"), "--out", tmp_path / "out", "--overwrite")


@pytest.mark.parametrize("change", ["edited", "a link", "a folder", "emptied"])
def test_an_output_that_was_changed_is_kept(vera, studio, photo, tmp_path, change):
    a, out = photo("a.jpg"), tmp_path / "out"
    assert vera("anonymize", a, "--out", out)[0] == 0
    path = out / "a.png"
    kept = path.read_bytes()
    path.unlink()
    if change == "a link":
        (tmp_path / "kept.png").write_bytes(kept)
        path.symlink_to(tmp_path / "kept.png")
    elif change == "a folder":
        path.mkdir()
    else:
        path.write_bytes(kept + b"my note" if change == "edited" else b"")
    before = state(tmp_path)
    for arguments in ([a], [a, "--overwrite"], [photo("a.jpg"), "--seed", 3, "--overwrite"], [a, "--rename"]):
        code, _, told = vera("anonymize", *arguments, "--out", out)
        assert code == 2, told
        assert "was changed after VerA wrote it" in told
        assert state(tmp_path) == before


def test_an_output_that_is_changed_during_the_call_is_kept(vera, studio, photo, tmp_path, files, monkeypatch):
    a, out = photo("a.jpg"), tmp_path / "out"
    assert vera("anonymize", a, "--out", out)[0] == 0
    real = type(studio).anonymize

    def edit(self, person, identity, progress):
        result = real(self, person, identity, progress)
        result[0].photographs[0].image[:] = 7
        (out / "a.png").write_bytes(b"edited")
        return result

    monkeypatch.setattr(type(studio), "anonymize", edit)
    code, _, told = vera("anonymize", a, "--out", out)
    assert code == 2
    assert "was changed after VerA wrote it" in told
    assert (out / "a.png").read_bytes() == b"edited"
    assert files(out) == ["a.png", "a.preserved.png", "audit.json"]


def test_a_file_that_comes_during_the_call_is_kept(vera, studio, photo, tmp_path, files, monkeypatch):
    out = tmp_path / "out"
    real = type(studio).anonymize

    def come(self, person, identity, progress):
        (out / "a.png").write_bytes(b"mine")
        return real(self, person, identity, progress)

    monkeypatch.setattr(type(studio), "anonymize", come)
    code, _, told = vera("anonymize", photo("a.jpg"), "--out", out, "--overwrite")
    assert code == 2
    assert "no audit records it" in told
    assert (out / "a.png").read_bytes() == b"mine"
    assert files(out) == ["a.png", "audit.json"]


IDENTITY = save({"local": np.zeros((28, 2), np.float32)}, {"vera_identity": "none of this version"})
READ = ["a.jpg", "m.png", "pairs.csv", "bundle/bundle.json", "bundle/deep/weights.safetensors", "parser.onnx", "identity"]


@pytest.mark.parametrize("way", ["itself", "by a link", "by a hard link", "by another path"])
@pytest.mark.parametrize("name", READ)
def test_nothing_that_is_read_is_written(refused, photo, tmp_path, name, way):
    photo("m.png", 255)
    photo("a.jpg")
    (tmp_path / "bundle" / "deep").mkdir(parents=True)
    for other in READ[3:]:
        (tmp_path / other).write_bytes(b'{"class": "vera.exemplars.bank.ExemplarBank"}' if other.endswith(".json") else IDENTITY)
    (tmp_path / "pairs.csv").write_text("person,role,path,mask\n1,x,a.jpg,m.png\n")
    target = tmp_path / "target"
    if way == "by a link":
        target.symlink_to(tmp_path / name)
    elif way == "by a hard link":
        os.link(tmp_path / name, target)
    else:
        target = tmp_path / name if way == "itself" else tmp_path / "bundle" / ".." / name
    given = ["--manifest", tmp_path / "pairs.csv", "--bundle", tmp_path / "bundle", "--parser", tmp_path / "parser.onnx"]
    given += ["--identity", tmp_path / "identity", "--out", tmp_path / "out", "--overwrite", "--save-identity", target]
    assert f"{target} is read, but would be overwritten or removed" in refused(*given)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.preserved.png", "audit.json", ".vera-lock"])
def test_an_identity_is_no_output(refused, photo, tmp_path, name):
    (tmp_path / "out").mkdir()
    for folder in (tmp_path / "out", tmp_path / "out" / "..") if name == "a.png" else (tmp_path / "out",):
        if folder.name == "..":
            continue
        assert "has the name of an output" in refused(photo("a.jpg"), "--out", tmp_path / "out", "--save-identity", folder / name)


@pytest.mark.parametrize("kind", ["a text", "a picture", "empty", "a folder", "a link that leads nowhere", "safetensors of another kind"])
def test_only_an_identity_is_replaced_by_an_identity(refused, photo, tmp_path, kind):
    face = tmp_path / "face"
    {
        "a text": lambda: face.write_text("mine"),
        "a picture": lambda: picture(tmp_path / "b.png").rename(face),
        "empty": face.touch,
        "a folder": face.mkdir,
        "a link that leads nowhere": lambda: face.symlink_to("nowhere"),
        "safetensors of another kind": lambda: face.write_bytes(IDENTITY),
    }[kind]()
    refused(photo("a.jpg"), "--out", tmp_path / "out", "--save-identity", face, "--overwrite")


PLACES = {
    "a file": lambda path: path.write_text("mine"),
    "below a file": lambda path: path.parent.write_text("mine"),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to a file": lambda path: path.symlink_to(path.parents[1] / "a.jpg"),
    "a pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_that_takes_no_folder(refused, photo, tmp_path, kind):
    source = photo("a.jpg")
    path = tmp_path / "place" / "out"
    if kind != "below a file":
        path.parent.mkdir()
    PLACES[kind](path)
    assert "can't be written" in refused(source, "--out", path)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 2500], ids=["a long name", "a long path"])
def test_a_place_that_has_no_name(refused, photo, tmp_path, name):
    assert "can't be written" in refused(photo("a.jpg"), "--out", tmp_path / name)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\u202eb"])
def test_a_place_with_signs_that_cannot_be_shown(refused, photo, tmp_path, name):
    (tmp_path / name).write_text("mine")
    assert "can't be written" in refused(photo("a.jpg"), "--out", tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder(refused, photo, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    assert "can't be written (Permission denied)" in refused(photo("a.jpg"), "--out", tmp_path / "out")


def test_a_link_to_a_folder_is_a_folder(vera, studio, photo, tmp_path, files):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    assert vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")[0] == 0
    assert files(tmp_path / "real") == ["a.png", "a.preserved.png", "audit.json"]


def test_what_looks_like_a_leftover_but_is_none_stays(vera, studio, photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / (".vera-staging-" + "0" * 16)).write_text("a file, no folder")
    (out / (".vera-staging-" + "1" * 16)).symlink_to(tmp_path)
    (out / ".vera-staging-mine").mkdir()
    (out / (".vera-" + "0" * 8 + "-" + "0" * 16)).write_text("another file's part")
    before = state(out)
    assert vera("anonymize", photo("a.jpg"), "--out", out)[0] == 0
    assert before.items() <= state(out).items()
