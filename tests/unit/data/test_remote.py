"""Addresses that fsspec reads: what a table's cells mean, what is refused, and that nothing takes one for a path."""

import os
import pickle

import pytest

from vera.data.manifest_index import ManifestIndex
from vera.data.remote import Address, digest, fetch, first_bytes, on_disk, paths_of, place, require
from vera.types import VeraError

fsspec = pytest.importorskip("fsspec")
TABLE = Address("s3://bucket/lists/people.csv")


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.pipe({"/clinic/a.bin": b"0123456789", "/clinic/empty.bin": b""})
    yield system
    system.rm("/clinic", recursive=True)


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("a b/photo.jpg", "s3://bucket/lists/a b/photo.jpg"),
        ("../photo.jpg", "s3://bucket/photo.jpg"),
        ("s3://other/x.jpg", "s3://other/x.jpg"),
    ],
)
def test_cells_are_relative_to_the_table_or_whole_addresses(cell, meant):
    assert str(TABLE.beside(cell)) == meant
    assert TABLE.beside(cell).name == meant.rpartition("/")[2]


@pytest.mark.parametrize(
    ("table", "cell", "said"),
    [
        (TABLE, "file:///etc/passwd", "an address of file:// in a table of s3://"),
        (TABLE, "a.zip::file:///etc/passwd", "a chain"),
        (TABLE, "s3://anna:secret@host/x.jpg", "with a password"),
        (Address("https://host/people.csv"), "a.jpg?token=secret", "a query"),
        (Address("https://host/people.csv"), "https://intranet/a.jpg", "another web server"),
        (Address("https://host/people.csv"), "../intranet/a.jpg", "another web server"),
    ],
)
def test_an_address_that_a_table_may_not_name(table, cell, said):
    with pytest.raises(VeraError, match=said) as refused:
        table.beside(cell)
    assert "secret" not in str(refused.value)


def test_an_address_is_no_path():
    assert place("a/b.csv") != place("s3://a/b.csv") == pickle.loads(pickle.dumps(place("s3://a/b.csv")))
    assert Address("s3://a//b") != Address("s3://a/b")
    for use in (TABLE.read_bytes, TABLE.exists, lambda: os.path.exists(TABLE)):
        with pytest.raises(TypeError, match="is not on disk"):
            use()


def test_files_are_fetched_digested_and_begun(memory, tmp_path):
    here, empty, gone = (Address(f"memory://clinic/{name}.bin") for name in ("a", "empty", "gone"))
    assert fetch(here, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert digest(here) == digest(tmp_path / "a")
    assert not fetch(gone, tmp_path / "gone")
    assert digest(gone) is None
    assert not (tmp_path / "gone").exists()
    assert first_bytes([here, empty, gone], 3) == {here: b"012", empty: b"", gone: b""}
    with pytest.raises(VeraError, match="too large for a photograph"):
        fetch(here, tmp_path / "large", most=5)


def test_what_is_on_this_machine(tmp_path):
    assert paths_of([tmp_path / "a", Address(f"file://{tmp_path}/b"), TABLE]) == [tmp_path / "a", tmp_path / "b"]


def test_a_table_that_is_fetched_is_removed_and_its_faults_name_the_address(memory):
    address = Address("memory://clinic/people.csv")
    memory.pipe("/clinic/people.csv", b"person,path\nanna,a.png\nbert,file:///etc/passwd\n")
    copies = []

    def read():
        with on_disk(address) as copy:
            copies.append(copy)
            assert copy.parent.stat().st_mode & 0o777 == 0o700
            ManifestIndex(copy, address=address)

    with pytest.raises(VeraError, match=r"^memory://clinic/people.csv, line 3: an address of file:// in"):
        read()
    assert not copies[0].parent.exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nothing://x/people.csv", "fsspec can't read nothing:// here"),
        ("https://anna:secret@host/people.csv", "with a password"),
    ],
)
def test_an_address_that_cannot_be_read_here(address, said):
    with pytest.raises(VeraError, match=said):
        require(Address(address))


def test_an_error_of_any_library_is_one_sentence(memory, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("no\ncredentials")

    monkeypatch.setattr(type(memory), "_open", fail)
    with pytest.raises(VeraError, match=r"^memory://clinic/a.bin can't be read \(no credentials\): check the address"):
        fetch(Address("memory://clinic/a.bin"), tmp_path / "a")
