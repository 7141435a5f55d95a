"""Hostile and unusual input of ``vera anonymize``: one sentence, the right exit code, no image, and nothing there is touched."""

import hashlib
import json
import os
import stat
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from vera import files as vera_files
from vera.cli.record import Obstacle, read_audit
from vera.data.manifest import read_manifest
from vera.types import VeraError

LATIN = os.fsdecode(b"caf\xe9.jpg")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")


def picture(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 5, 3), value, np.uint8)).save(path)
    return path


def state(folder):
    """Everything below a folder: kind, mode and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else os.readlink(path) if path.is_symlink() else b""
        found[str(path)] = (facts.st_mode, facts.st_ino, content)
    return found


@pytest.fixture
def refused(vera, studio, tmp_path):
    """Run a call that must be refused before any work, and see that nothing was touched; returns what it says."""

    def run(*arguments, code=2):
        before = state(tmp_path)
        left, _, told = vera("anonymize", *arguments)
        assert left == code, told
        assert told.startswith("vera: ")
        assert len(told.rstrip("\n").splitlines()) == 1, told
        assert vera_files.printable(told.rstrip("\n")) == told.rstrip("\n")
        assert "Traceback" not in told
        assert not studio.seen
        assert state(tmp_path) == before
        return told

    return run


HEADER = "person,role,path\n"
TABLES = {
    "empty": "",
    "only a newline": "\n",
    "only a header": HEADER,
    "no person": "role,path\nx,a.jpg\n",
    "no role": "person,path\n1,a.jpg\n",
    "no path": "person,role\n1,x\n",
    "a column twice": "person,role,path,path\n1,x,a.jpg,a.jpg\n",
    "an unknown column": "person,role,path,weight\n1,x,a.jpg,2\n",
    "a misspelt mask": "person,role,path,masks\n1,x,a.jpg,m.png\n",
    "a column without a name": "person,role,path,\n1,x,a.jpg,\n",
    "columns in capitals": "PERSON,ROLE,PATH\n1,x,a.jpg\n",
    "spaces in the header": "person, role, path\n1,x,a.jpg\n",
    "semicolons": "person;role;path\n1;x;a.jpg\n",
    "tabs": "person\trole\tpath\n1\tx\ta.jpg\n",
    "too few cells": HEADER + "1,x\n",
    "too many cells": HEADER + "1,x,a.jpg,more\n",
    "no id": HEADER + ",x,a.jpg\n",
    "an id of spaces": HEADER + "  ,x,a.jpg\n",
    "an empty path": HEADER + "1,x,\n",
    "a path of spaces": HEADER + "1,x,   \n",
    "nowhere": HEADER + "1,x,nowhere.jpg\n",
    "a folder": HEADER + "1,x,folder\n",
    "the folder itself": HEADER + "1,x,.\n",
    "the folder above": HEADER + "1,x,..\n",
    "a device": HEADER + "1,x,/dev/zero\n",
    "a pipe": HEADER + "1,x,pipe\n",
    "a link that leads nowhere": HEADER + "1,x,dangling.jpg\n",
    "a link to itself": HEADER + "1,x,loop.jpg\n",
    "a NUL in the path": HEADER + "1,x,a\0.jpg\n",
    "a newline in the path": HEADER + '1,x,"a\n.jpg"\n',
    "a return in the path": HEADER + '1,x,"a\r.jpg"\n',
    "an escape in the path": HEADER + "1,x,\x1b[31ma.jpg\n",
    "a turned path": HEADER + "1,x,\u202egpj.a\n",
    "a path of 300 letters": HEADER + f"1,x,{'x' * 300}.jpg\n",
    "a path of 5,000 letters": HEADER + f"1,x,{'x/' * 2500}a.jpg\n",
    "a NUL in the id": HEADER + "1\0,x,a.jpg\n",
    "a newline in the id": HEADER + '"1\n2",x,a.jpg\n',
    "an escape in the id": HEADER + "\x1b]0;owned\x07,x,a.jpg\n",
    "a turned id": HEADER + "\u202e1,x,a.jpg\n",
    "a mark of direction in the id": HEADER + "1\u200f,x,a.jpg\n",
    "a line separator in the id": HEADER + "1\u20282,x,a.jpg\n",
    "a quote that does not end": HEADER + '1,x,"a.jpg\n',
    "text after a quote": HEADER + '1,x,"a".jpg\n',
    "a huge cell": HEADER + f"1,{'x' * 200_000},a.jpg\n",
    "the same row twice": HEADER + "1,x,a.jpg\n1,x,a.jpg\n",
    "the same photograph for two people": HEADER + "1,x,a.jpg\n2,x,a.jpg\n",
    "names that collide": HEADER + "1,x,a.jpg\n1,y,other/a.png\n",
    "names that collide but for the case": HEADER + "1,x,a.jpg\n1,y,other/A.png\n",
    "names that collide but for how accents are coded": HEADER + "1,x,other/\u00e9.png\n1,y,third/e\u0301.png\n",
    "names that collide with a preserved region": HEADER + "1,x,a.jpg\n1,y,other/a.preserved.png\n",
    "a mask that is not there": "person,role,path,mask\n1,x,a.jpg,nowhere.png\n",
    "a mask that is a folder": "person,role,path,mask\n1,x,a.jpg,folder\n",
    "UTF-16": "person,role,path\n1,x,a.jpg\n".encode("utf-16"),
    "Latin-1": b"person,role,path\n\xe9,x,a.jpg\n",
    "binary": bytes(range(256)) * 4,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "JSON": json.dumps([{"person": 1, "path": "a.jpg"}]),
}


@pytest.fixture
def table(tmp_path):
    for name in ("a.jpg", "other/a.png", "other/A.png", "other/a.preserved.png", "other/\u00e9.png", "third/e\u0301.png"):
        picture(tmp_path / name)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")

    def make(text):
        path = tmp_path / "pairs.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_cannot_be_used(refused, table, tmp_path, kind):
    assert len(refused("--manifest", table(TABLES[kind]), "--out", tmp_path / "out")) < 1000 + 10_000 * ("letters" in kind)


GOOD = {
    "a byte order mark": b"\xef\xbb\xbfperson,role,path\n1,x,a.jpg\n",
    "CRLF": b"person,role,path\r\n1,x,a.jpg\r\n",
    "lone CR": b"person,role,path\r1,x,a.jpg\r",
    "no newline at the end": b"person,role,path\n1,x,a.jpg",
    "empty lines": b"person,role,path\n\n1,x,a.jpg\n\n\n",
    "quotes": b'"person","role","path"\n"1","x","a.jpg"\n',
    "spaces around": b"person,role,path\n 1 , x , a.jpg \n",
    "another order": b"path,person,role\na.jpg,1,x\n",
    "a role twice": b"person,role,path\n1,x,a.jpg\n1,x,folder/b.jpg\n",
    "no role": b"person,role,path\n1,,a.jpg\n",
    "an id in Persian, with a joiner": "person,role,path\n\u0645\u06cc\u200c\u062e,x,a.jpg\n".encode(),
    "an id like a formula": b"person,role,path\n=1+1,x,a.jpg\n",
    "an id like a path": b"person,role,path\n../../etc,x,a.jpg\n",
}


@pytest.mark.parametrize("kind", GOOD)
def test_an_unusual_table_that_can_be_used(vera, studio, table, tmp_path, files, kind):
    picture(tmp_path / "folder" / "b.jpg")
    code, _, told = vera("anonymize", "--manifest", table(GOOD[kind]), "--out", tmp_path / "out")
    assert code == 0, told
    assert {"a.png", "a.preserved.png", "audit.json"} <= set(files(tmp_path / "out"))


def test_a_table_of_many_rows_is_checked_as_a_whole_before_any_work(refused, table, tmp_path):
    rows = "".join(f"{number},x,nowhere{number}.jpg\n" for number in range(100_000))
    told = refused("--manifest", table(HEADER + rows), "--out", tmp_path / "out")
    assert "line 2: " in told
    assert "(and 99999 more lines with such faults)" in told


def test_a_table_that_is_no_table_is_not_read(tmp_path):
    with (tmp_path / "pairs.csv").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(VeraError, match="MiB, which no table"):
        read_manifest(tmp_path / "pairs.csv", groups=False)


NAMES = {
    "a newline": "a\nb.jpg",
    "an escape": "\x1b[31m.jpg",
    "a turning mark": "a\u202egpj.jpg",
    "not UTF-8": LATIN,
    "quotes": 'it\'s "a".jpg',
    "a leading dash": "-a.jpg",
    "dots": "...jpg",
    "only an ending": ".jpg",
    "a backslash": "a\\b.jpg",
    "a star": "a*.jpg",
    "spaces": "  a  .jpg",
    "a letter of four bytes": "\U0001f9b7.jpg",
    "a name of the audit": "audit.json.jpg",
    "a hidden name": ".vera-lock.jpg",
    "the longest": "x" * 241 + ".jpg",
}


@LINUX
@pytest.mark.parametrize("kind", NAMES)
def test_an_unusual_name_is_written_on_one_line(vera, studio, photo, tmp_path, kind):
    source = photo("plain.jpg").rename(tmp_path / NAMES[kind])
    code, _, told = vera("anonymize", "--out", tmp_path / "out", "--", source)
    assert code == 0, told
    audit = json.loads((tmp_path / "out" / "audit.json").read_text("utf-8"))
    (file,) = audit["people"][0]["files"]
    assert set(file["written"]) | {"audit.json"} == set(os.listdir(tmp_path / "out"))
    assert all(name.isprintable() for name in file["written"])
    assert file["source"].isprintable()
    again = vera("anonymize", "--out", tmp_path / "out", "--", source)
    assert again[0] == 0, again[2]


@LINUX
@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "x" * 240 + "\u00e9\u00e9.jpg", "x" * 235 + os.fsdecode(b"\xe9" * 5) + ".jpg"])
def test_a_name_that_gets_too_long_is_found_before_any_work(refused, vera, photo, tmp_path, name):
    source = photo("plain.jpg").rename(tmp_path / name)
    assert "use --rename" in refused("--out", tmp_path / "out", "--", source)
    assert vera("anonymize", "--rename", "--out", tmp_path / "out", "--", source)[0] == 0


@pytest.mark.parametrize("person", ["a\nb", "\x1b[2J", "\u202eabc", os.fsdecode(b"\xe9"), "a\x00b"])
def test_a_person_who_cannot_be_shown(refused, photo, tmp_path, person):
    assert "can't be shown" in refused(photo("a.jpg"), "--person", person, "--out", tmp_path / "out")


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


def audit(name, content, **changes):
    """A record as VerA writes it, of one file."""
    file = {"digest": "0" * 64, "masks": [], "role": "", "written": {name: hashlib.sha256(content).hexdigest()}}
    return {"vera": "0.1.0", "settings": {}, "people": [{"person": "x", "status": "written", "files": [file]} | changes]}


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
        (tmp_path / other).write_bytes(IDENTITY)
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


def test_many_who_fail_make_a_short_report(vera, studio, photo, tmp_path):
    names = [f"p{number}" for number in range(300)]
    (tmp_path / "pairs.csv").write_text(HEADER + "".join(f"{name},x,{photo(f'{name}.jpg').name}\n" for name in names))
    studio.fail, studio.refuse = tuple(names[:200]), tuple(names[200:299])
    code, _, told = vera("anonymize", "--manifest", tmp_path / "pairs.csv", "--out", tmp_path / "out")
    assert code == 3
    last = told.strip().splitlines()[-1]
    assert "299 of 300 people were not written (p0, p1, p2, p3, p4 and 294 more): 200 because: no face found in" in last
    assert "; 99 because: 'p200' is still recognised; " in last
    assert len(last) < 1000


def damaged(content, number):
    """The content with some bytes changed, cut out or put in, as the number says."""
    generator = np.random.default_rng(number)
    for _ in range(generator.integers(1, 4)):
        at, length = int(generator.integers(0, len(content))), int(generator.integers(0, 9))
        content = content[:at] + generator.bytes(int(generator.integers(0, 9))) + content[at + length :]
    return content


@pytest.mark.parametrize("hundred", range(3))
def test_damaged_audits_and_tables_are_one_sentence(tmp_path, table, hundred):
    record = json.dumps(audit("keep.png", b"mine", status="placing", staging=".vera-staging-" + "0" * 16)).encode()
    said = []
    for number in range(100 * hundred, 100 * hundred + 100):
        (tmp_path / "audit.json").write_bytes(damaged(record, number))
        try:
            read_audit(tmp_path / "audit.json")
        except Obstacle as error:
            said.append(str(error))
        try:
            read_manifest(table(damaged(b"person,role,path\n1,before,a.jpg\n2,after,other/a.png\n", number)), groups=False)
        except VeraError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all("\n" not in sentence for sentence in said)
