"""Lock an output folder, so that only one call writes there at a time."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vera.cli.record import Obstacle

LOCK = ".vera-lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or refuse at once.

    The lock is the kernel's, on a hidden file, so that it ends with the process however that ends: a file that a killed call left locks
    nothing. The holder removes the file at its end; who opened the removed file meanwhile sees that its name is gone, and tries again.

    DECISION: where a file system (or system) knows no locks, the call is refused: two calls at once could not see each other there.

    Args:
        folder: an existing folder, which is locked as a whole.

    Raises:
        Obstacle: another call holds it, or there are no locks.
        OSError: the lock's file can't be made.

    """
    path = folder / LOCK
    descriptor = _acquire(path)
    while not _has_name(descriptor, path):
        os.close(descriptor)
        descriptor = _acquire(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a lock's file that stays locks nothing
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    none = f"the file system of {path.parent} knows no locks: choose a folder on another disk with --out"
    try:
        import fcntl
    except ImportError as error:  # pragma: no cover  (no POSIX)
        raise Obstacle(none) from error
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            raise Obstacle(f"another call is writing into {path.parent}: wait for its end, or choose another folder with --out") from error
        raise Obstacle(none) from error
    return descriptor


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
