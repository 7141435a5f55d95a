"""Files that only their owner may read: audits and identities."""

from __future__ import annotations

from pathlib import Path

from vera.files import write_whole


def write_private(path: Path, content: bytes) -> Path:
    """Write a file of mode 0600, whole or not at all, see :func:`vera.files.write_whole`.

    Raises:
        OSError: it cannot be written.

    """
    return write_whole(path, content, private=True)
