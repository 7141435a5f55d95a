"""Several calls at once into one folder."""

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from vera.cli.anonymize import anonymize
from vera.cli.errors import told
from vera.cli.lock import LOCK, locked
from vera.cli.record import Obstacle


def at_once(count, work):
    """Run ``work(number)`` in so many children that start together; their exit codes."""
    start, go = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.close(go)
                os.read(start, 1)  # until the parent closes the pipe
                code = work(number)
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    os.close(start)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.mark.parametrize("count", [2, 8])
def test_calls_at_once_each_complete_or_refused(studio, tmp_path, files, count):
    photographs = [tmp_path / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(photographs):
        Image.fromarray(np.full((6, 5, 3), number, np.uint8)).save(path)
    out = tmp_path / "out"

    def work(number):
        try:
            anonymize(photographs=[photographs[number]], out=out, leave_others=False, hair=False, rename=False, overwrite=False)
        except Exception as error:
            said, code = told(error)
            (tmp_path / f"{number}.said").write_text(said)
            return code
        return 0

    codes = at_once(count, work)
    assert sorted(codes) == [0] + [2] * (count - 1)
    winner = codes.index(0)
    assert files(out) == [f"{winner}.png", f"{winner}.preserved.png", "audit.json"]
    assert [record["status"] for record in json.loads((out / "audit.json").read_text())["people"]] == ["written"]
    for path in tmp_path.glob("*.said"):
        assert "another call is writing into" in path.read_text() or "audit.json is there already" in path.read_text()


def test_nobody_else_is_inside(tmp_path):
    def work(number):
        inside = 0
        while inside < 50:
            try:
                with locked(tmp_path):
                    os.close(os.open(tmp_path / "inside", os.O_CREAT | os.O_EXCL))
                    inside += 1
                    (tmp_path / "inside").unlink()
            except Obstacle:
                os.sched_yield()
        return 0

    assert at_once(4, work) == [0] * 4
    assert not list(tmp_path.iterdir())


def test_what_a_killed_call_left_locks_nothing(tmp_path):
    (tmp_path / LOCK).touch()
    with locked(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path):
    (tmp_path / LOCK).symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path):
        raise AssertionError
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("answer", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(vera, studio, photo, tmp_path, monkeypatch, answer):
    def flock(*arguments):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr("fcntl.flock", flock)
    code, _, told = vera("anonymize", photo("a.jpg"), "--out", tmp_path / "out")
    assert code == 2
    assert "knows no locks" in told
    assert not studio.seen
