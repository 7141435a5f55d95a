"""Files that only their owner may read: audits and identities."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes) -> Path:
    """Write a file of mode 0600, whole or not at all; an interruption leaves no temporary file.

    Raises:
        OSError: it cannot be written.

    """
    descriptor, temporary = tempfile.mkstemp(prefix=".vera-", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)  # gone already when all went well
    return path
