"""The owner-only folder of the uploads: emptied at the end, and at the next start where a server was killed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType

from vera import files
from vera.types import VeraError

SESSION = re.compile(r"vera-session-[0-9a-f]{16}")
"""Names of the folders of one run of the server: nothing else is ever removed."""
LOCK = ".vera-serve-lock"


def usual_folder() -> Path:
    """The folder of this user's uploads where none is named, below the system's folder of temporary files."""
    return Path(tempfile.gettempdir()) / f"vera-serve-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


class PrivateFolder(contextlib.AbstractContextManager["PrivateFolder"]):
    """A new folder that nobody else may read, while the context lasts.

    Each run has its own folder, so that a process of an earlier run that is still ending can write nowhere.

    Args:
        base: folder that holds it; made if it is not there.

    Raises:
        VeraError: on entering: the folder is somebody else's or a link, others may write in it, it can't be written, or another
            server uses it.

    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.path = base / f"vera-session-{secrets.token_hex(8)}"
        self._lock = -1

    def __enter__(self) -> PrivateFolder:
        advice = "name another with --folder"
        try:
            self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not files.is_own(self.base, stat.S_IFDIR):
                raise VeraError(f"the folder {self.base} belongs to somebody else, or is a link: {advice}")
            mode = self.base.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:  # who may rename the run's folder can put another in its place
                raise VeraError(f"others may write in the folder {self.base}: take that from them (chmod o-w), or {advice}")
            self._lock = os.open(self.base / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            self._take_lock()
            for name in os.listdir(self.base):
                if SESSION.fullmatch(name) and files.is_own(self.base / name, stat.S_IFDIR):
                    shutil.rmtree(self.base / name)  # photographs of a server that was killed
            self.path.mkdir(mode=0o700)
        except OSError as error:
            raise VeraError(f"the folder {self.base} can't be used ({error.strerror or error}): {advice}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def _take_lock(self) -> None:
        """Take the kernel's lock, which ends with this process however that ends."""
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise VeraError(f"another `vera serve` uses the folder {self.base}: end it, or name another folder with --folder") from error
