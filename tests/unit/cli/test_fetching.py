"""Archives whose manifest and photographs are at addresses: what comes out is as for files on disk, and nothing fetched stays."""

import pytest
from tests.unit.cli.folders import audit_of
from tests.unit.cli.painters import LOADER, Inline, Painter, people, pool, run
from tests.unit.cli.test_archive import complete, images, untimed

from vera.cli.archive import Archive, anonymize
from vera.data.remote import Address
from vera.types import Refused, VeraError

fsspec = pytest.importorskip("fsspec")


class Looking(Painter):
    """A painter that sees where the photographs lie while it works."""

    def anonymize(self, person, identity, progress):
        self.places = [entry.path for entry in person.entries]
        self.modes = [self.places[0].parents[up].stat().st_mode & 0o777 for up in (1, 2)]
        return super().anonymize(person, identity, progress)


def run_at(address, out, engine, **options):
    anonymize(Archive(Address(address), out, LOADER, **options), engine)


@pytest.fixture
def memory(tmp_path):
    """The table of three people and their photographs, in memory."""
    system = fsspec.filesystem("memory")
    people(tmp_path / "in", 3)
    system.put(str(tmp_path / "in"), "/clinic", recursive=True)
    yield system
    system.rm("/clinic", recursive=True)


@pytest.mark.parametrize("rename", [False, True])
def test_bytes_and_records_are_those_of_files_on_disk(tmp_path, memory, rename):
    run(tmp_path / "in" / "pairs.csv", tmp_path / "disk", Inline(Painter()), rename=rename)
    painter = Looking()
    run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(painter), rename=rename)
    assert images(tmp_path / "out") == images(tmp_path / "disk")
    assert untimed(audit_of(tmp_path / "out")) == untimed(audit_of(tmp_path / "disk"))
    assert painter.modes == [0o700, 0o700]
    assert not any(path.exists() for path in painter.places)
    if not rename:
        complete(tmp_path / "out", 3)


def test_going_on_fetches_and_keeps_who_is_finished(tmp_path, memory):
    with pytest.raises(Refused, match=r"1 of 3 people were not written \(person 1\)"):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter(refuse=("person 1",))))
    painter = Painter()
    run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(painter))
    assert painter.seen == ["person 1"]
    complete(tmp_path / "out", 3)
    memory.pipe("/clinic/p0-before.png", memory.cat("/clinic/p2-before.png"))
    with pytest.raises(VeraError, match="of other photographs"):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter()))


@pytest.mark.parametrize("rename", [False, True])
def test_a_missing_object_costs_only_its_person(tmp_path, memory, rename):
    memory.rm("/clinic/p0-after.png")
    with pytest.raises(Refused, match="1 of 3 people were not written"):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter()), rename=rename)
    (tmp_path / "in" / "p0-after.png").unlink()
    with pytest.raises(Refused):
        run(tmp_path / "in" / "pairs.csv", tmp_path / "disk", Inline(Painter()), rename=rename)
    assert untimed(audit_of(tmp_path / "out")) == untimed(audit_of(tmp_path / "disk"))
    assert not list((tmp_path / "out").glob(".vera-*"))


@pytest.mark.parametrize(("rename", "named"), [(False, "memory://clinic/p1-before.png"), (True, "0003")])
def test_reasons_name_the_address_or_the_neutral_name(tmp_path, memory, rename, named):
    with pytest.raises(Refused):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter(fail=("person 1",))), rename=rename)
    reasons = [record["reason"] for record in audit_of(tmp_path / "out")["people"] if record["status"] == "failed"]
    assert reasons == [f"no face in {named}"]


def test_an_object_that_cannot_be_fetched_costs_only_its_person(tmp_path, memory, monkeypatch):
    monkeypatch.setattr("vera.cli.fetching.MOST_BYTES", 90)
    memory.pipe("/clinic/p1-after.png", bytes(1000))
    with pytest.raises(Refused, match=r"\(person 1\): memory://clinic/p1-after.png is larger than"):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter()))


def test_a_table_that_is_not_there(tmp_path, memory):
    with pytest.raises(VeraError, match=r"^memory://clinic/nobody\.csv is not there: check the address"):
        run_at("memory://clinic/nobody.csv", tmp_path / "out", Inline(Painter()))
    assert not (tmp_path / "out").exists()


def test_dicom_photographs_are_known_by_their_first_bytes(tmp_path, memory):
    pytest.importorskip("pydicom")
    memory.pipe("/clinic/p0-before.png", bytes(128) + b"DICM")
    from vera.cli.archive import planned
    from vera.data.manifest_index import ManifestIndex

    address = Address("memory://clinic/pairs.csv")
    index = ManifestIndex(tmp_path / "in" / "pairs.csv", address=address)
    first = planned(index, 0, 3, Archive(address, tmp_path / "out", LOADER))[0]
    assert [entry.dicom for entry in first.entries] == [True, False]


def test_an_interruption_leaves_no_photograph(tmp_path, memory):
    def interrupt(person, identity, progress):
        raise KeyboardInterrupt

    painter = Painter()
    painter.anonymize = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(painter))
    assert not (tmp_path / "out").exists()


def test_workers_that_are_killed_leave_no_photograph(tmp_path):
    people(tmp_path / "in", 3)
    address, once = f"file://{tmp_path}/in/pairs.csv", tmp_path / "once"
    once.mkdir()
    run_at(address, tmp_path / "out", pool(die=("person 1",), once=once))
    complete(tmp_path / "out", 3)


def test_the_next_call_removes_what_a_killed_one_fetched(tmp_path, memory):
    left = tmp_path / "out" / f".vera-staging-{16 * 'a'}" / "read" / "0" / "p0-before.png"
    left.parent.mkdir(parents=True)
    left.touch()
    run_at("memory://clinic/pairs.csv", tmp_path / "out", Inline(Painter()))
    complete(tmp_path / "out", 3)


def test_a_source_is_not_overwritten_by_its_output(tmp_path):
    run(people(tmp_path / "in", 1), tmp_path / "out", Inline(Painter()))
    (tmp_path / "out" / "again.csv").write_text("person,path\nperson 0,p0-before.png\n")
    with pytest.raises(VeraError, match="is read, but would be overwritten"):
        run_at(f"file://{tmp_path}/out/again.csv", tmp_path / "out", Inline(Painter()), overwrite=True)


class TestTheCommand:
    def test_hands_the_address_on(self, vera, tmp_path, monkeypatch):
        calls = []
        monkeypatch.setattr("vera.cli.archive.anonymize_archive", lambda archive, **given: calls.append((archive, given)))
        assert vera("anonymize", "--manifest", "s3://bucket//people.csv", "--out", tmp_path / "out", "--method", "blur")[0] == 0
        ((archive, given),) = calls
        assert (str(archive.manifest), given["workers"]) == ("s3://bucket//people.csv", 1)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--person", "x"), "--manifest with an address is for the people of a --manifest, and --person belongs to one person"),
            (("--report",), "--report is made by one process: leave --manifest with an address out, or --report"),
        ],
    )
    def test_says_what_does_not_fit(self, refused, tmp_path, arguments, said):
        assert said in refused("--manifest", "memory://clinic/people.csv", *arguments, "--out", tmp_path / "out")

    def test_says_that_fsspec_is_not_installed(self, refused, tmp_path, monkeypatch):
        monkeypatch.setattr("vera.data.remote.find_spec", lambda name: None)
        told = refused("--manifest", "memory://clinic/people.csv", "--out", tmp_path / "out")
        assert "memory://clinic/people.csv: fsspec is not installed: run `pip install 'vera-anonymization[remote]'`" in told
