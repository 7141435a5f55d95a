"""The download: the images, the preserved masks, the audit and the report, byte for byte as they were written, in one ZIP."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vera.files import part_of
from vera.types import VeraError

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""Time of every entry: the time of writing is nobody's business, and the same files give the same ZIP."""


def pack(path: Path, out: Path, names: Sequence[str], *, identity: Path | None, review: Mapping[str, Any] | None) -> None:
    """Write a ZIP of a person's outputs, whole or not at all; no file is in memory as a whole.

    Args:
        path: the ZIP, readable by its owner only.
        out: output folder of the call.
        names: files in it, in the order of the ZIP.
        identity: file of the new face; None for none.
        review: the reviewer's confirmations; None for none.

    Raises:
        VeraError: a name leads out of the folder.
        OSError: it can't be written.

    """
    if any(Path(name).name != name or "\\" in name or name.startswith(".") for name in names):
        raise VeraError("an output's name leads out of its folder: nothing is packed")
    paths = [(name, out / name) for name in names] + ([("face.identity", identity)] if identity else [])
    part = part_of(path)
    try:
        # Stored, not compressed: PNG is compressed already.
        with open(part, "xb", opener=_private) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, source in paths:
                with source.open("rb") as content, archive.open(_entry(name, source.stat().st_size), "w") as entry:
                    shutil.copyfileobj(content, entry)
            if review:
                archive.writestr(_entry("review.json"), json.dumps(review, indent=2, ensure_ascii=False) + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _entry(name: str, size: int = 0) -> zipfile.ZipInfo:
    """An entry; its size tells beforehand whether it needs the ZIP's form for large files."""
    entry = zipfile.ZipInfo(name, FIRST_DAY)
    entry.external_attr = 0o600 << 16
    entry.file_size = size
    return entry
