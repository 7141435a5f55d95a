import errno
import hashlib
import os
import stat
import subprocess
import sys

import pytest

from vera import files


@pytest.fixture
def without_links(monkeypatch):
    def link(*arguments, **options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def test_a_file_is_written_whole_and_private(tmp_path):
    path = tmp_path / ("x" * 255)
    for content in (b"first", b"second"):
        files.write_whole(path, content, private=True)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0o027)
    try:
        files.write_whole(tmp_path / "shared", b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_what_fails_leaves_the_earlier_file(tmp_path, monkeypatch, operation, fault):
    path = tmp_path / "a"
    path.write_bytes(b"earlier")

    def fail(*arguments):
        raise fault

    monkeypatch.setattr(os, operation, fail)
    with pytest.raises(type(fault)):
        files.write_whole(path, b"new")
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("target")
    files.write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"mine"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("links", [True, False])
def test_placing_replaces_nothing(tmp_path, request, links):
    if not links:
        request.getfixturevalue("without_links")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    files.place(source, target)
    assert target.read_bytes() == b"new"
    assert not source.exists()
    for other in ("file", "dangling", "folder"):
        path = tmp_path / other
        {"file": path.touch, "dangling": lambda path=path: path.symlink_to("nowhere"), "folder": path.mkdir}[other]()
        with pytest.raises(FileExistsError):
            files.place(target, path)
    assert target.read_bytes() == b"new"


def test_placing_gives_a_name_free_again_when_the_move_fails(tmp_path, without_links, monkeypatch):
    def replace(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", replace)
    (tmp_path / "source").write_bytes(b"new")
    with pytest.raises(OSError, match="Input/output"):
        files.place(tmp_path / "source", tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_written_once(tmp_path, request, links):
    if not links:
        request.getfixturevalue("without_links")
    files.write_once(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        files.write_once(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_what_a_library_wrote_is_finished(tmp_path):
    (tmp_path / "a").write_bytes(b"earlier")
    (tmp_path / "part").write_bytes(b"new")
    files.finish(tmp_path / "part", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_folder_is_made_whole(tmp_path):
    with files.new_folder(tmp_path / "above" / "a") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_bytes(b"1")
        assert list((tmp_path / "above").iterdir()) == [folder]
        assert folder.name.startswith(".vera-")
    assert (tmp_path / "above" / "a" / "inner" / "file").read_bytes() == b"1"
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["a"]


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_fails_leaves_nothing(tmp_path, fault):
    def fill():
        with files.new_folder(tmp_path / "a") as folder:
            (folder / "file").write_bytes(b"1")
            raise fault

    with pytest.raises(type(fault)):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_new_folder_replaces_nothing(tmp_path):
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError), files.new_folder(tmp_path / name):
            raise AssertionError

    def fill():
        with files.new_folder(tmp_path / "late"):
            (tmp_path / "late").mkdir()
            (tmp_path / "late" / "theirs").write_bytes(b"theirs")

    with pytest.raises(OSError, match="not empty"):
        fill()
    assert (tmp_path / "late" / "theirs").read_bytes() == b"theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"there", "link", "late"}


@pytest.mark.parametrize("rest", [b"", b"half a line", b"x" * (files.BLOCK + 7)])
@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\n" + b"y" * files.BLOCK + b"\n"])
def test_an_unfinished_line_is_cut_off(tmp_path, whole, rest):
    files.append(tmp_path / "lines", whole)
    files.append(tmp_path / "lines", rest)
    assert (tmp_path / "lines").read_bytes() == whole + rest
    files.cut_unfinished(tmp_path / "lines")
    assert (tmp_path / "lines").read_bytes() == whole


def test_parts_of_this_file_alone_are_removed(tmp_path):
    path = tmp_path / "a"
    part, other = files.part_of(path), files.part_of(tmp_path / "b")
    kept = [other, tmp_path / f"{part.name}0", tmp_path / ".vera-mine"]
    for file in (part, *kept):
        file.touch()
    linked = files.part_of(path)
    linked.symlink_to("b")
    files.remove_parts(path)
    assert set(tmp_path.iterdir()) == {*kept, linked}


def test_digests(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    known = hashlib.sha256(b"a").hexdigest()
    assert [files.digest(tmp_path / name) for name in ("a", "link", "pipe", "none", "a\0")] == [known, known, None, None, None]
    assert [files.own_digest(tmp_path / name) for name in ("a", "link")] == [known, None]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ärztin 7, links.jpg", "Ärztin 7, links.jpg"),
        ("a\nb\x1b\x7f", "a%0Ab%1B%7F"),
        ("\u202eabc\u200f\u2028", "%E2%80%AEabc%E2%80%8F%E2%80%A8"),
        (os.fsdecode(b"caf\xe9"), "caf%E9"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_text_that_can_be_shown(text, shown):
    assert files.printable(text) == shown


def test_text_that_a_record_can_hold():
    assert files.storable("Ärztin\n") == "Ärztin\n"
    assert files.storable(os.fsdecode(b"caf\xe9")) == "caf\\udce9"


def test_placing_is_known_without_networks():
    code = "import sys; import vera.files, vera.cli.placing, vera.cli.lock, vera.cli.stopping; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
