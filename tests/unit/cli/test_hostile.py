"""Hostile and unusual tables, names and people: one sentence, the right exit code, no image, and nothing there is touched."""

import json
import os
import sys

import numpy as np
import pytest
from tests.unit.cli.folders import audit, audit_of, picture

from vera.cli.record import Obstacle, read_audit
from vera.data.manifest import read_manifest
from vera.types import VeraError

LATIN = os.fsdecode(b"caf\xe9.jpg")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")

HEADER = "person,role,path\n"
TABLES = {
    "empty": "",
    "only a newline": "\n",
    "only a header": HEADER,
    "no person": "role,path\nx,a.jpg\n",
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
    "no column of roles": b"person,path\n1,a.jpg\n",
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
    with pytest.raises(VeraError, match="larger than 67,108,864 bytes"):
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
    (file,) = audit_of(tmp_path / "out")["people"][0]["files"]
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
