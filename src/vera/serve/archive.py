"""The download: the images, the preserved masks and the audit, byte for byte as they were written, in one ZIP."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vera.types import VeraError

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""Time of every entry: the time of writing is nobody's business, and the same files give the same ZIP."""
LARGEST = 4 * 2**30
"""DECISION: bytes of all files of a download; it is made in memory."""


def zipped(out: Path, names: Sequence[str], *, identity: Path | None, review: Mapping[str, Any] | None) -> bytes:
    """A ZIP of a person's outputs.

    Args:
        out: output folder of the call.
        names: files in it, in the order of the ZIP.
        identity: file of the new face; None for none.
        review: the reviewer's confirmations; None for none.

    Raises:
        VeraError: a name leads out of the folder, or all files together are too large.

    """
    if any(Path(name).name != name or "\\" in name or name.startswith(".") for name in names):
        raise VeraError("an output's name leads out of its folder: nothing is packed")
    paths = [(name, out / name) for name in names] + ([("face.identity", identity)] if identity else [])
    if sum(path.stat().st_size for _, path in paths) > LARGEST:
        raise VeraError(f"the outputs have more than {LARGEST:,} bytes: anonymize fewer photographs at once")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for name, path in paths:
            archive.writestr(_entry(name), path.read_bytes())
        if review:
            archive.writestr(_entry("review.json"), json.dumps(review, indent=2, ensure_ascii=False) + "\n")
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, FIRST_DAY)
    entry.external_attr = 0o600 << 16
    return entry
