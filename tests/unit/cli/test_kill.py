"""Whatever stops ``vera anonymize``, at any file operation: no image without record, nothing of others lost, the same call goes."""

import errno
import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.folders import audit_of, facts

from vera import files as vera_files
from vera.anonymization.identity import Identity
from vera.cli.anonymize import anonymize
from vera.types import Anonymized, AnonymizedPerson, Refused

EVENTS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir", "shutil.rmtree", "fsync"}
LOOKS = {"os.listdir", "os.scandir", "shutil.rmtree", "fsync"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FOREIGN = {"notes.txt": b"not ours", "foreign.png": b"not ours either", ".hidden": b"", ".vera-lookalike": b"mine"}
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


class Shades:
    """Flat images, another shade for another seed."""

    def __init__(self, seed):
        self.seed, self.settings = seed, {"device": "cpu"}

    def anonymize(self, person, identity, progress):
        mask = np.zeros((4, 4), dtype=bool)
        flat = [np.full((4, 4, 3), self.seed + i, np.uint8) for i in range(len(person.entries))]
        images = [Anonymized(entry.name, pixels, mask, ~mask) for entry, pixels in zip(person.entries, flat, strict=True)]
        return AnonymizedPerson(person.id, images, facts(person, images)), f"face {self.seed}"

    def save_identity(self, identity, path):
        path.write_text(identity)


class Striker:
    """Counts the file operations below a folder, and does something before one of them; nothing waits for the disk meanwhile.

    Attributes:
        changes_only: count what changes names or files and not what looks at them: a kill before a look leaves what a kill before the next
            change leaves.

    """

    def __init__(self, root):
        self.root, self.at, self.strike, self.operations, self.on, self.changes_only = str(root), None, None, 0, True, False

    def happen(self, event, arguments):
        if self.on and event in EVENTS and any(isinstance(name, str | Path) and str(name).startswith(self.root) for name in arguments):
            if self.changes_only and (event in LOOKS or (event == "open" and not arguments[2] & WRITES)):
                return
            self.operations += 1
            if self.operations == self.at:
                self.strike()

    def fsync(self, descriptor):
        self.happen("fsync", (os.readlink(f"/proc/self/fd/{descriptor}"),))


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """Under nohup, or in the background of a shell, SIGHUP and SIGINT are ignored, and the tool leaves that as it is."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def striker(monkeypatch, tmp_path):
    striker = Striker(tmp_path / "in sight")
    monkeypatch.setattr(os, "fsync", striker.fsync)
    sys.addaudithook(striker.happen)
    monkeypatch.setattr("vera.cli.assembly.assemble", lambda bundle, device, options, **parts: Shades(options.seed))
    monkeypatch.setattr(Identity, "load", lambda path: None)
    yield striker
    striker.on = False  # such a hook stays until the process ends


@pytest.fixture
def call(striker):
    """Anonymize in this process, as a user does once nothing is in the way: how many file operations that took."""

    def run(*photographs, **options):
        striker.operations, striker.at = 0, None
        anonymize(photographs=list(photographs), **options)
        return striker.operations

    return run


@pytest.fixture
def killed(striker):
    """Anonymize in a child that kills itself before a change; ``call`` counts changes then."""
    striker.changes_only = True

    def run(at, *photographs, **options):
        striker.operations, striker.at = 0, at
        striker.strike = lambda: os.kill(os.getpid(), signal.SIGKILL)
        child = os.fork()
        if child == 0:
            try:
                anonymize(photographs=list(photographs), **options)
            finally:
                os._exit(1)  # not reached: the child kills itself
        striker.at = None
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    return run


@pytest.fixture
def struck(striker, vera, capfd):
    """Run the command line with a strike at one operation: (exit code, stderr)."""

    def run(at, strike, *photographs, **options):
        given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)[: 1 if value is True else 2]]
        capfd.readouterr()
        striker.operations, striker.at, striker.strike = 0, at, strike
        code, _, told = vera("anonymize", *photographs, *given)
        striker.at = None
        return code, told

    return run


class Scene:
    """A folder with files of others, maybe what an earlier call wrote, and the call that is stopped."""

    def __init__(self, folder, photographs):
        self.out, self.face = folder / "out", folder / "face"
        self.names = {"a.png", "a.preserved.png", "b.png", "b.preserved.png"}
        self.photographs, self.options = photographs, {"out": self.out, "seed": 40}
        self.identity = self.face.exists()
        if self.identity:
            self.options |= {"overwrite": True, "save_identity": self.face}
        self.before = self.images()

    def images(self):
        return {path.name: path.read_bytes() for path in self.out.iterdir() if path.suffix == ".png" and path.name not in FOREIGN}

    def check(self):
        """No image without its record, and nothing of others lost."""
        for name, content in FOREIGN.items():
            assert (self.out / name).read_bytes() == content
        audit = audit_of(self.out) if (self.out / "audit.json").exists() else {"people": []}
        records = [*audit["people"], *audit.get("earlier", [])]
        known = {(name, digest) for record in records for file in record["files"] for name, digest in file["written"].items()}
        for name, content in self.images().items():
            if not content:  # where there are no hard links, a name is taken so: no image yet
                assert name in dict(known)
                continue
            assert (name, hashlib.sha256(content).hexdigest()) in known
        return [record["status"] for record in audit["people"]]

    def hidden(self):
        return {path.name for folder in (self.out, self.out.parent) for path in folder.glob(".vera-*")} - FOREIGN.keys()

    def goes(self, call):
        """The same call, not stopped."""
        operations = call(*self.photographs, **self.options)
        assert self.check() == ["written"]
        assert self.images().keys() == self.names
        assert not self.hidden()
        assert not self.identity or self.face.read_text() == "face 40"
        return operations


@pytest.fixture(params=["fresh", "replacing"])
def scene(request, photo, call, tmp_path):
    """Make a scene of that name: a copy of one that is prepared once."""
    a, b, c = (photo(f"{name}.jpg", value) for name, value in (("a", 1), ("b", 2), ("c", 3)))
    prepared = tmp_path / "prepared"
    (prepared / "out").mkdir(parents=True)
    for name, content in FOREIGN.items():
        (prepared / "out" / name).write_bytes(content)
    if request.param == "replacing":
        call(a, c, out=prepared / "out", seed=90, save_identity=prepared / "face")
    return lambda name: Scene(shutil.copytree(prepared, tmp_path / "in sight" / str(name)), (a, b))


def test_killed_at_each_operation(scene, call, killed):
    operations = scene("whole").goes(call)
    assert operations > 30
    for at in range(1, operations + 1):
        one = scene(at)
        killed(at, *one.photographs, **one.options)
        one.check()
        one.goes(call)


@pytest.mark.parametrize("scene", ["replacing"], indirect=True)
def test_killed_where_there_are_no_hard_links(scene, call, killed, monkeypatch):
    def link(*arguments, **options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    operations = scene("whole").goes(call)
    for at in range(operations // 2, operations + 1):  # staging makes no links
        one = scene(at)
        killed(at, *one.photographs, **one.options)
        one.check()
        one.goes(call)


@pytest.mark.parametrize("scene", ["replacing"], indirect=True)
def test_killed_again_while_the_next_call_undoes(scene, call, killed, struck):
    operations = scene("whole").goes(call)
    for at in range(operations * 3 // 5, operations * 4 // 5, 3):  # in the middle of the moves
        for again in range(1 + at // 3 % 3, 17, 3):
            one = scene(f"{at} {again}")
            killed(at, *one.photographs, **one.options)
            killed(again, *one.photographs, **one.options)
            one.check()
            one.goes(call)


@pytest.mark.parametrize("scene", ["replacing"], indirect=True)
def test_what_was_there_before_a_kill_is_there_again_although_the_next_call_fails(scene, call, killed, struck, monkeypatch):
    def refuse(self, person, identity, progress):
        raise Refused("still recognised")

    operations = scene("whole").goes(call)
    for at in range(operations * 3 // 5, operations * 4 // 5, 2):
        one = scene(at)
        killed(at, *one.photographs, **one.options)
        with monkeypatch.context() as patched:
            patched.setattr(Shades, "anonymize", refuse)
            code, _ = struck(None, None, *one.photographs, **one.options)
        assert code == 3
        assert one.images() == one.before
        assert one.face.read_text() == "face 90"
        assert one.check() == ["refused"]
        assert not one.hidden()


@pytest.mark.parametrize("scene", ["replacing"], indirect=True)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_each_operation(scene, call, struck, number):
    operations = scene("whole").goes(call)
    for at in range(1 + list(SIGNALS).index(number), operations + 1, len(SIGNALS)):  # together they strike at each
        one = scene(at)
        code, told = struck(at, lambda: os.kill(os.getpid(), number), *one.photographs, **one.options)
        assert code == SIGNALS[number], (at, told)
        assert "Traceback" not in told
        images = one.images()
        assert images == one.before or images.keys() == one.names, "a part of a person"
        one.check()
        assert not one.hidden(), at
        one.goes(call)


@pytest.mark.parametrize("scene", ["replacing"], indirect=True)
def test_an_error_at_each_operation(scene, call, struck):
    def full():
        raise OSError(28, "No space left on device")

    operations = scene("whole").goes(call)
    for at in range(1, operations + 1):
        one = scene(at)
        code, told = struck(at, full, *one.photographs, **one.options)
        assert code in (0, 2), (at, told)
        assert code == 0 or len(told.strip().splitlines()) == 1, told
        images = one.images()
        assert images.keys() == one.names if code == 0 else images == one.before, at
        one.check()
        if at % 4 == 0:
            one.goes(call)


def test_killed_in_the_middle_of_each_write(scene, call, killed, monkeypatch):
    write, writes = vera_files.write_new, []

    def torn(path, content, **options):
        writes.append(path)
        if len(writes) == torn.at:
            path.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, content, **options)

    torn.at = None
    monkeypatch.setattr(vera_files, "write_new", torn)
    whole = scene("whole")
    writes.clear()
    whole.goes(call)
    count = len(writes)
    for at in range(1, count + 1):
        one = scene(at)
        writes.clear()
        torn.at = at
        killed(None, *one.photographs, **one.options)
        torn.at = None
        one.check()
        one.goes(call)
    assert count >= 4
