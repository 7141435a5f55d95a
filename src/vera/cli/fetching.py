"""A person's photographs and masks from addresses (:mod:`vera.data.remote`), on disk only while the person is worked on."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from vera.cli.placing import Staging
from vera.cli.plan import PlannedPerson
from vera.data.remote import Address, fetch, shown
from vera.faces.formats import MOST_BYTES


@contextlib.contextmanager
def fetched(person: PlannedPerson, staging: Staging) -> Iterator[PlannedPerson]:
    """Context of a person whose photographs and masks are on disk: in the person's hidden folder, which nobody else may read.

    At the end they are removed. After a kill they go with the hidden folder: before another try, at the end of the call, or by the next.

    Args:
        person: person of the plan, with paths or addresses; one without addresses stays as it is.
        staging: the person's hidden folder, which is made and removed again.

    Raises:
        VeraError: something can't be fetched. What is not there is left out, so that reading says so, as of a missing file.

    """
    if not _addresses(person):
        yield person
        return
    numbers = itertools.count()

    def local(file: Path) -> Path:
        if not isinstance(file, Address):
            return file
        folder = staging.read / str(next(numbers))  # so that every file keeps its name
        folder.mkdir()
        fetch(file, folder / file.name, most=MOST_BYTES)
        return folder / file.name

    try:
        for folder in (staging.path, staging.read):
            folder.mkdir(mode=0o700)
        entries = [replace(entry, path=local(entry.path), masks=tuple(map(local, entry.masks))) for entry in person.entries]
        yield replace(person, entries=tuple(entries))
    finally:
        shutil.rmtree(staging.read, ignore_errors=True)
        with contextlib.suppress(OSError):
            staging.path.rmdir()


def with_addresses(record: dict[str, Any], person: PlannedPerson, local: PlannedPerson) -> dict[str, Any]:
    """The record of a person, in which reason and warnings name the addresses instead of the files on disk.

    Args:
        record: the audit's record of the person.
        person: person of the plan, with the addresses.
        local: the same person with the fetched files.

    """
    names = [
        (shown(here), shown(there))
        for mine, theirs in zip(local.entries, person.entries, strict=True)
        for here, there in zip((mine.path, *mine.masks), (theirs.path, *theirs.masks), strict=True)
        if isinstance(there, Address)
    ]

    def named(text: str) -> str:
        for here, there in names:
            text = text.replace(here, there)
        return text

    changed: dict[str, Any] = {"reason": named(record["reason"])} if "reason" in record else {}
    if "warnings" in record:
        changed["warnings"] = [named(warning) for warning in record["warnings"]]
    return record | changed


def _addresses(person: PlannedPerson) -> bool:
    return any(isinstance(file, Address) for entry in person.entries for file in (entry.path, *entry.masks))
