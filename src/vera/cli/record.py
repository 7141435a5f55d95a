"""``audit.json`` as it is read again: the record of an output folder, checked before anything in it is believed.

Its names lead to files that may be replaced, so a record is used only if it is a file of this user's, no link, and shaped as VerA writes
it: every name is that of a picture, clip or HTML file in the folder itself, with the SHA-256 of its content. A file is then touched only
if its bytes still have that digest.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

from vera import files

AUDIT = "audit.json"
VERSION = 2
"""Version of the audit's form (``assets/audit/schema.json``). Version 1 had no key ``audit_version``, no chain and no masks."""
LARGEST = 2**28
"""DECISION: bytes of an audit that is read; a manifest of 10,000 people makes a tenth of it."""
OUTPUTS = (".png", ".dcm", ".mkv", ".mp4", ".html")
"""Endings of the names of outputs: pictures, clips, and reports."""
STATUSES = ("written", "refused", "failed", "placing")
STAGING = re.compile(r"\.vera-staging-[0-9a-f]{16}")
"""Names of the hidden folders in which a person's files wait, see :mod:`vera.cli.placing`."""
PART = re.compile(r"\.vera-[0-9a-f]{8}-[0-9a-f]{16}")
"""Names of unfinished files, see :func:`vera.files.part_of`."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Obstacle(Exception):
    """Something in the output folder is not VerA's, or not as VerA left it: one sentence that says what to do."""


def read_audit(path: Path, *, own: bool = True) -> dict[str, Any] | None:
    """The audit of earlier calls; None if there is none.

    Args:
        path: path of the audit's file.
        own: True to refuse another user's audit, whose names could lead to files that are replaced; False for reading only.

    Returns:
        ``vera``, ``people`` and ``earlier`` (records), and whatever else was written.

    Raises:
        Obstacle: what has its name is no audit of VerA and of this user.
        OSError: one may not look into the folder.

    """
    from vera.types import VeraError  # here, since they import numpy, and placing files needs neither
    from vera.untrusted import read_json

    if not files.exists(path):
        return None
    foreign = f"{path} is not an audit that VerA wrote for this user: move it away, or choose another folder with --out"
    if own and not files.is_own(path, stat.S_IFREG):
        raise Obstacle(foreign)
    try:
        audit = read_json(path, what="the audit", limit=LARGEST, follow=False)
        version = audit.get("audit_version", 1)
        audit.setdefault("earlier", [])
        records = [*audit["people"], *audit["earlier"]]
        sound = isinstance(audit["vera"], str) and _is_chain(audit.get("chain")) and all(_is_record(known) for known in records)
    except (VeraError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Obstacle(foreign) from error
    if version not in range(1, VERSION + 1):
        raise Obstacle(f"{path} has the version {version!r:.20}, and this VerA knows those up to {VERSION}: use the VerA that wrote it")
    names = [name for record in records if record["status"] != "placing" for name in outputs_of(record)]
    if not sound or len(set(names)) < len(names):
        raise Obstacle(foreign)
    return dict(audit)


def outputs_of(record: dict[str, Any]) -> dict[str, str]:
    """Names of the files that a record says were written, and their SHA-256."""
    pictures = {name: known for file in record["files"] for name, known in file["written"].items()}
    return {**pictures, **record.get("report", {})}


def _is_chain(chain: Any) -> bool:
    """Whether a chain has VerA's shape; None for an audit of version 1, which has none."""
    if chain is None:
        return True
    digests = [chain["opening"], chain["head"], *(entry[name] for entry in chain["records"] for name in ("digest", "link"))]
    return all(bool(_DIGEST.fullmatch(digest)) for digest in digests)


def _is_record(record: dict[str, Any]) -> bool:
    """Whether what is followed in a record has VerA's shape."""
    for file in record["files"]:
        if not (file["digest"] is None or _DIGEST.fullmatch(file["digest"])):
            return False
    for name, known in [*(pair for file in record["files"] for pair in file["written"].items()), *record.get("report", {}).items()]:
        if Path(name).name != name or "\0" in name or not name.endswith(OUTPUTS) or not _DIGEST.fullmatch(known):
            return False
    if record["status"] == "placing" and not STAGING.fullmatch(record["staging"]):
        return False
    saved = record.get("saved_identity")
    if saved is not None and not _DIGEST.fullmatch(saved["digest"]):
        return False
    if saved is not None and record["status"] == "placing" and not (PART.fullmatch(saved["staged"]) and PART.fullmatch(saved["aside"])):
        return False
    return record["status"] in STATUSES
