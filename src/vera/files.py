"""Write files atomically: whole or not at all, never over foreign files, owner-only where they are private.

A file is first written under a hidden name in the same folder (a *part*), brought to the disk, and only then moved to its name. A part's
name has the same length whatever the file is called, so that every name that the file system takes can be written.

Only the standard library is needed here: nothing is known of photographs, and faults are ``OSError`` as the system gives them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL})
"""What file systems without hard links (FAT, some network shares) answer when they are asked for one."""

BLOCK = 1 << 16
"""Bytes that are read at once where the end of a file is looked for."""
TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
TURNS = frozenset({chr(0x200E), chr(0x200F), chr(0x061C)})
"""Unicode marks that change the direction of the text after them: a name may look like another."""
PATH_IN_TEXT = r"\s*(?<!\w)(?:~|[A-Za-z]:(?=\\))?[/\\]\S*[^\s,;.]"
"""Pattern of an absolute path in a text, up to the next space: as far as it can be told without quotes around it."""


def part_of(path: Path) -> Path:
    """A new hidden name beside a file: ``.vera-``, 8 digits that tell the file's name, ``-``, 16 random digits."""
    return path.with_name(f"{_stem(path)}{secrets.token_hex(8)}")


def write_whole(path: Path, content: bytes, *, private: bool = False) -> Path:
    """Write a file, or replace it, whole or not at all; an interruption leaves the earlier file and no part.

    Args:
        path: the file; its folder must be there. A link is replaced, never followed.
        content: all bytes of the new file.
        private: mode 0600. Otherwise what the process's umask leaves of 0666.

    Raises:
        OSError: it can't be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from vera.files import write_whole
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> path = write_whole(path, b"all or nothing")
        >>> path.read_bytes()
        b'all or nothing'

    """
    return _write_by(os.replace, path, content, private=private)


def write_into_run(path: Path, content: bytes) -> None:
    """Write a file of a training run or an evaluation, whole or not at all; its folder is made.

    Raises:
        VeraError: it can't be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        from vera.types import VeraError  # it brings torch along, which most callers of this module do without

        raise VeraError(f"{path} can't be written ({error.strerror}): choose another folder with run.folder=DIR") from error


def write_new(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file that is not there yet, and bring it to the disk.

    Raises:
        OSError: it is there, or can't be written; part of it may then be there.

    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600 if private else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_once(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, under a name that nothing has.

    Raises:
        FileExistsError: the name is taken.
        OSError: it can't be written.

    """
    return _write_by(place, path, content)


def finish(part: Path, path: Path) -> None:
    """Bring a file that a library wrote to the disk, and move it to its name; an earlier file is replaced.

    Args:
        part: the file as it was written, in the same folder.
        path: name that it gets.

    Raises:
        OSError: it can't be written.

    """
    sync_file(part)
    os.replace(part, path)
    sync_folder(path.parent)


@contextlib.contextmanager
def made_folder(path: Path) -> Iterator[None]:
    """Make a folder and those around it, where they are not there, and remove them again if nothing came into them.

    Args:
        path: path of the folder.

    Raises:
        OSError: it can't be made.

    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty, as it should be
            for folder in missing:
                folder.rmdir()


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder whole or not at all: the block fills a hidden folder, which gets its name when the block has ended well.

    Args:
        path: the folder; the folders above it are made, too.

    Raises:
        FileExistsError: the name is taken.
        OSError: it can't be written.

    """
    if exists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    part.mkdir()
    try:
        yield part
        for file in part.rglob("*"):
            sync_folder(file) if file.is_dir() else sync_file(file)
        sync_folder(part)
        os.rename(part, path)  # fails where a file or a folder with content came meanwhile
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Add whole lines to a file, which is made if it is not there; they are on the disk when this returns.

    A kill can leave the beginning of the lines: :func:`cut_unfinished` takes it away again.

    Raises:
        OSError: it can't be written.

    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def cut_unfinished(path: Path) -> None:
    """Cut off what follows the last newline of a file: a line that a kill left unfinished.

    Raises:
        OSError: it can't be written.

    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:  # from the end, block by block: a file of lines may be long
            start = max(0, end - BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)


def place(source: Path, target: Path) -> None:
    """Move a file to a name that nothing has; what is there, even if it came a moment ago, is never replaced.

    A hard link fails where the name is taken, then the old name goes. Where there are no hard links, the name is taken with an empty
    file, which the move replaces. A process that is killed in between leaves both names, or an empty file.

    Args:
        source: the file to move.
        target: its new name, on the same file system.

    Raises:
        FileExistsError: the name is taken.
        OSError: it can't be moved.

    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    else:
        source.unlink()
        return
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.replace(source, target)
    except OSError:
        target.unlink()
        raise


def is_empty(path: Path) -> bool:
    """Whether a name is a file without a byte, and no link."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == 0


def exists(path: Path) -> bool:
    """Whether a name is taken, even by a broken link.

    Raises:
        OSError: one may not look.

    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def digest(path: Path) -> str | None:
    """SHA-256 of a file's bytes, 64 hexadecimal digits; None for what is no file, or can't be read."""
    try:
        if not path.is_file():  # a pipe would never end
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # ValueError: no file's name holds a NUL
        return None


def own_digest(path: Path) -> str | None:
    """SHA-256 of a file, see :func:`digest`; None for a link, too, since VerA writes files only."""
    return None if path.is_symlink() else digest(path)


def is_own(path: Path, kind: int) -> bool:
    """Whether a name is a file (``stat.S_IFREG``) or folder (``stat.S_IFDIR``) of this process's user, and no link to one."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_IFMT(facts.st_mode) == kind and (not hasattr(os, "geteuid") or facts.st_uid == os.geteuid())


def remove_parts(path: Path) -> None:
    """Remove the parts of a file that a killed process left, if they are this user's.

    To be called only while no other process writes this file.

    Raises:
        OSError: the folder can't be read, or a part can't be removed.

    """
    known = _stem(path)
    for name in os.listdir(path.parent):
        if name.startswith(known) and _is_hex(name.removeprefix(known), 16) and is_own(path.with_name(name), stat.S_IFREG):
            path.with_name(name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system allows it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:  # some network shares only sync files
            raise
    finally:
        os.close(descriptor)


def printable(text: str) -> str:
    """Text without what can't be shown on one line: control characters, marks that turn the writing, bytes that are no UTF-8.

    Each is written as its bytes in hexadecimal, as in addresses (``%0A``), so that a name stays one name.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("".join(f"%{byte:02X}" for byte in os.fsencode(sign)) if _hides(sign) else sign for sign in text)


def storable(text: str) -> str:
    r"""Text as a JSON or YAML file can hold it: bytes that are no UTF-8 (a file's name in another encoding) become ``\udcXX``."""
    return text.encode("utf-8", "backslashreplace").decode()


def plain(value: Any) -> Any:
    """Convert a value to JSON's own types: mappings, sequences, sets and numpy's arrays and numbers (by their ``tolist``).

    A number that is not finite (nothing to measure) becomes null; what JSON does not know, its text.

    Examples:
        >>> from pathlib import Path
        >>> from vera.files import plain
        >>> plain({"path": Path("a/b"), "seam": float("nan"), 3: (1, True)})
        {'path': 'a/b', 'seam': None, '3': [1, True]}

    """
    if isinstance(value, Mapping):
        return {storable(str(key)): plain(item) for key, item in value.items()}
    if callable(listed := getattr(value, "tolist", None)):
        return plain(listed())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int | bool | None) else storable(str(value))


def _hides(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} or sign in TURNS or unicodedata.bidirectional(sign) in TURNING


def _write_by(move: Callable[[Path, Path], None], path: Path, content: bytes, *, private: bool = False) -> Path:
    """Write a part beside a file, and move it to the file's name."""
    part = part_of(path)
    try:
        write_new(part, content, private=private)
        move(part, path)
    finally:
        part.unlink(missing_ok=True)  # gone already when all went well
    sync_folder(path.parent)
    return path


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Args:
        path: file that some other code has written.

    Raises:
        OSError: it can't be opened, or the disk fails.

    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stem(path: Path) -> str:
    return f".vera-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and set(text) <= set("0123456789abcdef")
