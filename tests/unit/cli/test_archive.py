"""Archives: workers, folders, resuming; killed at any moment, the same call makes every person complete, once."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.cli.folders import audit_of, digest_of
from tests.unit.cli.painters import LOADER, Inline, Painter, people, pool, run

from vera.cli.batch import run as run_batch
from vera.cli.chain import broken_links
from vera.cli.output import OutputFolder
from vera.cli.plan import plan_manifest
from vera.cli.workers import Pool
from vera.types import Refused, VeraError

ROOT = Path(__file__).parents[3]


def images(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.png"))}


def untimed(audit):
    """An audit without what differs between two equal calls: seconds, and the chain over them."""
    assert not broken_links(audit)
    return json.loads(re.sub(r'"seconds_in_all": [0-9.]+', '"seconds_in_all": 0', json.dumps(audit | {"chain": None})))


def one_by_one(manifest, out, **options):
    planned = plan_manifest(manifest, rename=options.get("rename", False))
    with OutputFolder(out, planned, sources=[manifest], overwrite=False) as folder:
        run_batch(planned, folder, Painter())


def complete(out, count):
    """Every person is recorded once, with files that have the recorded bytes; nothing else is there."""
    audits = [audit_of(path.parent) for path in sorted(out.rglob("audit.json"))]
    records = [record for audit in audits for record in audit["people"]]
    assert all(not audit.get("earlier") and not broken_links(audit) for audit in audits)
    assert Counter(record["person"] for record in records) == {f"person {number}": 1 for number in range(count)}
    written = Counter(name for record in records for file in record["files"] for name in file["written"])
    assert written == Counter(path.name for path in out.rglob("*.png"))
    assert len(written) == 4 * count
    assert not [path for path in out.rglob(".vera-*")]


@pytest.mark.parametrize("rename", [False, True])
def test_the_bytes_are_those_of_one_by_one(tmp_path, rename):
    manifest = people(tmp_path / "in", 3)
    one_by_one(manifest, tmp_path / "one", rename=rename)
    run(manifest, tmp_path / "archive", Inline(Painter()), rename=rename)
    assert images(tmp_path / "archive") == images(tmp_path / "one")
    assert untimed(audit_of(tmp_path / "archive")) == untimed(audit_of(tmp_path / "one"))


def test_folders_hold_so_many_people_each(tmp_path):
    manifest = people(tmp_path / "in", 5)
    run(manifest, tmp_path / "out", Inline(Painter()), per_folder=2)
    complete(tmp_path / "out", 5)
    assert [len(audit_of(tmp_path / "out" / name)["people"]) for name in ("00000", "00001", "00002")] == [2, 2, 1]


def test_renamed_people_are_numbered_through_all_folders(tmp_path):
    run(people(tmp_path / "in", 3), tmp_path / "out", Inline(Painter()), per_folder=2, rename=True)
    assert audit_of(tmp_path / "out" / "00001")["people"][0]["person"] == "person-0003"
    assert (tmp_path / "out" / "00001" / "0006.png").exists()


def test_people_of_other_folders_neither_stay_nor_are_doubled(tmp_path):
    manifest = people(tmp_path / "in", 3)
    run(manifest, tmp_path / "out", Inline(Painter()), per_folder=2)
    before = images(tmp_path / "out")
    less = tmp_path / "in" / "less.csv"
    less.write_text("".join(line for line in manifest.read_text().splitlines(True) if "person 2" not in line))
    for table, per_folder in ((manifest, 3), (manifest, None), (less, 2)):
        with pytest.raises(VeraError, match="holds people of a call with another manifest or --per-folder"):
            run(table, tmp_path / "out", Inline(Painter()), per_folder=per_folder, overwrite=True)
    assert images(tmp_path / "out") == before
    run(manifest, tmp_path / "whole", Inline(Painter()))
    with pytest.raises(VeraError, match="whole holds people of a call"):
        run(manifest, tmp_path / "whole", Inline(Painter()), per_folder=2)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    manifest, elsewhere = people(tmp_path / "in", 3), tmp_path / "elsewhere"
    (tmp_path / "out").mkdir()
    elsewhere.mkdir()
    (tmp_path / "out" / "00001").symlink_to(elsewhere)
    with pytest.raises(VeraError, match="00001 is a link, and people would be written outside"):
        run(manifest, tmp_path / "out", Inline(Painter()), per_folder=2)
    assert not list(elsewhere.iterdir())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00001"]


def test_a_table_may_tell_views_and_no_roles(tmp_path):
    people(tmp_path, 1)
    (tmp_path / "views.csv").write_text("person,path,view\na,p0-before.png, Profile \n")
    run(tmp_path / "views.csv", tmp_path / "out", Inline(Painter()))
    (file,) = audit_of(tmp_path / "out")["people"][0]["files"]
    assert (file["role"], file["view"]) == ("", "profile")


def test_a_name_that_no_file_can_have_does_not_stop_the_others(tmp_path):
    people(tmp_path, 1)
    (tmp_path / "long.csv").write_text(f"person,path\nx,{'x' * 300}.png\nperson 0,p0-before.png\n")
    for _ in range(2):
        with pytest.raises(Refused, match=r"1 of 2 people were not written \(person-0001\)"):
            run(tmp_path / "long.csv", tmp_path / "out", Inline(Painter()), rename=True)


class TestTheSameCallAgain:
    @pytest.fixture
    def made(self, tmp_path):
        manifest = people(tmp_path / "in", 3)
        with pytest.raises(Refused, match=r"1 of 3 people were not written \(person 1\)"):
            run(manifest, tmp_path / "out", Inline(Painter(refuse=("person 1",))))
        return manifest

    def test_skips_who_is_finished(self, tmp_path, made):
        painter = Painter()
        run(made, tmp_path / "out", Inline(painter))
        assert painter.seen == ["person 1"]
        one_by_one(made, tmp_path / "one")
        assert images(tmp_path / "out") == images(tmp_path / "one")
        assert untimed(audit_of(tmp_path / "out")) == untimed(audit_of(tmp_path / "one"))

    def test_changes_nothing_where_all_are_finished(self, tmp_path, made):
        run(made, tmp_path / "out", Inline(Painter()))
        before = (tmp_path / "out" / "audit.json").read_bytes(), images(tmp_path / "out")
        painter = Painter()
        run(made, tmp_path / "out", Inline(painter))
        assert not painter.seen
        assert ((tmp_path / "out" / "audit.json").read_bytes(), images(tmp_path / "out")) == before

    def test_with_other_choices_makes_everybody_anew(self, tmp_path, made):
        painter = Painter(shade=50)
        run(made, tmp_path / "out", Inline(painter))
        assert painter.seen == ["person 0", "person 1", "person 2"]
        complete(tmp_path / "out", 3)

    def test_over_a_changed_photograph_is_refused(self, tmp_path, made):
        (tmp_path / "in" / "p0-before.png").write_bytes((tmp_path / "in" / "p2-before.png").read_bytes())
        with pytest.raises(VeraError, match="of other photographs"):
            run(made, tmp_path / "out", Inline(Painter()))
        painter = Painter()
        run(made, tmp_path / "out", Inline(painter), overwrite=True)
        assert painter.seen == ["person 0", "person 1"]
        complete(tmp_path / "out", 3)


def test_a_missing_photograph_costs_only_its_person(tmp_path):
    manifest = people(tmp_path / "in", 2)
    (tmp_path / "in" / "p0-after.png").unlink()
    with pytest.raises(Refused, match=r"1 of 2 people were not written \(person 0\)"):
        run(manifest, tmp_path / "out", Inline(Painter()))
    assert [record["status"] for record in audit_of(tmp_path / "out")["people"]] == ["failed", "written"]


def test_too_many_people_for_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("vera.cli.archive.TOGETHER", 2)
    with pytest.raises(VeraError, match="add --per-folder"):
        run(people(tmp_path / "in", 3), tmp_path / "out", Inline(Painter()))


def test_who_fails_or_kills_a_worker_has_another_try(tmp_path):
    manifest, once = people(tmp_path / "in", 5), tmp_path / "once"
    once.mkdir()
    run(manifest, tmp_path / "out", pool(die=("person 1",), fail=("person 3",), once=once))
    complete(tmp_path / "out", 5)
    assert {path.name for path in once.iterdir()} == {"person 1", "person 3"}
    with pytest.raises(Refused, match=r"1 of 1 people were not written \(person 0\): its worker process was ended by SIGKILL, twice"):
        run(people(tmp_path / "two", 1), tmp_path / "lost", pool(workers=1, die=("person 0",)))
    assert [record["status"] for record in audit_of(tmp_path / "lost")["people"]] == ["failed"]


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestKilled:
    """A driver with two workers, in a process of its own."""

    COUNT = 20

    @pytest.fixture
    def start(self, tmp_path):
        manifest = people(tmp_path / "in", self.COUNT)
        command = [sys.executable, "-m", "tests.unit.cli.painters", str(manifest), str(tmp_path / "out")]
        return lambda: subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "src"})

    def written(self, out):
        return len(list(out.glob("*/*.png")))

    def wait_for(self, out, more, process):
        while self.written(out) < more and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None, process.stderr.read()

    def children(self, process):
        return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]

    def workers(self, process):
        return [child for child in self.children(process) if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]

    @pytest.mark.parametrize("moments", [(21,), pytest.param((2, 14, 15, 33, 34, 47, 60, 70), marks=pytest.mark.slow)])
    def test_driver_and_workers(self, tmp_path, start, moments):
        out = tmp_path / "out"
        for moment in moments:
            driver = start()
            self.wait_for(out, moment, driver)
            os.kill(self.workers(driver)[0], signal.SIGKILL)
            self.wait_for(out, moment + 4, driver)
            orphans = self.workers(driver)
            driver.kill()
            driver.communicate()
            deadline = time.monotonic() + 60
            while any(map(is_alive, orphans)) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not any(map(is_alive, orphans)), "a worker outlives its driver"
        driver = start()
        told = driver.communicate()[1]
        assert driver.returncode == 0, told
        assert "were finished by an earlier call" in told
        complete(out, self.COUNT)


def test_an_interruption_leaves_nothing_hidden(tmp_path):
    def interrupt(person, identity, progress):
        raise KeyboardInterrupt

    painter = Painter()
    painter.anonymize = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(people(tmp_path / "in", 2), tmp_path / "out", Inline(painter))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", "2", "photo"), "--workers is for the people of a --manifest, and a photograph belongs to one person"),
        (("--per-folder", "2", "--person", "x", "manifest"), "--per-folder is for the people of a --manifest, and --person belongs to one"),
        (("--workers", "2", "--report", "manifest"), "--report is made by one process: leave --workers out"),
        (("--engine", "ray"), "--engine is for the people of a --manifest: name one"),
        (("--workers", "2", "--address", "auto", "manifest"), "--address names a Ray cluster: add --engine ray"),
    ],
)
def test_options_that_do_not_fit(refused, photo, manifest, tmp_path, arguments, said):
    given = {"photo": [photo("a.jpg")], "manifest": ["--manifest", manifest]}
    assert said in refused(*(part for name in arguments for part in given.get(name, [name])), "--out", tmp_path / "out")


def test_ray_that_is_not_installed(refused, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("vera.cli.ray_engine.find_spec", lambda name: None)
    assert "vera-anonymization[ray]" in refused("--engine", "ray", "--manifest", manifest, "--out", tmp_path / "out")


def test_the_command_hands_on_what_it_was_given(vera, manifest, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("vera.cli.archive.anonymize_archive", lambda archive, **given: calls.append((archive, given)))
    options = ("--preserve", "mouth", "--method", "blur", "--rename", "--per-folder", "3", "--no-mark", "--far", "0.01")
    options = (*options, "--unsupported", "cover")
    assert vera("anonymize", "--manifest", manifest, "--out", tmp_path / "out", "--workers", "2", "--threads", "1", *options)[0] == 0
    ((archive, given),) = calls
    assert given == {"workers": 2, "threads": 1, "ray": False, "address": None}
    assert (archive.per_folder, archive.rename, archive.mark, archive.format) == (3, True, False, None)
    assert archive.loader.settings == {
        "device": "cpu",
        "preserve": ["mouth"],
        "hair": False,
        "leave_others": False,
        "upright": "refuse",
        "unsupported": "cover",
        "false_accept_rate": 0.01,
        "method": "blur",
    }


def test_loading_that_fails_ends_the_call():
    with pytest.raises(VeraError, match="no weights"), Pool(refuse_to_load, workers=1, threads=1, again=bool, lost=max) as running:
        list(running.map([1]))


def refuse_to_load():
    raise VeraError("no weights")


def test_settings_are_the_loaders():
    assert Painter().settings == LOADER.settings


def test_digests_of_sources_are_in_the_record(tmp_path):
    manifest = people(tmp_path / "in", 1)
    run(manifest, tmp_path / "out", Inline(Painter()))
    (record,) = audit_of(tmp_path / "out")["people"]
    assert [file["digest"] for file in record["files"]] == [digest_of(tmp_path / "in" / f"p0-{role}.png") for role in ("before", "after")]
